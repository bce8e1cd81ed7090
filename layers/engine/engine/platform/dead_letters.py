"""How many messages nobody could work off: what lies in the dead-letter queues.

Failure policy: a figure beside others, so a queue that can not be asked within 2 s makes it unknown and
nothing else.
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
    """The messages in `queues` (their URLs), None where there are none to ask or one does not answer."""
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
    """Made when it is first needed: most calls of the admin API do not ask."""
    client: SQSClient = aws.client("sqs", CLIENT_CONFIG)
    return client
