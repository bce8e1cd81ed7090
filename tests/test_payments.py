"""Payments and requests: what an id is unique in, who may repeat it, and for how long."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ledger.idempotency import Payment, is_of
from engine.ledger.items import CREDITS, account_pk, entry_sk
from engine.platform.ids import digest
from engine.platform.table import Item, Put
from engine.subscriptions.plans import UNIT
from engine.web.request_ids import fingerprint
from tests.support.gateway import Gateway, Reply
from tests.support.properties import PROPERTY

YEAR_S = 366 * 24 * 3600
ROUTES = ("/v1/credits/add", "/add-credits")
TOP_UP = "/webhooks/top-up"
FEWER = settings(PROPERTY, max_examples=40)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Gateway:
    return Gateway(endpoint, RATE_LIMIT="1000000")


def fresh(prefix: str = "u") -> str:
    return f"{prefix}-{next(_numbers)}"


def pay(gateway: Gateway, route: str, body: dict[str, Any], **headers: str) -> Reply:
    credential = {"x-webhook-secret": gateway.rings["WEBHOOK_SECRET"].signing}
    if route == "/v1/credits/add":
        credential = gateway.api_key
    amount = str(body["amount"]) if route == TOP_UP else body["amount"]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.call("POST", route, {**body, "amount": amount}, headers=credential | named)


def key_of(gateway: Gateway, description: str) -> dict[str, str]:
    form = {"description": description, "scopes": ["credits:write"]}
    made = gateway.call("POST", "/admin/generate-key", form, headers=gateway.admin).json
    return {"x-api-key": made["key"]}


def replayed(reply: Reply) -> bool:
    return reply.headers.get("idempotency-replayed") == "true"


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(ROUTES)))
def test_one_payment_reported_by_two_routes_is_added_once(
    shop: Gateway, first: str, second: str
) -> None:
    user = fresh()
    body = {"userId": user, "amount": 10, "transactionId": fresh("pi")}
    paid, again = pay(shop, first, body), pay(shop, second, body)
    assert (paid.status, again.status, replayed(paid), replayed(again)) == (200, 200, False, True)
    assert again.json["newBalance"] == paid.json["newBalance"] == shop.balance(user) == 10
    assert again.json["requestId"] == paid.json["requestId"]


@pytest.mark.parametrize("route", ROUTES)
def test_one_payment_is_not_added_as_credits_and_as_dollars(shop: Gateway, route: str) -> None:
    for first, second in itertools.permutations((route, TOP_UP)):
        user = fresh()
        body = {"userId": user, "amount": 10, "transactionId": fresh("pi")}
        assert pay(shop, first, body).status == 200
        refused = pay(shop, second, body)
        assert (refused.status, refused.code) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("route", [*ROUTES, TOP_UP])
def test_equal_ids_of_two_providers_are_two_payments(shop: Gateway, route: str) -> None:
    payment, buyers = fresh("order"), [fresh(), fresh(), fresh()]
    for buyer, provider in zip(buyers, ("stripe", "mpesa", None), strict=True):
        body = {"userId": buyer, "amount": 5, "transactionId": payment}
        body |= {"provider": provider} if provider else {}
        replies = [pay(shop, route, body) for _ in range(2)]
        assert [(reply.status, replayed(reply)) for reply in replies] == [(200, False), (200, True)]
    if route != TOP_UP:
        assert [shop.balance(buyer) for buyer in buyers] == [5, 5, 5]
        assert shop.entries(buyers[0])[-1].subject == f"stripe:{payment}"


@pytest.mark.parametrize("provider", ["", "Stripe", "-a", "a" * 33, "a b", "a#b", 7, None])
def test_a_malformed_provider_is_refused(shop: Gateway, provider: Any) -> None:
    body = {"userId": fresh(), "amount": 1, "transactionId": "t", "provider": provider}
    for route in (*ROUTES, TOP_UP):
        reply = pay(shop, route, body)
        assert (reply.status, reply.json["details"]) == (400, {"field": "provider"})


def test_two_callers_with_the_same_request_id_each_add(shop: Gateway) -> None:
    user, callers = fresh(), [key_of(shop, "shop"), key_of(shop, "referrals"), shop.api_key]
    body = {"userId": user, "amount": 5}
    for _ in range(2):
        replies = [
            shop.call("POST", "/v1/credits/add", body, headers={**who, "idempotency-key": "1001"})
            for who in callers
        ]
        assert [reply.json["newBalance"] for reply in replies] == [5, 10, 15]
    assert shop.balance(user) == 15


def test_two_operators_with_the_same_request_id_each_adjust(shop: Gateway) -> None:
    user, key = fresh(), key_of(shop, "desk")
    body = {"userId": user, "amount": 4, "reason": "ticket"}
    for who in (shop.admin, {"authorization": f"Bearer {key['x-api-key']}"}):
        for _ in range(2):
            headers = {**who, "idempotency-key": "ticket-7"}
            assert shop.call("POST", "/admin/credits/add", body, headers=headers).status == 200
    assert shop.balance(user) == 8


def test_an_undo_of_another_operator_is_not_answered_as_a_repeat(shop: Gateway) -> None:
    user, key = fresh(), key_of(shop, "desk")
    other = {"authorization": f"Bearer {key['x-api-key']}"}
    assert pay(shop, "/v1/credits/add", {"userId": user, "amount": 4}).status == 200
    path, body = f"/admin/users/{user}/transactions/1/undo", {"reason": "mistake"}
    answers = [
        shop.call("POST", path, body, headers={**who, "idempotency-key": "undo"})
        for who in (shop.admin, shop.admin, other)
    ]
    assert [(reply.status, replayed(reply)) for reply in answers[:2]] == [(200, False), (200, True)]
    assert (answers[2].status, answers[2].code) == (409, "already_undone")


def test_a_stranger_who_repeats_a_creation_gets_no_token(shop: Gateway) -> None:
    user = fresh("alice")
    body = {"userId": user, "initialCredits": 0, "clientRequestId": f"create-{user}"}
    created = shop.call("POST", "/user/create", body, headers=shop.api_key)
    assert created.json["token"]
    for headers, address in (({}, "203.0.113.7"), ({}, "198.51.100.9")):
        refused = shop.call("POST", "/user/create", body, headers=headers, address=address)
        assert (refused.status, refused.code) == (409, "user_exists")
        assert "token" not in refused.json
    again = shop.call("POST", "/user/create", body, headers=shop.api_key)
    assert again.json["token"] == created.json["token"] and replayed(again)


def test_an_anonymous_creation_is_repeated_from_its_own_address_only(shop: Gateway) -> None:
    user = fresh("bob")
    body = {"userId": user, "clientRequestId": "create"}
    first = shop.call("POST", "/user/create", body)
    assert shop.call("POST", "/user/create", body).json["token"] == first.json["token"]
    elsewhere = shop.call("POST", "/user/create", body, address="198.51.100.9")
    assert (elsewhere.status, elsewhere.code) == (409, "user_exists")


def test_a_repeated_creation_says_how_long_its_token_is_still_valid(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    gateway.now = 1_800_000_000
    body = {"userId": "carl", "clientRequestId": "create"}
    first = gateway.call("POST", "/user/create", body).json
    gateway.now += 3600
    again = gateway.call("POST", "/user/create", body).json
    assert (first["expiresIn"], again["expiresIn"]) == (86400, 82800)
    assert again["data"] == {**first["data"], "expiresIn": 82800}
    gateway.now += 82800
    assert gateway.call("POST", "/user/create", body).code == "user_exists"


def test_a_webhook_id_without_a_signature_is_not_an_id(shop: Gateway) -> None:
    user = fresh()
    for _ in range(2):
        body = {"userId": user, "amount": 5}
        assert not replayed(pay(shop, "/add-credits", body, webhook_id="msg_1"))
    assert shop.balance(user) == 10


def test_required_request_ids_are_required_on_every_route_that_moves_credits(endpoint: str) -> None:
    gateway = Gateway(endpoint, REQUIRE_REQUEST_IDS="true")
    body = {"userId": "dora", "amount": 5, "reason": "x"}
    hook = {"x-webhook-secret": gateway.rings["WEBHOOK_SECRET"].signing}
    callers = [
        ("/v1/credits/add", gateway.api_key),
        ("/add-credits", hook),
        ("/admin/credits/add", gateway.admin),
        ("/admin/add-credits", gateway.admin),
        ("/admin/deduct-credits", gateway.admin),
    ]
    for path, headers in callers:
        unsigned = {**headers, "webhook-id": "msg_1"}
        for sent in (headers, unsigned):
            refused = gateway.call("POST", path, body, headers=sent)
            assert (refused.status, refused.code) == (400, "request_id_required")
    assert not gateway.ledger.account("dora").exists
    for path, headers in callers:
        keyed = {**headers, "idempotency-key": "one"}
        assert gateway.call("POST", path, body, headers=keyed).status == 200
    paid = {**body, "transactionId": "pi"}
    assert gateway.call("POST", "/v1/credits/add", paid, headers=gateway.api_key).status == 200


def test_ids_that_add_or_deduct_never_expire(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    gateway.now = 1_800_000_000
    body = {"userId": "emil", "amount": 5, "reason": "x"}
    callers = [
        ("/v1/credits/add", gateway.api_key),
        ("/add-credits", {"x-webhook-secret": gateway.rings["WEBHOOK_SECRET"].signing}),
        ("/admin/credits/add", gateway.admin),
        ("/admin/deduct-credits", gateway.admin),
    ]

    def all_of_them() -> list[str]:
        return [
            gateway.call("POST", path, body, headers={**headers, "idempotency-key": "one"}).text
            for path, headers in callers
        ]

    first = all_of_them()
    gateway.now += 10 * YEAR_S
    assert all_of_them() == first
    records = gateway.ledger.table.query(account_pk("emil"), "R#", limit=100, consistent=True)
    assert len(records) == 4 and not any("ttl" in record for record in records)


def older_request(gateway: Gateway, user: str, key: str, amount: int, actor: str) -> None:
    """An addition and its record as the version 57e622b stored them."""
    body = {"userId": user, "amount": amount}
    assert pay(gateway, "/v1/credits/add", body).status == 200
    table = gateway.ledger.table
    entry = table.get(account_pk(user), entry_sk("credits", 1))
    assert entry is not None and entry["actor"] == "api-key:engine"
    table.write(Put({**entry, "actor": actor}, condition=""))
    record: Item = {
        "pk": account_pk(user),
        "sk": f"R#api_add#{digest(key)}",
        "fingerprint": fingerprint(body),
        "facts": {"request_id": "older", "at": 1_764_166_922, "reason": "api_add"},
        "seq": 1,
        "balance_after": amount,
        "ttl": 1_764_166_922 + 48 * 3600,
    }
    table.write(Put(record, condition=""))


def test_a_request_recorded_by_an_earlier_version_is_a_repeat(shop: Gateway) -> None:
    user = fresh()
    older_request(shop, user, "k", 5, "api-key:engine")
    again = pay(shop, "/v1/credits/add", {"userId": user, "amount": 5}, idempotency_key="k")
    assert (again.status, again.json["requestId"], replayed(again)) == (200, "older", True)
    other = pay(shop, "/v1/credits/add", {"userId": user, "amount": 6}, idempotency_key="k")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert shop.balance(user) == 5
    beside = {"userId": user, "amount": 6, "transactionId": fresh("pi")}
    assert pay(shop, "/v1/credits/add", beside, idempotency_key="k").status == 422
    assert shop.balance(user) == 5


def test_another_callers_record_of_an_earlier_version_does_not_count(shop: Gateway) -> None:
    user = fresh()
    older_request(shop, user, "k", 5, "api-key:key_0123456789abcdef")
    mine = pay(shop, "/v1/credits/add", {"userId": user, "amount": 5}, idempotency_key="k")
    assert (mine.status, mine.json["newBalance"], replayed(mine)) == (200, 10, False)


@pytest.mark.parametrize(
    ("older", "amount"), [("api", 5), ("webhook", 5), ("subscription", 5_000_000)]
)
def test_a_payment_recorded_by_an_earlier_version_is_not_added_again(
    shop: Gateway, older: str, amount: int
) -> None:
    user, payment = fresh(), fresh("pi")
    record: Item = {
        "pk": f"P#{older}",
        "sk": payment,
        "fingerprint": fingerprint({"user": user, "amount": amount}),
        "facts": {"request_id": "older", "at": 1_764_166_922, "reason": "r"},
        "user": user,
        "seq": 1,
        "balance_after": amount,
    }
    shop.ledger.table.write(Put(record, condition=""))
    body = {"userId": user, "amount": 5, "transactionId": payment}
    for route in (*ROUTES, TOP_UP):
        reply = pay(shop, route, body)
        if (route == TOP_UP) == (older == "subscription"):
            assert (reply.status, reply.json["requestId"], replayed(reply)) == (200, "older", True)
        else:
            assert (reply.status, reply.code) == (422, "idempotency_key_reused")
    named = pay(shop, "/add-credits", {**body, "provider": "stripe"})
    assert (named.status, replayed(named)) == (200, False)


def test_of_two_records_of_an_earlier_version_the_matching_one_answers(shop: Gateway) -> None:
    payment, buyers = fresh("pi"), {"api": fresh(), "webhook": fresh()}
    for older, user in buyers.items():
        record: Item = {
            "pk": f"P#{older}",
            "sk": payment,
            "fingerprint": fingerprint({"user": user, "amount": 5}),
            "facts": {"request_id": older, "at": 1, "reason": "r"},
            "user": user,
            "seq": 1,
            "balance_after": 5,
        }
        shop.ledger.table.write(Put(record, condition=""))
    for older, user in buyers.items():
        body = {"userId": user, "amount": 5, "transactionId": payment}
        assert pay(shop, "/add-credits", body).json["requestId"] == older


REPORTS = st.tuples(
    st.sampled_from((*ROUTES, TOP_UP)),
    st.sampled_from(["default", "stripe", "mpesa"]),
    st.sampled_from(["1", "2"]),
    st.sampled_from(["ann", "ben"]),
    st.sampled_from([3, 4]),
)


@FEWER
@given(st.lists(REPORTS, max_size=12))
def test_any_reports_add_each_payment_once(
    shop: Gateway, reports: list[tuple[str, str, str, str, int]]
) -> None:
    """The first report of a provider's id decides; equal ones are repeats, all others are refused."""
    run = fresh("run")
    counted: dict[tuple[str, str], tuple[bool, str, int]] = {}
    for route, provider, number, name, amount in reports:
        body = {"userId": f"{name}-{run}", "amount": amount}
        body |= {"transactionId": f"{run}-{number}", "provider": provider}
        facts = (route == TOP_UP, name, amount)
        first = counted.setdefault((provider, number), facts)
        assert pay(shop, route, body).status == (200 if first == facts else 422)
    for name in ("ann", "ben"):
        user = f"{name}-{run}"
        paid = sum(
            amount for dollars, who, amount in counted.values() if who == name and not dollars
        )
        assert shop.balance(user) == paid
        found = shop.ledger.table.ascending(account_pk(user), f"E#{UNIT}#", f"E#{UNIT}#~")
        bought = sum(entry["amount"] for entry in found if entry["type"] == "top_up")
        dollars = sum(amount for is_it, who, amount in counted.values() if who == name and is_it)
        assert bought == dollars * 1_000_000


def test_the_same_amount_in_another_unit_is_another_payment() -> None:
    """Ten dollars in micro-dollars, and ten million credits."""
    payment = Payment("default", "payment", "ann", fingerprint({"userId": "ann", "amount": 10**7}))
    in_credits, in_dollars = (
        {"fingerprint": payment.fingerprint, "unit": u} for u in (CREDITS, UNIT)
    )
    assert [is_of(item, payment, CREDITS) for item in (in_credits, in_dollars)] == [True, False]
