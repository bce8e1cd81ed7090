"""The catalogue of packs, and the intents of purchases."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.payments import intents
from engine.platform.errors import Busy
from tests.support.gateway import Gateway
from tests.support.shop import PRICES, begin, edit_pack, forget, pack_form


@pytest.fixture
def shop(endpoint: str) -> Gateway:
    gateway = Gateway(endpoint)
    assert edit_pack(gateway, "p250").status == 200
    return gateway


def sold(shop: Gateway) -> dict[str, Any]:
    return {pack["packId"]: pack for pack in shop.call("GET", "/v1/packs").json["packs"]}


def test_a_new_pack_is_sold_and_everybody_may_read_it(shop: Gateway) -> None:
    reply = shop.call("GET", "/v1/packs")
    assert reply.headers["cache-control"] == "public, max-age=60"
    (pack,) = reply.json["packs"]
    assert (pack["packId"], pack["version"], pack["credits"]) == ("p250", 1, 250)
    assert pack["prices"] == PRICES


def test_no_pack_is_built_in(endpoint: str) -> None:
    assert Gateway(endpoint).call("GET", "/v1/packs").json["packs"] == []


def test_an_edit_makes_the_next_version_and_the_old_one_stays(shop: Gateway) -> None:
    edited = edit_pack(shop, "p250", version=1, bonus=25)
    assert (edited.status, edited.json["pack"]["version"]) == (200, 2)
    assert sold(shop)["p250"]["bonus"] == 25
    versions = shop.call("GET", "/admin/packs/p250", headers=shop.admin).json["packs"]
    assert [(pack["version"], pack["bonus"]) for pack in versions] == [(2, 25), (1, 0)]


def test_the_same_edit_again_makes_no_version(shop: Gateway) -> None:
    first = edit_pack(shop, "p250", version=1, bonus=25)
    again = edit_pack(shop, "p250", version=1, bonus=25)
    assert again.json == first.json


def test_an_edit_of_an_old_version_is_refused(shop: Gateway) -> None:
    edit_pack(shop, "p250", version=1, bonus=25)
    refused = edit_pack(shop, "p250", version=1, bonus=50)
    assert (refused.status, refused.code) == (409, "pack_changed")
    assert refused.json["details"] == {"currentVersion": 2}
    assert sold(shop)["p250"]["bonus"] == 25


def test_of_two_edits_at_once_one_is_refused(shop: Gateway) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda n: edit_pack(shop, "p250", version=1, bonus=n), range(1, 5)))
    assert sorted(reply.status for reply in done) == [200, 409, 409, 409]
    (won,) = [reply.json["pack"]["bonus"] for reply in done if reply.status == 200]
    assert sold(shop)["p250"]["bonus"] == won


def test_a_pack_that_is_switched_off_is_not_sold_and_still_known(shop: Gateway) -> None:
    edit_pack(shop, "p250", version=1, active=False)
    _, headers = shop.user()
    assert sold(shop) == {}
    assert begin(shop, headers, "p250").code == "pack_not_found"
    listed = shop.call("GET", "/admin/packs", headers=shop.admin).json["packs"]
    assert [(pack["packId"], pack["active"]) for pack in listed] == [("p250", False)]


@pytest.mark.parametrize(
    "changed",
    [
        {"credits": 0},
        {"dollars": "5"},
        {"credits": 0, "dollars": "5", "bonus": 1},
        {"prices": {}},
        {"prices": {"usd": 1}},
        {"prices": {"USD": 0}},
        {"prices": {"USD": 4.99}},
        {"packId": "P250"},
        {"label": " "},
        {"reason": ""},
        {"credits": 1_000_001},
    ],
)
def test_an_unsound_pack_is_refused(shop: Gateway, changed: dict[str, Any]) -> None:
    refused = edit_pack(shop, "p9", **changed)
    assert (refused.status, refused.code) == (400, "invalid_request")
    assert set(sold(shop)) == {"p250"}


def test_an_edit_is_recorded_with_actor_and_reason(shop: Gateway) -> None:
    query = {"action": "pack_edit", "user": "pack:p250"}
    records = shop.call("GET", "/admin/audit", query=query, headers=shop.admin).json["records"]
    assert [(one["actor"], one["reason"]) for one in records] == [
        ("admin:secret", "first price list")
    ]


def test_a_catalogue_that_was_read_serves_on_while_the_store_fails(shop: Gateway) -> None:
    catalogue = shop.function("payments").books.packs
    now = [1000.0]
    catalogue._clock = lambda: now[0]
    catalogue.forget()
    assert [pack.code for pack in catalogue.all()] == ["p250"]

    class Broken:
        def get(self, *_: Any, **__: Any) -> None:
            raise Busy()

    whole, catalogue.table = catalogue.table, Broken()
    now[0] += 3600
    assert [pack.code for pack in catalogue.all()] == ["p250"]
    catalogue.forget()
    with pytest.raises(Busy):
        catalogue.all()
    catalogue.table = whole


def test_an_intent_names_version_price_and_a_pay_code(shop: Gateway) -> None:
    _, headers = shop.user()
    made = begin(shop, headers, "p250")
    assert made.status == 200, made.text
    assert (made.json["packVersion"], made.json["amountMinor"]) == (1, 499)
    assert (made.json["status"], made.json["currency"]) == ("pending", "USD")
    assert re.fullmatch(r"[2-9A-HJ-NP-Z]{8}", made.json["payCode"])
    stored = intents.find(shop.ledger.table, made.json["intentId"])
    assert stored is not None and (stored.grants, stored.pack) == (250, "p250@1")


def test_the_price_of_an_intent_stays_when_the_pack_is_edited(shop: Gateway) -> None:
    _, headers = shop.user()
    made = begin(shop, headers, "p250").json
    edit_pack(shop, "p250", version=1, prices={"USD": 999})
    shown = shop.call("GET", f"/v1/payments/{made['intentId']}", headers=headers).json
    assert (shown["amountMinor"], shown["packVersion"], shown["receipt"]) == (499, 1, None)


def test_a_repeated_request_gets_the_same_intent(shop: Gateway) -> None:
    _, headers = shop.user()
    first, again = (begin(shop, headers, "p250", "k") for _ in range(2))
    assert again.text == first.text
    assert again.headers["idempotency-replayed"] == "true"
    other = begin(shop, headers, "p250", "k", currency="KES")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    listed = shop.call("GET", "/v1/payments", headers=headers).json["payments"]
    assert [one["intentId"] for one in listed] == [first.json["intentId"]]


def test_requests_at_once_make_one_intent(shop: Gateway) -> None:
    _, headers = shop.user()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: begin(shop, headers, "p250", "k"), range(8)))
    assert {reply.status for reply in made} == {200}
    assert len({reply.json["intentId"] for reply in made}) == 1


def test_the_same_request_id_of_another_user_is_another_intent(shop: Gateway) -> None:
    (_, ann), (_, ben) = shop.user(), shop.user()
    made = {begin(shop, who, "p250", "k").json["intentId"] for who in (ann, ben)}
    assert len(made) == 2


def test_an_intent_needs_a_request_id(shop: Gateway) -> None:
    _, headers = shop.user()
    body = {"packId": "p250", "provider": "google", "currency": "USD"}
    refused = shop.call("POST", "/v1/payments/intents", body, headers=headers)
    assert (refused.status, refused.code) == (400, "request_id_required")


@pytest.mark.parametrize(
    "changed", [{"currency": "EUR"}, {"provider": "stripe", "currency": "EUR"}]
)
def test_a_pack_without_a_price_in_the_currency_is_not_sold(
    shop: Gateway, changed: dict[str, str]
) -> None:
    _, headers = shop.user()
    refused = begin(shop, headers, "p250", **changed)
    assert (refused.status, refused.code) == (409, "provider_not_offered")
    assert refused.json["details"] == {"prices": PRICES}


def test_a_provider_that_the_deployment_does_not_name_sells_nothing(endpoint: str) -> None:
    shop = Gateway(endpoint, PAYMENT_PROVIDERS="mpesa")
    edit_pack(shop, "p250")
    _, headers = shop.user()
    assert begin(shop, headers, "p250").code == "provider_not_offered"
    assert begin(shop, headers, "p250", provider="mpesa", currency="KES").status == 200


def test_another_users_purchase_is_answered_like_a_missing_one(shop: Gateway) -> None:
    (_, ann), (_, ben) = shop.user(), shop.user()
    made = begin(shop, ann, "p250").json["intentId"]
    theirs = shop.call("GET", f"/v1/payments/{made}", headers=ben)
    missing = shop.call("GET", "/v1/payments/pin_none", headers=ben)
    assert theirs.status == missing.status == 404
    assert theirs.code == missing.code == "payment_not_found"
    assert shop.call("GET", "/v1/payments", headers=ben).json["payments"] == []


def test_an_open_intent_past_its_time_has_expired(shop: Gateway) -> None:
    _, headers = shop.user()
    made = begin(shop, headers, "p250").json
    shop.now = shop.clock() + intents.LIFETIME_S + 1
    shown = shop.call("GET", f"/v1/payments/{made['intentId']}", headers=headers)
    assert shown.json["status"] == "expired"


def test_purchases_are_listed_newest_first_in_pages(shop: Gateway) -> None:
    user, headers = shop.user()
    made = []
    for minute in range(5):
        shop.now = 1_900_000_000 + minute * 60
        headers = shop.user_headers(user)
        made.append(begin(shop, headers, "p250").json["intentId"])
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = shop.call("GET", "/v1/payments", query=query, headers=headers).json
        seen += [one["intentId"] for one in page["payments"]]
        if page["nextCursor"] is None:
            break
        query = {"limit": "2", "cursor": page["nextCursor"]}
    assert seen == made[::-1]


@pytest.mark.parametrize("typed", ["{code}", " {lower} ", "{spaced}", "{lower_spaced}"])
def test_a_pay_code_is_read_as_people_type_it(shop: Gateway, typed: str) -> None:
    _, headers = shop.user()
    made = begin(shop, headers, "p250").json
    code = made["payCode"]
    spaced = f"{code[:4]} {code[4:]}"
    text = typed.format(code=code, lower=code.lower(), spaced=spaced, lower_spaced=spaced.lower())
    found = intents.by_code(shop.ledger.table, text)
    assert found is not None and found.id == made["intentId"]


def test_a_wrong_pay_code_is_nobodys(shop: Gateway) -> None:
    _, headers = shop.user()
    code = begin(shop, headers, "p250").json["payCode"]
    for typed in (code[:-1], code + "2", "", "        ", "01010101"):
        assert intents.by_code(shop.ledger.table, typed) is None


def test_buyers_and_strangers_may_not_edit_packs(shop: Gateway) -> None:
    _, headers = shop.user()
    for credential in ({}, headers, shop.api_key):
        reply = shop.call("POST", "/admin/packs", pack_form("p9"), headers=credential)
        assert reply.status in (401, 403)
    forget(shop)
    assert set(sold(shop)) == {"p250"}
