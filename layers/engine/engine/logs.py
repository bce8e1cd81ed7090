"""Logs and metrics: structured lines with the request id, metrics in EMF; never a body or secret."""

from aws_lambda_powertools import Logger, Metrics

logger = Logger(service="pluct", log_uncaught_exceptions=False)
metrics = Metrics(service="pluct")


def vending(user: str, *, ok: bool, **facts: object) -> None:
    """The documented line of a vend."""
    logger.info(f"be:vending user={user} ok={'true' if ok else 'false'}", extra=facts)


def upstream_call(call: str, status: int, **facts: object) -> None:
    """The documented line of a call to the transcription service."""
    logger.info(f"be:ttt call={call} http={status}", extra=facts)
