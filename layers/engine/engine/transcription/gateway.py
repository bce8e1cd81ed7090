"""What a call to the transcription service needs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep

from engine.ledger.posting import Ledger
from engine.platform.circuit import AlwaysClosed, Breaker
from engine.products.catalogue import Products
from engine.transcription.handover import Handover, NoHandover
from engine.transcription.upstream import Upstream
from engine.web.recent import Recent

MOST_JOBS = 2000


class Questions:
    """In which second this process last asked about a job, for the jobs that it asked about last."""

    def __init__(self) -> None:
        self._asked: Recent[int] = Recent(MOST_JOBS)

    def take(self, job_id: str, now: int) -> bool:
        """Whether the caller is the first of this process to ask about the job in the second `now`."""
        with self._asked.lock:
            if self._asked.get(job_id) == now:
                return False
            self._asked.put(job_id, now)
            return True


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
    """The questions that this process has asked; one for all its calls."""
    sleep: Callable[[float], None] = sleep
    monotonic: Callable[[], float] = monotonic
