"""Sample events with the credentials of a run: each route answers its own by success.

`make check-sam-local` sends the same to functions in containers.
"""

import json
import time
from typing import Any

import pytest
import requests

from engine.providers import play_messages
from local.services import PAYMENT_PARAMETERS
from local.settings import ROOT
from local.template import load_template, resources_of_type
from tests.e2e.conftest import App
from tools.sam.events import EXPECTED, FillError, Run, fill, is_expected, samples, send
from tools.sam.invoke import CREATION, STREAM, function_of

SAMPLES = samples(ROOT)
ROUTED = sorted(name for name, event in SAMPLES.items() if "routeKey" in event)
MADE_UP = ("sample", "user-123", "7d9f2c1e", "key_0123456789abcdef", "000000000000.js")


@pytest.mark.parametrize("name", ROUTED)
def test_a_filled_event_succeeds_each_time(app: App, name: str) -> None:
    for _ in range(2):
        event = fill(SAMPLES[name], Run(app.run))
        answer = send(app.run["baseUrl"], event)
        assert is_expected(event, answer.status_code), answer.text


@pytest.mark.parametrize("name", ROUTED)
def test_a_filled_event_has_no_placeholder_credential(app: App, name: str) -> None:
    event = fill(SAMPLES[name], Run(app.run))
    said = json.dumps([event["headers"], event.get("cookies"), event.get("pathParameters")])
    assert not [word for word in MADE_UP if word in said]


def test_a_push_of_google_has_what_the_authorizer_finds_in_its_token(app: App) -> None:
    claims = fill(SAMPLES["play_push"], Run(app.run))["requestContext"]["authorizer"]["jwt"][
        "claims"
    ]
    account, audience = PAYMENT_PARAMETERS["PlayPushAccount"], PAYMENT_PARAMETERS["PlayAudience"]
    event = {"requestContext": {"authorizer": {"jwt": {"claims": claims}}}}
    assert play_messages.is_admitted(event, account, audience, int(time.time()))


def test_filling_an_event_leaves_the_sample_as_it_is(app: App) -> None:
    before = json.dumps(SAMPLES["transcription_status"])
    filled = fill(SAMPLES["transcription_status"], Run(app.run))
    assert json.dumps(SAMPLES["transcription_status"]) == before
    assert filled["rawPath"] == f"/ttt/status/{filled['pathParameters']['id']}"
    assert filled["requestContext"]["http"]["path"] == filled["rawPath"]


def test_a_batch_of_the_stream_needs_no_credential_of_a_run() -> None:
    assert fill(SAMPLES["stream_entries"], Run({})) == SAMPLES["stream_entries"]


def test_the_answer_to_cloudformation_has_a_reachable_address(app: App) -> None:
    """A container cannot reach the sample's address, so the engine's S3 receives the answer, as on AWS."""
    filled = fill(SAMPLES["create_secrets"], Run(app.run))
    address = filled["ResponseURL"].replace("//host.docker.internal:", "//127.0.0.1:")
    assert address.startswith(app.run["engineUrl"])
    answer = requests.put(address, data=b"{}", headers={"Content-Type": ""}, timeout=10)
    assert answer.ok, answer.text
    assert filled | {"ResponseURL": ""} == SAMPLES["create_secrets"] | {"ResponseURL": ""}


def test_a_refusal_of_the_gateway_is_reported(app: App) -> None:
    run = Run({**app.run, "webhookSecret": "wrong"})
    with pytest.raises(FillError, match="POST /add-credits: 401"):
        fill(SAMPLES["balance"], run)


def test_each_event_finds_its_function() -> None:
    template = load_template(ROOT / "template.yaml")
    functions = resources_of_type(template, "AWS::Serverless::Function")
    found = {name: function_of(event, template) for name, event in SAMPLES.items()}
    assert set(found.values()) <= functions.keys()
    assert (found["create_secrets"], found["stream_entries"]) == (CREATION, STREAM)
    assert (found["no_route"], found["vend_token"]) == ("HealthFunction", "TokensFunction")
    routes: dict[str, Any] = {SAMPLES[name]["routeKey"]: name for name in ROUTED}
    assert routes.keys() >= EXPECTED.keys()


def test_an_unknown_route_is_named() -> None:
    event = {"routeKey": "GET /nowhere"}
    with pytest.raises(FillError, match="GET /nowhere"):
        function_of(event, load_template(ROOT / "template.yaml"))
