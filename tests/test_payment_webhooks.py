"""Signed webhooks of payment providers (Standard Webhooks): which are accepted, and what counts once."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from engine.access.keyrings import Ring
from engine.credits import payment_webhooks, standard_webhooks
from engine.platform import config
from engine.platform.errors import Unauthorized
from engine.web.http import Call
from tests.support import deployed
from tests.support.direct import assert_refused
from tests.support.gateway import PREFIX, Gateway, Reply
from tests.support.streams import fresh

SETTINGS_OF_TESTS = config.load({**deployed.SETTINGS, "TABLE_NAME": "t", "SECRETS_PREFIX": "p"})
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another key of the same ring....").decode()
PLAIN = "a-plain-secret-of-the-ring"
ID, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
BODY = '{"test": 2432232314}'
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
"""The known answer of the Standard Webhooks reference libraries."""

VECTORS = Path(__file__).parents[2] / "shared" / "vectors" / "signatures.json"


def delivered(
    headers: dict[str, str], body: str = BODY, now: int = AT
) -> payment_webhooks.Delivery:
    event = {
        "requestContext": {"requestId": "r", "http": {"method": "POST"}},
        "rawPath": "/add-credits",
        "headers": headers,
        "body": body,
    }
    return payment_webhooks.verify(
        Call(event, SETTINGS_OF_TESTS, now), Ring((PLAIN, OTHER, SECRET))
    )


def headers(**changed: str) -> dict[str, str]:
    made = {"webhook-id": ID, "webhook-timestamp": str(AT), "webhook-signature": SIGNED}
    return made | {name.replace("_", "-"): value for name, value in changed.items()}


def test_the_reference_librarys_known_answer_is_accepted() -> None:
    assert delivered(headers()) == payment_webhooks.Delivery("webhook:payment", ID)


@pytest.mark.skipif(not VECTORS.exists(), reason="the folder of vectors is not beside the project")
def test_the_shared_vectors_are_accepted() -> None:
    known = json.loads(VECTORS.read_text())["standard_webhooks"]
    at = int(known["webhook-timestamp"])
    sent = {name: known[name] for name in known if name.startswith("webhook-")}
    assert delivered(sent, known["body"], at).id == known["webhook-id"]
    assert known["secret"] == SECRET and known["webhook-signature"] == SIGNED


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_clock_may_be_five_minutes_off(seconds: int) -> None:
    assert delivered(headers(), now=AT + seconds).id == ID


@pytest.mark.parametrize(
    "texts",
    [
        f"v1,AAAA {SIGNED}",
        f"{SIGNED} v2,whatever",
        f"v1a,{SIGNED[3:]} {SIGNED}",
        "  " + SIGNED,
    ],
)
def test_one_good_signature_among_several_is_enough(texts: str) -> None:
    assert delivered(headers(webhook_signature=texts)).id == ID


FORGED = {
    "older than five minutes": (headers(), BODY, AT + 301),
    "ahead of time": (headers(), BODY, AT - 301),
    "another body": (headers(), '{"test": 2432232315}', AT),
    "another id": (headers(webhook_id="msg_other"), BODY, AT),
    "another time": (headers(webhook_timestamp=str(AT + 1)), BODY, AT),
    "no signature in it": (headers(webhook_signature=""), BODY, AT),
    "without a version": (headers(webhook_signature=SIGNED[3:]), BODY, AT),
    "of another version": (headers(webhook_signature="v2" + SIGNED[2:]), BODY, AT),
    "no ASCII": (headers(webhook_signature="v1,gö"), BODY, AT),
    "too many before it": (headers(webhook_signature="v1,AAAA " * 16 + SIGNED), BODY, AT),
    "an empty id": (headers(webhook_id=""), BODY, AT),
    "an id with a separator": (headers(webhook_id="a#b"), BODY, AT),
    "a time in words": (headers(webhook_timestamp="now"), BODY, AT),
    "a time with a fraction": (headers(webhook_timestamp="1614265330.0"), BODY, AT),
}


@pytest.mark.parametrize(("sent", "body", "now"), FORGED.values(), ids=FORGED.keys())
def test_an_invalid_signature_is_refused(sent: dict[str, str], body: str, now: int) -> None:
    with pytest.raises(Unauthorized):
        delivered(sent, body, now)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp"])
def test_a_signature_without_its_id_or_time_is_refused(missing: str) -> None:
    sent = headers()
    del sent[missing]
    with pytest.raises(Unauthorized):
        delivered(sent)


@pytest.mark.parametrize("secret", [PLAIN, "whsec_", "whsec_?", "whsec"])
def test_only_a_whsec_secret_is_a_signing_key(secret: str) -> None:
    """The plain secret travels in headers: who has seen it must not be able to sign."""
    text = secret.removeprefix("whsec_")
    for key in (secret.encode(), text.encode(), b""):
        signed = "v1," + standard_webhooks.signature(key, ID, str(AT), BODY.encode())
        event: dict[str, Any] = {
            "requestContext": {"requestId": "r", "http": {"method": "POST"}},
            "rawPath": "/add-credits",
            "headers": headers(webhook_signature=signed),
            "body": BODY,
        }
        with pytest.raises(Unauthorized):
            payment_webhooks.verify(Call(event, SETTINGS_OF_TESTS, AT), Ring((secret,)))


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Gateway:
    """A gateway whose ring has a provider's secret besides its own."""
    gateway = Gateway(endpoint)
    ssm = gateway.rings._client
    own = gateway.rings["WEBHOOK_SECRET"].secrets
    keys = [{"secret": secret, "createdAt": "2026-01-01T00:00:00Z"} for secret in (SECRET, *own)]
    ssm.put_parameter(
        Name=f"/{PREFIX}/WEBHOOK_SECRET", Value=json.dumps({"keys": keys}), Type="SecureString",
        Overwrite=True,
    )  # fmt: skip
    gateway.now = AT
    return gateway


def pay(shop: Gateway, body: dict[str, Any], message_id: str, **more: str) -> Reply:
    text = json.dumps(body)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    at = str(int(shop.clock()))
    signed = standard_webhooks.signature(key, message_id, at, text.encode())
    sent = {"webhook-id": message_id, "webhook-timestamp": at, "webhook-signature": f"v1,{signed}"}
    return shop.call("POST", "/add-credits", raw=text, headers=sent | more)


def test_a_signed_payment_counts_once_by_its_message_id(shop: Gateway) -> None:
    user, message = fresh("payer"), fresh("msg")
    first = pay(shop, {"userId": user, "amount": 5}, message)
    again = pay(shop, {"userId": user, "amount": 5}, message)
    assert (first.status, first.json["newBalance"]) == (200, 5)
    assert (again.text, again.headers["idempotency-replayed"]) == (first.text, "true")
    assert_refused(pay(shop, {"userId": user, "amount": 6}, message), 422)
    shop.now = AT + 90 * 86_400
    assert pay(shop, {"userId": user, "amount": 5}, message).text == first.text
    shop.now = AT
    assert pay(shop, {"userId": user, "amount": 5}, fresh("msg")).json["newBalance"] == 10
    entry = shop.entries(user)[0]
    assert (entry.actor, entry.type) == ("webhook:payment", "add_webhook")
    assert entry.subject == f"webhook-id:{message}"


def test_the_payment_id_takes_precedence_over_the_message_id(shop: Gateway) -> None:
    user, payment = fresh("payer"), fresh("order")
    body = {"userId": user, "amount": 5, "transactionId": payment}
    for _ in range(3):
        assert pay(shop, body, fresh("msg")).json["newBalance"] == 5
    plain = {"x-webhook-secret": shop.rings["WEBHOOK_SECRET"].signing}
    assert shop.call("POST", "/add-credits", body, headers=plain).json["newBalance"] == 5


def test_a_bad_signature_with_a_good_secret_is_refused(shop: Gateway) -> None:
    plain = {"x-webhook-secret": shop.rings["WEBHOOK_SECRET"].signing}
    body = {"userId": fresh("payer"), "amount": 5}
    refused = shop.call("POST", "/add-credits", body, headers=plain | headers())
    assert_refused(refused, 401)
    assert refused.headers["www-authenticate"].startswith("WebhookSecret")
