"""How a job goes, for its owner; its end settles the credit.

The text is answered only where the hold is captured, by this call or before it.
"""

from typing import Any

from engine.credits import hold_items
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, SPENT, WRITTEN_OFF, Hold
from engine.platform.act import Act
from engine.platform.errors import (
    CircuitOpen,
    EngineError,
    JobNotFound,
    UpstreamFailed,
    UpstreamTimedOut,
)
from engine.transcription import asking, jobs, mirror, outcomes, settling
from engine.transcription.answers import RELEASED_GUIDANCE, Mirrored
from engine.transcription.gateway import Gateway
from engine.transcription.outcomes import Heard
from engine.web.http import dump

CREDIT_WORDS = {
    OPEN: "held",
    SPENT: "captured",
    CAPTURED: "captured",
    RELEASED: "released",
    WRITTEN_OFF: "released",
}


def status(gateway: Gateway, user: str, job_id: str, act: Act) -> Mirrored:
    """How `user`'s job goes; an end settles its hold.

    Raises `JobNotFound` (also for another user's job, and for one that upstream no longer knows while its
    credit is held), `CircuitOpen`, `UpstreamFailed`, `UpstreamTimedOut`, `Busy`.
    """
    hold, heard = seen(gateway, user, job_id, act)
    if heard is None:
        return Mirrored(200, dump(_not_heard_of(hold, job_id)))
    if heard.missing_since is not None and not hold.is_resolved:
        raise _forgotten(hold)
    if heard.missing_since is not None or heard.members is None or _is_given_up(hold, heard):
        return Mirrored(200, dump(_not_heard_of(hold, job_id)))
    is_paid = hold.state in (CAPTURED, WRITTEN_OFF)
    members = mirror.status(
        heard.members if is_paid else outcomes.without_text(heard.members),
        job_id=job_id,
        credit=CREDIT_WORDS[hold.state],
        upstream=gateway.upstream.base,
        public=gateway.public,
    )
    return Mirrored(200, dump(members))


def seen(gateway: Gateway, user: str, job_id: str, act: Act) -> tuple[Hold, Heard | None]:
    """The hold of `user`'s job after what upstream says of it, and that; None where it was never heard of.

    Raises what `status` raises.
    """
    found = _asked_first(gateway, user, job_id, act) or _read_first(gateway, user, job_id, act)
    gateway.questions.saw(job_id, found[0])
    return found


def _read_first(gateway: Gateway, user: str, job_id: str, act: Act) -> tuple[Hold, Heard | None]:
    hold, item = jobs.known(gateway.ledger, user, job_id)
    if hold.job_id is not None and hold.job_id != job_id:
        item = jobs.read(gateway.ledger, hold.job_id) or {}
    if not item or hold.job_id is None:
        return hold, None
    return settling.settled(gateway, hold, asking.hear(gateway, item, act.at), act)


def _asked_first(
    gateway: Gateway, user: str, job_id: str, act: Act
) -> tuple[Hold, Heard | None] | None:
    """For a job that this process saw running: upstream is asked, and then what is stored is read once. None
    where that is not enough: the process has asked in this second, the job has ended meanwhile, or it was
    erased.
    """
    known = gateway.questions.running(job_id, user)
    if known is None:
        return None
    try:
        item = jobs.reference(known.user, known.jti, known.job_id)
        heard = asking.hear(gateway, item, act.at)
    except (CircuitOpen, UpstreamFailed, UpstreamTimedOut):
        stored = jobs.read(gateway.ledger, known.job_id)
        if stored is None or "is_final" in stored:
            return None
        raise
    hold = hold_items.find(gateway.ledger.table, user, known.jti) if heard.is_fresh else None
    if hold is None or hold.job_id != known.job_id:
        return None
    return settling.settled(gateway, hold, heard, act)


def _is_given_up(hold: Hold, heard: Heard) -> bool:
    """Whether the credit went back although upstream does not say that the job has failed."""
    return hold.state == RELEASED and outcomes.end_of(heard.members or {}) != RELEASED


def _not_heard_of(hold: Hold, job_id: str) -> dict[str, Any]:
    """The answer about a job of which upstream has said nothing yet, or whose credit went back before."""
    running = not hold.is_resolved
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
        "guidance": None if running else RELEASED_GUIDANCE,
    }


def _forgotten(hold: Hold) -> EngineError:
    """Upstream does not know the job: it was restarted, and the job may or may not come back."""
    error = JobNotFound("The job is no longer known.")
    error.members["credit"] = CREDIT_WORDS[hold.state]
    error.guidance = "Ask again in two minutes: your credit comes back if the job does not."
    return error
