"""Products: their versions, what a token for one is good for, and what a job of one is charged."""

import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest

from engine.credits import hold_items
from engine.ledger.items import account_pk
from engine.platform.errors import Busy, InvalidRequest
from engine.platform.table import Item, Table
from engine.products import catalogue
from engine.products.catalogue import Catalogue
from engine.products.errors import ProductNotFound, UnitsOverLimit
from engine.products.product import TRANSCRIPT, Product, require_consistent
from tests.mutation.desk import Desk, nowhere
from tests.support.gateway import Gateway, Reply
from tests.support.proxy import BuiltIn
from tests.support.streams import fresh
from tests.support.template import ROOT

MINUTES: dict[str, Any] = {
    "code": "minutes", "version": 0, "label": "Minutes of audio", "unit": "minute", "creditsPerUnit": 3,
    "mostUnits": 60, "scope": "ttt:transcribe", "audience": "tttranscribe", "lifetimeSeconds": 1200,
    "graceSeconds": 60, "overage": "reject", "settledBy": "duration", "leastUnits": 2,
    "reason": "a product",
}  # fmt: skip


def event(name: str, headers: Mapping[str, str], body: Any = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "events" / name).read_text())
    found["headers"] |= headers
    if body is not None:
        found["body"] = json.dumps(body)
    return found


def forget(gateway: Gateway) -> None:
    """Let every process read the newest versions again, as it does every half minute."""
    for module in gateway.modules.values():
        if isinstance(getattr(module, "products", None), Catalogue):
            module.products.forget()


def save(gateway: Gateway, **changed: Any) -> Reply:
    reply = gateway.call("POST", "/admin/products", MINUTES | changed, headers=gateway.admin)
    forget(gateway)
    return reply


@pytest.fixture
def code(gateway: Gateway) -> str:
    """A product at three credits a minute, settled by the duration."""
    code = fresh("minutes").replace("-", "_")
    assert save(gateway, code=code).status == 200
    return code


def vend(gateway: Gateway, headers: Mapping[str, str], **body: Any) -> Reply:
    return gateway.call("POST", "/v1/vend-token", body, headers=headers)


def claims(reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(reply.json["token"], options={"verify_signature": False})
    return found


# The catalogue


def test_the_samples_of_events_are_answered(gateway: Gateway) -> None:
    shown = gateway.function("tokens").lambda_handler(event("products.json", {}), None)
    assert shown["statusCode"] == 200
    assert shown["headers"]["cache-control"] == "public, max-age=30"
    assert json.loads(shown["body"])["products"][-1] == catalogue.members(TRANSCRIPT)
    admin = gateway.function("admin").lambda_handler
    for name in ("admin_save_product.json", "admin_products.json", "admin_product.json"):
        assert admin(event(name, gateway.admin), None)["statusCode"] == 200, name


def test_a_product_is_stored_as_it_was_saved(gateway: Gateway, code: str) -> None:
    table = gateway.ledger.table
    item = table.get("PRODUCTS", f"P#{code}#000001")
    assert item is not None
    created = {"pk", "sk", "created_at", "created_by"}
    assert {name: value for name, value in item.items() if name not in created} == {
        "code": code, "version": 1, "label": "Minutes of audio", "unit": "minute",
        "credits_per_unit": 3, "most_units": 60, "scope": "ttt:transcribe", "audience": "tttranscribe",
        "lifetime_s": 1200, "grace_s": 60, "overage": "reject", "settled_by": "duration",
        "least_units": 2, "is_active": True,
    }  # fmt: skip
    current = table.get("PRODUCTS", "CURRENT")
    assert current is not None and current[f"v_{code}"] == 1
    records = table.query(f"AUDIT#product:{code}@1", "2", limit=5)
    assert [(one["action"], one["reason"]) for one in records] == [("product_save", "a product")]


def test_an_edit_is_a_new_version_and_the_old_one_stays(gateway: Gateway, code: str) -> None:
    before = gateway.ledger.table.get("PRODUCTS", f"P#{code}#000001")
    made = save(gateway, code=code, version=1, creditsPerUnit=5).json["product"]
    assert (made["version"], made["creditsPerUnit"]) == (2, 5)
    assert gateway.ledger.table.get("PRODUCTS", f"P#{code}#000001") == before
    path = f"/admin/products/{code}"
    shown = gateway.call("GET", path, headers=gateway.admin).json["versions"]
    assert [(one["version"], one["creditsPerUnit"]) for one in shown] == [(2, 5), (1, 3)]


def test_two_operators_do_not_write_over_each_other(gateway: Gateway, code: str) -> None:
    assert save(gateway, code=code, version=1, creditsPerUnit=5).status == 200
    late = save(gateway, code=code, version=1, creditsPerUnit=7)
    assert (late.status, late.code, late.json["details"]) == (
        409,
        "product_changed",
        {"version": 2},
    )
    again = save(gateway, code=code)
    assert (again.status, again.code) == (409, "product_changed")
    assert gateway.ledger.table.get("PRODUCTS", f"P#{code}#000003") is None


def test_a_repeated_change_gets_the_first_answer(gateway: Gateway, code: str) -> None:
    first = save(gateway, code=code, version=1, creditsPerUnit=5)
    again = save(gateway, code=code, version=1, creditsPerUnit=5)
    assert (again.status, again.json) == (200, first.json)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"


def test_an_operator_who_comes_in_between_is_not_written_over(gateway: Gateway, code: str) -> None:
    desk = Desk(gateway)
    base = catalogue.read(gateway.ledger.table.get("PRODUCTS", f"P#{code}#000001") or {})
    admin = gateway.function("admin")
    other = desk.interrupted(lambda: save(gateway, code=code, version=1, creditsPerUnit=9))
    ledger = type(gateway.ledger)(other)
    with pytest.raises(catalogue.ProductChanged):
        catalogue.save(ledger, type(admin.audit)(other, 1), base, nowhere())
    kept = catalogue.read(gateway.ledger.table.get("PRODUCTS", f"P#{code}#000002") or {})
    assert kept.credits_per_unit == 9


def test_a_product_that_lost_its_item_is_not_made_anew(gateway: Gateway, code: str) -> None:
    """Where the name of the newest version is there and its item is not, nothing is written over."""
    table = gateway.ledger.table
    stray = {"pk": "PRODUCTS", "sk": f"P#{code}#000002", "of": "another"}
    table.write(catalogue.Put(stray, ""))
    base = catalogue.read(table.get("PRODUCTS", f"P#{code}#000001") or {})
    with pytest.raises((catalogue.ProductChanged, KeyError)):
        catalogue.save(gateway.ledger, gateway.function("admin").audit, base, nowhere())
    assert table.get("PRODUCTS", f"P#{code}#000002") == stray


def test_the_built_in_product_can_be_edited_and_switched_off(gateway: Gateway) -> None:
    own = Gateway(gateway.endpoint)
    _, headers = own.user(balance=9)
    base = {
        "code": "transcript", "unit": "call", "mostUnits": 1, "settledBy": "none", "leastUnits": 0,
        "lifetimeSeconds": 900, "graceSeconds": 20, "label": "Transcript",
    }  # fmt: skip
    estimate = {"url": "https://www.tiktok.com/@someone/video/7300000000000000001"}
    assert save(own, **base, version=1, creditsPerUnit=2).json["product"]["version"] == 2
    sold = vend(own, headers)
    assert (sold.json["balanceAfter"], claims(sold)["product"]) == (7, "transcript@2")
    asked = own.call("GET", "/estimate", headers=headers, query=estimate)
    assert asked.json["estimatedCredits"] == 2
    assert save(own, **base, version=2, creditsPerUnit=2, active=False).status == 200
    refused = vend(own, headers)
    assert (refused.status, refused.code) == (404, "product_not_found")
    assert own.call("GET", "/v1/products").json["products"] == []
    shown = own.call("GET", "/admin/products", headers=own.admin).json["products"]
    assert [(one["code"], one["version"], one["active"]) for one in shown] == [
        ("transcript", 3, False)
    ]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"settledBy": "words"}, "settledBy"),
        ({"leastUnits": 61}, "leastUnits"),
        ({"creditsPerUnit": 1_000_000, "mostUnits": 2}, "mostUnits"),
        ({"audience": "pluct-business-engine"}, "audience"),
        ({"code": "No"}, "code"),
        ({"creditsPerUnit": 0}, "creditsPerUnit"),
        ({"overage": "free"}, "overage"),
        ({"reason": " "}, "reason"),
    ],
)
def test_a_product_that_contradicts_itself_is_refused(
    gateway: Gateway, changed: dict[str, Any], field: str
) -> None:
    reply = save(gateway, **({"code": "odd"} | changed))
    assert (reply.status, reply.json["details"]["field"]) == (400, field)


def test_the_catalogue_has_a_limit(
    gateway: Gateway, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = len(catalogue.current_versions(gateway.ledger.table))
    monkeypatch.setattr(catalogue, "MOST_PRODUCTS", known)
    assert save(gateway, code="one_more").status == 400
    assert save(gateway, code=code, version=1).status == 200


class Broken(Table):
    """A table that answers until it is `broken`."""

    broken = False
    reads = 0

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        self.reads += 1
        if self.broken:
            raise Busy()
        return super().get(pk, sk, consistent=consistent)


def test_the_catalogue_is_read_every_half_minute_and_survives_a_broken_store(
    gateway: Gateway, code: str
) -> None:
    now = [1000.0]
    table = Broken(gateway.dynamodb, gateway.table_name)
    products = Catalogue(table, clock=lambda: now[0])
    assert products.current(code).version == 1
    assert table.reads == 2
    save(gateway, code=code, version=1, creditsPerUnit=4)
    now[0] += 29
    assert (products.current(code).version, table.reads) == (1, 2)
    now[0] += 1
    assert (products.current(code).version, table.reads) == (2, 4)
    table.broken = True
    now[0] += 31
    assert products.current(code).credits_per_unit == 4
    assert products.at(code, 1).credits_per_unit == 3
    with pytest.raises(Busy):
        Catalogue(table).current("transcript")
    products.forget()
    with pytest.raises(Busy):
        products.current(code)


def test_an_unknown_product_is_not_found(gateway: Gateway) -> None:
    products = Catalogue(gateway.ledger.table)
    with pytest.raises(ProductNotFound):
        products.current("nothing")
    with pytest.raises(ProductNotFound):
        products.at("nothing", 1)
    with pytest.raises(ProductNotFound):
        BuiltIn().at("nothing", 1)
    reply = gateway.call("GET", "/admin/products/nothing", headers=gateway.admin)
    assert (reply.status, reply.code) == (404, "product_not_found")


@pytest.mark.parametrize(
    ("figures", "units", "charged"),
    [
        ({"duration": 0}, 10, 6), ({"duration": 121}, 10, 9), ({"duration": 120.0}, 10, 6),
        ({"duration": 120.001}, 10, 9), ({"duration": 600}, 10, 30), ({"duration": 9999}, 10, 30),
        ({"duration": 5}, 1, 3), ({}, 10, 30), ({"duration": None}, 10, 30), ({"duration": "60"}, 10, 30),
        ({"duration": -1}, 10, 30), ({"duration": float("nan")}, 10, 30), ({"duration": True}, 10, 30),
        ({"duration": float("inf")}, 10, 30),
    ],
)  # fmt: skip
def test_a_job_is_charged_by_its_figure_between_the_least_and_what_was_held(
    figures: dict[str, Any], units: int, charged: int
) -> None:
    product = Product(
        "minutes", 1, "Minutes", "minute", 3, 60, "s", "a", 900, 20, "reject", "duration", 2
    )
    assert product.settled(figures, units) == charged


def test_a_price_is_limited_by_the_units_of_a_hold() -> None:
    assert TRANSCRIPT.price(1) == 1
    for units in (2, -1):
        with pytest.raises(UnitsOverLimit):
            TRANSCRIPT.price(units)
    require_consistent(TRANSCRIPT)
    with pytest.raises(InvalidRequest):
        require_consistent(
            Product("x", 1, "X", "call", 1, 1, "s", "pluct-business-engine", 900, 20, "cap")
        )


# Vending


def test_a_vend_holds_the_price_of_its_product(gateway: Gateway, code: str) -> None:
    user, headers = gateway.user(balance=100)
    reply = vend(gateway, headers, product=code, units=12)
    assert (reply.status, reply.json["balanceAfter"]) == (200, 64)
    assert (reply.json["product"], reply.json["units"]) == ({"code": code, "version": 1}, 12)
    assert reply.json["expiresIn"] == 1200
    found = claims(reply)
    assert (found["product"], found["units"]) == (f"{code}@1", 12)
    assert found["exp"] - found["iat"] == 1200
    item = gateway.ledger.table.get(account_pk(user), hold_items.sk_of(found["jti"]))
    assert item is not None
    facts = ("amount", "product", "version", "units", "lifetime_s", "grace_s", "audience", "scope")
    assert [item[name] for name in facts] == [
        36, code, 1, 12, 1200, 60, "tttranscribe", "ttt:transcribe",
    ]  # fmt: skip
    assert item["expires_at"] == found["exp"] + 60
    entry = gateway.entries(user)[-1]
    assert (entry.amount, entry.held, entry.product, entry.units) == (-36, 36, f"{code}@1", 12)
    gateway.assert_explained(user)


def test_a_vend_of_a_transcript_is_stored_and_signed_as_before(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=2)
    reply = vend(gateway, headers)
    assert claims(reply).keys() == {"iss", "aud", "sub", "scope", "jti", "iat", "exp"}
    item = gateway.ledger.table.get(account_pk(user), hold_items.sk_of(claims(reply)["jti"]))
    assert item is not None
    assert not {"product", "version", "units", "lifetime_s", "committed"} & item.keys()
    assert "format" not in gateway.entries(user)[-1].item()
    assert (reply.json["product"], reply.json["units"]) == ({"code": "transcript", "version": 1}, 1)


def test_a_refusal_for_want_of_credits_names_price_and_balance(gateway: Gateway, code: str) -> None:
    _, headers = gateway.user(balance=35)
    reply = vend(gateway, headers, product=code, units=12)
    assert (reply.status, reply.json["balance"]) == (402, 35)
    assert reply.details == {
        "balance": 35, "required": 36, "price": 36, "product": {"code": code, "version": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"units": 61}, 400, "units_over_limit"),
        ({"units": 0}, 400, "invalid_request"),
        ({"units": True}, 400, "invalid_request"),
        ({"product": "nothing"}, 404, "product_not_found"),
        ({"product": 7}, 400, "invalid_request"),
    ],
)
def test_a_vend_of_what_is_not_sold_is_refused(
    gateway: Gateway, code: str, body: dict[str, Any], status: int, named: str
) -> None:
    user, headers = gateway.user(balance=1000)
    reply = vend(gateway, headers, **({"product": code} | body))
    assert (reply.status, reply.code) == (status, named)
    assert gateway.balance(user) == 1000


def test_a_repeated_vend_gets_the_first_answer_also_after_a_new_version(
    gateway: Gateway, code: str
) -> None:
    user, headers = gateway.user(balance=100)
    gateway.now = 1_800_000_000
    try:
        headers = gateway.user_headers(user)
        body = {"product": code, "units": 2, "clientRequestId": fresh("vend")}
        first = vend(gateway, headers, **body)
        save(gateway, code=code, version=1, creditsPerUnit=9, lifetimeSeconds=60)
        again = vend(gateway, headers, **body)
        assert again.text == first.text
        other = vend(gateway, headers, **(body | {"units": 3}))
    finally:
        gateway.now = None
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert gateway.balance(user) == 94


def test_an_unused_token_is_sold_again_only_for_the_same_product(
    gateway: Gateway, code: str
) -> None:
    own = Gateway(gateway.endpoint, REUSE_UNUSED_TOKEN="true")
    assert save(own, code=code).status == 200
    _, headers = own.user(balance=100)
    first = vend(own, headers, product=code, units=2)
    assert vend(own, headers, product=code, units=2).json["token"] == first.json["token"]
    other = vend(own, headers, product=code, units=3)
    assert other.json["token"] != first.json["token"]
    assert vend(own, headers).json["token"] != other.json["token"]


def test_a_token_for_another_audience_is_good_for_that_alone(gateway: Gateway, code: str) -> None:
    save(gateway, code=code, version=1, audience="summaries", scope="sum:write")
    _, headers = gateway.user(balance=100)
    reply = vend(gateway, headers, product=code, units=1)
    assert (claims(reply)["aud"], reply.json["scope"]) == ("summaries", "sum:write")
    token = reply.json["token"]
    bearer = {"authorization": f"Bearer {token}"}
    video = {"url": "https://www.tiktok.com/@someone/video/7300000000000000001"}
    refused = gateway.call("POST", "/ttt/transcribe", video, headers=bearer)
    assert (refused.status, refused.json["details"]["reason"]) == (401, "wrong audience")
    asked = gateway.call("POST", "/validate-token", {"token": token}).json
    assert (asked["valid"], asked["reason"]) == (False, "wrong audience")
    asked = gateway.call("POST", "/validate-token", {"token": token, "audience": "summaries"}).json
    assert (asked["valid"], asked["payload"]) == (True, claims(reply))


def test_a_token_without_the_scope_starts_no_transcription(gateway: Gateway, code: str) -> None:
    save(gateway, code=code, version=1, scope="ttt:summarize")
    _, headers = gateway.user(balance=100)
    token = vend(gateway, headers, product=code, units=1).json["token"]
    video = {"url": "https://www.tiktok.com/@someone/video/7300000000000000001"}
    refused = gateway.call(
        "POST", "/ttt/transcribe", video, headers={"authorization": f"Bearer {token}"}
    )
    assert (refused.status, refused.json["details"]["reason"]) == (401, "wrong scope")


# Settled by use
