"""The transcription service's webhook: one POST when a job ends, signed, and perhaps never delivered.

Format: hex HMAC-SHA256 of the compact JSON of six members in their order (`SIGNED`); `error` and
`cacheHit` are not signed and not looked at. `idempotencyKey` is the hex SHA-256 of
`<jobId>-<status>-<timestamp>`, `timestamp` ISO 8601.

It is a hint: upstream is asked for the job before its credit is captured, so that the text is in hand.
A job whose credit has already been given back is charged where its text is delivered, not here. A
repeated notice moves no money: an end settles a hold once.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from engine.access.keyrings import Ring
from engine.credits import hold_items, holds
from engine.credits.hold_items import RELEASED, Hold
from engine.platform.act import Act
from engine.platform.errors import (
    CircuitOpen,
    InvalidRequest,
    Unauthorized,
    UpstreamFailed,
    UpstreamTimedOut,
)
from engine.platform.ids import JOB_ID
from engine.platform.logs import job_webhook
from engine.transcription import asking, jobs, settling, starting
from engine.transcription.gateway import Gateway
from engine.web.http import dump, parse_object

SIGNED: Final = ("jobId", "requestId", "status", "usage", "timestamp", "idempotencyKey")
TOLERANCE_S = 300
"""How far a webhook's time may lie from ours, in both directions."""


class _Text(Struct):
    """The signed members, letter by letter as they were sent."""

    jobId: Raw  # noqa: N815 - upstream's names
    requestId: Raw  # noqa: N815
    status: Raw
    usage: Raw
    timestamp: Raw
    idempotencyKey: Raw  # noqa: N815
    signature: str


class _Form(Struct, rename="camel"):
    """What is used of it."""

    job_id: Annotated[str, Meta(pattern=JOB_ID)]
    request_id: Annotated[str, Meta(pattern=JOB_ID)]
    status: Literal["completed", "failed"]
    timestamp: Annotated[str, Meta(max_length=40)]
    idempotency_key: Annotated[str, Meta(max_length=128)]


@dataclass(frozen=True, slots=True)
class Notice:
    """A verified webhook: upstream's id of the job, ours, and how upstream says it ended."""

    job_id: str
    own_id: str
    status: str


def verify(raw: bytes, ring: Ring, *, now: int) -> Notice:
    """The notice in a body that a secret of `ring` signed recently.

    Raises `Unauthorized` (not signed, or not by it) and `InvalidRequest` (signed, but not of the form,
    or too old).
    """
    try:
        text = msgspec.json.decode(raw, type=_Text)
        writings = _writings(text, parse_object(raw))
    except (msgspec.DecodeError, ValueError, RecursionError, InvalidRequest):
        raise Unauthorized("not signed", scheme="TTTranscribe") from None
    signed = any(
        hmac.compare_digest(_signature(secret, written), text.signature.encode())
        for secret in ring.secrets
        for written in writings
    )
    if not signed:
        raise Unauthorized("bad signature", scheme="TTTranscribe")
    try:
        form = msgspec.json.decode(raw, type=_Form)
    except msgspec.DecodeError:
        raise InvalidRequest("This is not the notice of a job.") from None
    _require_fresh(form.timestamp, now)
    key = f"{form.job_id}-{form.status}-{form.timestamp}"
    if hashlib.sha256(key.encode()).hexdigest() != form.idempotency_key:
        raise InvalidRequest("The idempotencyKey is not that of this notice.")
    return Notice(form.job_id, form.request_id, form.status)


def receive(gateway: Gateway, notice: Notice, act: Act) -> dict[str, Any]:
    """Settle the hold of the job that ended; the answer's members. What is not known is passed over.

    Raises `Busy` or `OutcomeUnknown`: upstream keeps the notice, and the job is asked for by others.
    """
    hold = _hold(gateway, notice)
    if hold is not None and hold.job_id is None:
        hold = starting.adopt(gateway, hold, notice.job_id, act.at)
    if hold is None or hold.job_id != notice.job_id:
        job_webhook(notice.own_id, "passed over")
        return {"ok": True, "known": False}
    hold = _settled(gateway, hold, notice, act)
    job_webhook(notice.own_id, hold.state)
    return {"ok": True, "known": True, "jobId": notice.job_id}


def _settled(gateway: Gateway, hold: Hold, notice: Notice, act: Act) -> Hold:
    item = jobs.read(gateway.ledger, notice.job_id)
    if item is None:
        return hold
    try:
        heard = asking.hear(gateway, item, act.at, at_once=True)
    except (CircuitOpen, UpstreamFailed, UpstreamTimedOut):
        if notice.status == "completed":
            return hold
        reasoned = replace(act, reason="transcription failed")
        jobs.keep_cause(gateway.ledger, hold, reasoned.reason, act.at)
        return holds.settle(gateway.ledger, hold, RELEASED, reasoned)
    if hold.is_resolved:
        return hold
    return settling.settled(gateway, hold, heard, act)[0]


def _hold(gateway: Gateway, notice: Notice) -> Hold | None:
    job = jobs.read(gateway.ledger, notice.own_id)
    return None if job is None else hold_items.find(gateway.ledger.table, job["user"], job["jti"])


def _writings(text: _Text, members: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The signed members as they were sent, and as they are written anew from their values."""
    sent = (f'"{name}":'.encode() + bytes(getattr(text, name)) for name in SIGNED)
    anew = dump({name: members[name] for name in SIGNED})
    return b"{" + b",".join(sent) + b"}", anew.encode()


def _signature(secret: str, written: bytes) -> bytes:
    return hmac.new(secret.encode(), written, hashlib.sha256).hexdigest().encode()


def _require_fresh(timestamp: str, now: int) -> None:
    try:
        at = datetime.fromisoformat(timestamp)
    except ValueError:
        raise InvalidRequest("The timestamp cannot be read.") from None
    if at.tzinfo is None or abs(at.timestamp() - now) > TOLERANCE_S:
        raise InvalidRequest("The notice is too old.", details={"field": "timestamp"})
