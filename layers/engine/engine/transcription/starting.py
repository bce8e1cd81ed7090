"""Starting a job upstream, by the function that the app called or by the worker, and how that ends."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from engine.credits import hold_items, holds
from engine.credits.hold_items import RELEASED, Hold
from engine.platform.act import Act, by_system
from engine.platform.errors import UpstreamFailed, UpstreamRefused
from engine.platform.ids import is_job_id
from engine.platform.logs import upstream_call
from engine.platform.table import Cancelled, ConditionFailed, Write
from engine.platform.times import iso
from engine.transcription import jobs, mirror, outcomes
from engine.transcription.answers import Mirrored, failed, give_back
from engine.transcription.gateway import Gateway
from engine.transcription.upstream import NotSent, Unknown, UpstreamAnswer
from engine.web.http import dump

PAUSES_S: Final = (0.0, 1.0, 2.0, 4.0)
"""Before each of the worker's tries; it tries again only while nothing could be sent."""

PRIVATE_REFUSALS = frozenset({401, 402, 403})
"""Upstream refusing our credential, or our money, is our failure, not the user's."""


class Unanswered(Exception):
    """The request was sent and its outcome is not known: the credit stays held."""


def start(gateway: Gateway, hold: Hold, url: str, act: Act) -> Mirrored:
    """Ask upstream to begin the job that `hold` pays for.

    Raises `NotSent` (nothing has changed), `Unanswered`, and `UpstreamRefused` or `UpstreamFailed`
    (the credit was given back); `Busy` or `OutcomeUnknown`.
    """
    try:
        answer = gateway.upstream.transcribe(
            url, jobs.own_id(hold.jti), gateway.secret, gateway.timeout_s
        )
    except NotSent:
        upstream_call("transcribe", 0, reason="not_sent")
        gateway.breaker.failed()
        raise
    except Unknown as unknown:
        upstream_call("transcribe", 0, reason=unknown.kind)
        gateway.breaker.failed()
        if unknown.kind == "timeout":
            gateway.breaker.slowed()
            raise Unanswered() from None
        raise give_back(gateway.ledger, hold, act, failed(unknown.kind)) from None
    upstream_call("transcribe", answer.status)
    if answer.status >= 500:
        gateway.breaker.failed()
    else:
        gateway.breaker.succeeded()
    return _concluded(gateway, hold, url, answer, act)


def perform(gateway: Gateway, user: str, jti: str, now: int) -> str:
    """Make the call that was handed over, once, however often its message comes; a word for the log.

    Raises `Busy` or `OutcomeUnknown`: the message must come again.
    """
    job = jobs.read(gateway.ledger, jobs.own_id(jti))
    hold = hold_items.find(gateway.ledger.table, user, jti)
    if job is None or hold is None:
        return "unknown"
    if not holds.elect(gateway.ledger, hold, now):
        return "done before"
    act = by_system("worker", str(hold.claimed_by), "transcription started", at=now)
    try:
        return _tried(replace(gateway, public=job["public"]), hold, job["url"], act)
    except Unanswered:
        return "unanswered"
    except UpstreamFailed:
        return "refused"


def adopt(gateway: Gateway, hold: Hold, job_id: str, now: int) -> Hold:
    """The hold with upstream's id of its job, as upstream's webhook tells it; unchanged where it has one.

    Raises `Busy` or `OutcomeUnknown`.
    """
    writes: list[Write] = [holds.name_job(hold, job_id), jobs.named(hold, job_id, now)]
    try:
        gateway.ledger.transact_patiently(writes)
    except Cancelled:
        return hold_items.again(gateway.ledger.table, hold)
    return replace(hold, job_id=job_id)


def _tried(gateway: Gateway, hold: Hold, url: str, act: Act) -> str:
    for pause_s in PAUSES_S:
        gateway.sleep(pause_s)
        try:
            start(gateway, hold, url, act)
        except NotSent:
            continue
        return "started"
    raise give_back(gateway.ledger, hold, act, failed("unreachable"))


def _concluded(
    gateway: Gateway, hold: Hold, url: str, answer: UpstreamAnswer, act: Act
) -> Mirrored:
    if not 200 <= answer.status < 300:
        raise give_back(gateway.ledger, hold, act, _refused(gateway, answer))
    job_id = _job_id(answer.members)
    if not job_id:
        raise give_back(gateway.ledger, hold, act, failed("no_job_id"))
    if outcomes.end_of(answer.members) == RELEASED:
        raise give_back(gateway.ledger, hold, act, failed("job_failed"))
    members = mirror.submitted(
        outcomes.without_text(answer.members),
        mirror.Job(job_id, url, iso(act.at)),
        upstream=gateway.upstream.base,
        public=gateway.public,
    )
    mirrored = Mirrored(answer.status, dump(members))
    if not _kept(gateway, hold, job_id, mirrored, act.at):
        raise give_back(gateway.ledger, hold, act, failed("job_id_taken"))
    return mirrored


def _job_id(members: Mapping[str, Any]) -> str:
    """Upstream's id of the job, empty where there is none by which it can be asked for."""
    found = members.get("id") or members.get("request_id")
    text = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    return text if is_job_id(text) and text != jobs.PING else ""


def _refused(gateway: Gateway, answer: UpstreamAnswer) -> UpstreamFailed:
    """Upstream's own 4xx is passed on, but for what concerns only it and us; the rest is our 502."""
    if not 400 <= answer.status < 500 or answer.status in PRIVATE_REFUSALS:
        return failed(f"status_{answer.status}")
    told = outcomes.without_text(answer.members)
    members = mirror.without_addresses(told, told, gateway.upstream.base, gateway.public)
    waits = {"Retry-After": answer.retry_after} if answer.retry_after else {}
    return UpstreamRefused(answer.status, members, waits)


def _kept(gateway: Gateway, hold: Hold, job_id: str, answer: Mirrored, now: int) -> bool:
    """Whether the job was put under upstream's id, and then the answer kept with the hold. In this order a
    hold names only a job that is there; one that does not name its job yet is as if upstream's answer was
    lost.

    Raises `Busy` or `OutcomeUnknown`: the same call again is then told that the job is under way, and
    reads it under our own id.
    """
    if not jobs.name(gateway.ledger, hold, job_id, now):
        return False
    try:
        gateway.ledger.table.write(holds.keep_answer(hold, job_id, answer.kept()))
    except ConditionFailed:
        return False
    gateway.questions.saw(job_id, replace(hold, job_id=job_id))
    return True
