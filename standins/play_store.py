"""What Google Play knows in its stand-in: purchases, orders, voided purchases, and the bodies that tell them.

Formats: androidpublisher v3 and its "Real-time developer notifications reference".
"""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .clock import iso_millis, iso_seconds

STATES = frozenset({"PURCHASED", "PENDING", "CANCELLED"})
FULL, PARTIAL = 1, 2


@dataclass
class Purchase:
    """A purchase of one product; ``account`` is the obfuscated account id, None where the app gave none."""

    product: str
    quantity: int
    account: str | None
    state: str
    at: float
    is_test: bool = False
    units: int = 290
    currency: str = "KES"
    token: str = field(default_factory=lambda: secrets.token_urlsafe(60))
    order: str = field(default_factory=lambda: f"GPA.{secrets.randbelow(10**16):016}")
    refunded: int = 0
    is_consumed: bool = False
    is_acknowledged: bool = False

    def as_json(self) -> dict[str, Any]:
        """The answer of ``purchases.productsv2``; what is 0 is left out, as Google does."""
        left = self.quantity - self.refunded
        offer: dict[str, Any] = {
            "offerTags": [],
            "purchaseOptionId": "buy",
            "quantity": self.quantity,
            **({"refundableQuantity": left} if left else {}),
            "consumptionState": "CONSUMPTION_STATE_CONSUMED"
            if self.is_consumed
            else "CONSUMPTION_STATE_YET_TO_BE_CONSUMED",
        }
        acknowledged = "ACKNOWLEDGED" if self.is_acknowledged else "PENDING"
        shown: dict[str, Any] = {
            "kind": "androidpublisher#productPurchaseV2",
            "productLineItem": [{"productId": self.product, "productOfferDetails": offer}],
            "purchaseStateContext": {"purchaseState": self.state},
            "regionCode": "KE",
            "acknowledgementState": f"ACKNOWLEDGEMENT_STATE_{acknowledged}",
        }
        if self.state != "PENDING":
            shown |= {"orderId": self.order, "purchaseCompletionTime": iso_millis(self.at)}
        if self.account is not None:
            shown["obfuscatedExternalAccountId"] = self.account
        if self.is_test:
            shown["testPurchaseContext"] = {"fopType": "TEST"}
        return shown

    def order_json(self) -> dict[str, Any]:
        """The answer of ``orders.get``; the total includes a tax of 16 %."""
        total = self.units * self.quantity
        state = {0: "PROCESSED", self.quantity: "REFUNDED"}.get(self.refunded, "PARTIALLY_REFUNDED")
        return {
            "orderId": self.order,
            "purchaseToken": self.token,
            "state": state,
            "createTime": iso_seconds(self.at),
            "lastEventTime": iso_seconds(self.at),
            "buyerAddress": {"buyerCountry": "KE"},
            "total": {"currencyCode": self.currency, "units": str(total), "nanos": 0},
            "tax": {"currencyCode": self.currency, "units": str(total * 16 // 116), "nanos": 0},
            "lineItems": [
                {
                    "productId": self.product,
                    "productTitle": self.product,
                    "oneTimePurchaseDetails": {
                        "quantity": self.quantity,
                        "purchaseOptionId": "buy",
                    },
                }
            ],
        }


@dataclass(frozen=True)
class Voided:
    """A purchase that was voided; ``quantity`` is None for all of it."""

    purchase: Purchase
    at: float
    reason: int
    quantity: int | None

    def as_json(self) -> dict[str, Any]:
        """A row of ``purchases.voidedpurchases``."""
        shown: dict[str, Any] = {
            "kind": "androidpublisher#voidedPurchase",
            "purchaseToken": self.purchase.token,
            "purchaseTimeMillis": str(int(self.purchase.at * 1000)),
            "voidedTimeMillis": str(int(self.at * 1000)),
            "orderId": self.purchase.order,
            "voidedSource": 0,
            "voidedReason": self.reason,
        }
        return shown if self.quantity is None else {**shown, "voidedQuantity": self.quantity}


def bought(purchase: Purchase, kind: int) -> dict[str, Any]:
    """The notification of a purchase: 1 it is paid, 2 it was cancelled while pending."""
    about = {
        "version": "1.0",
        "notificationType": kind,
        "purchaseToken": purchase.token,
        "sku": purchase.product,
    }
    return {"oneTimeProductNotification": about}


def voided(purchase: Purchase, refund_type: int) -> dict[str, Any]:
    """The notification of a voided purchase: ``FULL`` or ``PARTIAL``."""
    about = {
        "purchaseToken": purchase.token,
        "orderId": purchase.order,
        "productType": 2,
        "refundType": refund_type,
    }
    return {"voidedPurchaseNotification": about}


def review(purchase: Purchase, refund_token: str) -> dict[str, Any]:
    """The notification of a refund that Google asks about."""
    about: dict[str, Any] = {
        "version": "1.0",
        "pendingRefundToken": refund_token,
        "orderId": purchase.order,
        "refundReason": 7,
    }
    if purchase.account is not None:
        about["obfuscatedAccountId"] = purchase.account
    return {"pendingRefundReviewNotification": about}


def pushed(package: str, about: Mapping[str, Any], message_id: str, at: float) -> bytes:
    """The body of a push by Pub/Sub."""
    told = {
        "version": "1.0",
        "packageName": package,
        "eventTimeMillis": str(int(at * 1000)),
        **about,
    }
    message = {
        "attributes": {},
        "data": base64.b64encode(json.dumps(told).encode()).decode(),
        "messageId": message_id,
        "message_id": message_id,
        "publishTime": iso_millis(at),
        "publish_time": iso_millis(at),
    }
    return json.dumps(
        {"message": message, "subscription": "projects/pluct/subscriptions/rtdn"}
    ).encode()
