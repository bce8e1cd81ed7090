"""The stand-ins of payment providers speak the recorded formats, and push with the faults asked for."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
import requests

from engine.providers import daraja_callbacks, play_messages, stripe_events, stripe_signature
from standins import daraja, daraja_ledger, play, stripe
from standins.clock import Clock
from tests.support.answering import Answer, Answering, Asked, answering
from tests.support.standins import STARTED_AT, Standin, standing
from tests.support.vectors import FOLDER, raw, vectors

pytestmark = pytest.mark.enable_socket
KEY, SECRET = "sk_test_of_all_tests", "whsec_of_all_tests"
AUDIENCE = "https://api.pluct.example/webhooks/play"


def clock() -> Clock:
    return Clock(lambda: float(STARTED_AT))


@pytest.fixture
def receiver() -> Iterator[Answering]:
    """The gateway: it accepts everything."""
    with answering(Answer()) as server:
        yield server


def until(found: Callable[[], Any]) -> Any:
    """What `found` returns once it is true, for five seconds at most."""
    ends = time.monotonic() + 5
    while not (value := found()) and time.monotonic() < ends:
        time.sleep(0.01)
    return value


def received(receiver: Answering, count: int) -> list[Asked]:
    until(lambda: len(receiver.asked) >= count)
    return list(receiver.asked)


class Shop:
    """Stripe's stand-in, and a buyer."""

    def __init__(self, standin: Standin) -> None:
        self.standin = standin
        self._session = requests.Session()
        self._session.trust_env = False

    def create(self, intent: str, key: str = KEY, **more: str) -> requests.Response:
        form = {
            "mode": "payment",
            "client_reference_id": intent,
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": "usd",
            "line_items[0][price_data][unit_amount]": "499",
            "metadata[pluct_intent]": intent,
            "payment_intent_data[metadata][pluct_intent]": intent,
            "success_url": "https://pluct.example/pay/done",
        }
        headers = {"Authorization": f"Bearer {key}", **more}
        url = f"{self.standin.base}/v1/checkout/sessions"
        return self._session.post(url, data=form, headers=headers, timeout=10)

    def read(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {KEY}"}
        return self._session.get(self.standin.base + path, headers=headers, timeout=10).json()

    def buy(self, intent: str = "pin_1") -> dict[str, Any]:
        """A session that is paid on its page."""
        made: dict[str, Any] = self.create(intent).json()
        answer = self._session.post(made["url"], allow_redirects=False, timeout=10)
        assert (answer.status_code, answer.headers["Location"]) == (303, made["success_url"])
        found: dict[str, Any] = self.read(f"/v1/checkout/sessions/{made['id']}")
        return found


@pytest.fixture
def shop(receiver: Answering) -> Iterator[Shop]:
    app = stripe.create_app(KEY, SECRET, f"{receiver.url}/webhooks/stripe", clock=clock())
    with standing(app) as running:
        yield Shop(running)


def test_a_buyer_reaches_the_page_whatever_the_caller_calls_the_stand_in(shop: Shop) -> None:
    """A function in a container reaches it as host.docker.internal, which a buyer's browser does not know."""
    made = shop.create("pin_1", host="host.docker.internal:1").json()
    assert made["url"].startswith(f"{shop.standin.base}/c/pay/")


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = vectors(f"stripe/{name}")
    return found


def test_objects_have_every_recorded_member(shop: Shop) -> None:
    session = shop.buy()
    assert session.keys() >= recorded("object_checkout_session_get").keys()
    payment = shop.read(f"/v1/payment_intents/{session['payment_intent']}?expand[]=latest_charge")
    charge = recorded("event_06_charge_refunded_100_of_499")["data"]["object"]
    assert payment["latest_charge"].keys() >= charge.keys()
    refund = shop.standin.order("refund", payment=payment["id"], amount=100)
    assert refund.keys() >= recorded("event_09_refund_failed_199")["data"]["object"].keys()
    dispute = shop.standin.order("dispute", payment=payment["id"])
    expected = recorded("event_11_dispute_funds_withdrawn")["data"]["object"]
    assert dispute.keys() >= expected.keys()
    moves = dispute["balance_transactions"], expected["balance_transactions"]
    assert moves[0][0].keys() >= moves[1][0].keys()
    events = shop.read("/v1/events")
    assert events.keys() == recorded("list_events_undelivered").keys()
    assert events["data"][0].keys() >= {*recorded("list_events_undelivered")["data"][0]} - {
        "account"
    }


def test_every_event_of_the_vectors_can_be_had(shop: Shop, receiver: Answering) -> None:
    paid = shop.buy("pin_1")["payment_intent"]
    later = shop.create("pin_2").json()["id"]
    shop.standin.order("pay", session=later, later=True)
    shop.standin.order("settle", session=later, paid=True)
    failing = shop.create("pin_3").json()["id"]
    shop.standin.order("pay", session=failing, later=True)
    shop.standin.order("settle", session=failing, paid=False)
    shop.standin.order("end_session", session=shop.create("pin_4").json()["id"])
    refund = shop.standin.order("refund", payment=paid, amount=100)
    shop.standin.order("fail_refund", refund=refund["id"])
    won = shop.standin.order("dispute", payment=paid)
    shop.standin.order("end_dispute", dispute=won["id"], won=True)
    told = {asked.body["type"] for asked in received(receiver, 12)}
    names = [path.read_text() for path in (FOLDER / "stripe").glob("event_*.json")]
    assert told == {json.loads(text)["type"] for text in names}


def signed(asked: Asked, secret: str = SECRET) -> bool:
    # The receiver keeps the parsed body; the stand-in signs the bytes, which are indented as Stripe's are.
    body = json.dumps(asked.body, indent=2).encode()
    return stripe_signature.is_signed(asked.headers["stripe-signature"], body, [secret], STARTED_AT)


def test_a_webhook_is_signed_over_its_bytes(shop: Shop, receiver: Answering) -> None:
    shop.buy()
    (asked,) = received(receiver, 1)
    assert signed(asked) and not signed(asked, "whsec_other")
    event = stripe_events.read(raw(asked.body))
    assert event is not None and event.kind == "checkout.session"
    assert asked.path == "/webhooks/stripe"


def test_thin_events_name_the_object(shop: Shop, receiver: Answering) -> None:
    shop.standin.order("settings", thin=True)
    session = shop.buy()
    (asked,) = received(receiver, 1)
    assert asked.body.keys() == recorded("thin_event_charge_refunded").keys()
    event = stripe_events.read(raw(asked.body))
    assert event is not None and (event.is_thin, event.object_id) == (True, session["id"])


@pytest.mark.parametrize(
    ("mode", "count", "is_signed"),
    [("twice", 2, True), ("forged", 1, False), ("stale", 1, False), ("late", 1, True)],
)
def test_a_push_comes_twice_forged_stale_or_late(
    shop: Shop, receiver: Answering, mode: str, count: int, is_signed: bool
) -> None:
    options = {"seconds": 60} if mode == "late" else {}
    shop.standin.fault("push", "push", mode=mode, **options)
    shop.buy()
    if mode == "late":
        time.sleep(0.05)
        assert receiver.asked == []
        shop.standin.forward(60)
    found = received(receiver, count)
    assert [signed(asked) for asked in found] == [is_signed] * count


def test_a_push_that_never_comes_is_listed_until_it_is_delivered(
    shop: Shop, receiver: Answering
) -> None:
    shop.standin.fault("push", "push", mode="never")
    shop.buy()
    assert until(lambda: shop.standin.state()["undelivered"])
    path = "/v1/events?delivery_success=false"
    (event,) = shop.read(path)["data"]
    assert receiver.asked == []
    assert shop.standin.order("retry") == {"delivered": 1}
    assert [asked.body["id"] for asked in receiver.asked] == [event["id"]]
    assert shop.read(path)["data"] == []


@pytest.mark.parametrize("order", ["first", "last", "shuffled"])
def test_held_pushes_are_delivered_in_the_order_asked_for(
    shop: Shop, receiver: Answering, order: str
) -> None:
    shop.standin.fault("push", "push", times=None, mode="held")
    for number in range(5):
        shop.buy(f"pin_{number}")
    assert until(lambda: len(shop.standin.state()["held"]) == 5)
    assert receiver.asked == []
    assert shop.standin.order("deliver", order=order) == {"delivered": 5}
    told = [asked.body["data"]["object"]["client_reference_id"] for asked in receiver.asked]
    assert sorted(told) == [f"pin_{number}" for number in range(5)]
    if order != "shuffled":
        assert told == sorted(told, reverse=order == "last")


def test_a_push_that_is_refused_stays_undelivered() -> None:
    with answering(Answer(500)) as refusing:
        app = stripe.create_app(KEY, SECRET, refusing.url, clock=clock())
        with standing(app) as running:
            Shop(running).buy()
            (delivery,) = until(lambda: running.state()["deliveries"])
            assert (delivery["answered"], delivery["delivered"]) == (500, False)
            assert running.state()["undelivered"] == [delivery["name"]]


def test_a_wrong_key_and_a_wrong_form_are_refused(shop: Shop) -> None:
    assert shop.create("pin_1", "sk_test_other").status_code == 401
    for path, order in (
        ("pay", {"session": "cs_no"}),
        ("refund", {"payment": "pi_no"}),
        ("deliver", {}),
    ):
        with pytest.raises(requests.HTTPError):
            shop.standin.order(path, **order)
    with pytest.raises(requests.HTTPError):
        shop.standin.order("settings", webhook_url="https://example.com/")


def test_daraja_s_bodies_have_every_recorded_member() -> None:
    payment = daraja_ledger.Payment(
        "UA541K7T2P", STARTED_AT, "600638", "250.00", "254708374149", "PL7K2M9Q"
    )
    push = daraja_ledger.Push(
        {"PhoneNumber": 254708374149}, STARTED_AT, answer="pays", payment=payment
    )
    expected = vectors("mpesa/stk_callbacks")[0]["body"]["Body"]["stkCallback"]
    told = daraja_ledger.callback(push)["Body"]["stkCallback"]
    assert told.keys() == expected.keys()
    named = [[item["Name"] for item in one["CallbackMetadata"]["Item"]] for one in (told, expected)]
    assert named[0] == named[1]
    assert (
        daraja_ledger.c2b_body(payment).keys() == vectors("mpesa/c2b")["validation_request"].keys()
    )
    rows = vectors("mpesa/pull")["query_ok"]["Response"][0]
    assert daraja_ledger.pull_row(payment).keys() == rows[0].keys()
    for name, found in (
        ("transaction_status", daraja_ledger.status_of(payment)),
        ("reversal", daraja_ledger.reversal_of(payment, STARTED_AT)),
        ("b2c", daraja_ledger.payout_of({"Amount": "100", "PartyB": "254708374149"}, STARTED_AT)),
    ):
        whole = vectors(f"mpesa/{name}")
        body = whole.get("result_ok") or whole["result_completed"]
        keys = {item["Key"] for item in body["Result"]["ResultParameters"]["ResultParameter"]}
        optional = {"OriginatorConversationID", "ConversationID", "TransactionReason"}
        assert found.keys() == keys - optional


def test_a_receipt_names_its_day() -> None:
    receipt = daraja_ledger.new_receipt(1_767_603_702)
    assert receipt.startswith("UA5") and daraja_callbacks.receipt_of(receipt) == receipt
    assert len({daraja_ledger.new_receipt(1_767_603_702) for _ in range(100)}) == 100


def test_daraja_s_customers_pay_by_themselves_and_forged_callbacks_go_elsewhere(
    receiver: Answering,
) -> None:
    app = daraja.create_app("key", "secret", "passkey", answer_seconds=0.0, clock=clock())
    with standing(app) as running:
        running.faults(
            {"route": "push", "action": {"kind": "push", "mode": "forged"}, "match": "stk:"},
        )
        session = requests.Session()
        session.trust_env = False
        url = f"{running.base}/oauth/v1/generate?grant_type=client_credentials"
        token = session.get(url, auth=("key", "secret"), timeout=10).json()["access_token"]
        asked = push_of(f"{receiver.url}/k/pin_1.aaaa")
        path = "/mpesa/stkpush/v1/processrequest"
        headers = {"Authorization": f"Bearer {token}"}
        for number in (1, 2):
            body = {**asked, "PhoneNumber": 254708374140 + number, "PartyA": 254708374140 + number}
            answer = session.post(running.base + path, json=body, headers=headers, timeout=10)
            assert answer.json()["ResponseCode"] == "0"
        paths = sorted(one.path for one in received(receiver, 2))
        assert paths == ["/k/pin_1.aaa0", "/k/pin_1.aaaa"]
        assert all(push["answer"] == "pays" for push in running.state()["pushes"])


def push_of(url: str) -> dict[str, Any]:
    asked: dict[str, Any] = dict(vectors("mpesa/stk_push_exchange")["request"]["body"])
    secret = f"{asked['BusinessShortCode']}passkey{asked['Timestamp']}".encode()
    return {**asked, "Password": base64.b64encode(secret).decode(), "CallBackURL": url}


@pytest.fixture
def store(receiver: Answering) -> Iterator[Standin]:
    with standing(
        play.create_app(f"{receiver.url}/webhooks/play", AUDIENCE, clock=clock())
    ) as running:
        yield running


def claims(store: Standin, asked: Asked) -> dict[str, Any]:
    """The claims of a push, verified by the public keys that the stand-in shows."""
    session = requests.Session()
    session.trust_env = False
    listed = session.get(f"{store.base}/oauth2/v3/certs", timeout=10).json()["keys"]
    token = asked.headers["authorization"].removeprefix("Bearer ")
    options: Any = {"verify_exp": False, "verify_iat": False}
    key = jwt.PyJWK(listed[0])
    return dict(jwt.decode(token, key, ["RS256"], audience=AUDIENCE, options=options))


@pytest.mark.parametrize(
    ("mode", "is_admitted"), [("twice", True), ("forged", False), ("stale", False)]
)
def test_a_push_of_google_carries_a_token_of_its_account(
    store: Standin, receiver: Answering, mode: str, is_admitted: bool
) -> None:
    store.fault("push", "push", mode=mode, **({"age_seconds": 7200} if mode == "stale" else {}))
    token = store.order("buy", product="credits_250")["token"]
    found = received(receiver, 2 if mode == "twice" else 1)
    for asked in found:
        notice = play_messages.notice(raw(asked.body), play.PACKAGE)
        assert notice is not None and (notice.kind, notice.token) == ("purchased", token)
        texts = {
            name: str(value).lower() if value is True else str(value)
            for name, value in claims(store, asked).items()
        }
        event = {"requestContext": {"authorizer": {"jwt": {"claims": texts}}}}
        admitted = play_messages.is_admitted(event, play.PUSH_ACCOUNT, AUDIENCE, STARTED_AT)
        assert admitted is is_admitted


def test_google_tells_what_the_vectors_tell(store: Standin, receiver: Answering) -> None:
    token = store.order("buy", product="credits_250", quantity=2, account="acct")["token"]
    store.order("review", token=token)
    store.order("void", token=token, quantity=1)
    store.order("void", token=token)
    pending = store.order("buy", product="credits_250", state="PENDING")["token"]
    store.order("complete", token=pending, state="CANCELLED")
    notices = [
        play_messages.notice(raw(asked.body), play.PACKAGE) for asked in received(receiver, 5)
    ]
    told = sorted((one.kind, one.is_partial) for one in notices if one is not None)
    assert told == [
        ("cancelled", False),
        ("purchased", False),
        ("refund_review", False),
        ("voided", False),
        ("voided", True),
    ]
    pushes = vectors("google/rtdn_push_bodies")
    assert (
        receiver.asked[0].body["message"].keys()
        == pushes["one_time_purchased"]["push"]["message"].keys()
    )
