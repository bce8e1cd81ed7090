"""What a call to the transcription service needs, and what a process remembers of jobs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any

from engine.credits.hold_items import Hold
from engine.ledger.posting import Ledger
from engine.platform.circuit import AlwaysClosed, Breaker
from engine.products.catalogue import Products
from engine.transcription.handover import Handover, NoHandover
from engine.transcription.upstream import Upstream
from engine.web.recent import Recent

MOST_JOBS = 2000


@dataclass(frozen=True, slots=True)
class Running:
    """A job that ran when it was last looked at: whose it is, the subject of its hold, and upstream's id."""

    user: str
    jti: str
    job_id: str


@dataclass(frozen=True, slots=True)
class Said:
    """Upstream's members about a job that ran at `at` (epoch seconds), without texts."""

    at: int
    members: Mapping[str, Any]


class Questions:
    """What this process remembers of the jobs that it asked about last. It decides nothing: whoever goes by
    it reads what is stored after upstream was asked.
    """

    def __init__(self) -> None:
        self._asked: Recent[int] = Recent(MOST_JOBS)
        self._running: Recent[Running] = Recent(MOST_JOBS)
        self._said: Recent[Said] = Recent(MOST_JOBS)

    def take(self, job_id: str, now: int) -> bool:
        """Whether the caller is the first of this process to ask about the job in the second `now`."""
        with self._asked.lock:
            if self._asked.get(job_id) == now:
                return False
            self._asked.put(job_id, now)
            return True

    def saw(self, job_id: str, hold: Hold) -> None:
        """Remember whose job `job_id`, upstream's id or ours, is while its hold is open."""
        with self._running.lock:
            if hold.job_id is None or hold.is_resolved:
                self._running.pop(job_id)
            else:
                self._running.put(job_id, Running(hold.user, hold.jti, hold.job_id))

    def running(self, job_id: str, user: str) -> Running | None:
        """The job of `user`, if it is remembered; its owner never changes."""
        found = self._running.get(job_id)
        return found if found is not None and found.user == user else None

    def heard(self, job_id: str, now: int, members: Mapping[str, Any]) -> None:
        """Remember what upstream said of a running job, by upstream's id."""
        with self._said.lock:
            self._said.put(job_id, Said(now, members))

    def said(self, job_id: str) -> Said | None:
        return self._said.get(job_id)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The ledger, the service and the policies of calls to it; `public` is the origin that the app
    called, empty where no app did. The policies of the deployment have no default, so that no function
    works with others.
    """

    ledger: Ledger
    upstream: Upstream
    secret: str
    timeout_s: float
    public: str = ""
    breaker: Breaker = field(default_factory=AlwaysClosed)
    handover: Handover = field(default_factory=NoHandover)
    keep_days: int = field(kw_only=True)
    """How long a text that was charged can be read."""
    job_limit_s: int = field(kw_only=True)
    """How long a job may hold its credit without an end."""
    products: Products = field(kw_only=True)
    """Where a job finds the product that it is charged by."""
    questions: Questions = field(kw_only=True)
    """What this process has asked and was told; one for all its calls."""
    sleep: Callable[[float], None] = sleep
    monotonic: Callable[[], float] = monotonic
