"""Creates the secrets that are missing: as a custom resource when the stack is deployed."""

import time
from typing import Any

from engine import config, keyrings, rotation
from engine.logs import logger

settings = config.load()
parameters = keyrings.connect()


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """A `Custom::Secrets` request: `Names` are created where missing, and never taken away."""
    created: list[str] = []
    ok, reason = True, "done"
    try:
        if event["RequestType"] != "Delete":
            names = event["ResourceProperties"]["Names"]
            created = rotation.create_missing(
                parameters, settings.secrets_prefix, names, int(time.time())
            )
    except Exception:  # noqa: BLE001 - unanswered, a stack waits for an hour before it fails.
        logger.exception("secrets were not created")
        ok, reason = False, "the secrets could not be created; the function's log says why"
    logger.info("secrets", extra={"secrets": created, "ok": ok})
    rotation.answer_cloudformation(event, ok=ok, reason=reason, log=", ".join(created))
