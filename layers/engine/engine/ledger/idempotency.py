"""Records that let a request or a payment happen once, and keep its answer's facts."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from engine.ledger.items import Entry, account_pk
from engine.platform.errors import KeyReused
from engine.platform.ids import digest
from engine.platform.table import Item, Put, Table, Write
from engine.web import request_ids


class RequestOnce:
    """One request of a user in one operation, kept for `request_ids.KEEP_S`."""

    def __init__(
        self,
        table: Table,
        *,
        user: str,
        operation: str,
        key: str,
        fingerprint: str,
        now: int,
        facts: Mapping[str, Any],
    ) -> None:
        self._table = table
        self._pk = account_pk(user)
        self._sk = f"R#{operation}#{digest(key)}"
        self._now = now
        self._item = {"fingerprint": fingerprint, "facts": dict(facts)}

    def earlier(self) -> Item | None:
        item = self._table.get(self._pk, self._sk)
        return None if item is None or item["ttl"] < self._now else item

    def write(self, entry: Entry) -> Put:
        item = {
            "pk": self._pk,
            "sk": self._sk,
            **self._item,
            "seq": entry.seq,
            "balance_after": entry.available_after,
            "ttl": self._now + request_ids.KEEP_S,
        }
        return Put(
            item,
            condition="attribute_not_exists(pk) OR #ttl < :now",
            names={"#ttl": "ttl"},
            values={":now": self._now},
        )


def beside_payment(once: RequestOnce) -> Callable[[Entry], list[Write]]:
    """The record of a request id that came with a payment's id: refused for another payload."""

    def write(entry: Entry) -> list[Write]:
        put = once.write(entry)
        return [
            replace(
                put,
                condition="attribute_not_exists(pk) OR #ttl < :now OR fingerprint = :same",
                values={**put.values, ":same": put.item["fingerprint"]},
            )
        ]

    return write


class PaymentOnce:
    """One payment object of a provider: it grants once, for ever."""

    def __init__(
        self,
        table: Table,
        *,
        provider: str,
        payment_id: str,
        fingerprint: str,
        facts: Mapping[str, Any],
    ) -> None:
        self._table = table
        self._pk = f"P#{provider}"
        self._sk = payment_id
        self._item = {"fingerprint": fingerprint, "facts": dict(facts)}

    def earlier(self) -> Item | None:
        return self._table.get(self._pk, self._sk)

    def write(self, entry: Entry) -> Put:
        item = {
            "pk": self._pk,
            "sk": self._sk,
            **self._item,
            "user": entry.user,
            "seq": entry.seq,
            "balance_after": entry.available_after,
        }
        return Put(item, condition="attribute_not_exists(pk)")


def replayed(item: Item, fingerprint: str) -> Item:
    """`item` if it was made by the same payload. Raises `KeyReused`."""
    if item["fingerprint"] != fingerprint:
        raise KeyReused()
    return item
