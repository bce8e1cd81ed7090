"""Jobs of the transcription service: whose they are, what was last heard of them, what that means.

`J#job-<jti>` / `JOB` is a job by our own id: `user`, `jti`, `url`, `public` (the origin that the app
called), `created_at`, `ttl`. `J#<id>` / `JOB` is the same job by upstream's id: `user`, `jti`, `created_at`,
`asked_at`, `ttl`; `said` (upstream's members as JSON) and `said_at`; `is_final` once it has ended;
`missing_since` while upstream does not know it.

Upstream is asked about a job at most once a second, by whoever takes `asked_at`; everybody else is told
what was heard last. What it says of a job that has ended is kept before the credit is captured, so no
credit is taken for a text that could be lost, and it is never asked again.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic, sleep
from typing import Any, Final

from engine.credits import holds
from engine.credits.holds import CAPTURED, RELEASED, Hold
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.circuit import AlwaysClosed, Breaker
from engine.platform.errors import JobNotFound, UpstreamFailed, UpstreamTimedOut
from engine.platform.handover import Handover, NoHandover
from engine.platform.logs import upstream_call
from engine.platform.table import ConditionFailed, Item, Put, Update
from engine.transcription.upstream import NotSent, Unknown, Upstream, UpstreamAnswer
from engine.web.http import dump
from engine.web.idempotency import KEEP_S

PREFIX = "J#"
OWN_JOB = "job-"
KEPT_S = KEEP_S * 2
"""A job is kept for 48 hours after its end, whenever in the first 48 that is."""

FORGOTTEN_AFTER_S = 120
"""How long upstream must not know a job before it counts as forgotten."""

REASONS: Final[Mapping[str, str]] = {
    CAPTURED: "transcription completed",
    RELEASED: "transcription failed",
}


@dataclass(frozen=True, slots=True)
class Gateway:
    """What calls to upstream need; `public` is the origin that the app called."""

    ledger: Ledger
    upstream: Upstream
    secret: str
    timeout_s: float
    public: str
    breaker: Breaker = field(default_factory=AlwaysClosed)
    handover: Handover = field(default_factory=NoHandover)
    sleep: Callable[[float], None] = sleep
    monotonic: Callable[[], float] = monotonic


@dataclass(frozen=True, slots=True)
class Heard:
    """What upstream said of a job last; None of `members` where it has said nothing yet."""

    members: Mapping[str, Any] | None
    missing_since: int | None = None

    def outcome(self, now: int) -> tuple[str, str] | None:
        """The end that the job has come to and why, None while it may go on."""
        if self.missing_since is not None and now - self.missing_since >= FORGOTTEN_AFTER_S:
            return RELEASED, "upstream has forgotten the job"
        end = end_of(self.members or {})
        return None if end is None else (end, REASONS[end])


def end_of(members: Mapping[str, Any]) -> str | None:
    """The outcome that upstream's members tell. Completed is only what brings its text."""
    match members.get("status"):
        case "failed":
            return RELEASED
        case "completed" if text_of(members) is not None:
            return CAPTURED
    return None


def text_of(members: Mapping[str, Any]) -> str | None:
    """The transcript, which may be empty; None where there is none."""
    result = members.get("result")
    text = result.get("transcription") if isinstance(result, dict) else None
    return text if isinstance(text, str) else None


def own_id(jti: str) -> str:
    """Our own id of the job that the hold of `jti` pays for: upstream gets it as `requestId`."""
    return OWN_JOB + jti


def begun(user: str, jti: str, url: str, public: str, now: int) -> Put:
    """The job under our own id, before upstream was called; it is put with the claim, which is made once."""
    item = _item(own_id(jti), user, jti, now) | {"url": url, "public": public}
    return Put(item, condition="")


def named(hold: Hold, job_id: str, now: int) -> Put:
    """The job under upstream's id; refused where that is somebody else's."""
    item = _item(job_id, hold.user, hold.jti, now) | {"asked_at": 0}
    return Put(item, "attribute_not_exists(pk) OR jti = :jti", values={":jti": hold.jti})


def read(ledger: Ledger, job_id: str) -> Item | None:
    """The job's item. Raises `Busy`."""
    return ledger.table.get(_pk(job_id), "JOB")


def known(ledger: Ledger, user: str, job_id: str) -> tuple[Hold, Item]:
    """The hold that pays for `user`'s job, by upstream's id or by ours, and the job's item.

    Raises `JobNotFound`, also for somebody else's job, and `Busy`.
    """
    item = read(ledger, job_id)
    hold = None
    if item is not None and item["user"] == user:
        hold = holds.find(ledger.table, user, item["jti"])
    if item is None or hold is None:
        raise JobNotFound()
    return hold, item


def hear(gateway: Gateway, item: Item, now: int, *, at_once: bool = False) -> Heard:
    """What upstream says of the job in `item`, by upstream's id: asked anew where it is time to, and in
    any case `at_once` where the job has not ended.

    Raises `CircuitOpen`, `UpstreamFailed`, `UpstreamTimedOut`, `Busy`.
    """
    if "is_final" in item or (item["asked_at"] >= now and not at_once):
        return _heard(item)
    job_id = item["pk"].removeprefix(PREFIX)
    gateway.breaker.admit()
    if not at_once:
        try:
            gateway.ledger.table.write(_taking(job_id, now))
        except ConditionFailed as refused:
            return _heard(refused.item)
    return _keep(gateway, job_id, _ask(gateway, job_id), now)


def settled(ledger: Ledger, hold: Hold, heard: Heard, act: Act) -> Hold:
    """The hold after what was heard of its job. Raises `Busy`, `OutcomeUnknown`."""
    found = heard.outcome(act.at)
    if found is None:
        return hold
    outcome, why = found
    return holds.settle(ledger, hold, outcome, replace(act, reason=why))


def _ask(gateway: Gateway, job_id: str) -> UpstreamAnswer:
    try:
        answer = gateway.upstream.status(job_id, gateway.secret, gateway.timeout_s)
    except NotSent:
        upstream_call("status", 0, reason="not_sent")
        gateway.breaker.failed()
        raise UpstreamFailed(details={"reason": "unreachable"}) from None
    except Unknown as unknown:
        upstream_call("status", 0, reason=unknown.kind)
        gateway.breaker.failed()
        if unknown.kind == "timeout":
            raise UpstreamTimedOut() from None
        raise UpstreamFailed(details={"reason": unknown.kind}) from None
    upstream_call("status", answer.status)
    if answer.status >= 500:
        gateway.breaker.failed()
    else:
        gateway.breaker.succeeded()
    return answer


def _keep(gateway: Gateway, job_id: str, answer: UpstreamAnswer, now: int) -> Heard:
    """What was heard, kept; what somebody else heard of the job's end goes before it."""
    if answer.status == 404:
        write = _change(
            job_id, "SET missing_since = if_not_exists(missing_since, :now)", {":now": now}
        )
    elif answer.status == 200:
        write = _saying(job_id, answer.members, now)
    else:
        raise UpstreamFailed(details={"reason": f"status {answer.status}"})
    try:
        return _heard(gateway.ledger.table.write(write))
    except ConditionFailed as refused:
        return _heard(refused.item)


def _saying(job_id: str, members: Mapping[str, Any], now: int) -> Update:
    change = "SET said = :said, said_at = :now"
    values: dict[str, Any] = {":said": dump(members), ":now": now}
    if end_of(members) is not None:
        change += ", is_final = :yes"
        values[":yes"] = True
    return _change(job_id, change + " REMOVE missing_since", values)


def _taking(job_id: str, now: int) -> Update:
    """Takes this second's question."""
    return Update(
        _pk(job_id),
        "JOB",
        "SET asked_at = :now",
        "asked_at < :now AND attribute_not_exists(is_final)",
        values={":now": now},
    )


def _change(job_id: str, change: str, values: Mapping[str, Any]) -> Update:
    return Update(
        _pk(job_id),
        "JOB",
        change,
        "attribute_exists(pk) AND attribute_not_exists(is_final)",
        values=values,
    )


def _heard(item: Item | None) -> Heard:
    if item is None:
        return Heard(None)
    said = json.loads(item["said"]) if "said" in item else None
    return Heard(said, item.get("missing_since"))


def _item(job_id: str, user: str, jti: str, now: int) -> Item:
    return {
        "pk": _pk(job_id),
        "sk": "JOB",
        "user": user,
        "jti": jti,
        "created_at": now,
        "ttl": now + KEPT_S,
    }


def _pk(job_id: str) -> str:
    return PREFIX + job_id
