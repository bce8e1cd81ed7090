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
from engine.platform.ids import digest
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
    """Who may repeat the request; by default the act's actor."""


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
        self._item = {"pk": pk, "sk": sk, **members}

    def earlier(self) -> Item | None:
        return self._table.get(self._item["pk"], self._item["sk"])

    def write(self, entry: Entry) -> Put:
        item = {**self._item, "seq": entry.seq, "balance_after": entry.available_after}
        return Put(item, condition="attribute_not_exists(pk)")


class RequestOnce:
    """Makes a request happen once in the unit of `ledger`; `facts` are stored for a repeated answer."""

    def __init__(self, ledger: Ledger, request: Request, facts: Mapping[str, Any]) -> None:
        self._ledger = ledger
        self._request = request
        self._pk = account_pk(request.user)
        key = request.key if request.key is not None else request.act.request_id
        self._once = ItemOnce(
            ledger.table,
            self._pk,
            f"R#{request.operation}#{digest(request.caller or request.act.actor, key)}",
            {"fingerprint": request.fingerprint, "facts": dict(facts)},
        )
        self._older_sk = f"R#{request.operation}#{digest(key)}"
        self._is_new = request.key is None or bool(request.caller)
        """Whether no earlier version can have recorded it for this caller."""

    def earlier(self) -> Item | None:
        return self._once.earlier() or self._older()

    def write(self, entry: Entry) -> Put:
        """Raises `AlreadyDone` if an earlier version recorded the request, `Busy`."""
        if not self._is_new and (older := self._older()) is not None:
            raise AlreadyDone(older)
        self._is_new = True
        return self._once.write(entry)

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
        if self._request.caller:
            return None
        item = self._ledger.table.get(self._pk, self._older_sk)
        if item is None or not is_by(self._ledger, self._request.user, item, self._request.act):
            return None
        return item


class PaymentOnce:
    """Makes a payment count once, for ever, in whatever unit and by whatever route it is reported."""

    def __init__(self, ledger: Ledger, payment: Payment, facts: Mapping[str, Any]) -> None:
        self._ledger = ledger
        self._payment = payment
        members = {"fingerprint": payment.fingerprint, "facts": dict(facts)}
        members |= {"user": payment.user, "unit": ledger.unit}
        self._once = ItemOnce(ledger.table, payment_pk(payment.provider), payment.id, members)
        self._is_new = payment.provider != DEFAULT_PROVIDER
        """Whether no earlier version can have recorded it: those had no providers."""

    def earlier(self) -> Item | None:
        return self._once.earlier() or self._older()

    def write(self, entry: Entry) -> Put:
        """Raises `AlreadyDone` if an earlier version recorded the payment, `Busy`."""
        if not self._is_new and (older := self._older()) is not None:
            raise AlreadyDone(older)
        self._is_new = True
        return self._once.write(entry)

    def _older(self) -> Item | None:
        """The record of an earlier version, with its unit, if the provider is the default one.

        Of several routes' records, the one of the same user and amount.
        """
        if self._payment.provider != DEFAULT_PROVIDER:
            return None
        found = [
            {**item, "unit": unit}
            for route, unit in OLDER_ROUTES.items()
            if (item := self._ledger.table.get(f"P#{route}", self._payment.id)) is not None
        ]
        found.sort(key=self._is_other)
        return found[0] if found else None

    def _is_other(self, item: Item) -> bool:
        return not is_of(item, self._payment, self._ledger.unit)


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
