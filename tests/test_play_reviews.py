"""What Google Play is told when it asks about a refund: what was used of the purchase, and what we prefer."""

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.payments import by_play, rows
from engine.providers import play_messages
from tests.support.backend import Backend
from tests.support.payers import book_of
from tests.support.paying import Market, eventually, market
from tests.support.shop import edit_pack

_numbers = itertools.count(1)
pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Iterator[Market]:
    with market(endpoint) as made:
        edit_pack(made.gateway, "g4", prices={}, credits=4, googleProductId="credits_4")
        yield made


def claimed(shop: Market, balance: int = 0) -> tuple[str, dict[str, Any]]:
    """A user with a purchase of four credits beside `balance`."""
    user = f"reviewed-{next(_numbers)}"
    made = {"userId": user, "initialCredits": balance, "clientRequestId": user}
    assert (
        shop.gateway.call("POST", "/user/create", made, headers=shop.gateway.api_key).status < 300
    )
    headers = shop.gateway.user_headers(user)
    account = play_messages.account_id(user)
    bought: dict[str, Any] = shop.play.order("buy", {"product": "credits_4", "account": account})
    assert shop.claim(headers, bought["token"]).json["status"] == "granted"
    assert shop.account(user) == (balance + 4, 0)
    return user, bought


def use(shop: Market, user: str, times: int) -> None:
    backend = Backend(shop.gateway)
    backend.user = user
    for _ in range(times):
        hold = backend.held(amount=1)
        committed = backend.ask(hold, "commit", amount=1, final=True)
        assert committed.status == 200, committed.text


def answer(shop: Market, bought: dict[str, Any]) -> dict[str, Any]:
    """What Google was told about a refund of the purchase."""
    asked = shop.play.order("review", {"token": bought["token"]})["pendingRefundToken"]

    def answered() -> dict[str, Any] | None:
        found: dict[str, Any] = shop.play.state()["reviews"][asked]
        return found.get("answer")

    eventually(lambda: answered() is not None, "answered")
    return answered() or {}


@pytest.mark.parametrize(
    ("balance", "used", "preference", "consumed"),
    [
        (0, 0, "APPROVE", 0),
        (0, 1, "NEUTRAL", 25_000),
        (0, 4, "DECLINE", 100_000),
        (2, 2, "APPROVE", 0),
        (2, 3, "NEUTRAL", 25_000),
    ],
)
def test_a_review_says_how_much_was_used_oldest_credits_first(
    shop: Market, balance: int, used: int, preference: str, consumed: int
) -> None:
    user, bought = claimed(shop, balance)
    use(shop, user, used)
    told = answer(shop, bought)
    assert (told["refundPreference"], told["consumptionPercentageMilliunits"]) == (
        preference,
        consumed,
    )
    assert told["sampleContentProvided"] is (balance > 0)
    uses = told.get("consumptionUsageEvents", [])
    assert len(uses) == (used if consumed else 0)
    assert {one["consumptionItemDescription"] for one in uses} <= {"steps_reject"}


def test_a_token_that_is_only_held_is_not_used(shop: Market) -> None:
    user, bought = claimed(shop)
    assert shop.gateway.vend(shop.gateway.user_headers(user)).status == 200
    assert answer(shop, bought)["refundPreference"] == "APPROVE"


def test_of_an_unknown_purchase_nothing_is_said_and_one_that_granted_nothing_was_not_used(
    shop: Market,
) -> None:
    unknown = shop.play.order("buy", {"product": "credits_4"})
    told = answer(shop, unknown)
    assert told["refundPreference"] == "NEUTRAL"
    assert "consumptionPercentageMilliunits" not in told
    _, headers = shop.buyer()
    real = shop.play.order("buy", {"product": "credits_4", "test": False})
    assert shop.claim(headers, real["token"]).json["reason"] == "other_environment"
    row = rows.find(book_of(shop.gateway).table, "google", play_messages.token_key(real["token"]))
    review = by_play.review_of(book_of(shop.gateway), row)
    assert (review.preference, review.consumed_milliunits) == ("APPROVE", 0)


def push(shop: Market, order: str, refund_token: str, at: int) -> int:
    about = {"pendingRefundToken": refund_token, "orderId": order, "refundReason": 7}
    said = {"packageName": "app.pluct", "eventTimeMillis": str(at * 1000)}
    said |= {"pendingRefundReviewNotification": about}
    data = base64.b64encode(json.dumps(said).encode()).decode()
    notice = play_messages.notice(
        json.dumps({"message": {"messageId": "1", "data": data}}).encode(), "app.pluct"
    )
    assert notice is not None and notice.kind == "refund_review"
    function: Any = shop.gateway.function("payments")
    act = by_play.Act("webhook:google", "r", "", "", "payment", at=at + 90_000)
    by_play.hear(function.books, function.providers.play, notice, act)
    return len(shop.play.calls("review_refund"))


def test_a_question_that_is_over_is_not_answered_and_a_refused_answer_is_not_repeated(
    shop: Market,
) -> None:
    _, bought = claimed(shop)
    before = len(shop.play.calls("review_refund"))
    assert push(shop, bought["order"], "prt-over", 1_772_446_539) == before
    shop.play.fault("review_refund", "status", times=1, status=400)
    shop.play.order("review", {"token": bought["token"]})
    eventually(lambda: len(shop.play.calls("review_refund")) > before, "asked")
    eventually(lambda: bool(shop.answers), "heard")
    assert shop.answers[-1] == 200
