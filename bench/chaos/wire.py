"""A DynamoDB client that speaks the wire's JSON and nothing else: a tenth of botocore's CPU a call.

The functions hand their clients DynamoDB's own JSON, so only binary values and errors are translated. It
does not sign, as no local engine looks at signatures, and it does not repeat a call: `store` does.
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

TIMEOUT_S = 60
_HEADERS = {
    "content-type": "application/x-amz-json-1.0",
    "x-amz-date": "20300101T000000Z",
    "authorization": "AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0",
}


class WireClient:
    """The operations of DynamoDB at `endpoint`, under boto's names, over one connection."""

    def __init__(self, endpoint: str) -> None:
        address = urlsplit(endpoint)
        self._connection = http.client.HTTPConnection(
            str(address.hostname), address.port, timeout=TIMEOUT_S
        )

    def close(self) -> None:
        self._connection.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = "".join(part.capitalize() for part in name.split("_"))
        return lambda **request: self._call(operation, request)

    def _call(self, operation: str, request: dict[str, Any]) -> Any:
        headers = {**_HEADERS, "x-amz-target": f"DynamoDB_20120810.{operation}"}
        self._connection.request("POST", "/", json.dumps(request, default=_text), headers)
        answer = self._connection.getresponse()
        members = json.loads(answer.read(), object_hook=_binary)
        if answer.status == 200:
            return members
        code = str(members.get("__type", "")).rpartition("#")[2]
        error: Any = {
            **members,
            "Error": {"Code": code, "Message": str(members.get("message", ""))},
            "ResponseMetadata": {"HTTPStatusCode": answer.status},
        }
        raise ClientError(error, operation)


def _text(value: Any) -> str:
    """Binary values as the wire has them."""
    if not isinstance(value, bytes):
        raise TypeError(type(value).__name__)
    return base64.b64encode(value).decode()


def _binary(members: dict[str, Any]) -> dict[str, Any]:
    """`{"B": text}` with its bytes."""
    if members.keys() == {"B"} and isinstance(members["B"], str):
        return {"B": base64.b64decode(members["B"])}
    return members
