"""Calls to Google Play's developer API, androidpublisher v3.

A purchase is granted first and consumed then: consuming tells Google that it was delivered, and acknowledges
it; one that is not acknowledged within three days is refunded. Both may be repeated until `purchase` shows
them done.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote

from engine.platform.times import iso
from engine.providers import play_messages
from engine.providers.play_messages import Order, Purchase, Voided
from engine.providers.wire import (
    Api,
    Page,
    Reply,
    Unknown,
    bearer,
    child,
    children,
    done,
    is_missing,
    success,
    word,
)

APPLICATIONS: Final = "/androidpublisher/v3/applications"
SCOPE: Final = "https://www.googleapis.com/auth/androidpublisher"
NO_PURCHASE = frozenset({404, 410})
VOIDED_KEPT_S = 30 * 24 * 3600
PAGE = 1000
FULL_MILLIUNITS = 100_000
_PRODUCT = re.compile(r"[a-z0-9][a-z0-9._]{0,148}")

MOST_USES = 1000
"""A review with more of them is refused."""

Preference = Literal["APPROVE", "DECLINE", "NEUTRAL"]


@dataclass(frozen=True, slots=True)
class Usage:
    """One use of what was bought; `at` in epoch seconds, `account` as the app named it to Google."""

    at: int
    account: str
    item: str


@dataclass(frozen=True, slots=True)
class Review:
    """What is known of a purchase whose refund Google asks about: `consumed_milliunits` of 100,000 were used,
    None if that is not known; `had_sample` says whether the buyer could try before.

    Format: `orders.reviewrefund`.
    """

    preference: Preference
    consumed_milliunits: int | None = None
    had_sample: bool = False
    uses: Sequence[Usage] = ()


class Play:
    """Google Play at `base` for the app `package`; `access_token` gives a token with `SCOPE`, and raises
    `NotSent` if there is none.
    """

    def __init__(self, base: str, package: str, access_token: Callable[[], str]) -> None:
        self._api = Api(base)
        self._app = f"{APPLICATIONS}/{quote(package, safe='')}"
        self._access_token = access_token

    def purchase(self, token: str) -> Purchase | None:
        """None if Google knows no such purchase, or no longer. Raises `NotSent`, `Refused`, `Unknown`."""
        if not play_messages.is_token(token):
            return None
        reply = self._get(f"/purchases/productsv2/tokens/{quote(token, safe='')}")
        if is_missing(reply, NO_PURCHASE):
            return None
        found = play_messages.purchase(success(reply, _reason(reply.members)))
        if found is None:
            raise Unknown("not_json")
        return found

    def consume(self, product: str, token: str) -> None:
        """Says that the purchase was delivered; the user can buy `product` again.

        Raises `NotSent`, `Refused` (also if it was consumed before), `Unknown`.
        """
        self._post(_purchase_path(product, token) + ":consume")

    def acknowledge(self, product: str, token: str) -> None:
        """Says that the purchase was delivered. Raises `NotSent`, `Refused`, `Unknown`."""
        self._post(_purchase_path(product, token) + ":acknowledge", {})

    def voided(self, since_ms: int, after: str | None = None) -> Page[Voided]:
        """Purchases voided at `since_ms` (epoch milliseconds, at most 30 days ago) or later, parts of a
        purchase too. Raises `NotSent`, `Refused`, `Unknown`.
        """
        query = {
            "startTime": str(since_ms),
            "type": "0",
            "includeQuantityBasedPartialRefund": "true",
            "maxResults": str(PAGE),
            **({"token": after} if after else {}),
        }
        reply = self._get("/purchases/voidedpurchases", query)
        # Without any row the answer is an empty object.
        done(reply, _reason(reply.members))
        return play_messages.voided(reply.members)

    def order(self, id_: str) -> Order | None:
        """What an order cost; None if there is none. Raises `NotSent`, `Refused`, `Unknown`."""
        reply = self._get(f"/orders/{quote(id_, safe='')}")
        if is_missing(reply, NO_PURCHASE):
            return None
        found = play_messages.order(success(reply, _reason(reply.members)))
        if found is None:
            raise Unknown("not_json")
        return found

    def refund(self, order: str) -> None:
        """Refunds an order whole. Raises `NotSent`, `Refused`, `Unknown`."""
        self._post(f"/orders/{quote(order, safe='')}:refund?revoke=true")

    def review_refund(self, order: str, refund_token: str, review: Review) -> None:
        """Answers a review within its 24 hours; the first answer counts.

        Raises `NotSent`; `Refused`, also where it was answered before or its time is over; `Unknown`.
        """
        body: dict[str, Any] = {
            "pendingRefundToken": refund_token,
            "sampleContentProvided": review.had_sample,
            "refundPreference": review.preference,
        }
        if review.consumed_milliunits is not None:
            consumed = min(FULL_MILLIUNITS, max(0, review.consumed_milliunits))
            body["consumptionPercentageMilliunits"] = consumed
        if review.uses:
            body["consumptionUsageEvents"] = [_use(use) for use in review.uses[:MOST_USES]]
        self._post(f"/orders/{quote(order, safe='')}:reviewrefund", body)

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        return self._api.get(self._app + path, bearer(self._access_token()), query)

    def _post(self, path: str, body: Any = None) -> None:
        reply = self._api.send("POST", self._app + path, bearer(self._access_token()), body)
        done(reply, _reason(reply.members))


def _use(use: Usage) -> dict[str, str]:
    return {
        "obfuscatedAccountId": use.account,
        "consumptionTime": iso(use.at),
        "consumptionItemDescription": use.item,
    }


def _purchase_path(product: str, token: str) -> str:
    if not _PRODUCT.fullmatch(product) or not play_messages.is_token(token):
        raise ValueError("a product or purchase token")
    return f"/purchases/products/{quote(product, safe='')}/tokens/{quote(token, safe='')}"


def _reason(members: Mapping[str, Any]) -> str:
    """Google's word for an error."""
    error = child(members, "error")
    reasons = [word(one, "reason") for one in children(error, "errors")]
    return next(filter(None, reasons), word(error, "status"))
