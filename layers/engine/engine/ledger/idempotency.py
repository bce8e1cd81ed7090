"""Records that make a request or a payment happen at most once, with the facts of its answer.

Records never expire. A request's record belongs to its user, operation and caller, so another caller with
the same id makes a request of its own. A payment's record belongs to its provider, whichever route reports
the payment.

Earlier versions stored a request without its caller, and a payment under its route. Such a record still
counts: `write` looks for it before the first attempt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.ledger.items import CREDITS, Entry, account_pk, entry_sk
from engine.ledger.posting import AlreadyDone, Ledger
from engine.platform.act import Act
from engine.platform.errors import KeyReused
from engine.platform.ids import digest, fits_key
from engine.platform.table import Item, Put, Table, Write
from engine.web.forms import DEFAULT_PROVIDER

OLDER_ROUTES: Final = {"api": CREDITS, "webhook": CREDITS, "subscription": "usd_micros"}
"""The routes under which earlier versions stored payments, each with its unit."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request about `user`; `key` is the client's id, None if it sent none."""

    user: str
    operation: str
    key: str | None
    fingerprint: str
    act: Act
    caller: str = ""
    """Who may repeat the request, if not the act's actor. Earlier versions recorded only the actor."""


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment for `user`; `id` is unique at its provider. The fingerprint covers user and amount."""

    provider: str
    id: str
    user: str
    fingerprint: str


def facts_of(act: Act) -> dict[str, Any]:
    """The facts of an act that its answer shows."""
    return {"request_id": act.request_id, "at": act.at, "reason": act.reason}


class ItemOnce:
    """Makes a move happen once by the item at (`pk`, `sk`), which stores `members`."""

    def __init__(self, table: Table, pk: str, sk: str, members: Mapping[str, Any]) -> None:
        self._table = table
        self._pk, self._sk = pk, sk
        self._members = dict(members)
        self._looked_for_older = False

    def earlier(self) -> Item | None:
        return self._table.get(self._pk, self._sk) or self._older()

    def write(self, entry: Entry) -> Put:
        """Raises `AlreadyDone` if an earlier version recorded the move, `Busy`."""
        if not self._looked_for_older and (older := self._older()) is not None:
            raise AlreadyDone(older)
        self._looked_for_older = True
        item = {
            "pk": self._pk,
            "sk": self._sk,
            **self._members,
            "seq": entry.seq,
            "balance_after": entry.available_after,
        }
        return Put(item, condition="attribute_not_exists(pk)")

    def _older(self) -> Item | None:
        """The record of an earlier version under another key, None if there is none."""
        return None


class RequestOnce(ItemOnce):
    """Makes a request happen once in the unit of `ledger`; `facts` are stored for a repeated answer."""

    def __init__(self, ledger: Ledger, request: Request, facts: Mapping[str, Any]) -> None:
        key = request.key if request.key is not None else request.act.request_id
        sk = f"R#{request.operation}#{digest(request.caller or request.act.actor, key)}"
        members = {"fingerprint": request.fingerprint, "facts": dict(facts)}
        super().__init__(ledger.table, account_pk(request.user), sk, members)
        self._ledger = ledger
        self._request = request
        self._older_sk = f"R#{request.operation}#{digest(key)}"

    def write_beside_payment(self, entry: Entry) -> list[Write]:
        """The record beside a payment's: refused if the same id came with another payload.

        Raises `KeyReused` if an earlier version recorded it with another payload, `Busy`.
        """
        try:
            put = self.write(entry)
        except AlreadyDone as done:
            replayed(done.item, self._request.fingerprint)
            return []
        condition = "attribute_not_exists(pk) OR fingerprint = :same"
        return [replace(put, condition=condition, values={":same": self._request.fingerprint})]

    def _older(self) -> Item | None:
        """The record of an earlier version, if the entry that it names has the same actor."""
        if self._request.key is None or self._request.caller not in ("", self._request.act.actor):
            return None
        item = self._table.get(self._pk, self._older_sk)
        if item is None or not is_by(self._ledger, self._request.user, item, self._request.act):
            return None
        return item


class PaymentOnce(ItemOnce):
    """Makes a payment count once, for ever, in whatever unit and by whatever route it is reported."""

    def __init__(self, ledger: Ledger, payment: Payment, facts: Mapping[str, Any]) -> None:
        members = {"fingerprint": payment.fingerprint, "facts": dict(facts)}
        members |= {"user": payment.user, "unit": ledger.unit}
        super().__init__(ledger.table, payment_pk(payment.provider), payment.id, members)
        self._payment = payment
        self._unit = ledger.unit

    def _older(self) -> Item | None:
        """The record of an earlier version, with its unit, if the provider is the default one.

        Of several routes' records, the one of the same user and amount.
        """
        if self._payment.provider != DEFAULT_PROVIDER:
            return None
        found = [
            {**item, "unit": unit}
            for route, unit in OLDER_ROUTES.items()
            if (item := self._table.get(f"P#{route}", self._payment.id)) is not None
        ]
        found.sort(key=lambda item: not is_of(item, self._payment, self._unit))
        return found[0] if found else None


def earlier_payments(table: Table, payment_id: str) -> list[Item]:
    """The records that earlier versions made of a payment, each with its unit. Raises `Busy`."""
    units = {f"P#{route}": unit for route, unit in OLDER_ROUTES.items()}
    found = table.get_many([(pk, payment_id) for pk in units]) if fits_key(payment_id) else []
    return [{**item, "unit": units[str(item["pk"])]} for item in found]


def payment_pk(provider: str) -> str:
    return f"PAYMENT#{provider}"


def is_by(ledger: Ledger, user: str, item: Item, act: Act) -> bool:
    """Whether the move that the record `item` of `user` names was made by the actor of `act`."""
    entry = ledger.table.get(account_pk(user), entry_sk(ledger.unit, item["seq"])) or {}
    return str(entry.get("actor")) == act.actor


def replayed(item: Item, fingerprint: str) -> Item:
    """`item` if it was written for the same payload. Raises `KeyReused`."""
    if item["fingerprint"] != fingerprint:
        raise KeyReused()
    return item


def is_of(item: Item, payment: Payment, unit: str) -> bool:
    """Whether the record `item` is of this payment: the same user and amount, in `unit`."""
    return (str(item["fingerprint"]), item["unit"]) == (payment.fingerprint, unit)
