"""Starting a job upstream, by the function that was called or by the worker, and how that ends.

Every end is kept with the hold in the same transaction that settles it: an accepted job with upstream's
answer, a refusal with what the app was told. So the same call again gets the first answer, from any
instance, and a refused one has its credit back.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.credits import holds
from engine.credits.holds import OPEN, RELEASED, SPENT, Hold
from engine.ledger.items import account_pk
from engine.platform.act import Act, by_system
from engine.platform.errors import EngineError, UpstreamFailed, UpstreamRefused
from engine.platform.ids import is_job_id
from engine.platform.logs import upstream_call
from engine.platform.table import Cancelled, ConditionFailed, Update
from engine.platform.times import iso
from engine.transcription import jobs, mirror
from engine.transcription.jobs import Gateway
from engine.transcription.upstream import NotSent, Unknown, UpstreamAnswer
from engine.web.http import dump

PAUSES_S: Final = (0.0, 1.0, 2.0, 4.0)
"""Before each of the worker's tries, of which all but the last found that nothing was sent."""

PRIVATE_REFUSALS = frozenset({401, 402, 403})
"""Upstream refusing our credential, or our money, is our failure, never the user's."""

RELEASED_GUIDANCE = "Your credit was given back. Vend anew and try again."


class Unanswered(Exception):
    """The request went out and nobody knows what became of it: the credit stays held."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """An answer for the app: upstream's status and members, plus ours."""

    status: int
    body: str
    replayed: bool = False


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
        raise give_back(gateway, hold, act, failed(unknown.kind)) from None
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
    hold = holds.find(gateway.ledger.table, user, jti)
    if job is None or hold is None:
        return "unknown"
    if not _elected(gateway, hold, now):
        return "done before"
    act = by_system("worker", str(hold.claimed_by), "transcription started", at=now)
    try:
        return _tried(replace(gateway, public=job["public"]), hold, job["url"], act)
    except Unanswered:
        return "unanswered"
    except UpstreamFailed:
        return "refused"


def first_answer(hold: Hold) -> Mirrored | None:
    """What the first call was answered, None while that is open.

    Raises `UpstreamRefused` or `UpstreamFailed` where its credit went back.
    """
    kept = hold.answer or {}
    if "body" in kept:
        return Mirrored(kept["status"], kept["body"], replayed=True)
    if "refusal" in kept:
        raise _refusal(kept["status"], json.loads(kept["refusal"]))
    if hold.state == RELEASED:
        raise returned(failed("gave_up"))
    return None


def failed(reason: str) -> UpstreamFailed:
    """Upstream was no use; `reason` is a word for programs."""
    return UpstreamFailed(details={"reason": reason})


def returned(error: EngineError) -> EngineError:
    """`error`, which also says that the credit went back."""
    error.members["credit"] = "released"
    error.guidance = RELEASED_GUIDANCE
    return error


def give_back(gateway: Gateway, hold: Hold, act: Act, error: EngineError) -> EngineError:
    """Release the credit of a job that was never started, or that nobody can ask for, and keep the
    refusal with it; the error to raise. Raises `Busy` or `OutcomeUnknown`.
    """
    error = returned(error)
    why = error.details.get("reason", error.code)
    facts = {
        "code": error.code,
        "details": error.details,
        "members": error.members,
        "headers": error.headers,
    }
    holds.settle(
        gateway.ledger,
        hold,
        RELEASED,
        replace(act, reason=f"not started: {why}"),
        answer={"status": error.status, "refusal": dump(facts)},
    )
    return error


def adopt(gateway: Gateway, hold: Hold, job_id: str, now: int) -> Hold:
    """The hold with upstream's id of its job, as its webhook tells it to us; as it is where it has one.

    Raises `Busy` or `OutcomeUnknown`.
    """
    naming = Update(
        account_pk(hold.user),
        holds.hold_sk(hold.name),
        "SET job_id = :job",
        "jti = :jti AND attribute_not_exists(job_id)",
        values={":job": job_id, ":jti": hold.jti},
    )
    try:
        gateway.ledger.transact_patiently([naming, jobs.named(hold, job_id, now)])
    except Cancelled:
        return holds.find(gateway.ledger.table, hold.user, hold.jti) or hold
    return replace(hold, job_id=job_id)


def _tried(gateway: Gateway, hold: Hold, url: str, act: Act) -> str:
    for pause_s in PAUSES_S:
        gateway.sleep(pause_s)
        try:
            start(gateway, hold, url, act)
        except NotSent:
            continue
        return "started"
    raise give_back(gateway, hold, act, failed("unreachable"))


def _elected(gateway: Gateway, hold: Hold, now: int) -> bool:
    """Whether this delivery of the message is the one that calls."""
    try:
        gateway.ledger.table.write(
            Update(
                account_pk(hold.user),
                holds.hold_sk(hold.name),
                "SET performed_at = :now",
                "jti = :jti AND attribute_not_exists(performed_at) AND #state IN (:open, :spent)",
                names={"#state": "state"},
                values={":now": now, ":jti": hold.jti, ":open": OPEN, ":spent": SPENT},
            )
        )
    except ConditionFailed:
        return False
    return True


def _concluded(
    gateway: Gateway, hold: Hold, url: str, answer: UpstreamAnswer, act: Act
) -> Mirrored:
    job_id = str(answer.members.get("id") or answer.members.get("request_id") or "")
    if not 200 <= answer.status < 300:
        raise give_back(gateway, hold, act, _refused(gateway, answer))
    if not is_job_id(job_id):
        raise give_back(gateway, hold, act, failed("no_job_id"))
    members = mirror.submitted(
        answer.members,
        job_id=job_id,
        url=url,
        now_iso=iso(act.at),
        upstream=gateway.upstream.base,
        public=gateway.public,
    )
    mirrored = Mirrored(answer.status, dump(members))
    if not _kept(gateway, hold, job_id, mirrored, act.at):
        raise give_back(gateway, hold, act, failed("job_id_taken"))
    return mirrored


def _refused(gateway: Gateway, answer: UpstreamAnswer) -> UpstreamFailed:
    """Upstream's own 4xx is passed on, but for what concerns only it and us; the rest is our 502."""
    if not 400 <= answer.status < 500 or answer.status in PRIVATE_REFUSALS:
        return failed(f"status_{answer.status}")
    members = mirror.without_addresses(
        answer.members, answer.members, gateway.upstream.base, gateway.public
    )
    waits = {"Retry-After": answer.retry_after} if answer.retry_after else {}
    return UpstreamRefused(answer.status, members, waits)


def _refusal(status: int, facts: Mapping[str, Any]) -> EngineError:
    """The error that `give_back` kept."""
    error: EngineError = UpstreamFailed(details=facts["details"])
    if facts["code"] == UpstreamRefused.code:
        error = UpstreamRefused(status, facts["members"], facts["headers"])
    return returned(error)


def _kept(gateway: Gateway, hold: Hold, job_id: str, mirrored: Mirrored, now: int) -> bool:
    """The answer with the hold, and the job under its id, together; False where the id is taken.

    Raises `Busy` or `OutcomeUnknown`: the same call again is then told that the job is under way, and
    reads it under our own id.
    """
    keeping = Update(
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
    try:
        gateway.ledger.transact_patiently([keeping, jobs.named(hold, job_id, now)])
    except Cancelled:
        return False
    return True
