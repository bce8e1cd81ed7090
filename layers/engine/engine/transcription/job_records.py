"""What became of a credit: the job that it paid for, as operators see it beside the entries of the ledger.

It is read from the hold, for as long as that is stored, and from the job under our own id, which is kept for
as long as the ledger (`engine.transcription.jobs`). The subject of an entry names both.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from engine.credits import hold_items
from engine.credits.hold_items import CAPTURED, NAME_LENGTH, OPEN, SPENT, WRITTEN_OFF, Hold
from engine.platform.table import Item, Table
from engine.platform.times import iso
from engine.transcription import jobs

UNUSED: Final = "unused"
"""The token was not used yet; nothing has begun."""

RUNNING: Final = "running"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
RETURNED: Final = "returned"
"""The credit went back without a job."""

ENDED: Final = "ended"
"""It ended so long ago that the entries alone say how."""

_TOKEN: Final = re.compile(rf"[A-Za-z0-9_-]{{{NAME_LENGTH}}}[0-9a-z]{{1,6}}")

Name = tuple[str, str]
"""The user and the subject of an entry."""


@dataclass(frozen=True, slots=True)
class Record:
    """The job and the hold of one credit. Times in epoch seconds; None where they are not known."""

    state: str
    job_id: str | None
    """Our own id, None where no job was begun."""
    upstream_id: str | None
    url: str | None
    cause: str | None
    submitted_at: int | None
    ended_at: int | None
    token_ends_at: int | None
    released_by: int | None
    """When an open hold goes back at the latest, if nothing else ends it."""
    is_erased: bool

    def members(self) -> dict[str, Any]:
        """The record as operators see it."""
        return {
            "state": self.state,
            "jobId": self.job_id,
            "upstreamId": self.upstream_id,
            "url": self.url,
            "cause": self.cause,
            "submittedAt": _time(self.submitted_at),
            "endedAt": _time(self.ended_at),
            "tokenEndsAt": _time(self.token_ends_at),
            "releasedBy": _time(self.released_by),
            "erased": self.is_erased,
        }


def is_token(subject: str) -> bool:
    """Whether the subject of an entry is that of a vended token, by its form."""
    return _TOKEN.fullmatch(subject) is not None


def of(table: Table, names: Iterable[Name], job_limit_s: int) -> dict[Name, Record]:
    """The records of those `names` that are subjects of tokens; of a hold that is no longer stored, and never
    had a job, there is none. Raises `Busy`.
    """
    asked = [name for name in dict.fromkeys(names) if is_token(name[1])]
    own = jobs.own_of(table, [jti for _, jti in asked])
    holds = {(item["user"], item["jti"]): item for item in hold_items.stored(table, asked)}
    found = {}
    for name in asked:
        job, hold = own.get(name[1], {}), holds.get(name, {})
        job = job if job.get("user") == name[0] else {}
        if job or hold:
            found[name] = _record(hold, job, job_limit_s)
    return found


def _record(item: Item, job: Item, job_limit_s: int) -> Record:
    hold = hold_items.read(item) if item else None
    state = _state(hold, job)
    upstream_id = job.get("job_id") or (hold.job_id if hold is not None else None)
    return Record(
        state,
        jobs.id_of(job) if job else None,
        upstream_id,
        job.get("url"),
        job.get("cause") if state == FAILED else None,
        job.get("created_at"),
        item.get("resolved_at") or (job.get("ended_at") if state == FAILED else None),
        hold.token.expires_at if hold is not None and not hold.is_timed else None,
        _released_by(hold, job_limit_s),
        jobs.is_erased(job),
    )


def _state(hold: Hold | None, job: Item) -> str:
    if hold is None:
        return FAILED if "ended_at" in job else ENDED
    if hold.state in (CAPTURED, WRITTEN_OFF):
        return COMPLETED
    if hold.state in (OPEN, SPENT):
        return UNUSED if hold.claim is None else RUNNING
    return FAILED if job else RETURNED


def _released_by(hold: Hold | None, job_limit_s: int) -> int | None:
    if hold is None or hold.state != OPEN:
        return None
    if hold.claim is not None and hold.claimed_at is not None and not hold.is_timed:
        return hold.claimed_at + job_limit_s
    return hold.grace_ends_at


def _time(at: int | None) -> str | None:
    return iso(at) if at is not None else None
