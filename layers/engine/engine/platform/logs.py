"""Logs and metrics: one structured line per invocation, with its metrics; never a body or a secret.

Metrics are in CloudWatch's embedded format (EMF): the member `_aws` of a line names the members that
are metrics. An invocation therefore costs one line, and a figure that raised an alarm is on the same line
as the request that caused it. Powertools' logger adds the trace id.

A documented line (`be:vending ...`) is the message of its invocation's line. If one invocation has
several, all but the last are separate lines without metrics.

A user id may be an e-mail address. No line shows one: it is replaced by `~` and its `ids.digest`, so the
lines of one user can still be found.
"""

import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from aws_lambda_powertools import Logger

from engine.platform.ids import digest

NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Pluct")
"""Powertools' own setting; it keeps the metrics of two stacks apart."""

_compact = json.JSONEncoder(default=str, separators=(",", ":"), ensure_ascii=False).encode
_EMAIL = re.compile(r"[\w.+%-]+@[\w.-]+")
_started = False


def _serialize(line: Mapping[str, Any]) -> str:
    """`line` as JSON without e-mail addresses, also in facts and tracebacks."""
    text = _compact(line)
    return _EMAIL.sub(lambda found: "~" + digest(found[0]), text) if "@" in text else text


logger = Logger(
    service="pluct",
    log_uncaught_exceptions=False,
    location=None,
    json_serializer=_serialize,
    json_deserializer=str,  # A message is text, even if it looks like JSON.
    datefmt="%Y-%m-%dT%H:%M:%S.%FZ",
    utc=True,
)


class Line:
    """What one invocation logs and counts when it ends."""

    def __init__(self, keys: Mapping[str, Any]) -> None:
        self._keys = keys
        self._began = time.perf_counter()
        self._message = ""
        self._facts: dict[str, Any] = {}
        self._counts: dict[str, float] = {}
        self._directives: list[dict[str, Any]] = []

    def say(self, message: str, facts: Mapping[str, Any]) -> None:
        """Sets the line's message; an earlier message becomes a separate line."""
        if self._message:
            logger.info(self._message, extra={**self._facts, **self._keys})
            self._facts = {}
        self._message = message
        self._facts.update(facts)

    def count(self, name: str, number: float = 1) -> None:
        """Adds `number` to a metric without dimensions."""
        self._counts[name] = self._counts.get(name, 0) + number

    def came_from(self, address: str) -> None:
        """The caller's address, which the access log lacks where a proxy stands before the API."""
        self._facts["address"] = address

    def identified_by(self, kind: str) -> None:
        """How the caller was known, where it was by less than a credential."""
        self._facts["identity"] = kind

    def answered(self, route: str, status: int, code: str | None) -> None:
        """The answer of a route ("GET /health"): its latency, its failure, its error code.

        `Latency` is in milliseconds; its sample count is the number of answers.
        """
        took_ms = round((time.perf_counter() - self._began) * 1000, 1)
        self._facts |= {"route": route, "status": status, "Latency": took_ms}
        metrics = ["Latency"]
        if status >= 400:
            name = "ServerErrors" if status >= 500 else "ClientErrors"
            self._facts[name] = 1
            metrics.append(name)
        self._directives.append(_directive([["route"], []], metrics))
        if code is not None:
            self._message = self._message or "refused"
            self._facts |= {"code": code, "Refusals": 1}
            self._directives.append(_directive([["code"]], ["Refusals"]))
        self._message = self._message or "answered"

    def write(self) -> None:
        """Writes the line, unless there is nothing to log."""
        facts = {**self._facts, **self._counts}
        if self._counts:
            self._directives.append(_directive([[]], self._counts))
        if self._directives:
            facts["_aws"] = _metadata(self._directives)
        elif not self._message:
            return
        logger.info(self._message or "done", extra={**facts, **self._keys})


_LINE: ContextVar[Line | None] = ContextVar("line", default=None)


@contextmanager
def invocation(context: Any, request_id: str = "") -> Iterator[Line]:
    """The line of an invocation, written when the block ends, also by an exception.

    `context` is Lambda's; `request_id` is the API's, or empty for Lambda's own.
    """
    keys: dict[str, Any] = {"request_id": request_id or str(getattr(context, "aws_request_id", ""))}
    if (name := getattr(context, "function_name", None)) is not None:
        keys["function"] = name
    line = Line(keys)
    if _first_invocation():
        keys["cold_start"] = True
        line.count("ColdStarts")
    logger.append_keys(**keys)
    token = _LINE.set(line)
    try:
        yield line
    finally:
        _LINE.reset(token)
        line.write()
        logger.remove_keys(list(keys))


def vending(user: str, *, ok: bool, replayed: bool = False, **facts: object) -> None:
    """The documented line of a vend; `replayed` is only logged if true."""
    if replayed:
        facts["replayed"] = True
    _say(f"be:vending user={user} ok={'true' if ok else 'false'}", facts)


def hold(operation: str, user: str, *, ok: bool, replayed: bool = False, **facts: object) -> None:
    """The documented line of a request on a back end's hold; `replayed` is only logged if true."""
    if replayed:
        facts["replayed"] = True
    _say(f"be:hold op={operation} user={user} ok={'true' if ok else 'false'}", facts)


def upstream_call(call: str, status: int, **facts: object) -> None:
    """The documented line of a call to the transcription service, `status` is 0 without an answer.

    Counted as a call, and as a failure without an answer or with a 5xx.
    """
    failed = status == 0 or status >= 500
    counted = ("UpstreamCalls", "UpstreamFailures") if failed else ("UpstreamCalls",)
    _say(f"be:ttt call={call} http={status}", facts, *counted)


def job_webhook(job: str, outcome: str) -> None:
    """The line of a webhook of the transcription service: our id of the job and the outcome."""
    logger.info(f"be:ttt webhook job={job} outcome={outcome}")


def circuit_changed(service: str, state: str) -> None:
    """The line and the metric of a circuit breaker that opened or closed."""
    with _line() as line:
        logger.warning(f"be:circuit service={service} state={state}")
        line.count("CircuitOpened" if state == "open" else "CircuitChanged")


def tiktok_asked(subject: str, outcome: str, **facts: object) -> None:
    """The line of a look-up at TikTok: its subject, and `ok`, `partial` or an error code."""
    logger.info(f"be:meta asked={subject} outcome={outcome}", extra=facts)


def tiktok_not_kept(subject: str, trouble: str) -> None:
    """The line of an answer of TikTok that was returned but could not be cached."""
    logger.info(f"be:meta not-kept={subject}", extra={"trouble": trouble})


def sweep(counts: Mapping[str, int], *, is_cut: bool) -> None:
    """The line of a sweep: what it did. Counted if its time ran out before it finished."""
    _say("sweep", counts, *(("SweeperBehind",) if is_cut else ()))


def low_balance(user: str, available: int, **facts: object) -> None:
    """The line and the metric of a balance that fell below the threshold."""
    _say(f"be:low-balance user={user} available={available}", facts, "LowBalance")


def payment(provider: str, payment_id: str, outcome: str, **facts: object) -> None:
    """The line of a payment that was granted or taken back. Counted by outcome."""
    _say(
        f"be:payment provider={provider} payment={payment_id} outcome={outcome}", facts, "Payments"
    )


def payment_unmatched(provider: str, payment_id: str, reason: str) -> None:
    """The line and the metric of a payment that grants nothing until an operator decides."""
    with _line() as line:
        logger.warning(
            f"be:payment-unmatched provider={provider} payment={payment_id} reason={reason}"
        )
        line.count("PaymentsUnmatched")


def unknown_address(address: str, kind: str) -> None:
    """The line of a payment callback from an address that the provider does not list."""
    logger.warning("be:payment-address", extra={"address": address, "kind": kind})


def not_reconciled(provider: str, what: str, trouble: str) -> None:
    """The line of something that the reconciler tries again in a later round."""
    logger.warning(
        "be:not-reconciled", extra={"provider": provider, "what": what, "trouble": trouble}
    )


def reconciled(counts: Mapping[str, int], *, findings: int) -> None:
    """The line and the metric of a round of the reconciler: what it did, and how many findings are open."""
    with _line() as line:
        line.say("reconciled", counts)
        line.count("PaymentFindings", findings)


def not_projected(trouble: str) -> None:
    """The line and the metric of a record or an account that could not be projected."""
    with _line() as line:
        logger.error("be:not-projected", extra={"trouble": trouble})
        line.count("NotProjected")


def set_aside(part: str, what: str, trouble: str) -> None:
    """The line and the metric of one element that a round of `part` cannot handle, and passed over."""
    with _line() as line:
        logger.error("be:set-aside", extra={"part": part, "what": what, "trouble": trouble})
        line.count("SetAside")


def provider_balance(left_micros: int, low_usd: int) -> None:
    """The line and the metric of an operator's OpenRouter account that runs low."""
    if left_micros < low_usd * 1_000_000:
        with _line() as line:
            logger.error("be:house-low", extra={"left_micros": left_micros, "low_usd": low_usd})
            line.count("HouseLow")


def moved(entries: Mapping[str, int]) -> None:
    """Counts of new ledger entries by type ("spend", "capture", "refund", ...), each entry once."""
    with _line() as line:
        for type_, number in entries.items():
            line.count(f"Entries_{type_}", number)


def rotated(name: str, *, made: Sequence[str], dropped: Sequence[str]) -> None:
    """The line of a changed ring: names of keys, which do not reveal the keys."""
    _say(f"be:rotated secret={name}", {"made": list(made), "dropped": list(dropped)})


def not_rotated(name: str, trouble: str) -> None:
    """The line and the metric of a ring that could not be read or changed."""
    with _line() as line:
        logger.error("be:not-rotated", extra={"secret": name, "trouble": trouble})
        line.count("NotRotated")


def secret_ages(days: Mapping[str, int]) -> None:
    """The age in days of each secret in use; the metric's maximum is the oldest."""
    if not days:
        return
    directive = _directive([[]], ["SecretAgeDays"])
    figures = {"SecretAgeDays": list(days.values()), "_aws": _metadata([directive])}
    logger.info("secret ages", extra={"ages": dict(days), **figures})


def _say(message: str, facts: Mapping[str, Any], *counted: str) -> None:
    with _line() as line:
        line.say(message, facts)
        for name in counted:
            line.count(name)


@contextmanager
def _line() -> Iterator[Line]:
    """The invocation's line; outside an invocation, one that is written at once."""
    line = _LINE.get()
    if line is not None:
        yield line
        return
    line = Line({})
    yield line
    line.write()


def _first_invocation() -> bool:
    global _started
    first, _started = not _started, True
    return first


def _metadata(directives: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Format: "Specification: Embedded metric format" in the CloudWatch user guide."""
    return {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": list(directives)}


def _directive(dimensions: list[list[str]], metrics: Iterable[str]) -> dict[str, Any]:
    """`metrics` by name. Units are left out: they add a twentieth to a line and say nothing about a count."""
    named = [{"Name": name} for name in metrics]
    return {"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": named}
