"""Creates the secrets that are missing when the stack is deployed, and turns the rings every day."""

import time
from typing import Any

from engine.access import keyrings, ring_store, rotation
from engine.access.rotation import Terms
from engine.platform import config, logs
from engine.platform.logs import logger
from engine.platform.times import DAY_S

settings = config.load()
parameters = keyrings.connect()
terms = Terms(settings.rotate_after_days * DAY_S, settings.user_token_max_age_s)
clock = time.time


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """A `Custom::Secrets` request, or a scheduled event, of which nothing is read."""
    with logs.invocation(context):
        if "RequestType" in event:
            _create(event)
        else:
            _turn()


def _create(event: dict[str, Any]) -> None:
    """`Names` are created where missing, and never taken away."""
    created: list[str] = []
    ok, reason = True, "done"
    try:
        if event["RequestType"] != "Delete":
            names = event["ResourceProperties"]["Names"]
            created = rotation.create_missing(
                parameters, settings.secrets_prefix, names, int(clock())
            )
    except Exception:  # noqa: BLE001 - unanswered, a stack waits for an hour before it fails.
        logger.exception("secrets were not created")
        ok, reason = False, "the secrets could not be created; the function's log says why"
    logger.info("secrets", extra={"secrets": created, "ok": ok})
    rotation.answer_cloudformation(event, ok=ok, reason=reason, log=", ".join(created))


def _turn() -> None:
    """New keys where they are due, old ones away, and the age of each secret as a metric.

    A ring that can not be turned does not keep the others from it.
    """
    ages: dict[str, int] = {}
    for name in rotation.POLICIES:
        try:
            done = rotation.turn(parameters, settings.secrets_prefix, name, terms, now=int(clock()))
        except ring_store.TROUBLES as trouble:
            logs.not_rotated(name, type(trouble).__name__)
            continue
        if done is not None:
            ages[name] = done.age_s // DAY_S
            if done.made or done.dropped:
                logs.rotated(name, made=done.made, dropped=done.dropped)
    logs.secret_ages(ages)
