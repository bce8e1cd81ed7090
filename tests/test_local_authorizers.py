"""A JWT authorizer of the template works in the local run, by the keys of a stand-in of its issuer."""

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from engine.providers import play_messages
from local import services
from local.engine import Engine, aws_client
from local.engine_main import ISSUERS_VARIABLE
from local.services import SERVICES, Upstream, listen
from local.settings import ROOT, Settings
from local.template import Template, TemplateError, load_template
from local.translate import translate
from standins import daraja, play
from tests.support.answering import Answer, Answering, answering
from tests.support.standins import Standin, standing

pytestmark = pytest.mark.enable_socket
AUDIENCE = "https://pluct.example/webhooks/play"
JWT = {
    "IdentitySource": "$request.header.Authorization",
    "JwtConfiguration": {"issuer": play.ISSUER, "audience": [AUDIENCE]},
}


def with_authorizer(authorizer: dict[str, Any]) -> Template:
    """The template, whose route of the health check has an authorizer."""
    source = copy.deepcopy(load_template(ROOT / "template.yaml"))
    api = source["Resources"]["HttpApi"]["Properties"]
    api["Auth"]["Authorizers"]["Push"] = authorizer
    events = source["Resources"]["HealthFunction"]["Properties"]["Events"]
    event = next(one for one in events.values() if one["Properties"].get("Path") == "/health")
    event["Properties"]["Auth"] = {"Authorizer": "Push"}
    return source


def test_an_authorizer_of_jwts_becomes_a_resource_of_its_route_alone() -> None:
    resources = translate(with_authorizer(JWT), "bucket").template["Resources"]
    made = resources["Push"]
    assert made["Type"] == "AWS::ApiGatewayV2::Authorizer"
    properties = made["Properties"]
    assert (properties["AuthorizerType"], properties["IdentitySource"]) == (
        "JWT",
        ["$request.header.Authorization"],
    )
    assert properties["JwtConfiguration"] == {"Audience": [AUDIENCE], "Issuer": play.ISSUER}
    routes = [
        one["Properties"] for one in resources.values() if one["Type"] == "AWS::ApiGatewayV2::Route"
    ]
    guarded = [route for route in routes if route.get("AuthorizerId") == {"Ref": "Push"}]
    assert [(route["RouteKey"], route["AuthorizationType"]) for route in guarded] == [
        ("GET /health", "JWT")
    ]


def test_an_authorizer_of_another_kind_is_refused() -> None:
    function = {"FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:x"}
    other = {**function, "AuthorizerPayloadFormatVersion": "2.0", "Identity": {"Headers": ["x"]}}
    with pytest.raises(TemplateError, match="Push"):
        translate(with_authorizer(other), "bucket")


@pytest.fixture
def receiver() -> Iterator[Answering]:
    with answering(Answer()) as server:
        yield server


@pytest.fixture
def store(receiver: Answering) -> Iterator[Standin]:
    with standing(play.create_app(receiver.url, AUDIENCE)) as running:
        yield running


@pytest.fixture
def guarded(store: Standin) -> Iterator[str]:
    """The address of a route with an authorizer in an engine; behind it is nothing."""
    known = json.dumps({play.ISSUER: store.base + play.KEYS_PATH})
    engine = Engine.start(function_env={ISSUERS_VARIABLE: known})
    try:
        engine.wait_ready()
        yield f"{engine.endpoint}{_deployed(engine)}/webhooks/play"
    finally:
        engine.stop()


def _deployed(engine: Engine) -> str:
    """The path of an API with one route, which a JWT authorizer guards."""
    client = aws_client("apigatewayv2", engine.endpoint)
    api = client.create_api(Name="guarded", ProtocolType="HTTP")["ApiId"]
    target = client.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationUri="arn:aws:lambda:us-east-1:000000000000:function:none",
        PayloadFormatVersion="2.0",
    )["IntegrationId"]
    authorizer = client.create_authorizer(
        ApiId=api,
        AuthorizerType="JWT",
        Name="Push",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Audience": [AUDIENCE], "Issuer": play.ISSUER},
    )["AuthorizerId"]
    client.create_route(
        ApiId=api,
        RouteKey="POST /webhooks/play",
        Target=f"integrations/{target}",
        AuthorizationType="JWT",
        AuthorizerId=authorizer,
    )
    client.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    return f"/_aws/execute-api/{api}/$default"


def test_the_engine_admits_the_tokens_of_the_stand_in_alone(
    guarded: str, store: Standin, receiver: Answering
) -> None:
    store.order("buy", product="credits_250")
    ends = time.monotonic() + 5
    while not receiver.asked and time.monotonic() < ends:
        time.sleep(0.01)
    right = receiver.asked[0].headers["authorization"]
    assert _status(guarded, {}) == 401
    assert _status(guarded, {"Authorization": right[:-4] + "AAAA"}) == 401
    # Past the authorizer there is no function.
    assert _status(guarded, {"Authorization": right}) not in (401, 403)


def _status(url: str, headers: dict[str, str]) -> int:
    session = requests.Session()
    session.trust_env = False
    return session.post(url, json={}, headers=headers, timeout=10).status_code


def test_the_run_tells_the_engine_where_keys_are_only_for_a_stand_in() -> None:
    (service,) = [one for one in SERVICES if one.module == "play"]
    with listen(0) as listener:
        there = Upstream(service, "http://127.0.0.1:1", listener)
        assert services.issuers([there]) == {play.ISSUER: "http://127.0.0.1:1" + play.KEYS_PATH}
    assert play.ISSUER in play_messages.ISSUERS
    assert services.issuers([Upstream(service, "https://play.example", None)]) == {}


def test_the_parameters_of_a_run_agree_with_the_stand_ins() -> None:
    given = services.PAYMENT_PARAMETERS
    assert given["MpesaShortCode"] == daraja.SHORT_CODE
    assert (given["PlayPackage"], given["PlayPushAccount"]) == (play.PACKAGE, play.PUSH_ACCOUNT)
    assert (services.GOOGLE_ISSUER, services.GOOGLE_KEYS_PATH) == (play.ISSUER, play.KEYS_PATH)


def test_given_secrets_of_providers_are_used_and_others_are_new() -> None:
    environ = {"STRIPE_SECRET_KEY": "sk_test_given", "STRIPE_BASE": "https://stripe.example/"}
    settings = Settings.from_environ(environ)
    assert settings.bases["STRIPE_BASE"] == "https://stripe.example"
    first = services.shared_secrets(settings.shared_secrets)
    second = services.shared_secrets(settings.shared_secrets)
    assert first["STRIPE_SECRET_KEY"] == second["STRIPE_SECRET_KEY"] == "sk_test_given"
    assert first["STRIPE_WEBHOOK_SECRET"].startswith("whsec_")
    assert first["STRIPE_WEBHOOK_SECRET"] != second["STRIPE_WEBHOOK_SECRET"]
    assert first["DARAJA_PASSKEY"] and first.keys() == second.keys()


def test_a_stand_in_posts_only_where_the_stack_has_a_route() -> None:
    shared = services.shared_secrets({})
    for module, route in services.PAYMENT_WEBHOOKS.items():
        path = route.partition(" ")[2]
        found = services.payment_settings(module, shared, [route], "http://127.0.0.1:8787")
        assert found["webhook_url"] == f"http://127.0.0.1:8787{path}"
        assert (
            services.payment_settings(module, shared, [], "http://127.0.0.1:8787")["webhook_url"]
            is None
        )
