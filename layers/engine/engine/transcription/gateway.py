"""What a call to the transcription service needs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep

from engine.ledger.posting import Ledger
from engine.platform.circuit import AlwaysClosed, Breaker
from engine.products.catalogue import BuiltIn, Products
from engine.transcription.handover import Handover, NoHandover
from engine.transcription.upstream import Upstream

JOB_LIMIT_S = 3600
"""Longer than the released app asks for a job, which is 45 minutes; the service estimates five."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The ledger, the service and the policies of calls to it; `public` is the origin that the app
    called, empty where no app did.
    """

    ledger: Ledger
    upstream: Upstream
    secret: str
    timeout_s: float
    public: str = ""
    breaker: Breaker = field(default_factory=AlwaysClosed)
    handover: Handover = field(default_factory=NoHandover)
    keep_days: int = 30
    """How long a text that was charged can be read."""
    job_limit_s: int = JOB_LIMIT_S
    """How long a job may hold its credit without an end."""
    products: Products = field(default_factory=BuiltIn)
    """Where a job finds the product that it is charged by."""
    sleep: Callable[[float], None] = sleep
    monotonic: Callable[[], float] = monotonic
