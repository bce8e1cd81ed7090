"""The transcription proxy: a vended token starts one job, its owner reads how it goes.

The token's hold is claimed by a conditional update before upstream is called, and upstream's answer is
kept with it: the same call again gets the first answer, another call is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine import holds, mirror, tiktok
from engine.errors import (
    JobNotFound,
    TokenAlreadyUsed,
    Unauthorized,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamTimedOut,
)
from engine.holds import CAPTURED, OPEN, RELEASED, SPENT, WRITTEN_OFF, Hold
from engine.http import dump
from engine.idempotency import KEEP_S
from engine.ids import digest, is_job_id, iso
from engine.ledger import Ledger
from engine.ledger_items import account_pk
from engine.logs import upstream_call
from engine.origin import Origin
from engine.table import Cancelled, ConditionFailed, Put, Update
from engine.tokens import VendedToken
from engine.upstream import NotSent, Unknown, Upstream, UpstreamAnswer
from engine.vending import claim_write

CREDIT_WORDS = {
    OPEN: "held",
    SPENT: "captured",
    CAPTURED: "captured",
    RELEASED: "released",
    WRITTEN_OFF: "released",
}
OWN_JOB = "job-"
PRIVATE_REFUSALS = frozenset({401, 402, 403})
"""Upstream refusing our credential, or our money, is our failure, never the user's."""

SWEEP_AFTER_S = 300
RELEASED_GUIDANCE = "Your credit was given back. Vend anew and try again."


@dataclass(frozen=True, slots=True)
class Gateway:
    """What a call to upstream needs; `public` is the origin that the app called."""

    ledger: Ledger
    upstream: Upstream
    secret: str
    timeout_s: float
    public: str


@dataclass(frozen=True, slots=True)
class Mirrored:
    """An answer for the app: upstream's status and members, plus ours."""

    status: int
    body: str
    replayed: bool = False


def submit(gateway: Gateway, token: VendedToken, url: str, origin: Origin, *, now: int) -> Mirrored:
    """Start the job that `token` paid for.

    Raises `InvalidUrl`, `Unauthorized`, `TokenAlreadyUsed`, `UpstreamRefused` and `UpstreamFailed`
    (the credit is given back), `UpstreamTimedOut` (it stays held until the outcome is known), `Busy`.
    """
    post = tiktok.parse(url)
    hold = _claim(gateway, token, post.url, origin, now)
    if hold.answer is not None:
        return Mirrored(hold.answer["status"], hold.answer["body"], replayed=True)
    if hold.state == RELEASED:
        raise _returned()
    if hold.claimed_by != origin.request_id:
        return _still_running(hold, post.url, gateway.public)
    answer = _start(gateway, hold, post.url, origin, now)
    job_id = str(answer.members.get("id") or answer.members.get("request_id") or "")
    if not 200 <= answer.status < 300 or not is_job_id(job_id):
        raise _refused(gateway, hold, answer, origin, now)
    members = mirror.submitted(
        answer.members,
        job_id=job_id,
        url=post.url,
        now_iso=iso(now),
        upstream=gateway.upstream.base,
        public=gateway.public,
    )
    mirrored = Mirrored(answer.status, dump(members))
    if not _keep(gateway, hold, job_id, mirrored, now):
        raise _given_back(gateway, hold, origin, now, "named a job that somebody else has")
    return mirrored


def status(gateway: Gateway, user: str, job_id: str, origin: Origin, *, now: int) -> Mirrored:
    """How `user`'s job goes; an end settles its hold.

    Raises `JobNotFound` (also for somebody else's job), `UpstreamFailed`, `UpstreamTimedOut`, `Busy`.
    """
    hold = _hold_of(gateway.ledger, user, job_id)
    if hold.job_id is None:
        return _without_job(hold, job_id)
    answer = _ask(gateway, hold.job_id)
    if answer.status == 404:
        raise JobNotFound(
            "The job is not known any more.", members={"credit": CREDIT_WORDS[hold.state]}
        )
    if answer.status != 200:
        raise UpstreamFailed()
    hold = _settled(gateway.ledger, hold, answer.members, origin, now)
    members = mirror.status(
        answer.members,
        job_id=job_id,
        credit=CREDIT_WORDS[hold.state],
        upstream=gateway.upstream.base,
        public=gateway.public,
    )
    return Mirrored(200, dump(members))


def _without_job(hold: Hold, job_id: str) -> Mirrored:
    """What is known of a job whose start upstream has not confirmed."""
    running = hold.state in (OPEN, SPENT)
    members = {
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
    }
    return Mirrored(200, dump(members))


def _claim(gateway: Gateway, token: VendedToken, url: str, origin: Origin, now: int) -> Hold:
    """The hold of `token`, claimed for `url` by this call or, the same, by an earlier one."""
    claim = digest("transcribe", url)
    try:
        write = claim_write(
            token.user, token.jti, claim, origin.request_id, now, look_at=now + SWEEP_AFTER_S
        )
        return holds.read(gateway.ledger.table.write(write))
    except ConditionFailed as refused:
        item = refused.item
    if item is None or item["jti"] != token.jti:
        raise Unauthorized("unknown")
    if item.get("claim") != claim:
        raise TokenAlreadyUsed() if "claim" in item else Unauthorized("released")
    return holds.read(item)


def _start(gateway: Gateway, hold: Hold, url: str, origin: Origin, now: int) -> UpstreamAnswer:
    try:
        answer = gateway.upstream.transcribe(
            url, own_job_id(hold), gateway.secret, gateway.timeout_s
        )
    except NotSent:
        upstream_call("transcribe", 0, reason="not_sent")
        raise _given_back(gateway, hold, origin, now, "could not be reached") from None
    except Unknown as unknown:
        upstream_call("transcribe", 0, reason=unknown.kind)
        if unknown.kind == "timeout":
            raise UpstreamTimedOut() from None
        raise _given_back(gateway, hold, origin, now, "gave no usable answer") from None
    upstream_call("transcribe", answer.status)
    return answer


def _refused(
    gateway: Gateway, hold: Hold, answer: UpstreamAnswer, origin: Origin, now: int
) -> UpstreamFailed:
    """Upstream's own 4xx is passed on, but for what concerns only it and us; the rest is our 502."""
    failed = _given_back(gateway, hold, origin, now, f"answered {answer.status}")
    if not 400 <= answer.status < 500 or answer.status in PRIVATE_REFUSALS:
        return failed
    members = mirror.without_addresses(
        answer.members, answer.members, gateway.upstream.base, gateway.public
    )
    waits = {"Retry-After": answer.retry_after} if answer.retry_after else {}
    return UpstreamRefused(answer.status, {**members, **failed.members}, waits)


def _given_back(gateway: Gateway, hold: Hold, origin: Origin, now: int, why: str) -> UpstreamFailed:
    """Releases the hold of a job that was never started, or that nobody can ask for."""
    reasoned = replace(origin, reason=f"upstream {why}")
    holds.settle(gateway.ledger, hold, RELEASED, reasoned, now=now)
    return _returned()


def _returned() -> UpstreamFailed:
    """The outcome of a job whose credit went back."""
    error = UpstreamFailed(members={"credit": "released"})
    error.guidance = RELEASED_GUIDANCE
    return error


def _still_running(hold: Hold, url: str, public: str) -> Mirrored:
    """The same call while the first is under way: nothing is started twice."""
    job_id = own_job_id(hold)
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
    return Mirrored(202, dump(members), replayed=True)


def _keep(gateway: Gateway, hold: Hold, job_id: str, mirrored: Mirrored, now: int) -> bool:
    """The answer with the hold, and the job under its id, together; False where the id is taken.

    Raises `Busy` or `OutcomeUnknown`: the same call again is then told that the job is under way, and
    reads it under our own id.
    """
    kept = Update(
        account_pk(hold.user),
        holds.hold_sk(hold.name),
        "SET answer = :answer, job_id = :job",
        "jti = :jti AND claimed_by = :by",
        values={
            ":answer": {"status": mirrored.status, "body": mirrored.body},
            ":job": job_id,
            ":jti": hold.jti,
            ":by": hold.claimed_by,
        },
    )
    job = {
        "pk": f"J#{job_id}",
        "sk": "JOB",
        "user": hold.user,
        "jti": hold.jti,
        "created_at": now,
        "ttl": now + KEEP_S * 2,
    }
    try:
        gateway.ledger.transact_patiently([kept, Put(job, condition="attribute_not_exists(pk)")])
    except Cancelled:
        found = gateway.ledger.table.get(f"J#{job_id}", "JOB")
        return found is not None and found["jti"] == hold.jti
    return True


def own_job_id(hold: Hold) -> str:
    """Our own id of the job that `hold` pays for: upstream gets it as `requestId`."""
    return OWN_JOB + hold.name


def _hold_of(ledger: Ledger, user: str, job_id: str) -> Hold:
    """The hold that pays for `user`'s job, by upstream's id or by ours."""
    if job_id.startswith(OWN_JOB):
        item = ledger.table.get(account_pk(user), holds.hold_sk(job_id.removeprefix(OWN_JOB)))
        if item is None or "claim" not in item:
            raise JobNotFound()
        return holds.read(item)
    item = ledger.table.get(f"J#{job_id}", "JOB")
    if item is None or item["user"] != user:
        raise JobNotFound()
    hold = holds.find(ledger.table, user, item["jti"])
    if hold is None:
        raise JobNotFound()
    return hold


def _ask(gateway: Gateway, job_id: str) -> UpstreamAnswer:
    try:
        answer = gateway.upstream.status(job_id, gateway.secret, gateway.timeout_s)
    except NotSent:
        upstream_call("status", 0, reason="not_sent")
        raise UpstreamFailed() from None
    except Unknown as unknown:
        upstream_call("status", 0, reason=unknown.kind)
        raise (UpstreamTimedOut() if unknown.kind == "timeout" else UpstreamFailed()) from None
    upstream_call("status", answer.status)
    return answer


def _settled(
    ledger: Ledger, hold: Hold, members: Mapping[str, Any], origin: Origin, now: int
) -> Hold:
    """The hold after what upstream says of its job."""
    outcome = {"completed": CAPTURED, "failed": RELEASED}.get(str(members.get("status")))
    return hold if outcome is None else holds.settle(ledger, hold, outcome, origin, now=now)
