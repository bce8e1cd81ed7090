"""The transcription proxy: a vended token starts one job, its owner reads how it goes.

The token's hold is claimed by a transaction before upstream is called: the same call again gets the
first answer, another call is refused. This function calls upstream itself and waits for as long as the
app can. What it could not send, and everything while upstream is known to be slow, is handed to the
worker, which waits for ten minutes; a call that was sent is never sent again, as upstream would start a
second job.
"""

from dataclasses import replace
from typing import Any

from engine.access.tokens import VendedToken
from engine.credits import holds
from engine.credits.holds import CAPTURED, OPEN, RELEASED, SPENT, WRITTEN_OFF, Hold
from engine.credits.vending import claim_write
from engine.ledger.items import account_pk
from engine.metadata import links
from engine.platform.act import Act
from engine.platform.errors import (
    Busy,
    CircuitOpen,
    EngineError,
    JobNotFound,
    KeyReused,
    OutcomeUnknown,
    TokenAlreadyUsed,
    Unauthorized,
)
from engine.platform.handover import NotHandedOver
from engine.platform.ids import digest
from engine.platform.table import Cancelled, Put, Write
from engine.platform.times import iso
from engine.transcription import jobs, mirror, starting
from engine.transcription.jobs import Gateway
from engine.transcription.starting import Mirrored, Unanswered
from engine.transcription.upstream import NotSent
from engine.web.http import dump
from engine.web.idempotency import KEEP_S

CREDIT_WORDS = {
    OPEN: "held",
    SPENT: "captured",
    CAPTURED: "captured",
    RELEASED: "released",
    WRITTEN_OFF: "released",
}
SWEEP_AFTER_S = 300
LOOK_EVERY_S = (0.05, 0.1, 0.2)
"""Between looks at what the worker has done; the last one is kept on with."""


def submit(
    gateway: Gateway, token: VendedToken, url: str, act: Act, *, key: str | None = None
) -> Mirrored:
    """Start the job that `token` paid for, once for the token, and once for the request id `key`.

    Raises `InvalidUrl`, `Unauthorized`, `TokenAlreadyUsed`, `KeyReused`; `CircuitOpen`,
    `UpstreamRefused` and `UpstreamFailed` (the credit was given back); `Busy`, `OutcomeUnknown`.
    """
    post = links.parse(url)
    hold = _claim(gateway, token, post.url, key, act)
    known = starting.first_answer(hold)
    if known is not None:
        return known
    if hold.claimed_by != act.request_id:
        return _still_running(hold, post.url, gateway.public, replayed=True)
    return _begin(gateway, hold, post.url, act)


def status(gateway: Gateway, user: str, job_id: str, act: Act) -> Mirrored:
    """How `user`'s job goes; an end settles its hold.

    Raises `JobNotFound` (also for somebody else's job, and for one that upstream does not know any
    more), `CircuitOpen`, `UpstreamFailed`, `UpstreamTimedOut`, `Busy`.
    """
    hold, item = jobs.known(gateway.ledger, user, job_id)
    if hold.job_id is not None and hold.job_id != job_id:
        item = jobs.read(gateway.ledger, hold.job_id) or {}
    if not item or hold.job_id is None:
        return Mirrored(200, dump(_not_heard_of(hold, job_id)))
    heard = jobs.hear(gateway, item, act.at)
    hold = jobs.settled(gateway.ledger, hold, heard, act)
    if heard.missing_since is not None:
        raise _forgotten(hold)
    if heard.members is None:
        return Mirrored(200, dump(_not_heard_of(hold, job_id)))
    members = mirror.status(
        heard.members,
        job_id=job_id,
        credit=CREDIT_WORDS[hold.state],
        upstream=gateway.upstream.base,
        public=gateway.public,
    )
    return Mirrored(200, dump(members))


def _begin(gateway: Gateway, hold: Hold, url: str, act: Act) -> Mirrored:
    """Call upstream, here or by the worker."""
    give_up_at = gateway.monotonic() + gateway.timeout_s
    try:
        gateway.breaker.admit()
    except CircuitOpen as paused:
        raise starting.give_back(gateway, hold, act, paused) from None
    if gateway.breaker.is_slow() and _handed_over(gateway, hold):
        return _awaited(gateway, hold, url, give_up_at)
    try:
        return starting.start(gateway, hold, url, act)
    except NotSent:
        if _handed_over(gateway, hold):
            return _awaited(gateway, hold, url, give_up_at)
        error = starting.failed("unreachable")
        raise starting.give_back(gateway, hold, act, error) from None
    except Unanswered:
        return _still_running(hold, url, gateway.public)


def _handed_over(gateway: Gateway, hold: Hold) -> bool:
    try:
        gateway.handover.send(hold.user, hold.jti)
    except NotHandedOver:
        return False
    return True


def _awaited(gateway: Gateway, hold: Hold, url: str, give_up_at: float) -> Mirrored:
    """What the worker has been answered, or that it is still at it."""
    looks = iter(LOOK_EVERY_S)
    pause_s = next(looks)
    while gateway.monotonic() + pause_s < give_up_at:
        gateway.sleep(pause_s)
        pause_s = next(looks, pause_s)
        found = holds.find(gateway.ledger.table, hold.user, hold.jti)
        known = starting.first_answer(found) if found is not None else None
        if known is not None:
            return replace(known, replayed=False)
    return _still_running(hold, url, gateway.public)


def _claim(gateway: Gateway, token: VendedToken, url: str, key: str | None, act: Act) -> Hold:
    """The hold of `token`, claimed for `url` by this call or, the same, by an earlier one; or the hold
    that an earlier call with the same request id claimed for it.
    """
    claim = digest("transcribe", url)
    by = act.request_id
    writes: list[Write] = [
        claim_write(token.user, token.jti, claim, by, act.at, look_at=act.at + SWEEP_AFTER_S),
        jobs.begun(token.user, token.jti, url, gateway.public, act.at),
    ]
    if key is not None:
        writes.append(_request(token, key, claim, act.at))
    try:
        gateway.ledger.transact_patiently(writes)
    except Cancelled:
        return _earlier(gateway, token, claim, key)
    except OutcomeUnknown:
        found = holds.find(gateway.ledger.table, token.user, token.jti)
        if found is None or (found.claim, found.claimed_by) != (claim, by):
            raise
    return _found(gateway, token)


def _earlier(gateway: Gateway, token: VendedToken, claim: str, key: str | None) -> Hold:
    """The hold that an earlier call claimed. The store may tell one of several refusals alone, so it is
    read what stands there; the token's own goes first.
    """
    table = gateway.ledger.table
    item = table.get(account_pk(token.user), holds.hold_sk(token.jti[: holds.NAME_LENGTH]))
    if item is None or item["jti"] != token.jti:
        raise Unauthorized("unknown")
    if item.get("claim") == claim:
        return holds.read(item)
    if "claim" in item:
        raise TokenAlreadyUsed()
    if item["state"] not in (OPEN, SPENT):
        raise Unauthorized("released")
    record = table.get(account_pk(token.user), _request_sk(key)) if key is not None else None
    if record is None:
        raise Busy()
    if record["fingerprint"] != claim:
        raise KeyReused()
    return _found(gateway, replace(token, jti=record["jti"]))


def _request(token: VendedToken, key: str, claim: str, now: int) -> Put:
    """The record of the client's request id, which names the hold that pays for it."""
    item = {
        "pk": account_pk(token.user),
        "sk": _request_sk(key),
        "jti": token.jti,
        "fingerprint": claim,
        "ttl": now + KEEP_S,
    }
    return Put(
        item,
        condition="attribute_not_exists(pk) OR #ttl < :now",
        names={"#ttl": "ttl"},
        values={":now": now},
    )


def _request_sk(key: str) -> str:
    return f"R#transcribe#{digest(key)}"


def _found(gateway: Gateway, token: VendedToken) -> Hold:
    hold = holds.find(gateway.ledger.table, token.user, token.jti)
    if hold is None:
        raise Unauthorized("unknown")
    return hold


def _still_running(hold: Hold, url: str, public: str, *, replayed: bool = False) -> Mirrored:
    """The call is under way, and the job answers under our own id."""
    job_id = jobs.own_id(hold.jti)
    members = {
        "ok": True,
        "jobId": job_id,
        "request_id": job_id,
        "status": "processing",
        "url": url,
        "submittedAt": iso(hold.issued_at),
        "estimatedTime": None,
        "statusUrl": f"{public}/ttt/status/{job_id}",
    }
    return Mirrored(202, dump(members), replayed=replayed)


def _not_heard_of(hold: Hold, job_id: str) -> dict[str, Any]:
    """What is known of a job of which upstream has said nothing yet."""
    running = hold.state in (OPEN, SPENT)
    return {
        "ok": running,
        "jobId": job_id,
        "status": "processing" if running else "failed",
        "progress": 0,
        "transcript": None,
        "text": None,
        "confidence": None,
        "language": None,
        "duration": None,
        "credit": CREDIT_WORDS[hold.state],
        "guidance": None if running else starting.RELEASED_GUIDANCE,
    }


def _forgotten(hold: Hold) -> EngineError:
    """Upstream does not know the job: it was restarted, and may or may not come back to it."""
    error = JobNotFound("The job is not known any more.")
    error.members["credit"] = CREDIT_WORDS[hold.state]
    if hold.state == RELEASED:
        error.guidance = starting.RELEASED_GUIDANCE
    else:
        error.guidance = "Ask again in two minutes: your credit comes back if the job does not."
    return error
