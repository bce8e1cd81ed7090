"""A gateway that sells packs, and what buyers and operators do with it."""

import itertools
from typing import Any

from tests.support.gateway import Gateway, Reply

PRICES = {"USD": 499, "KES": 65000}
_numbers = itertools.count(1)


def pack_form(code: str, **changed: Any) -> dict[str, Any]:
    """The form of a pack of 250 credits."""
    form = {"packId": code, "version": 0, "label": "250 credits", "credits": 250}
    return {**form, "prices": PRICES, "reason": "first price list", **changed}


def edit_pack(gateway: Gateway, code: str, **changed: Any) -> Reply:
    made = gateway.call("POST", "/admin/packs", pack_form(code, **changed), headers=gateway.admin)
    forget(gateway)
    return made


def forget(gateway: Gateway) -> None:
    """Every function reads the catalogue again, as it does by itself after half a minute."""
    for name, module in gateway.modules.items():
        if name.startswith("payments") or name == "reconciler":
            module.books.packs.forget()


def begin(
    gateway: Gateway, headers: dict[str, str], pack: str, key: str = "", **changed: Any
) -> Reply:
    """A purchase in dollars by Google Play, which is not called, unless `changed` says otherwise."""
    body = {"packId": pack, "provider": "google", "currency": "USD", **changed}
    body["clientRequestId"] = key or f"buy-{next(_numbers)}"
    return gateway.call("POST", "/v1/payments/intents", body, headers=headers)


def unmatched(gateway: Gateway) -> list[dict[str, Any]]:
    """The inbox, as operators see it."""
    reply = gateway.call(
        "GET", "/admin/payments", query={"state": "unmatched"}, headers=gateway.admin
    )
    found: list[dict[str, Any]] = reply.json["payments"]
    return found
