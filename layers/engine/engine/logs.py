"""Logs and metrics: structured lines with the request id, metrics in EMF; never a body or secret."""

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(service="pluct", log_uncaught_exceptions=False)
metrics = Metrics(namespace="Pluct", service="pluct")


def vending(user: str, *, ok: bool, **facts: object) -> None:
    """The documented line of a vend."""
    logger.info(f"be:vending user={user} ok={'true' if ok else 'false'}", extra=facts)


def upstream_call(call: str, status: int, **facts: object) -> None:
    """The documented line of a call to the transcription service."""
    logger.info(f"be:ttt call={call} http={status}", extra=facts)


def job_webhook(job: str, outcome: str) -> None:
    """The line of a webhook of the transcription service: our id of the job and what came of it."""
    logger.info(f"be:ttt webhook job={job} outcome={outcome}")


def circuit_changed(service: str, state: str) -> None:
    """The line and the metric of a circuit breaker that opened or closed."""
    logger.warning(f"be:circuit service={service} state={state}")
    _count("CircuitOpened" if state == "open" else "CircuitChanged")


def tiktok_asked(subject: str, outcome: str, **facts: object) -> None:
    """The line of a look-up at TikTok: what was asked for, and `ok`, `partial` or a refusal's code."""
    logger.info(f"be:meta asked={subject} outcome={outcome}", extra=facts)


def tiktok_not_kept(subject: str, trouble: str) -> None:
    """The line of an answer of TikTok that went out and was not kept."""
    logger.info(f"be:meta not-kept={subject}", extra={"trouble": trouble})


def low_balance(user: str, available: int, **facts: object) -> None:
    """The line and the metric of a balance that fell below the threshold."""
    logger.info(f"be:low-balance user={user} available={available}", extra=facts)
    _count("LowBalance")


def not_projected(trouble: str) -> None:
    """The line and the metric of a record or an account that could not be projected."""
    logger.error("be:not-projected", extra={"trouble": trouble})
    _count("NotProjected")


def house_balance(left_micros: int, low_usd: int) -> None:
    """The line and the metric of an operator's OpenRouter account that runs low."""
    if left_micros < low_usd * 1_000_000:
        logger.error("be:house-low", extra={"left_micros": left_micros, "low_usd": low_usd})
        _count("HouseLow")


def _count(name: str) -> None:
    """One more of a metric, written at once."""
    metrics.add_metric(name, MetricUnit.Count, 1)
    metrics.flush_metrics()
