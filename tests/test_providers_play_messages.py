"""What Google Play answers and pushes is read exactly; a push without our own account's claims is refused."""

import base64
import copy
import json
from typing import Any

import jwt
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from engine.providers import play_messages
from engine.providers.money import Money
from engine.providers.play_messages import Line
from tests.support import odd
from tests.support.properties import PROPERTY
from tests.support.vectors import raw, vectors

PUSHES = vectors("google/rtdn_push_bodies")
PURCHASES = {
    name: one for name, one in vectors("google/productsv2_get").items() if isinstance(one, dict)
}
OIDC = vectors("google/oidc_push_vectors")
PACKAGE, TOKEN = "app.pluct", "opaque-token-up-to-1950-characters.AO-J1OyExample"
ORDER = "GPA.3345-1234-5678-90123"
AUDIENCE, ACCOUNT = OIDC["audience"], OIDC["service_account_email"]


@pytest.mark.parametrize("name", PURCHASES)
def test_a_purchase_is_read(name: str) -> None:
    found = play_messages.purchase(PURCHASES[name])
    assert found is not None
    states = {"pending": "pending", "cancelled": "cancelled"}
    assert found.state == states.get(name, "purchased")
    assert (found.account, found.order, found.region) == ("acct-hash-EXAMPLE", ORDER, "KE")
    assert found.is_test is (name == "test")
    assert not found.is_acknowledged and not found.is_consumed
    assert found.completed_at == 1_767_603_590
    lines = [Line("credits_250", 1, 1, False)]
    if name == "two_line_items":
        lines.append(Line("credits_1000", 2, 2, False))
    assert list(found.lines) == lines


def changed(**members: Any) -> dict[str, Any]:
    return {**PURCHASES["purchased"], **members}


def line(**offer: Any) -> dict[str, Any]:
    return {"productLineItem": [{"productId": "credits_250", "productOfferDetails": offer}]}


def test_what_google_leaves_out_has_its_default() -> None:
    found = play_messages.purchase(changed(**line(consumptionState="CONSUMPTION_STATE_CONSUMED")))
    assert found is not None and found.is_consumed
    assert found.lines == (Line("credits_250", 1, None, True),)
    bare = play_messages.purchase({"kind": PURCHASES["purchased"]["kind"], **line()})
    assert bare is not None
    assert (bare.state, bare.account, bare.order) == ("unknown", None, None)


@pytest.mark.parametrize(
    "members",
    [
        {"kind": "androidpublisher#productPurchase"},
        {"productLineItem": []},
        {"productLineItem": [{"productId": ""}]},
        line(quantity=0),
        line(quantity=-3),
        line(quantity=10**9),
        line(quantity="many"),
    ],
)
def test_a_purchase_whose_products_cannot_be_read_is_none(members: dict[str, Any]) -> None:
    assert play_messages.purchase(changed(**members)) is None


def test_voided_purchases_are_read_and_broken_rows_counted() -> None:
    body = vectors("google/voided_list")["body"]
    page = play_messages.voided(body)
    assert (page.after, page.unreadable) == ("PAGE2", 0)
    assert [(row.source, row.reason, row.quantity) for row in page.rows] == [
        (0, 1, None), (1, 0, 1), (2, 7, None), (2, 8, None),
    ]  # fmt: skip
    assert page.rows[0].token == TOKEN and page.rows[0].order == ORDER
    broken = play_messages.voided({"voidedPurchases": [7, {}, body["voidedPurchases"][0]]})
    assert (len(broken.rows), broken.unreadable, broken.after) == (1, 2, None)
    assert play_messages.voided({}) == play_messages.Page((), None)


def test_an_order_says_what_it_cost() -> None:
    found = play_messages.order(vectors("google/order_get"))
    assert found is not None
    assert (found.total, found.tax) == (Money(29_000, "KES"), Money(4_000, "KES"))
    assert (found.id, found.state, found.country) == (ORDER, "PROCESSED", "KE")
    assert play_messages.order({"orderId": ORDER}) is None


NOTICES = {
    "one_time_purchased": ("purchased", TOKEN),
    "one_time_canceled": ("cancelled", TOKEN),
    "voided_full": ("voided", TOKEN),
    "voided_quantity_partial": ("voided", TOKEN),
    "voided_subscription_ignored": ("other", ""),
    "pending_refund_review": ("refund_review", ""),
    "test": ("test", ""),
    "event_time_number": ("test", ""),
    "other_package": ("other", ""),
    "unknown_kind": ("other", ""),
}


def test_every_push_of_the_vectors_is_tested() -> None:
    assert {name for name, one in PUSHES.items() if "decoded" in one} == NOTICES.keys()


@pytest.mark.parametrize("name", NOTICES)
def test_a_push_is_read(name: str) -> None:
    found = play_messages.notice(raw(PUSHES[name]["push"]), PACKAGE)
    assert found is not None
    assert (found.kind, found.token) == NOTICES[name]
    assert (found.id, found.at_ms) == (
        PUSHES[name]["push"]["message"]["messageId"],
        1_767_603_600_000,
    )
    assert found.is_partial is (name == "voided_quantity_partial")


def test_a_review_has_what_its_answer_needs() -> None:
    found = play_messages.notice(raw(PUSHES["pending_refund_review"]["push"]), PACKAGE)
    assert found is not None
    assert (found.refund_token, found.order, found.refund_reason) == ("prt-EXAMPLE", ORDER, 7)
    assert found.account == "acct-hash-EXAMPLE"


def pushed(members: Any) -> bytes:
    data = base64.b64encode(raw(members)).decode()
    return raw({"message": {"data": data, "messageId": "1"}})


def test_a_push_that_cannot_be_read_is_none() -> None:
    assert play_messages.notice(raw(PUSHES["bad_base64"]["push"]), PACKAGE) is None
    assert play_messages.notice(b"", PACKAGE) is None
    assert play_messages.notice(pushed([]), PACKAGE) is None


@pytest.mark.parametrize(
    "about",
    [
        {"oneTimeProductNotification": {"notificationType": 1}},
        {"oneTimeProductNotification": {"notificationType": 3, "purchaseToken": TOKEN}},
        {"voidedPurchaseNotification": {"productType": 2}},
        {"pendingRefundReviewNotification": {"orderId": ORDER}},
        {"pendingRefundReviewNotification": {"pendingRefundToken": "prt"}},
    ],
)
def test_a_push_without_what_its_kind_needs_is_of_no_kind(about: dict[str, Any]) -> None:
    found = play_messages.notice(pushed({"packageName": PACKAGE, **about}), PACKAGE)
    assert found is not None and found.kind == "other"


def authorized(vector: dict[str, Any]) -> dict[str, Any]:
    """The event of a push after an HTTP API's JWT authorizer, with an empty one where it refuses: it
    verifies the signature, one issuer, the audience and the times, and hands claims over as texts.
    """
    certificate = x509.load_pem_x509_certificate(OIDC["certs_pem_by_kid"]["k1"].encode())
    try:
        header = jwt.get_unverified_header(vector["token"])
        if header["kid"] != "k1":
            return {}
        checked = jwt.decode(
            vector["token"],
            certificate.public_key(),
            ["RS256"],
            audience=AUDIENCE,
            options={"verify_exp": False, "verify_iat": False},
        )
    except jwt.PyJWTError:
        return {}
    is_in_time = checked["iat"] <= vector["now"] < checked["exp"]
    if not is_in_time or checked["iss"] not in play_messages.ISSUERS:
        return {}
    return event_of(checked)


def event_of(claims: dict[str, Any]) -> dict[str, Any]:
    texts = {name: json.dumps(value).strip('"') for name, value in claims.items()}
    return {"requestContext": {"authorizer": {"jwt": {"claims": texts, "scopes": None}}}}


@pytest.mark.parametrize("vector", OIDC["vectors"], ids=lambda one: one["name"])
def test_a_token_of_the_vectors_gets_its_verdict(vector: dict[str, Any]) -> None:
    event = authorized(vector)
    # What Google's own library accepts reaches us, and our own check decides.
    assert bool(event) is vector["google_auth"].startswith("accept")
    is_admitted = play_messages.is_admitted(event, ACCOUNT, AUDIENCE, vector["now"])
    assert is_admitted is (vector["expect"] == "accept")


def test_there_are_15_tokens() -> None:
    assert len(OIDC["vectors"]) == 15


SAMPLE = OIDC["api_gateway_event_claims_sample"]
NOW = 1_767_603_660


def test_the_claims_of_the_sample_are_admitted() -> None:
    assert play_messages.is_admitted(SAMPLE, ACCOUNT, AUDIENCE, NOW)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"requestContext": None},
        {"requestContext": {"http": {}}},
        {"requestContext": {"authorizer": {}}},
        {"requestContext": {"authorizer": {"jwt": {"claims": None}}}},
        {"requestContext": {"authorizer": {"lambda": {"email": ACCOUNT}}}},
    ],
)
def test_without_claims_nothing_is_admitted(event: dict[str, Any]) -> None:
    assert not play_messages.is_admitted(event, ACCOUNT, AUDIENCE, NOW)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("email", "stranger@evil.iam.gserviceaccount.com"),
        ("email", None),
        ("email_verified", "false"),
        ("email_verified", None),
        ("iss", "https://evil.example"),
        ("aud", "https://other.example"),
        ("exp", "1767603660"),
        ("exp", "soon"),
        ("exp", None),
    ],
)
def test_a_wrong_claim_is_refused(name: str, value: str | None) -> None:
    claims = dict(SAMPLE["requestContext"]["authorizer"]["jwt"]["claims"])
    claims[name] = value
    event = {"requestContext": {"authorizer": {"jwt": {"claims": claims}}}}
    assert not play_messages.is_admitted(event, ACCOUNT, AUDIENCE, NOW)


def test_without_a_configured_account_nothing_is_admitted() -> None:
    claims = {**SAMPLE["requestContext"]["authorizer"]["jwt"]["claims"], "email": ""}
    event = {"requestContext": {"authorizer": {"jwt": {"claims": claims}}}}
    assert not play_messages.is_admitted(event, "", AUDIENCE, NOW)


def test_ids_of_accounts_and_tokens_are_short_and_apart() -> None:
    assert len({play_messages.account_id("ann"), play_messages.account_id("bob")}) == 2
    assert len(play_messages.account_id("mobile-0123456789abcdef")) <= 64
    assert play_messages.token_key("a" * 1950) != play_messages.token_key("a" * 1949)
    assert play_messages.account_id("ann") != play_messages.token_key("ann")


@pytest.mark.parametrize(
    "read", [play_messages.purchase, play_messages.order, play_messages.voided]
)
def test_an_answer_with_any_member_spoiled_is_read_or_none(read: Any) -> None:
    documents = {
        play_messages.purchase: PURCHASES["two_line_items"],
        play_messages.order: vectors("google/order_get"),
        play_messages.voided: vectors("google/voided_list")["body"],
    }
    found = [read(one) for one in odd.spoiled(documents[read])]
    assert any(one is None or getattr(one, "unreadable", 0) for one in found)


@pytest.mark.parametrize("name", ["one_time_purchased", "voided_full", "pending_refund_review"])
def test_a_push_with_any_member_spoiled_is_read_or_none(name: str) -> None:
    for members in odd.spoiled(PUSHES[name]["decoded"]):
        found = play_messages.notice(pushed(members), PACKAGE)
        assert found is None or found.kind in (NOTICES[name][0], "cancelled", "other", "test")
    for document in odd.spoiled(PUSHES[name]["push"]):
        play_messages.notice(raw(document), PACKAGE)


def test_an_event_with_any_member_spoiled_is_not_admitted() -> None:
    needed = copy.deepcopy(SAMPLE)
    for name in ("azp", "iat", "sub"):
        del needed["requestContext"]["authorizer"]["jwt"]["claims"][name]
    del needed["requestContext"]["authorizer"]["jwt"]["scopes"]
    assert play_messages.is_admitted(needed, ACCOUNT, AUDIENCE, NOW)
    admitted = [
        one for one in odd.spoiled(needed) if play_messages.is_admitted(one, ACCOUNT, AUDIENCE, NOW)
    ]
    # A claim that is truly `true` is a text at API Gateway; the other way is no loss.
    assert {
        repr(one["requestContext"]["authorizer"]["jwt"]["claims"]["email_verified"])
        for one in admitted
    } == {"True"}


@PROPERTY
@given(st.binary(max_size=200))
def test_odd_bytes_are_no_push(body: bytes) -> None:
    assert play_messages.notice(body, PACKAGE) is None
