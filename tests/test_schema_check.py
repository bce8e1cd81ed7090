"""The check of answers accepts what the description has and refuses everything else."""

import json
from typing import Any

import pytest

from tests.support import schema

REFUSED = [
    ("GET", "/health", 200, {"content-type": "application/json"}, "{}"),
    ("GET", "/health", 200, {"content-type": "text/plain", "x-request-id": "1"}, "ok"),
    ("GET", "/health", 418, {}, ""),
    ("GET", "/nowhere", 200, {}, "{}"),
    ("DELETE", "/health", 404, {}, "{}"),
]


@pytest.mark.parametrize("answer", REFUSED)
def test_an_answer_that_is_not_described_is_refused(answer: Any) -> None:
    with pytest.raises(AssertionError):
        schema.check_answer(*answer)


def test_a_described_answer_passes() -> None:
    described = schema.refer("#/components/responses/JobStatus").at("content")
    body = described.at("application/json").value["examples"]["completed"]["value"]
    headers = {"Content-Type": "application/json", "X-Request-Id": "1"}
    schema.check_answer("GET", "/ttt/status/7d9f2c1e?x=1", 200, headers, json.dumps(body))
    with pytest.raises(AssertionError, match=r"\$\.credit"):
        schema.check_answer(
            "GET", "/ttt/poll/1", 200, headers, json.dumps({**body, "credit": "gone"})
        )
