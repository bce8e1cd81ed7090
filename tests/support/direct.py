"""Calls that a client library would not make: any bytes, any path members, any event."""

import base64
from collections.abc import Mapping
from typing import Any

from tests.support.gateway import Gateway, Reply

ERROR_MEMBERS = {
    "ok", "success", "code", "error", "message", "details", "requestId", "build", "guidance",
    "timestamp",
}  # fmt: skip
INTERNALS = (
    "Traceback",
    "msgspec",
    "Expected `",
    "botocore",
    "engine.",
    "engine/",
    ".py",
    "Exception",
)


def send(gateway: Gateway, function: str, method: str, path: str, **parts: Any) -> Reply:
    """The answer of `function` to an event with `parts` laid over a plain one."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "api.example.test"},
        "requestContext": {
            "domainName": "api.example.test",
            "http": {"method": method, "path": path, "sourceIp": "203.0.113.7"},
            "requestId": "direct-1",
            "stage": "$default",
        },
        "isBase64Encoded": False,
        **parts,
    }
    answer = gateway.function(function).lambda_handler(event, None)
    return Reply(answer["statusCode"], answer["headers"], answer["body"])


def post_bytes(gateway: Gateway, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    """The answer to a body of any bytes, sent as API Gateway sends what is not text."""
    raw = base64.b64encode(body).decode()
    return gateway.call("POST", path, raw=raw, encoded=True, headers=headers)


def assert_refused(reply: Reply, status: int | None = None) -> None:
    """A 4xx with the one error body, every member of it, and nothing about the inside."""
    assert 400 <= reply.status < 500, reply.text
    assert status is None or reply.status == status, reply.text
    assert_error_body(reply)


def assert_error_body(reply: Reply) -> None:
    """The one error body of all routes, for the request that it answers."""
    body = reply.json
    assert body.keys() >= ERROR_MEMBERS
    assert body["ok"] is False and body["success"] is False
    assert body["requestId"] == reply.headers["x-request-id"]
    assert body["build"] == {"ref": "test", "deployedAt": "2026-01-01T00:00:00Z"}
    assert all(body[name] for name in ("code", "error", "message", "guidance", "timestamp"))
    assert reply.headers["content-type"] == "application/json"
    assert [word for word in INTERNALS if word in reply.text] == []
