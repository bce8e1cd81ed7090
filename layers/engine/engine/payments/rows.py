"""The payment row: one for each payment of a provider, for ever. This module alone writes its item.

The row is what makes a payment grant once, by whatever event, message or reconciliation it becomes known: its
key is the provider's id of the payment, and every write of it names the revision that was read.

It has the key of `engine.ledger.idempotency.PaymentOnce`, so a payment that an API key's holder reported with
the same provider and id counts once as well, and the other way round.

| item | key |
|---|---|
| payment | `PAYMENT#<provider>` / `<the provider's id>` |

In the index of open holds it is in `unmatched#<shard>` while it waits for an operator, in `finish#<shard>`
while the provider must still be told something, and in `payments` once it is decided, by when it was first
seen.

A payment that is the same as another (an M-Pesa payment that was granted before its receipt was known) has
`same_as` alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any, Final

from engine.ledger.idempotency import payment_pk
from engine.ledger.items import Entry
from engine.platform.ids import digest, fits_key, shard
from engine.platform.table import ConditionFailed, Item, Put, Table, Update, Write
from engine.platform.times import EVER, iso
from engine.providers import pay_codes

NOTED, UNMATCHED, IGNORED, RETURNED = "noted", "unmatched", "ignored", "returned"
GRANTED, PARTLY, REFUNDED, DISPUTED = "granted", "partially_refunded", "refunded", "disputed"
HELD_BACK = frozenset({NOTED, UNMATCHED, IGNORED, RETURNED})
"""States of payments that have granted nothing."""

CONSUME: Final = "consume"
"""What a store must be told after a grant."""

QUESTIONED, NOT_REVERSED = "dispute_opened", "not_reversed"
"""Troubles of granted payments: a dispute that took nothing yet, a reversal that M-Pesa refused."""

INDEX: Final = "open-holds"
SHARDS = 4
DECIDED: Final = "payments"
"""The partition of the index that has the payments which are granted or closed."""

CHUNK = 50
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One payment; times in epoch seconds.

    `gross` is what the customer paid, taxes included, in minor units of `currency`; without a currency it is
    the number of units bought, because the store tells no price. What went back of it is `refunded` and
    `disputed`, each as the provider has it now. `granted` and `clawed` are in `unit`.
    """

    provider: str
    id: str
    state: str
    gross: int = 0
    currency: str = ""
    paid_at: int = 0
    seen_at: int = 0
    user: str = ""
    intent: str = ""
    pack: str = ""
    unit: str = ""
    granted: int = 0
    refunded: int = 0
    disputed: int = 0
    clawed: int = 0
    short: int = 0
    """What should have been taken back and was not there: of dollars alone, which have no `owed`."""
    price: int = 0
    price_currency: str = ""
    """What the receipt shows where `gross` has no currency, in minor units; no currency if not known."""
    receipt: str = ""
    """The provider's receipt or order number."""
    payer: str = ""
    """Who paid, masked; for people who look for a payment."""
    account: str = ""
    """What the payer typed as the account, or the intent that the provider named."""
    trouble: str = ""
    """Why it is unmatched, or what an operator should look at."""
    handle: str = ""
    """What the provider needs to find the payment again, such as a purchase token."""
    to_finish: str = ""
    """What the provider must still be told, such as `consume`; empty for nothing."""
    look_at: int = 0
    """When the provider is told again, while `to_finish` says what."""
    refund_receipt: str = ""
    """The receipt of a refund that was made by hand."""
    seq: int = 0
    """The newest entry about the payment."""
    revision: int = 0

    @property
    def lost(self) -> int:
        """What the customer has back; a refund and a dispute of the same money count once."""
        return min(self.gross, self.refunded + self.disputed)

    @property
    def is_granted(self) -> bool:
        return self.state not in HELD_BACK

    @property
    def subject(self) -> str:
        """The payment as entries name it."""
        return f"{self.provider}:{self.id}"

    @property
    def number(self) -> str:
        """Our number of the receipt: the same payment has the same one, and no two have one."""
        return number_of(self)


_FACTS = tuple(one.name for one in fields(Row))


class RowOnce:
    """Makes a move happen once for the revision of a row that was read; `becomes` is the row after it."""

    def __init__(self, table: Table, seen: Row | None, becomes: Row) -> None:
        self._table = table
        self._seen = seen
        self._becomes = becomes

    def earlier(self) -> Item | None:
        """The stored row if it is not the one that was read."""
        item = self._table.get(payment_pk(self._becomes.provider), self._becomes.id)
        stored = item.get("revision", -1) if item is not None else 0
        return item if stored != (self._seen.revision if self._seen is not None else 0) else None

    def write(self, entry: Entry) -> Write:
        return put(self._seen, replace(self._becomes, seq=entry.seq))


def find(table: Table, provider: str, payment_id: str) -> Row | None:
    """The payment, also by the id of one that is the same; None if there is none. Raises `Busy`."""
    if not fits_key(provider, payment_id):
        return None
    item = table.get(payment_pk(provider), payment_id)
    if item is not None and "same_as" in item:
        item = table.get(payment_pk(provider), item["same_as"])
    return None if item is None else read(item)


def many(table: Table, names: list[tuple[str, str]]) -> dict[tuple[str, str], Row]:
    """The rows with these providers and ids, as far as there are any. Raises `Busy`."""
    found = table.get_many([(payment_pk(provider), id_) for provider, id_ in names])
    rows = [read(item) for item in found]
    return {(row.provider, row.id): row for row in rows}


def put(seen: Row | None, becomes: Row) -> Put:
    """Writes the row `becomes`; refused if it is no longer the one that was `seen`."""
    if seen is None:
        item = _item(replace(becomes, revision=1))
        return Put(item, condition="attribute_not_exists(pk)")
    item = _item(replace(becomes, revision=seen.revision + 1))
    return Put(item, condition="revision = :seen", values={":seen": seen.revision})


def write(table: Table, seen: Row | None, becomes: Row) -> Row | None:
    """Writes the row `becomes` alone; None if it is no longer the one that was `seen`.

    Raises `Busy`, `OutcomeUnknown`.
    """
    one = replace(put(seen, becomes), mark="changed_by")
    try:
        return read(table.write(one))
    except ConditionFailed:
        return None


def same_as(row: Row, other_id: str) -> Put:
    """Records that the payment `other_id` of the same provider is this one."""
    item: Item = {
        "pk": payment_pk(row.provider),
        "sk": other_id,
        "same_as": row.id,
        "fingerprint": _fingerprint(row),
        "unit": row.unit,
        "revision": 1,
    }
    return Put(item, condition="attribute_not_exists(pk)")


def erase_payer(row: Row, now: int) -> Update:
    """Erases who paid."""
    return Update(
        payment_pk(row.provider),
        row.id,
        "SET payer = :none, account = :none, erased_at = :now, revision = revision + :one",
        "attribute_exists(pk)",
        values={":none": "", ":now": now, ":one": 1},
    )


def with_payer(table: Table, names: Iterable[tuple[str, str]]) -> Iterator[Row]:
    """The payments with these providers and ids that say who paid. Raises `Busy`."""
    for provider, payment in names:
        row = find(table, provider, payment)
        if row is not None and (row.payer or row.account):
            yield row


def unmatched(table: Table, *, limit: int) -> list[Row]:
    """Payments that grant nothing until an operator decides, the oldest first. Raises `Busy`."""
    found: list[Row] = []
    for number in range(SHARDS):
        places = table.due(INDEX, f"unmatched#{number}", EVER, page=limit)
        keys = [(place["pk"], place["sk"]) for place in islice(places, limit)]
        found += [read(item) for item in table.get_many(keys)]
    # The index lags behind: an operator may have decided meanwhile.
    waiting = [row for row in found if row.state == UNMATCHED]
    return sorted(waiting, key=lambda row: (row.seen_at, row.id))[:limit]


def decided(
    table: Table, between: tuple[int, int], after: tuple[int, str, str] | None
) -> Iterator[Row]:
    """Payments that are granted or closed and were first seen in `between`, both included, newest first,
    after the one with this `seen_at`, provider and id. The index lags behind. Raises `Busy`.
    """
    place = (after[0], payment_pk(after[1]), after[2]) if after is not None else None
    places = table.latest(INDEX, DECIDED, between, after=place, page=CHUNK)
    while keys := [(one["pk"], one["sk"]) for one in islice(places, CHUNK)]:
        found = {(item["pk"], item["sk"]): item for item in table.get_many(keys)}
        yield from (read(found[key]) for key in keys if key in found)


def unfinished(table: Table, now: int, limit: int) -> Iterator[Row]:
    """Granted payments of which the provider must still be told something, the oldest first.

    Raises `Busy`.
    """
    for number in range(SHARDS):
        for place in islice(table.due(INDEX, f"finish#{number}", now + 1, page=limit), limit):
            item = table.get(place["pk"], place["sk"])
            if item is not None and item.get("to_finish"):
                yield read(item)


def read(item: Mapping[str, Any]) -> Row:
    """The row in `item`. One that `PaymentOnce` wrote counts as granted; its money is not known."""
    provider = str(item["pk"]).removeprefix(payment_pk(""))
    facts = {name: item[name] for name in _FACTS if name in item}
    if "format" not in item:
        facts["state"] = GRANTED
        facts["revision"] = -1
    return Row(**{**facts, "provider": provider, "id": item["sk"]})


def is_reported_otherwise(row: Row) -> bool:
    """Whether an API key's holder or the payment webhook reported the payment, so that this room leaves
    it alone.
    """
    return row.revision < 0


def state_of(row: Row) -> str:
    """The state that the money of a granted row says."""
    if row.disputed:
        return DISPUTED
    if not row.refunded:
        return GRANTED
    return REFUNDED if row.refunded >= row.gross else PARTLY


def number_of(row: Row) -> str:
    """`R-<YYYYMMDD>-<10 letters>`, from the day of the payment, its provider and its id."""
    left = int.from_bytes(digest("receipt", row.provider, row.id).encode()[:16], "big")
    letters = ""
    for _ in range(10):
        left, at = divmod(left, len(pay_codes.ALPHABET))
        letters += pay_codes.ALPHABET[at]
    return f"R-{iso(row.paid_at or row.seen_at)[:10].replace('-', '')}-{letters}"


def _item(row: Row) -> Item:
    facts = {name: getattr(row, name) for name in _FACTS if name not in ("provider", "id")}
    item: Item = {
        "pk": payment_pk(row.provider),
        "sk": row.id,
        "format": FORMAT,
        **facts,
        "fingerprint": _fingerprint(row),
    }
    if row.state == UNMATCHED:
        item |= {"open_shard": _shard("unmatched", row), "expires_at": row.seen_at}
    elif row.to_finish:
        item |= {"open_shard": _shard("finish", row), "expires_at": row.look_at}
    elif row.state != NOTED:
        item |= {"open_shard": DECIDED, "expires_at": row.seen_at}
    return item


def _fingerprint(row: Row) -> str:
    """Equal to no fingerprint of a reported payment, which is a digest in hexadecimal digits."""
    return f"payments:{digest(row.provider, row.id)}"


def _shard(kind: str, row: Row) -> str:
    return f"{kind}#{shard(row.id, SHARDS)}"
