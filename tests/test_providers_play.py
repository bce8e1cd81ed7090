"""Calls to Google Play against its stand-in, with a token for the role of AWS."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from engine.providers import google_identity
from engine.providers.google_identity import Federation, Identity
from engine.providers.money import Money
from engine.providers.play import SCOPE, Play, Review, Usage
from engine.providers.wire import NotSent, Refused, Unknown
from standins import play
from standins.clock import Clock
from tests.support.standins import STARTED_AT, Standin, standing
from tests.support.vectors import vectors

pytestmark = pytest.mark.enable_socket
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/aws"
CREDENTIALS = ReadOnlyCredentials("AKID", "secret", "session-token")
ACCOUNT = "play@pluct-pay.iam.gserviceaccount.com"


class Time:
    """A clock that a test moves, with that of the stand-in."""

    def __init__(self, standin: Standin) -> None:
        self.now = float(STARTED_AT)
        self._standin = standin

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds
        self._standin.forward(seconds)


@pytest.fixture
def standin() -> Iterator[Standin]:
    clock = Clock(lambda: float(STARTED_AT))
    with standing(play.create_app(clock=clock)) as running:
        yield running


@pytest.fixture
def time(standin: Standin) -> Time:
    return Time(standin)


@pytest.fixture
def identity(standin: Standin, time: Time) -> Identity:
    federation = Federation(AUDIENCE, ACCOUNT, standin.base, standin.base)
    return Identity(federation, SCOPE, "eu-west-1", lambda: CREDENTIALS, time)


@pytest.fixture
def shop(standin: Standin, identity: Identity) -> Play:
    return Play(standin.base, play.PACKAGE, identity.access_token)


def test_a_purchase_is_read_granted_and_consumed(shop: Play, standin: Standin) -> None:
    token = standin.order("buy", product="credits_250", account="acct", quantity=3, test=False)[
        "token"
    ]
    found = shop.purchase(token)
    assert found is not None
    assert (found.state, found.account, found.lines[0].quantity) == ("purchased", "acct", 3)
    assert not found.is_consumed and not found.is_acknowledged and not found.is_test
    shop.consume("credits_250", token)
    consumed = shop.purchase(token)
    assert consumed is not None and consumed.is_consumed and consumed.is_acknowledged
    with pytest.raises(Refused):
        shop.consume("credits_250", token)


def test_a_purchase_can_be_acknowledged_alone(shop: Play, standin: Standin) -> None:
    token = standin.order("buy", product="credits_250")["token"]
    shop.acknowledge("credits_250", token)
    found = shop.purchase(token)
    assert found is not None and found.is_acknowledged and not found.is_consumed and found.is_test


def test_a_pending_purchase_has_no_order_and_is_completed_or_cancelled(
    shop: Play, standin: Standin
) -> None:
    for state, expected in (("PURCHASED", "purchased"), ("CANCELLED", "cancelled")):
        token = standin.order("buy", product="credits_250", state="PENDING")["token"]
        found = shop.purchase(token)
        assert found is not None and (found.state, found.order) == ("pending", None)
        with pytest.raises(Refused):
            shop.consume("credits_250", token)
        standin.order("complete", token=token, state=state)
        ended = shop.purchase(token)
        assert ended is not None and (ended.state, ended.order is None) == (expected, False)


@pytest.mark.parametrize("name", ["error_404", "error_410"])
def test_a_purchase_that_google_does_not_know_is_none(
    shop: Play, standin: Standin, name: str
) -> None:
    error = vectors("google/purchase_errors")[name]
    standin.fault("purchase", "status", status=error["status"], body=error["body"])
    assert shop.purchase("a-token-of-nobody") is None


@pytest.mark.parametrize("token", ["", "short", "a\nb\nc\nd\ne", "é" * 20, "x" * 2001])
def test_a_token_of_another_form_is_not_asked_for(shop: Play, standin: Standin, token: str) -> None:
    assert shop.purchase(token) is None
    assert standin.calls("purchase") == []


def test_a_token_cannot_leave_its_place_in_the_path(shop: Play, standin: Standin) -> None:
    assert shop.purchase("../../../orders/1?x=/") is None
    (call,) = standin.calls("purchase")
    assert call["path"].endswith("/tokens/..%2F..%2F..%2Forders%2F1%3Fx%3D%2F")
    with pytest.raises(ValueError, match="product"):
        shop.consume("../x", "a-token-of-nobody")


@pytest.mark.parametrize("kind", ["garbage", "html", "empty", "not_object", "truncated"])
def test_an_answer_that_says_nothing_is_unknown(shop: Play, standin: Standin, kind: str) -> None:
    token = standin.order("buy", product="credits_250")["token"]
    standin.fault("purchase", kind)
    with pytest.raises(Unknown):
        shop.purchase(token)


def test_a_failure_of_google_s_is_unknown_and_its_reason_a_refusal(
    shop: Play, standin: Standin
) -> None:
    token = standin.order("buy", product="credits_250")["token"]
    standin.fault("consume", "status", status=503)
    with pytest.raises(Unknown):
        shop.consume("credits_250", token)
    standin.fault("consume", "status", status=429)
    with pytest.raises(Refused) as refused:
        shop.consume("credits_250", token)
    assert refused.value.code == "rateLimitExceeded"


def test_voided_purchases_are_listed_with_parts_of_a_purchase(
    shop: Play, standin: Standin, time: Time
) -> None:
    token = standin.order("buy", product="credits_250", quantity=3)["token"]
    assert shop.voided(STARTED_AT * 1000).rows == ()
    time.forward(10)
    standin.order("void", token=token, quantity=1)
    time.forward(10)
    standin.order("void", token=token, reason=7)
    rows = shop.voided(STARTED_AT * 1000).rows
    assert [(row.token, row.quantity, row.reason) for row in rows] == [
        (token, 1, 1),
        (token, None, 7),
    ]
    assert [row.voided_at_ms for row in rows] == [
        (STARTED_AT + 10) * 1000,
        (STARTED_AT + 20) * 1000,
    ]
    assert len(shop.voided((STARTED_AT + 15) * 1000).rows) == 1
    found = shop.purchase(token)
    assert found is not None and found.state == "cancelled"
    with pytest.raises(Refused):
        shop.voided((STARTED_AT - 40 * 86_400) * 1000)


def test_an_order_tells_its_cost_and_can_be_refunded(shop: Play, standin: Standin) -> None:
    made = standin.order("buy", product="credits_250", units=290)
    found = shop.order(made["order"])
    assert found is not None
    assert (found.total, found.tax) == (Money(29_000, "KES"), Money(4_000, "KES"))
    shop.refund(made["order"])
    refunded = shop.order(made["order"])
    assert refunded is not None and refunded.state == "REFUNDED"
    assert shop.order("GPA.unknown") is None


def test_a_review_is_answered_once(shop: Play, standin: Standin) -> None:
    made = standin.order("buy", product="credits_250")
    refund_token = standin.order("review", token=made["token"])["pendingRefundToken"]
    uses = [Usage(1_772_446_539, "digest-of-the-user", "transcript")]
    shop.review_refund(
        made["order"], refund_token, Review("DECLINE", 40_000, had_sample=True, uses=uses)
    )
    shop.review_refund(made["order"], refund_token, Review("NEUTRAL"))
    shop.review_refund(made["order"], refund_token, Review("APPROVE", 500_000, uses=uses * 1001))
    (review,) = standin.state()["reviews"].values()
    assert review["answer"] == {
        "pendingRefundToken": refund_token,
        "sampleContentProvided": True,
        "refundPreference": "DECLINE",
        "consumptionPercentageMilliunits": 40_000,
        "consumptionUsageEvents": [
            {
                "obfuscatedAccountId": "digest-of-the-user",
                "consumptionTime": "2026-03-02T10:15:39.000Z",
                "consumptionItemDescription": "transcript",
            }
        ],
    }
    first, second = (json.loads(call["body"]) for call in standin.calls("review_refund")[:2])
    assert first["consumptionPercentageMilliunits"] == 40_000
    assert "consumptionPercentageMilliunits" not in second


def test_a_token_is_used_until_near_its_end(
    identity: Identity, standin: Standin, time: Time
) -> None:
    first = identity.access_token()
    time.forward(3000)
    assert identity.access_token() == first
    time.forward(400)
    assert identity.access_token() != first
    assert len(standin.calls("exchange")) == len(standin.calls("impersonate")) == 2


def test_the_role_is_proved_by_a_signed_request_for_one_audience(
    identity: Identity, standin: Standin
) -> None:
    identity.access_token()
    asked = json.loads(standin.calls("exchange")[0]["body"])
    assert asked["audience"] == AUDIENCE
    assert asked["subjectTokenType"] == "urn:ietf:params:aws:token-type:aws4_request"
    signed = json.loads(unquote(asked["subjectToken"]))
    headers = {one["key"].lower(): one["value"] for one in signed["headers"]}
    assert signed["url"] == (
        "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
    )
    assert headers["x-amz-security-token"] == "session-token"
    assert headers["x-goog-cloud-target-resource"] == AUDIENCE
    assert verified(signed, headers)
    headers["x-goog-cloud-target-resource"] = AUDIENCE + "x"
    assert not verified(signed, headers)
    grant = json.loads(standin.calls("impersonate")[0]["body"])
    assert grant == {"scope": [SCOPE], "lifetime": "3600s"}
    assert ACCOUNT in unquote(standin.calls("impersonate")[0]["path"])


def verified(signed: dict[str, Any], headers: dict[str, str]) -> bool:
    """Whether AWS would take the request: the signature computed anew over what was sent."""
    names = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    request = AWSRequest("POST", signed["url"], {name: headers[name] for name in names}, b"")
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(CREDENTIALS, "sts", "eu-west-1")
    canonical = signer.canonical_request(request)
    text = signer.string_to_sign(request, canonical)
    return headers["authorization"].endswith(f"Signature={signer.signature(text, request)}")


@pytest.mark.parametrize("route", ["exchange", "impersonate"])
def test_without_a_token_of_google_s_nothing_is_sent(
    shop: Play, standin: Standin, route: str
) -> None:
    standin.fault(route, "status", status=403)
    with pytest.raises(Refused):
        shop.purchase("a-token-of-nobody")
    standin.fault(route, "not_object")
    with pytest.raises(Unknown):
        shop.purchase("a-token-of-nobody")
    assert standin.calls("purchase") == []


def test_a_process_without_credentials_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        def get_credentials(self) -> None:
            return None

    monkeypatch.setattr(google_identity.aws, "session", Bare)
    with pytest.raises(NotSent):
        google_identity.own_credentials()
