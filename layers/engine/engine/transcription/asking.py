"""Asking upstream how a job goes, and keeping what it says.

Each process asks about a job at most once a second, and not in a second in which another has kept an answer;
who does not ask is told what was heard last. That a job runs is remembered by the process that was told so,
and stored only where it ends a doubt. The end of a job is kept before its credit is captured, so that no
credit is taken for a text that could be lost, and upstream is not asked again after it.
"""

from engine.platform.errors import UpstreamFailed, UpstreamTimedOut
from engine.platform.logs import upstream_call
from engine.platform.table import Item
from engine.transcription import jobs
from engine.transcription.gateway import Gateway
from engine.transcription.outcomes import Heard
from engine.transcription.upstream import NotSent, Unknown, UpstreamAnswer

MISSING = (404, 410)
"""The statuses by which upstream says that it does not know a job."""


def hear(gateway: Gateway, item: Item, now: int, *, at_once: bool = False) -> Heard:
    """What upstream says of the job in `item`, which is by upstream's id: asked anew if this process has
    not asked in this second, and with `at_once` in any case, unless the job has ended.

    Raises `CircuitOpen`, `UpstreamFailed`, `UpstreamTimedOut`, `Busy`.
    """
    if "is_final" in item or (item.get("said_at") == now and not at_once):
        return jobs.heard_in(item)
    job_id = jobs.id_of(item)
    gateway.breaker.admit()
    if not at_once and not gateway.questions.take(job_id, now):
        return last_heard(gateway, item)
    answer = _ask(gateway, job_id)
    if answer.status in MISSING:
        return jobs.keep_missing(gateway.ledger, job_id, now)
    if answer.status != 200:
        raise UpstreamFailed(details={"reason": f"status {answer.status}"})
    heard = jobs.keep_said(gateway.ledger, item, answer.members, now, keep_days=gateway.keep_days)
    if heard.says_running:
        gateway.questions.heard(job_id, now, heard.members or {})
    return heard


def last_heard(gateway: Gateway, item: Item) -> Heard:
    """What was heard last of the job in `item`: by this process while it runs, or else as it is stored."""
    said = gateway.questions.said(jobs.id_of(item))
    if said is None or jobs.is_doubted(item) or said.at < item.get("said_at", 0):
        return jobs.heard_in(item)
    return Heard(said.members)


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
