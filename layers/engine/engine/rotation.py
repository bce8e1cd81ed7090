"""Secrets: every missing one is created, as a ring of one; none is ever overwritten here."""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import requests
from botocore.exceptions import ClientError

from engine.ids import iso

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

ANSWER_LIMITS_S = (3, 10)


def create_missing(client: "SSMClient", prefix: str, names: Sequence[str], now: int) -> list[str]:
    """Create the secrets of `names` that are not there; the names that were created.

    Two runs at once are safe: the parameter store refuses to create one that exists.
    """
    created = []
    for name in names:
        try:
            client.put_parameter(
                Name=prefix + name, Value=new_ring(now), Type="SecureString", Overwrite=False
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterAlreadyExists":
                raise
        else:
            created.append(name)
    return created


def new_ring(now: int) -> str:
    """A ring of one fresh secret of 256 bits, as `engine.keyrings` reads it."""
    return json.dumps({"keys": [{"secret": secrets.token_urlsafe(32), "createdAt": iso(now)}]})


def answer_cloudformation(event: Mapping[str, Any], *, ok: bool, reason: str, log: str) -> None:
    """Tell CloudFormation how a custom resource's request went.

    Format: "Custom resource response objects" in the CloudFormation user guide. Raises
    `requests.RequestException` when it can not be told.
    """
    body = {
        "Status": "SUCCESS" if ok else "FAILED",
        "Reason": reason,
        "PhysicalResourceId": event.get("PhysicalResourceId") or "secrets",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {"log": log},
    }
    with requests.Session() as session:
        session.trust_env = False
        answer = session.put(
            event["ResponseURL"],
            data=json.dumps(body).encode(),
            headers={"Content-Type": ""},
            timeout=ANSWER_LIMITS_S,
            allow_redirects=False,
        )
        answer.raise_for_status()
