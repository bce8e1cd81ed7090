"""Secrets are created where they are missing, once, and CloudFormation is told how it went."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from requests import HTTPError

from engine import health, keyrings, rotation
from tests.support import deployed
from tests.support.gateway import Gateway
from tests.support.loglines import caught

NOW = 1_800_000_000


@pytest.fixture
def ssm(endpoint: str) -> Iterator[Any]:
    settings: Any = deployed.client_settings(endpoint)
    client = boto3.client("ssm", **settings)
    yield client
    client.close()


def values(ssm: Any, prefix: str) -> dict[str, str]:
    found = ssm.get_parameters_by_path(Path=prefix, WithDecryption=True)["Parameters"]
    return {parameter["Name"].removeprefix(prefix): parameter["Value"] for parameter in found}


class Receiver(ThreadingHTTPServer):
    """What CloudFormation offers at the end of a custom resource: takes one answer after another."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.received: list[tuple[str, str | None, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/answer?X-Amz-Signature=abc%2Bd"


class Answers(BaseHTTPRequestHandler):
    server: Receiver

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """The server says nothing on the terminal."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


def test_every_missing_secret_is_created_and_none_is_overwritten(ssm: Any) -> None:
    prefix = "/rotation-1/"
    assert rotation.create_missing(ssm, prefix, ["A", "B"], NOW) == ["A", "B"]
    first = values(ssm, prefix)
    assert rotation.create_missing(ssm, prefix, ["A", "B", "C"], NOW + 1) == ["C"]
    second = values(ssm, prefix)
    assert {name: second[name] for name in first} == first
    assert second.keys() == {"A", "B", "C"}


def test_a_secret_that_somebody_imported_is_left_as_it_is(ssm: Any) -> None:
    ssm.put_parameter(Name="/rotation-2/A", Value="imported", Type="SecureString")
    assert rotation.create_missing(ssm, "/rotation-2/", ["A"], NOW) == []
    assert values(ssm, "/rotation-2/") == {"A": "imported"}


def test_two_runs_at_once_create_each_secret_once(ssm: Any) -> None:
    names = [f"S{n}" for n in range(5)]
    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(rotation.create_missing, ssm, "/rotation-3/", names, NOW) for _ in range(4)
        ]
    created = [name for run in runs for name in run.result()]
    assert sorted(created) == names


def test_a_new_ring_has_one_secret_of_256_bits_and_is_read_back() -> None:
    document = json.loads(rotation.new_ring(NOW))
    (key,) = document["keys"]
    assert list(document) == ["keys"] and list(key) == ["secret", "createdAt"]
    assert key["createdAt"] == "2027-01-15T08:00:00.000Z"
    assert len(key["secret"]) >= 43
    assert keyrings.parse(json.dumps(document)).secrets == (key["secret"],)
    assert json.loads(rotation.new_ring(NOW)) != document


def test_secrets_are_stored_encrypted(ssm: Any) -> None:
    rotation.create_missing(ssm, "/rotation-4/", ["A"], NOW)
    assert ssm.get_parameter(Name="/rotation-4/A")["Parameter"]["Type"] == "SecureString"


def request(receiver: Receiver, kind: str, **members: Any) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": receiver.url,
        "StackId": "arn:aws:cloudformation:us-east-1:000000000000:stack/pluct/1",
        "RequestId": "request-1",
        "LogicalResourceId": "Secrets",
        "ResourceType": "Custom::Secrets",
        "ResourceProperties": {"Names": ["ONE", "TWO"]},
        **members,
    }


def invoke(endpoint: str, prefix: str, event: dict[str, Any]) -> None:
    function = Gateway(endpoint, SECRETS_PREFIX=prefix).function("rotation")
    function.lambda_handler(event, None)


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_deployment_creates_the_secrets_and_cloudformation_hears_of_it(
    endpoint: str, ssm: Any, kind: str
) -> None:
    with receiving() as receiver:
        invoke(endpoint, f"rotation-{kind}", request(receiver, kind))
    ((path, content_type, body),) = receiver.received
    assert path == "/answer?X-Amz-Signature=abc%2Bd"
    assert content_type in ("", None)
    assert body == {
        "Status": "SUCCESS",
        "Reason": "done",
        "PhysicalResourceId": "secrets",
        "StackId": "arn:aws:cloudformation:us-east-1:000000000000:stack/pluct/1",
        "RequestId": "request-1",
        "LogicalResourceId": "Secrets",
        "Data": {"log": "ONE, TWO"},
    }
    assert values(ssm, f"/rotation-{kind}/").keys() == {"ONE", "TWO"}


def test_an_update_keeps_its_id_and_adds_only_what_is_new(endpoint: str, ssm: Any) -> None:
    with receiving() as receiver:
        invoke(endpoint, "rotation-6", request(receiver, "Create"))
        before = values(ssm, "/rotation-6/")
        more = {
            "ResourceProperties": {"Names": ["ONE", "TWO", "THREE"]},
            "PhysicalResourceId": "kept",
        }
        invoke(endpoint, "rotation-6", request(receiver, "Update", **more))
    body = receiver.received[-1][2]
    assert (body["PhysicalResourceId"], body["Data"]) == ("kept", {"log": "THREE"})
    after = values(ssm, "/rotation-6/")
    assert {name: after[name] for name in before} == before


def test_deleting_the_stack_takes_no_secret_away(endpoint: str, ssm: Any) -> None:
    with receiving() as receiver:
        invoke(endpoint, "rotation-7", request(receiver, "Create"))
        before = values(ssm, "/rotation-7/")
        gone = request(receiver, "Delete", PhysicalResourceId="secrets")
        invoke(endpoint, "rotation-7", gone)
    assert receiver.received[-1][2]["Status"] == "SUCCESS"
    assert values(ssm, "/rotation-7/") == before


@pytest.mark.parametrize(
    "broken", [{"ResourceProperties": {}}, {"ResourceProperties": {"Names": [7]}}]
)
def test_a_failure_is_told_without_its_words_and_logged(
    endpoint: str, broken: dict[str, Any]
) -> None:
    with receiving() as receiver, caught() as lines:
        invoke(endpoint, "rotation-8", request(receiver, "Create", **broken))
    body = receiver.received[-1][2]
    assert body["Status"] == "FAILED"
    assert "log" in body["Reason"] and "Error" not in body["Reason"]
    assert [line["message"] for line in lines.json if line["level"] == "ERROR"] == [
        "secrets were not created"
    ]


def test_neither_the_answer_nor_the_log_shows_a_secret(endpoint: str, ssm: Any) -> None:
    with receiving() as receiver, caught() as lines:
        invoke(endpoint, "rotation-9", request(receiver, "Create"))
    shown = json.dumps(receiver.received) + lines.text
    secrets = [
        json.loads(value)["keys"][0]["secret"] for value in values(ssm, "/rotation-9/").values()
    ]
    assert len(secrets) == 2
    assert [secret for secret in secrets if secret in shown] == []


def test_an_answer_that_is_not_taken_is_an_error() -> None:
    with receiving() as receiver:
        receiver.status = 403
        event = request(receiver, "Create")
        with pytest.raises(HTTPError):
            rotation.answer_cloudformation(event, ok=True, reason="done", log="")


def test_the_template_creates_all_secrets_that_functions_may_read() -> None:
    granted = {
        str(resource).rsplit("/", 1)[-1].rstrip("'}")
        for properties in deployed.functions().values()
        for policy in properties["Policies"]
        for statement in policy["Statement"]
        if "ssm:GetParameters" in statement["Action"]
        for resource in (
            statement["Resource"]
            if isinstance(statement["Resource"], list)
            else [statement["Resource"]]
        )
    }
    named = {*deployed.secret_names(), *deployed.imported_names()}
    assert granted - {health.PROBE_PARAMETER} == named
