"""Under `sam local start-api`, which gives every request one id, requests are told apart all the same."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.gateway import Gateway, Reply
from tests.support.template import ROOT

SHARED = "6f9f1a3e-5a52-4b6f-8b62-0d8a4ac1a2cb"


@dataclass(frozen=True)
class Context:
    """Lambda's context, as far as it is read."""

    aws_request_id: str
    function_name: str = "CreditsFunction"


@pytest.fixture
def sam(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The gateway in SAM's containers."""
    monkeypatch.setenv("AWS_SAM_LOCAL", "true")
    gateway = Gateway(endpoint, RATE_LIMIT="100000")
    for name in ("credits", "users", "tokens"):
        gateway.function(name)
    return gateway


def sent(gateway: Gateway, sample: str, invocation: str, **parts: Any) -> Reply:
    """The answer to a sample event with `parts` in its headers or body, in the invocation of this id."""
    event = json.loads((ROOT / "events" / f"{sample}.json").read_text(encoding="utf-8"))
    event["requestContext"]["requestId"] = SHARED
    for name in ("idempotency-key", "x-client-request-id"):
        event["headers"].pop(name, None)
    event["headers"] |= parts.get("headers", {})
    event["body"] = json.dumps(parts.get("body", {}))
    function, _, _ = gateway.routed(event["requestContext"]["http"]["method"], event["rawPath"])
    context = Context(invocation) if invocation else None
    answer = gateway.function(function).lambda_handler(event, context)
    return Reply(answer["statusCode"], answer["headers"], answer["body"])


def test_two_requests_without_an_id_of_the_client_s_are_two_additions(sam: Gateway) -> None:
    user, _ = sam.user()
    body = {"userId": user, "amount": 2, "reason": "top-up"}
    answers = [
        sent(sam, "add_credits", invocation, headers=sam.api_key, body=body)
        for invocation in ("one", "two")
    ]
    assert [answer.json["newBalance"] for answer in answers] == [2, 4]
    assert [answer.headers["x-request-id"] for answer in answers] == ["one", "two"]
    entries = sam.ledger.entries(user, limit=10)
    assert [entry.available_after for entry in entries] == [4, 2, 0]


def test_two_vends_without_an_id_of_the_client_s_are_two_tokens(sam: Gateway) -> None:
    _, headers = sam.user(2)
    answers = [sent(sam, "vend_token", name, headers=headers) for name in ("three", "four")]
    assert [answer.json["balanceAfter"] for answer in answers] == [1, 0]
    assert answers[0].json["token"] != answers[1].json["token"]


def test_a_repeated_request_of_a_client_gets_the_first_answer(sam: Gateway) -> None:
    """What the client says goes before what Lambda says."""
    _, headers = sam.user(2)
    body = {"clientRequestId": "same"}
    answers = [
        sent(sam, "vend_token", name, headers=headers, body=body) for name in ("five", "six")
    ]
    assert answers[0].json["token"] == answers[1].json["token"]
    assert answers[1].json["balanceAfter"] == 1


def test_without_an_id_of_lambda_s_the_event_s_is_taken(sam: Gateway) -> None:
    _, headers = sam.user(1)
    assert sent(sam, "vend_token", "", headers=headers).headers["x-request-id"] == SHARED


def test_on_aws_the_api_s_id_is_the_request_s(gateway: Gateway) -> None:
    """Lambda's id changes when API Gateway's request is tried again, the API's does not."""
    _, headers = gateway.user(2)
    answers = [sent(gateway, "vend_token", name, headers=headers) for name in ("seven", "eight")]
    assert [answer.headers["x-request-id"] for answer in answers] == [SHARED, SHARED]
    assert answers[0].json["token"] == answers[1].json["token"]
