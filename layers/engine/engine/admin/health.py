"""Health of the gateway, without confidential details."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.access.keyrings import KeyRings
from engine.platform import snapshots
from engine.platform.circuit import Circuit
from engine.platform.config import Settings
from engine.platform.errors import Busy
from engine.platform.table import Table
from engine.platform.times import iso
from engine.transcription.upstream import NotSent, Unknown, Upstream

PROBE_KEY = ("HEALTH", "PROBE")
PROBE_PARAMETER = "HEALTH_PROBE"
"""A parameter that need not exist; reading it shows whether the parameter store answers."""

KEEP_S = 5
"""How long a report is cached: the route is public, and not every call may reach upstream."""


class Uptime:
    """How long this process has been there; one from a snapshot begins when it is restored."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.begin()
        snapshots.renews(self, Uptime.begin)

    def begin(self) -> None:
        self._began = self._clock()

    @property
    def seconds(self) -> int:
        return int(self._clock() - self._began)


@dataclass(frozen=True, slots=True)
class Probe:
    """The result of one call to a service: `ok`, `degraded` or `error`, and its milliseconds."""

    status: str
    took_ms: int

    @property
    def members(self) -> dict[str, Any]:
        return {"status": self.status, "responseTime": self.took_ms}


class Services:
    """The services that the gateway depends on, called at most every `KEEP_S`."""

    def __init__(
        self, table: Table, parameters: KeyRings, upstream: Upstream, circuit: Circuit
    ) -> None:
        self._table = table
        self._parameters = parameters
        self._upstream = upstream
        self._circuit = circuit
        self.forget()
        snapshots.renews(self, Services.forget)

    def forget(self) -> None:
        """Know nothing of the services: the next report asks them."""
        self._failures = 0
        self._report: dict[str, Any] = {}
        self._ask_again_at = 0

    def report(self, now: int) -> dict[str, Any]:
        """The members of the report; `status` is `ok`, `degraded` or `error`, the worst of all."""
        if now >= self._ask_again_at:
            self._report = self._asked(now)
            self._ask_again_at = now + KEEP_S
        return self._report

    def _asked(self, now: int) -> dict[str, Any]:
        upstream = self._upstream_probe()
        self._failures = self._failures + 1 if upstream.status == "error" else 0
        ttt = {**upstream.members, "consecutiveFailures": self._failures}
        seen = self._circuit.look()
        breaker = {"state": seen.state, "until": iso(seen.until) if seen.state == "open" else None}
        services = {
            "ttt": ttt,
            "dynamodb": _timed(lambda: table_answers(self._table)).members,
            "ssm": _timed(self._parameters.answers).members,
            "circuitBreaker": breaker,
        }
        found = {service["status"] for service in services.values() if "status" in service}
        worst = next((word for word in ("error", "degraded") if word in found), "ok")
        return {
            "ok": worst == "ok" and seen.state == "closed",
            "status": "degraded" if worst == "ok" and seen.state != "closed" else worst,
            "timestamp": iso(now),
            "connectivity": {"ttt": upstream.status},
            "ttt": ttt,
            "services": services,
            "circuitBreaker": breaker,
        }

    def _upstream_probe(self) -> Probe:
        """Reachable but not ready is degraded."""
        began = time.perf_counter()
        try:
            answer = self._upstream.health()
        except (NotSent, Unknown):
            return Probe("error", _ms_since(began))
        ready = answer.members.get("readiness", {})
        is_ready = answer.status == 200 and (not isinstance(ready, dict) or ready.get("ok", True))
        return Probe("ok" if is_ready else "degraded", _ms_since(began))


def _timed(answers: Callable[[], bool]) -> Probe:
    began = time.perf_counter()
    found = answers()
    return Probe("ok" if found else "error", _ms_since(began))


def _ms_since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)


def table_answers(table: Table) -> bool:
    """Whether the table can be read; the probed item need not exist."""
    try:
        table.get(*PROBE_KEY, consistent=False)
    except Busy:
        return False
    return True


def configuration(settings: Settings) -> dict[str, Any]:
    """Which settings are present; never a value."""
    return {
        "table": bool(settings.table_name),
        "secrets": bool(settings.secrets_prefix),
        "transcription": bool(settings.ttt_base),
        "build": settings.build_ref != "unknown",
        "deployedAt": settings.deployed_at != "unknown",
    }
