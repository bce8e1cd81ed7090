"""The account of the Stripe stand-in: sessions, payments, refunds, disputes, and its events.

The shapes are those in ``recorded/stripe.json``, taken from Stripe's own API.
"""

import copy
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

API_VERSION = "2026-06-24.dahlia"
_SHAPES = json.loads((Path(__file__).parent / "recorded" / "stripe.json").read_text())
_PREFIXES = {
    "checkout.session": "cs_test_",
    "payment_intent": "pi_",
    "charge": "ch_",
    "refund": "re_",
    "dispute": "du_",
    "event": "evt_",
    "balance_transaction": "txn_",
}

Object = dict[str, Any]


class Refusal(Exception):
    """Stripe's error: its status, type and code."""

    def __init__(self, status: int, kind: str, code: str | None = None) -> None:
        super().__init__(kind)
        self.status = status
        self.body = {"error": {"type": kind, **({"code": code} if code else {})}}


class Account:
    """Everything that the account has, by kind and id, oldest first."""

    def __init__(self, now: Callable[[], float], *, livemode: bool = False) -> None:
        self.objects: dict[str, dict[str, Object]] = {kind: {} for kind in _PREFIXES}
        self.livemode = livemode
        self._now = now
        self._for_payment: dict[str, Any] = {}
        """The metadata that a session hands to its payment, by session."""

    def find(self, kind: str, id_: str) -> Object:
        """Raises Refusal for an unknown id."""
        try:
            return self.objects[kind][id_]
        except KeyError:
            raise Refusal(404, "invalid_request_error", "resource_missing") from None

    def newest(self, kind: str) -> list[Object]:
        return list(self.objects[kind].values())[::-1]

    def open_session(self, form: Mapping[str, Any], url: Callable[[str], str]) -> Object:
        """A session as the members of a creation ask for it."""
        line = form["line_items"]["0"]
        price = line.get("price_data") or {"currency": "usd", "unit_amount": "499"}
        amount = int(price["unit_amount"]) * int(line.get("quantity", 1))
        session = self._new(
            "checkout.session",
            mode=form["mode"],
            client_reference_id=form.get("client_reference_id"),
            metadata=form.get("metadata", {}),
            amount_subtotal=amount,
            amount_total=amount,
            currency=price["currency"],
            success_url=form.get("success_url"),
            cancel_url=form.get("cancel_url"),
            expires_at=int(form.get("expires_at", self._now() + 86_400)),
            status="open",
            payment_status="unpaid",
        )
        session["url"] = url(session["id"])
        handed = form.get("payment_intent_data", {}).get("metadata", {})
        self._for_payment[session["id"]] = handed
        return session

    def pay(self, session: Object, changed: Mapping[str, Any], *, at_once: bool) -> None:
        """Complete a session; the money is there at once, or comes later. ``changed`` replaces amounts."""
        if session["status"] != "open":
            raise Refusal(400, "invalid_request_error", "session_not_open")
        session |= {"status": "complete", "url": None, **changed}
        session["amount_subtotal"] = session["amount_total"]
        session["customer_details"] = {"email": "buyer@example.com", "name": "Ann Buyer"}
        payment = self._new(
            "payment_intent",
            amount=session["amount_total"],
            amount_received=0,
            currency=session["currency"],
            metadata=self._for_payment[session["id"]],
            status="processing",
            latest_charge=None,
        )
        session["payment_intent"] = payment["id"]
        if at_once:
            self.settle(session, is_paid=True)

    def settle(self, session: Object, *, is_paid: bool) -> None:
        """What was to be paid later is paid, or never will be."""
        payment = self.find("payment_intent", session["payment_intent"])
        if not is_paid:
            payment["status"] = "requires_payment_method"
            return
        charge = self._new(
            "charge",
            amount=payment["amount"],
            amount_captured=payment["amount"],
            currency=payment["currency"],
            metadata=payment["metadata"],
            payment_intent=payment["id"],
        )
        session["payment_status"] = "paid"
        payment |= {
            "status": "succeeded",
            "amount_received": payment["amount"],
            "latest_charge": charge["id"],
        }

    def refund(self, payment_id: str, amount: int | None) -> Object:
        """A refund of a payment, of all that is left where ``amount`` is None."""
        charge = self.charge_of(payment_id)
        left = charge["amount"] - charge["amount_refunded"]
        if left == 0:
            raise Refusal(400, "invalid_request_error", "charge_already_refunded")
        wanted = left if amount is None else amount
        if not 0 < wanted <= left:
            raise Refusal(400, "invalid_request_error", "amount_too_large")
        self._move_refunded(charge, wanted)
        return self._new(
            "refund",
            amount=wanted,
            charge=charge["id"],
            payment_intent=payment_id,
            currency=charge["currency"],
        )

    def fail_refund(self, refund: Object) -> None:
        """The bank sends the money of a refund back."""
        if refund["status"] == "failed":
            raise Refusal(400, "invalid_request_error", "refund_failed")
        refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
        self._move_refunded(self.find("charge", refund["charge"]), -refund["amount"])

    def dispute(self, payment_id: str, *, is_inquiry: bool, amount: int | None) -> Object:
        """A dispute of a payment; an inquiry takes no money."""
        charge = self.charge_of(payment_id)
        charge["disputed"] = True
        dispute = self._new(
            "dispute",
            amount=charge["amount"] if amount is None else amount,
            charge=charge["id"],
            payment_intent=payment_id,
            currency=charge["currency"],
            status="warning_needs_response" if is_inquiry else "needs_response",
        )
        if not is_inquiry:
            self._book(dispute, -dispute["amount"])
        return dispute

    def end_dispute(self, dispute: Object, *, is_won: bool) -> None:
        """The bank has decided; what was taken for a dispute that is won comes back."""
        is_inquiry = dispute["status"].startswith("warning_")
        dispute["status"] = "warning_closed" if is_inquiry else "won" if is_won else "lost"
        if is_won and not is_inquiry:
            self._book(dispute, dispute["amount"])

    def charge_of(self, payment_id: str) -> Object:
        """The charge of a payment. Raises Refusal if it has none."""
        payment = self.find("payment_intent", payment_id)
        return self.find("charge", payment["latest_charge"] or "")

    def event(self, type_: str, about: Object) -> Object:
        """A new event with a copy of what it is about."""
        event = self._new(
            "event",
            type=type_,
            api_version=API_VERSION,
            context=None,
            data={"object": copy.deepcopy(about)},
            pending_webhooks=1,
            request={"id": None, "idempotency_key": None},
        )
        event["livemode"] = self.livemode
        return event

    def shown(self, kind: str, found: Object, *, is_expanded: bool = False) -> Object:
        """The object as a read returns it."""
        if kind == "payment_intent" and is_expanded and found["latest_charge"]:
            return {**found, "latest_charge": self.find("charge", found["latest_charge"])}
        return found

    def _new(self, kind: str, **members: Any) -> Object:
        id_ = _PREFIXES[kind] + secrets.token_hex(12)
        made: Object = copy.deepcopy(_SHAPES.get(kind, {}))
        made |= {"id": id_, "object": kind, "created": int(self._now()), **members}
        if kind != "refund":
            made["livemode"] = self.livemode
        self.objects[kind][id_] = made
        return made

    def _move_refunded(self, charge: Object, amount: int) -> None:
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]

    def _book(self, dispute: Object, amount: int) -> None:
        category = "dispute" if amount < 0 else "dispute_reversal"
        move = copy.deepcopy(_SHAPES["balance_transaction"]) | {
            "id": _PREFIXES["balance_transaction"] + secrets.token_hex(8),
            "amount": amount,
            "currency": dispute["currency"],
            "reporting_category": category,
            "source": dispute["id"],
            "created": int(self._now()),
        }
        dispute["balance_transactions"].append(move)
