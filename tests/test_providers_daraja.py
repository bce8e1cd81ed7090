"""Calls to Daraja against its stand-in: what is sent, what is never repeated, what an outcome says."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from engine.providers import daraja as provider
from engine.providers import daraja_callbacks, daraja_results, money
from engine.providers.daraja import (
    Business,
    Daraja,
    Initiator,
    PushWanted,
    Replies,
    fetch_token,
    password,
    phone_of,
)
from engine.providers.daraja_callbacks import moment_of
from engine.providers.money import Money
from engine.providers.wire import NotSent, Refused, Unknown
from standins import daraja
from standins.clock import Clock
from tests.support.answering import Answer, Answering, answering
from tests.support.standins import STARTED_AT, Standin, standing
from tests.support.vectors import raw, vectors

pytestmark = pytest.mark.enable_socket
CONSUMER = ("key-of-the-app", "secret-of-the-app")
PASSKEY = "passkey-of-all-tests"
PHONE = "254708374149"
PUSH, QUERY = vectors("mpesa/stk_push_exchange"), vectors("mpesa/stk_query_exchange")
SILENT: list[tuple[str, dict[str, Any]]] = [
    ("garbage", {}),
    ("html", {}),
    ("not_object", {}),
    ("drop", {"when": "after"}),
    ("status", {"status": 502}),
    ("truncated", {}),
]


class Token:
    """A token that is asked for when there is none, or when the one in use was refused."""

    def __init__(self, base: str) -> None:
        self._base = base
        self.token = ""
        self.asked = 0

    def get(self) -> str:
        return self.token or self.instead_of("")

    def instead_of(self, refused: str) -> str:
        self.asked += 1
        self.token = fetch_token(self._base, lambda: CONSUMER[0], lambda: CONSUMER[1]).token
        return self.token


@pytest.fixture
def standin() -> Iterator[Standin]:
    clock = Clock(lambda: float(STARTED_AT))
    with standing(daraja.create_app(*CONSUMER, PASSKEY, answer=None, clock=clock)) as running:
        yield running


@pytest.fixture
def token(standin: Standin) -> Token:
    return Token(standin.base)


@pytest.fixture
def mpesa(standin: Standin, token: Token) -> Daraja:
    business = Business(daraja.SHORT_CODE, lambda: PASSKEY)
    initiator = Initiator("pluctapi", lambda: "BASE64RSA")
    return Daraja(standin.base, token, business, lambda: float(STARTED_AT), initiator)


@pytest.fixture
def receiver() -> Iterator[Answering]:
    """Where callbacks go."""
    with answering(Answer(members=daraja_callbacks.accepted())) as server:
        yield server


def wanted(url: str, **changed: Any) -> PushWanted:
    facts = {
        "phone": PHONE,
        "amount": Money(25_000, "KES"),
        "reference": "PL7K2M9Q",
        "description": "Pluct 250",
        "callback_url": f"{url}/k/pin_1.mac",
    }
    return PushWanted(**{**facts, **changed})


def pushed(receiver: Answering, path: str = "/k/", count: int = 1) -> list[bytes]:
    """The bodies that were posted under `path`, once there are `count` of them."""
    ends = time.monotonic() + 5
    while True:
        found = [raw(asked.body) for asked in receiver.asked if asked.path.startswith(path)]
        if len(found) >= count or time.monotonic() > ends:
            return found
        time.sleep(0.01)


@pytest.mark.parametrize(
    "vector", vectors("mpesa/password_vectors")[:2], ids=lambda one: one["shortcode"]
)
def test_a_password_is_that_of_the_vector(vector: dict[str, str]) -> None:
    business = Business(vector["shortcode"], lambda: vector["passkey"])
    assert password(business, vector["timestamp"]) == vector["password"]


@pytest.mark.parametrize(("name", "till"), [("request", ""), ("till_variant", "5001234")])
def test_a_push_is_that_of_the_recorded_exchange(name: str, till: str) -> None:
    body = dict(PUSH[name].get("body", PUSH[name]))
    body.pop("_note", None)
    passkey = vectors("mpesa/password_vectors")[0]["passkey"]
    business = Business(str(body["BusinessShortCode"]), lambda: passkey, till)
    asked = wanted("", callback_url=body["CallBackURL"])
    made = provider.push_body(business, asked, body["Timestamp"])
    if till:
        # The vector keeps the password of the other short code.
        body["Password"] = password(business, body["Timestamp"])
    assert made == body


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("254708374149", PHONE),
        ("+254 708 374149", PHONE),
        ("0708-374-149", PHONE),
        ("708374149", PHONE),
        ("0110000000", "254110000000"),
        ("0208374149", None),
        ("255708374149", None),
        ("070837414", None),
        ("", None),
        ("\u0660708374149", None),
    ],
)
def test_a_phone_number_is_read_as_people_type_it(typed: str, number: str | None) -> None:
    assert phone_of(typed) == number


@pytest.mark.parametrize("name", ["response_200_string", "response_200_number"])
def test_a_token_s_life_is_a_text_or_a_number(name: str) -> None:
    with answering(Answer(members=vectors("mpesa/token")[name])) as server:
        found = fetch_token(server.url, lambda: "CONSUMER_KEY", lambda: "CONSUMER_SECRET")
        assert (found.token, found.expires_in_s) == ("SAMPLETOKEN1", 3599)
        recorded = vectors("mpesa/token")["request"]
        assert server.asked[0].path == recorded["path"]
        assert server.asked[0].headers["authorization"] == recorded["headers"]["Authorization"]


def test_a_wrong_credential_of_the_app_is_refused(standin: Standin) -> None:
    with pytest.raises(Refused) as refused:
        fetch_token(standin.base, lambda: "x", lambda: "y")
    assert refused.value.status == vectors("mpesa/token")["response_400_bad_credentials"]["status"]


@pytest.mark.parametrize(
    "members",
    [{}, {"access_token": "a b", "expires_in": 1}, {"access_token": "abcd", "expires_in": 0}],
)
def test_an_answer_without_a_token_is_unknown(members: Any) -> None:
    with answering(Answer(members=members)) as server, pytest.raises(Unknown):
        fetch_token(server.url, lambda: "x", lambda: "y")


def test_a_push_is_accepted_then_pending_then_paid_and_told(
    mpesa: Daraja, standin: Standin, receiver: Answering
) -> None:
    made = mpesa.push(wanted(receiver.url))
    assert mpesa.query(made.checkout_id).state == "pending"
    receipt = standin.order("answer", checkout=made.checkout_id, answer="pays")["receipt"]
    (body,) = pushed(receiver)
    told = daraja_callbacks.stk(body)
    assert told is not None and told.is_proof
    assert (told.checkout_id, told.receipt, told.amount) == (
        made.checkout_id,
        receipt,
        Money(25_000, "KES"),
    )
    assert told.paid_at == STARTED_AT
    found = mpesa.query(made.checkout_id)
    assert (found.state, found.code) == ("paid", "0")


@pytest.mark.parametrize("answer", [name for name in daraja.ANSWERS if name != "pays"])
def test_what_a_customer_does_instead_is_told_with_its_code(
    mpesa: Daraja, standin: Standin, receiver: Answering, answer: str
) -> None:
    made = mpesa.push(wanted(receiver.url))
    standin.order("answer", checkout=made.checkout_id, answer=answer)
    told = daraja_callbacks.stk(pushed(receiver)[0])
    assert told is not None and not told.is_paid and told.receipt is None
    found = mpesa.query(made.checkout_id)
    assert (found.state, found.code) == ("failed", told.code)


def test_parties_are_sent_as_numbers(mpesa: Daraja, standin: Standin, receiver: Answering) -> None:
    mpesa.push(wanted(receiver.url))
    sent = json.loads(standin.calls("push_stk")[0]["body"])
    assert [type(sent[name]) for name in ("PartyA", "PartyB", "PhoneNumber", "Amount")] == [int] * 4
    assert moment_of(sent["Timestamp"]) == STARTED_AT


def test_a_second_prompt_for_the_same_customer_is_refused(
    mpesa: Daraja, receiver: Answering
) -> None:
    mpesa.push(wanted(receiver.url))
    with pytest.raises(Refused) as refused:
        mpesa.push(wanted(receiver.url))
    assert refused.value.code == provider.PENDING


@pytest.mark.parametrize(("kind", "options"), SILENT, ids=lambda one: str(one)[:24])
def test_after_silence_a_push_is_not_sent_again(
    mpesa: Daraja, standin: Standin, receiver: Answering, kind: str, options: dict[str, Any]
) -> None:
    standin.fault("push_stk", kind, **options)
    with pytest.raises(Unknown):
        mpesa.push(wanted(receiver.url))
    assert len(standin.calls("push_stk")) == 1


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("response_400_invalid", "400.002.02"),
        ("response_500_lock", "500.001.1001"),
        ("response_500_spike", "500.003.02"),
    ],
)
def test_a_refusal_of_a_push_says_why(
    mpesa: Daraja, standin: Standin, receiver: Answering, name: str, code: str
) -> None:
    standin.fault("push_stk", "status", status=PUSH[name]["status"], body=PUSH[name]["body"])
    with pytest.raises(Refused) as refused:
        mpesa.push(wanted(receiver.url))
    assert refused.value.code == code


@pytest.mark.parametrize(
    "changed",
    [{"phone": "0708374149"}, {"amount": Money(25_050, "KES")}, {"amount": Money(499, "USD")}],
)
def test_a_push_that_daraja_could_not_take_is_not_sent(
    mpesa: Daraja, standin: Standin, changed: dict[str, Any]
) -> None:
    with pytest.raises((Refused, money.BadAmount)):
        mpesa.push(wanted("http://127.0.0.1:9", **changed))
    assert standin.calls("push_stk") == []


def test_an_invalid_token_is_replaced_and_the_call_made_once_more(
    mpesa: Daraja, standin: Standin, token: Token, receiver: Answering
) -> None:
    made = mpesa.push(wanted(receiver.url))
    standin.order("other_token")
    assert mpesa.query(made.checkout_id).state == "pending"
    assert token.asked == 2
    error = PUSH["response_404_token"]
    standin.fault("push_stk", "status", times=None, status=error["status"], body=error["body"])
    with pytest.raises(Refused) as refused:
        mpesa.push(wanted(receiver.url, phone="254711000111"))
    assert (refused.value.code, token.asked) == ("404.001.03", 3)
    assert len(standin.calls("push_stk")) == 3


@pytest.mark.parametrize("name", ["paid", "cancelled", "still_pending", "spike", "html_error"])
def test_an_answer_to_a_query_is_read_as_its_vector_expects(
    mpesa: Daraja, standin: Standin, name: str
) -> None:
    vector = QUERY[name]
    body = vector["body"]
    if isinstance(body, str):
        standin.fault("query", "html", status=vector["status"])
    else:
        standin.fault("query", "status", status=vector["status"], body=body)
    expected = {"paid": "paid", "cancelled": "failed"}.get(name, "pending")
    assert mpesa.query("ws_CO_05012026120116345708374149").state == expected


def test_a_query_is_that_of_the_recorded_exchange(mpesa: Daraja, standin: Standin) -> None:
    mpesa.query("ws_CO_1")
    (call,) = standin.calls("query")
    assert call["path"] == QUERY["request"]["path"]
    assert json.loads(call["body"]).keys() == QUERY["request"]["body"].keys()


@pytest.mark.parametrize(("kind", "options"), SILENT, ids=lambda one: str(one)[:24])
def test_a_query_that_says_nothing_is_pending(
    mpesa: Daraja, standin: Standin, kind: str, options: dict[str, Any]
) -> None:
    standin.fault("query", kind, **options)
    assert mpesa.query("ws_CO_1").state == "pending"


def test_an_unreachable_daraja_got_nothing() -> None:
    with pytest.raises(NotSent):
        fetch_token("http://127.0.0.1:1", lambda: "x", lambda: "y")


def test_payments_of_the_short_code_are_told_and_pulled(
    mpesa: Daraja, standin: Standin, receiver: Answering
) -> None:
    mpesa.register_urls(f"{receiver.url}/c/x", f"{receiver.url}/v/x")
    recorded = vectors("mpesa/c2b")["register_request_v2"]
    (call,) = standin.calls("register_urls")
    assert call["path"] == recorded["path"]
    assert json.loads(call["body"]).keys() == recorded["body"].keys()
    paid = standin.order("c2b", reference=" pl7k 2m9q ", amount=250, msisdn="plain")
    told = daraja_callbacks.c2b(pushed(receiver, "/c/")[0])
    assert told is not None
    assert (told.receipt, told.amount, told.reference) == (
        paid["receipt"],
        Money(25_000, "KES"),
        " pl7k 2m9q ",
    )
    assert daraja_callbacks.c2b(pushed(receiver, "/v/")[0]) == told
    standin.forward(60)
    standin.order("c2b", reference="JOHN", amount="99.00")
    page = mpesa.pull(STARTED_AT - 60, STARTED_AT + 120)
    assert [(row.reference, row.amount.minor) for row in page.rows] == [
        (" pl7k 2m9q ", 25_000),
        ("JOHN", 9_900),
    ]
    assert page.rows[0].receipt == paid["receipt"] and page.rows[0].paid_at == STARTED_AT
    assert mpesa.pull(STARTED_AT - 60, STARTED_AT + 120, int(str(page.after))).rows == ()
    assert mpesa.pull(STARTED_AT - 60, STARTED_AT - 1).rows == ()
    mpesa.register_pull(PHONE, f"{receiver.url}/p/x")


def test_a_push_that_is_paid_is_confirmed_with_the_same_receipt(
    mpesa: Daraja, standin: Standin, receiver: Answering
) -> None:
    mpesa.register_urls(f"{receiver.url}/c/x", f"{receiver.url}/v/x")
    made = mpesa.push(wanted(receiver.url))
    standin.order("answer", checkout=made.checkout_id, answer="pays", amount=10)
    told = daraja_callbacks.stk(pushed(receiver)[0])
    confirmed = daraja_callbacks.c2b(pushed(receiver, "/c/")[0])
    assert told is not None and confirmed is not None
    assert told.receipt == confirmed.receipt and told.amount == confirmed.amount == Money(
        1000, "KES"
    )
    assert confirmed.reference == "PL7K2M9Q"


def test_a_validation_that_refuses_stops_the_payment(mpesa: Daraja, standin: Standin) -> None:
    refusal = daraja_callbacks.rejected(daraja_callbacks.WRONG_ACCOUNT)
    with answering(Answer(members=refusal)) as refusing:
        mpesa.register_urls(f"{refusing.url}/c/x", f"{refusing.url}/v/x")
        assert not standin.order("c2b", reference="JOHN", amount=250)["accepted"]
        assert pushed(refusing, "/c/", 0) == []
    assert standin.state()["payments"] == []


def replies(receiver: Answering) -> Replies:
    return Replies(f"{receiver.url}/s/x", f"{receiver.url}/t/x")


def result(receiver: Answering, conversation: str) -> daraja_results.Result:
    for count in range(1, 10):
        for body in pushed(receiver, "/s/", count):
            found = daraja_results.result(body)
            if found is not None and found.request_id == conversation:
                return found
    raise AssertionError(conversation)


def test_a_status_proves_a_payment_and_no_other(
    mpesa: Daraja, standin: Standin, receiver: Answering
) -> None:
    receipt = standin.order("c2b", reference="PL7K2M9Q", amount=250)["receipt"]
    found = result(receiver, mpesa.ask_status(receipt, replies(receiver)))
    proved = daraja_results.proved(found, receipt, daraja.SHORT_CODE)
    assert proved is not None and proved.amount == Money(25_000, "KES")
    assert daraja_results.proved(found, receipt, "600638") is None
    unknown = result(receiver, mpesa.ask_status("UA541K7T2P", replies(receiver)))
    assert not unknown.is_success
    request = vectors("mpesa/transaction_status")["request"]
    assert json.loads(standin.calls("status")[0]["body"]).keys() == request["body"].keys()


def test_a_reversal_gives_back_once(mpesa: Daraja, standin: Standin, receiver: Answering) -> None:
    receipt = standin.order("c2b", reference="PL7K2M9Q", amount=250)["receipt"]
    amount = Money(25_000, "KES")
    found = result(receiver, mpesa.reverse(receipt, amount, replies(receiver)))
    assert daraja_results.reversed_amount(found, receipt) == amount
    again = result(receiver, mpesa.reverse(receipt, amount, replies(receiver)))
    assert again.code == daraja_results.ALREADY_REVERSED
    unknown = result(receiver, mpesa.reverse("UA541K7T2P", amount, replies(receiver)))
    assert unknown.code == daraja_results.UNKNOWN_ORIGINAL
    request = vectors("mpesa/reversal")["request"]
    assert json.loads(standin.calls("reverse")[0]["body"]).keys() == request["body"].keys()


def test_a_payment_to_a_customer_is_made_once(
    mpesa: Daraja, standin: Standin, receiver: Answering
) -> None:
    amount = Money(10_000, "KES")
    found = result(receiver, mpesa.pay_out("refund-pin_1-1", PHONE, amount, replies(receiver)))
    assert (daraja_results.paid_out(found), found.own_id) == (amount, "refund-pin_1-1")
    with pytest.raises(Refused) as refused:
        mpesa.pay_out("refund-pin_1-1", PHONE, amount, replies(receiver))
    assert refused.value.code == vectors("mpesa/b2c")["duplicate"]["body"]["errorCode"]
    request = vectors("mpesa/b2c")["request"]
    assert json.loads(standin.calls("pay_out")[0]["body"]).keys() == request["body"].keys()


def test_without_an_initiator_nothing_is_asked(standin: Standin, token: Token) -> None:
    business = Business(daraja.SHORT_CODE, lambda: PASSKEY)
    bare = Daraja(standin.base, token, business, lambda: float(STARTED_AT))
    with pytest.raises(Refused):
        bare.ask_status("UA541K7T2P", Replies("http://127.0.0.1:9/s", "http://127.0.0.1:9/t"))
    assert standin.calls("status") == []
