"""Creates missing secrets and names revisions when the stack is deployed, and turns the rings every day."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from engine.access import keyrings, ring_store, rotation
from engine.access.rotation import Terms
from engine.admin import cloudformation
from engine.platform import config, logs
from engine.platform.logs import logger
from engine.platform.times import DAY_S

settings = config.load()
parameters = keyrings.connect()
terms = Terms(settings.rotate_after_days * DAY_S, settings.user_token_max_age_s)
clock = time.time


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """A request for one of `CUSTOM_RESOURCES`, or a scheduled event, of which nothing is read."""
    with logs.invocation(context):
        if "RequestType" in event:
            _serve(event)
        else:
            _turn()


def _serve(event: dict[str, Any]) -> None:
    """What a custom resource asks for, and the answer; a deletion takes nothing away."""
    data: Mapping[str, str] | None = {}
    reason = "done"
    try:
        if event["RequestType"] != "Delete":
            data = CUSTOM_RESOURCES[event["ResourceType"]](event["ResourceProperties"])
    except Exception:  # noqa: BLE001 - unanswered, a stack waits for an hour before it fails.
        logger.exception("custom resource failed")
        data, reason = None, "the request failed; the function's log says why"
    cloudformation.answer(event, data, reason=reason)


def _create(properties: Mapping[str, Any]) -> dict[str, str]:
    """`Names` are created where missing, and never taken away."""
    names = properties["Names"]
    created = rotation.create_missing(parameters, settings.secrets_prefix, names, int(clock()))
    logger.info("secrets", extra={"secrets": created})
    return {"log": ", ".join(created)}


CUSTOM_RESOURCES: Mapping[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "Custom::Secrets": _create,
    "Custom::Revision": cloudformation.revisions,
}


def _turn() -> None:
    """New keys where they are due, old ones away, and the age of each secret as a metric.

    A ring that cannot be turned does not keep the others from it.
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
