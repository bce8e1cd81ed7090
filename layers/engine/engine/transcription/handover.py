"""Calls handed to a worker: one message names the hold that pays for the call.

Failure policy: if the queue cannot be reached within 2 s in two attempts, `NotHandedOver` is raised and
the caller finishes the call itself.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from engine.platform import aws
from engine.platform.ids import is_user_id

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

CLIENT_CONFIG = aws.limits(attempts=2, parameter_validation=False)


class NotHandedOver(Exception):
    """The queue did not accept the call."""


class Handover(Protocol):
    """Accepts calls for a worker."""

    def send(self, user: str, jti: str) -> None:
        """Hands over the call that the hold of `jti` pays for. Raises `NotHandedOver`."""


class NoHandover:
    """There is no worker."""

    def send(self, user: str, jti: str) -> None:
        raise NotHandedOver()


class QueueHandover:
    """A queue that a worker reads; its client is created with the first call."""

    def __init__(self, url: str, connect: Callable[[], "SQSClient"]) -> None:
        self._url = url
        self._client = cache(connect)

    def send(self, user: str, jti: str) -> None:
        body = json.dumps({"user": user, "jti": jti}, separators=(",", ":"))
        try:
            self._client().send_message(QueueUrl=self._url, MessageBody=body)
        except (ClientError, BotoCoreError) as error:
            raise NotHandedOver() from error


def connect() -> "SQSClient":
    """A client with this module's limits; region and endpoint come from the environment."""
    client: SQSClient = aws.client("sqs", CLIENT_CONFIG)
    return client


def read_message(body: str) -> tuple[str, str]:
    """User and jti of a message. Raises `ValueError` if it is not a call."""
    document: Any = json.loads(body)
    user, jti = (
        (document.get("user"), document.get("jti")) if isinstance(document, dict) else (0, 0)
    )
    if not is_user_id(user) or not isinstance(jti, str) or not jti:
        raise ValueError("not a call")
    return str(user), jti
