"""How many unprocessable messages the dead-letter queues hold.

Failure policy: if a queue does not answer within 2 s, the figure is unknown; nothing else fails.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from engine.platform import aws

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

CLIENT_CONFIG = aws.limits(attempts=1, parameter_validation=False)


def depth(queues: Sequence[str]) -> int | None:
    """The number of messages in `queues` (URLs); None if there are no queues or one does not answer."""
    if not queues:
        return None
    try:
        return sum(_waiting(queue) for queue in queues)
    except (ClientError, BotoCoreError):
        return None


def _waiting(queue: str) -> int:
    answer = _client().get_queue_attributes(
        QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


@cache
def _client() -> "SQSClient":
    """Created on first use: most requests to the admin API do not need it."""
    client: SQSClient = aws.client("sqs", CLIENT_CONFIG)
    return client
