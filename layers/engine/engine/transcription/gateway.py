"""What a call to the transcription service needs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep

from engine.ledger.posting import Ledger
from engine.platform.circuit import AlwaysClosed, Breaker
from engine.products.catalogue import Products
from engine.transcription.handover import Handover, NoHandover
from engine.transcription.upstream import Upstream


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
    sleep: Callable[[float], None] = sleep
    monotonic: Callable[[], float] = monotonic
