"""What Google Play says: purchases, voided purchases, orders, and pushed notifications (RTDN).

Formats: androidpublisher v3 (`purchases.productsv2`, `purchases.voidedpurchases`, `orders`), "Real-time
developer notifications reference", Pub/Sub push bodies. 64-bit numbers come as texts, and a number that is 0
or an enum's first value may be left out.

A notification carries no truth: the purchase is read again by its token. A push is believed to be Google's
only if API Gateway's JWT authorizer has verified its token and the token is our own account's: any Google
account can have a token made for our audience.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.platform.ids import digest
from engine.providers import money
from engine.providers.money import BadAmount, Money
from engine.providers.wire import Page, child, children, moment, parsed, text, whole

ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
LONGEST_TOKEN = 2000
ONE_TIME_PRODUCT: Final = 2
PARTIAL: Final = 2
MOST_QUANTITY = 1000

State = Literal["purchased", "pending", "cancelled", "unknown"]
STATES: Final[Mapping[str, State]] = {
    "PURCHASED": "purchased",
    "PENDING": "pending",
    "CANCELLED": "cancelled",
}
Kind = Literal["purchased", "cancelled", "voided", "refund_review", "test", "other"]


@dataclass(frozen=True, slots=True)
class Line:
    """A product of a purchase. `refundable` is how many were not refunded, None if Google does not say."""

    product: str
    quantity: int
    refundable: int | None
    is_consumed: bool


@dataclass(frozen=True, slots=True)
class Purchase:
    """A purchase as `productsv2` shows it. `account` is the obfuscated account id that the app gave,
    `order` is missing while it is pending.
    """

    state: State
    lines: tuple[Line, ...]
    order: str | None
    account: str | None
    is_test: bool
    is_acknowledged: bool
    region: str
    completed_at: int | None

    @property
    def is_consumed(self) -> bool:
        return bool(self.lines) and all(line.is_consumed for line in self.lines)


@dataclass(frozen=True, slots=True)
class Voided:
    """A purchase that was voided. `quantity` is how many of it, None for all; times in epoch ms."""

    token: str
    order: str | None
    voided_at_ms: int
    source: int
    reason: int
    quantity: int | None


@dataclass(frozen=True, slots=True)
class Order:
    """What an order cost, for receipts: `total` with `tax`."""

    id: str
    state: str
    total: Money
    tax: Money | None
    country: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification. Members that its kind does not have are empty; `refund_token` answers a review."""

    kind: Kind
    id: str
    package: str
    at_ms: int
    token: str = ""
    product: str = ""
    order: str = ""
    is_partial: bool = False
    refund_token: str = ""
    refund_reason: int = 0
    account: str = ""


def account_id(user: str) -> str:
    """The obfuscated account id that the app gives with a purchase, at most 64 characters."""
    return digest("play account", user)


def token_key(token: str) -> str:
    """The key of a purchase: its token may be too long for one."""
    return digest("play token", token)


def purchase(members: Mapping[str, Any]) -> Purchase | None:
    """The purchase in an answer of `productsv2`; None if it is none."""
    if members.get("kind") != "androidpublisher#productPurchaseV2":
        return None
    said = text(child(members, "purchaseStateContext"), "purchaseState") or ""
    lines = [_line(line) for line in children(members, "productLineItem")]
    if not lines or None in lines:
        return None
    return Purchase(
        STATES.get(said, "unknown"),
        tuple(line for line in lines if line is not None),
        text(members, "orderId", 100),
        text(members, "obfuscatedExternalAccountId", 64),
        "testPurchaseContext" in members,
        members.get("acknowledgementState") == "ACKNOWLEDGEMENT_STATE_ACKNOWLEDGED",
        text(members, "regionCode", 8) or "",
        moment(members, "purchaseCompletionTime"),
    )


def voided(members: Mapping[str, Any]) -> Page[Voided]:
    """The rows of one page of `voidedpurchases`."""
    listed = members.get("voidedPurchases")
    rows = listed if isinstance(listed, list) else []
    read = [_voided(row if isinstance(row, dict) else {}) for row in rows]
    found = tuple(row for row in read if row is not None)
    after = text(child(members, "tokenPagination"), "nextPageToken", 1000)
    return Page(found, after, len(rows) - len(found))


def order(members: Mapping[str, Any]) -> Order | None:
    """The order in an answer of `orders.get`; None if it is none."""
    id_, state = text(members, "orderId", 100), text(members, "state", 40)
    total, tax = _price(members.get("total")), _price(members.get("tax"))
    if id_ is None or state is None or total is None:
        return None
    country = text(child(members, "buyerAddress"), "buyerCountry", 8) or ""
    return Order(id_, state, total, tax, country)


def notice(raw: bytes, package: str) -> Notice | None:
    """The notification in a push body; None if it is none. One of another package is of the kind `other`.
    Never raises.
    """
    message = child(parsed(raw) or {}, "message")
    id_, data = text(message, "messageId", 64), message.get("data")
    members = _decoded(data) if isinstance(data, str) else None
    if id_ is None or members is None:
        return None
    named = text(members, "packageName") or ""
    at_ms = whole(members, "eventTimeMillis") or 0
    found = _notice(members, Notice("other", id_, named, at_ms))
    return found if named == package else Notice("other", id_, named, at_ms)


def is_admitted(event: Mapping[str, Any], account: str, audience: str, now: int) -> bool:
    """Whether the JWT authorizer of API Gateway has verified a token of our push account for `audience`.

    Claims come as texts. Without an authorizer in the event nothing is admitted.
    """
    found: Any = event
    for name in ("requestContext", "authorizer", "jwt", "claims"):
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, dict) or not account or not audience:
        return False
    ends_at = whole(found, "exp")
    return (
        found.get("email") == account
        and str(found.get("email_verified")).lower() == "true"
        and text(found, "iss") in ISSUERS
        and found.get("aud") == audience
        and ends_at is not None
        and now < ends_at
    )


def is_token(token: str) -> bool:
    """Whether `token` has the form of a purchase token."""
    return 8 <= len(token) <= LONGEST_TOKEN and token.isascii() and token.isprintable()


def _line(members: Mapping[str, Any]) -> Line | None:
    offer = child(members, "productOfferDetails")
    product = text(members, "productId", 150)
    quantity = 1 if "quantity" not in offer else whole(offer, "quantity")
    if product is None or quantity is None or not 0 < quantity <= MOST_QUANTITY:
        return None
    is_consumed = offer.get("consumptionState") == "CONSUMPTION_STATE_CONSUMED"
    return Line(product, quantity, whole(offer, "refundableQuantity"), is_consumed)


def _voided(members: Mapping[str, Any]) -> Voided | None:
    token, at_ms = text(members, "purchaseToken", LONGEST_TOKEN), whole(members, "voidedTimeMillis")
    if token is None or not is_token(token) or at_ms is None:
        return None
    return Voided(
        token,
        text(members, "orderId", 100),
        at_ms,
        whole(members, "voidedSource") or 0,
        whole(members, "voidedReason") or 0,
        whole(members, "voidedQuantity"),
    )


def _notice(members: Mapping[str, Any], bare: Notice) -> Notice:
    """`bare` with what `members` notify of."""
    if "testNotification" in members:
        return Notice("test", bare.id, bare.package, bare.at_ms)
    bought = child(members, "oneTimeProductNotification")
    gone = child(members, "voidedPurchaseNotification")
    review = child(members, "pendingRefundReviewNotification")
    kinds: dict[int | None, Kind] = {1: "purchased", 2: "cancelled"}
    if bought:
        kind = kinds.get(whole(bought, "notificationType"), "other")
        return _of(bare, kind, bought)
    if gone and whole(gone, "productType") == ONE_TIME_PRODUCT:
        return _of(bare, "voided", gone)
    return _of(bare, "refund_review", review) if review else bare


def _of(bare: Notice, kind: Kind, about: Mapping[str, Any]) -> Notice:
    """A notice of `kind`; without what its kind needs it is one of another kind."""
    token = text(about, "purchaseToken", LONGEST_TOKEN) or ""
    refund_token = text(about, "pendingRefundToken", LONGEST_TOKEN) or ""
    order_id = text(about, "orderId", 100) or ""
    is_whole = bool(refund_token and order_id) if kind == "refund_review" else is_token(token)
    if not is_whole:
        return bare
    return Notice(
        kind,
        bare.id,
        bare.package,
        bare.at_ms,
        token,
        text(about, "sku", 150) or "",
        order_id,
        whole(about, "refundType") == PARTIAL,
        refund_token,
        whole(about, "refundReason") or 0,
        text(about, "obfuscatedAccountId", 64) or "",
    )


def _decoded(data: str) -> dict[str, Any] | None:
    try:
        return parsed(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return None


def _price(price: Any) -> Money | None:
    try:
        return money.of_google(price)
    except BadAmount:
        return None
