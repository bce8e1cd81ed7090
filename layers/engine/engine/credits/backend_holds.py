"""Holds that back ends place, extend, commit in parts and release; also a token's own hold, by its bearer.

```
open ──commit (part)──> open       open ──commit (final)──> captured ("committed")
open ──extend──> open              open ──release──> released
open ──end and grace are over──> expired ──late commit, where the product says so──> expired
```
Each request is kept with the hold, or on a page of it, as a part (`engine.credits.hold_parts`), and each
write is refused where another part or state came in between. So a request counts once, a repeat gets the
first answer, and no credit is both charged and given back. Whoever comes first after the grace releases
what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.access.tokens import UPSTREAM_AUDIENCE, VendedToken
from engine.credits import hold_items, hold_parts
from engine.credits.hold_errors import (
    ExceedsHold,
    HoldClosed,
    HoldExpired,
    HoldFull,
    HoldNotFound,
    TooManyHolds,
)
from engine.credits.hold_items import (
    BACKEND_MARK,
    CAPTURED,
    EXPIRED,
    OPEN,
    RELEASED,
    Hold,
    read,
)
from engine.credits.hold_parts import (
    COMMIT,
    EXTEND,
    FINAL,
    LATE,
    LATE_FINAL,
    NO_LOAD,
    RELEASE,
    Load,
    Part,
)
from engine.credits.holds import EndOnce, PartOnce, as_seen
from engine.credits.placing import PlaceOnce
from engine.ledger.audit import Audit, Record
from engine.ledger.items import Entry, Move, Opening, account_pk, entry_sk, read_entry
from engine.ledger.posting import AlreadyDone, Ledger
from engine.platform.act import Act, by_system
from engine.platform.errors import Busy, InsufficientCredits, KeyReused
from engine.platform.ids import base36, digest
from engine.platform.table import ConditionFailed, Item, Write
from engine.platform.times import iso
from engine.products.catalogue import Products
from engine.products.errors import UnitsOverLimit
from engine.products.product import OWED, REJECT, Product

TRIES = 5
"""Another request may come in between; with more in a row the caller waits."""

OVER: Final = "the hold's time was over"
"""The reason of a refund, which entries keep."""

STATES: Final = {
    OPEN: "open",
    CAPTURED: "committed",
    RELEASED: "released",
    EXPIRED: "expired",
}
"""The states as clients know them."""

STATE_AFTER: Final = {
    EXTEND: OPEN,
    COMMIT: OPEN,
    FINAL: CAPTURED,
    RELEASE: RELEASED,
    LATE: EXPIRED,
    LATE_FINAL: EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Placing:
    """A hold that a back end asks for; `units` are 0 where it named an amount of credits."""

    user: str
    caller: str
    hold_id: str
    product: Product
    units: int
    amount: int
    lifetime_s: int
    fingerprint: str
    act: Act

    @property
    def name(self) -> str:
        return name_of(self.caller, self.hold_id)


@dataclass(frozen=True, slots=True)
class Request:
    """A request on a hold: the client's id, its payload's digest, and the act."""

    key: str
    fingerprint: str
    act: Act


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much to commit or to reserve more: units, or credits."""

    units: int | None = None
    amount: int | None = None

    def credits(self, product: Product) -> int:
        if self.units is not None:
            return self.units * product.credits_per_unit
        return self.amount or 0


@dataclass(frozen=True, slots=True)
class Told:
    """A hold as a request left it, or as it is; `entry` is what the request did."""

    hold: Hold
    state: str
    reserved: int
    committed: int
    released: int
    available: int
    owed: int
    ends_at: int
    entry: Entry | None = None
    replayed: bool = False


def name_of(caller: str, hold_id: str) -> str:
    """The name of the hold that `caller` calls `hold_id`."""
    return digest("hold", caller, hold_id)


def place(ledger: Ledger, asked: Placing, *, most_open: int, dry_run: bool = False) -> Told:
    """Reserve the credits, once for the caller's holdId; with `dry_run` only say what would be.

    Raises `InsufficientCredits`, `TooManyHolds`, `KeyReused`, `Busy` or `OutcomeUnknown`.
    """
    template = Hold(
        asked.user, asked.name, "", "", OPEN, asked.amount, 0, asked.act.at, 0, asked.fingerprint,
        asked.act.request_id, product=asked.product.code, version=asked.product.version,
        units=asked.units, lifetime_s=asked.lifetime_s, grace_s=asked.product.grace_s,
        caller=asked.caller, hold_id=asked.hold_id, ends_at=asked.act.at + asked.lifetime_s,
    )  # fmt: skip
    once = PlaceOnce(ledger.table, template, asked.act.at)
    if dry_run:
        return _previewed(ledger, template, once, most_open)
    move = Move(
        asked.user, "spend", -asked.amount, asked.amount, asked.act,
        f"{asked.name}{BACKEND_MARK}{base36(asked.act.at)}",
        product=template.entry_product, units=asked.units,
        opens=Opening(asked.name, most_open, TooManyHolds(most_open)),
    )  # fmt: skip
    try:
        entry = ledger.post(move, once).entry
    except AlreadyDone as done:
        return _placed_before(ledger, template, done.item)
    return _placed(read(once.write(entry).item), entry)


def _previewed(ledger: Ledger, template: Hold, once: PlaceOnce, most_open: int) -> Told:
    earlier = once.earlier()
    if earlier is not None:
        return _placed_before(ledger, template, earlier)
    account = ledger.account(template.user)
    if account.available < template.amount:
        raise InsufficientCredits(account.available, template.amount)
    if len(account.open_holds) >= most_open:
        raise TooManyHolds(most_open)
    left = account.available - template.amount
    return Told(template, OPEN, template.amount, 0, 0, left, account.owed, template.ends_at)


def _placed_before(ledger: Ledger, template: Hold, item: Item) -> Told:
    """The first answer. Raises `KeyReused` where the holdId came with another payload."""
    hold = read(item)
    if hold.fingerprint != template.fingerprint:
        raise KeyReused()
    told = _placed(hold, _entry(ledger, hold, hold.seq))
    return replace(told, replayed=hold.request_id != template.request_id)


def _placed(hold: Hold, entry: Entry) -> Told:
    ends_at = hold.issued_at + hold.lifetime_s
    return Told(hold, OPEN, hold.amount, 0, 0, entry.available_after, entry.owed_after, ends_at)


def _entry(ledger: Ledger, hold: Hold, seq: int) -> Entry:
    item = ledger.table.get(account_pk(hold.user), entry_sk(ledger.unit, seq))
    if item is None:
        raise Busy()
    return read_entry(item)


@dataclass(frozen=True, slots=True)
class HoldDesk:
    """Where a caller's holds are read and changed; `caller` is a back end's name, or a token."""

    ledger: Ledger
    products: Products
    caller: str | VendedToken

    def find(self, hold_id: str) -> Hold:
        """The caller's hold. Raises `HoldNotFound`, also for another caller's, and `Busy`."""
        table = self.ledger.table
        if isinstance(self.caller, str):
            hold = hold_items.find_of_backend(table, name_of(self.caller, hold_id))
        else:
            token = self.caller
            hold = hold_items.find(table, token.user, token.jti) if token.jti == hold_id else None
            if hold is not None and hold.audience in (UPSTREAM_AUDIENCE, ""):
                hold = None
        if hold is None:
            raise HoldNotFound()
        return hold

    def told(self, hold_id: str, act: Act) -> Told:
        """The hold as it is; one whose time is over is released first. Raises `HoldNotFound`, `Busy`."""
        hold = settled(self.ledger, self.find(hold_id), act)
        account = self.ledger.account(hold.user)
        return _now(hold, account.available, account.owed)

    def commit(self, hold_id: str, wanted: Wanted, request: Request, *, final: bool) -> Told:
        """Charge a part of the hold, or with `final` the last part; the rest then goes back.

        Raises `HoldNotFound`, `KeyReused`, `HoldClosed`, `HoldExpired`, `ExceedsHold`, `HoldFull`,
        `Busy` or `OutcomeUnknown`.
        """
        ids = hold_parts.ids_of("commit", request.key, request.fingerprint)
        for _ in range(TRIES):
            hold, earlier = self._seen(hold_id, "commit", ids, request.act)
            if earlier is not None:
                return earlier
            move, kind = self._commitment(hold, wanted, request.act, final=final)
            gone = 0 if final else self._made_room(hold, request.act)
            once = PartOnce(self.ledger.table, hold, kind, ids, hold.ends_at, request.act.at, gone)
            try:
                entry = self.ledger.post(move, once).entry
            except AlreadyDone:
                continue
            return _after(hold, once.part(entry), entry)
        raise Busy()

    def extend(
        self, hold_id: str, wanted: Wanted, request: Request, *, seconds: int | None
    ) -> Told:
        """Move the end to `seconds` from now, never earlier, or reserve more, or both.

        Raises what `commit` raises, `InsufficientCredits` and `UnitsOverLimit`.
        """
        ids = hold_parts.ids_of("extend", request.key, request.fingerprint)
        for _ in range(TRIES):
            hold, earlier = self._seen(hold_id, "extend", ids, request.act)
            if earlier is not None:
                return earlier
            _require_open(hold)
            ends_at = max(hold.ends_at, request.act.at + (seconds or 0))
            told = self._extended(hold, wanted, request, ids, ends_at)
            if told is not None:
                return told
        raise Busy()

    def release(self, hold_id: str, request: Request) -> Told:
        """Give back what is left. Raises what `commit` raises."""
        ids = hold_parts.ids_of("release", request.key, request.fingerprint)
        for _ in range(TRIES):
            hold, earlier = self._seen(hold_id, "release", ids, request.act)
            if earlier is not None:
                return earlier
            _require_open(hold)
            once = PartOnce(self.ledger.table, hold, RELEASE, ids, hold.ends_at, request.act.at)
            try:
                entry = self.ledger.post(_refund(hold, request.act), once).entry
            except AlreadyDone:
                continue
            return _after(hold, once.part(entry), entry)
        raise Busy()

    def _commitment(self, hold: Hold, wanted: Wanted, act: Act, *, final: bool) -> tuple[Move, int]:
        """The move that charges the hold, and its kind. Raises `HoldClosed`, `HoldExpired`, `ExceedsHold`."""
        product = self.products.at(hold.product, hold.version)
        charge = wanted.credits(product)
        base = Move(
            hold.user, "capture", 0, 0, act, hold.jti, hold.tail,
            product=hold.entry_product, units=wanted.units or 0,
        )  # fmt: skip
        if hold.state == EXPIRED and not hold.is_final:
            if product.overage == REJECT:
                raise HoldExpired()
            most = charge if product.overage == OWED else min(charge, hold.released)
            late = replace(base, type="spend", beyond=most, may_owe=product.overage == OWED)
            return late, LATE_FINAL if final else LATE
        if hold.state != OPEN:
            raise HoldClosed(STATES[hold.state])
        taken = min(charge, hold.reserved)
        if charge > taken and product.overage == REJECT:
            raise ExceedsHold(hold.reserved)
        beyond = charge - taken if product.overage == OWED else 0
        rest = hold.reserved - taken
        move = replace(base, beyond=beyond, may_owe=beyond > 0)
        if final:
            ended = replace(move, amount=rest, held=-hold.reserved, closes=_listed(hold))
            return ended, FINAL
        return replace(move, held=-taken, left=rest), COMMIT

    def _extended(
        self, hold: Hold, wanted: Wanted, request: Request, ids: bytes, ends_at: int
    ) -> Told | None:
        """The hold, extended; None where another request came in between."""
        product = self.products.at(hold.product, hold.version)
        more = wanted.credits(product)
        if not more:
            return self._prolonged(hold, ids, ends_at, request.act)
        if hold.reserved + hold.committed + more > product.price(product.most_units):
            raise UnitsOverLimit(product.most_units)
        move = Move(
            hold.user, "spend", -more, more, request.act, hold.jti, hold.tail,
            product=hold.entry_product, units=wanted.units or 0, left=hold.reserved + more,
        )  # fmt: skip
        load = self._loaded(hold, move)
        once = PartOnce(self.ledger.table, hold, EXTEND, ids, ends_at, request.act.at, load.number)
        try:
            entry = self.ledger.post(replace(move, carries=load.packed), once).entry
        except AlreadyDone:
            return None
        return _after(hold, once.part(entry), entry)

    def _prolonged(self, hold: Hold, ids: bytes, ends_at: int, act: Act) -> Told | None:
        """The hold with a later end and nothing else; the sweeper finds it by its first end and waits."""
        gone = self._made_room(hold, act)
        account = self.ledger.account(hold.user)
        ends = ends_at - hold.issued_at
        part = Part(
            EXTEND, ids, 0, hold.committed, hold.reserved, ends, account.available, account.owed
        )
        change = "SET parts = :parts, ends_at = :ends_at"
        try:
            values = {":ends_at": ends_at}
            self.ledger.table.write(as_seen(hold, change, {}, values, part, gone=gone))
        except ConditionFailed:
            return None
        return _after(hold, part, None)

    def _seen(self, hold_id: str, operation: str, ids: bytes, act: Act) -> tuple[Hold, Told | None]:
        """The hold, released if its time is over, and the first answer to the request if there is one.

        While it is released another attempt of the request may come in, so it is looked for again.
        """
        hold = self.find(hold_id)
        earlier = self._earlier(hold, operation, ids)
        if earlier is not None:
            return hold, earlier
        after = settled(self.ledger, hold, act)
        return after, None if after is hold else self._earlier(after, operation, ids)

    def _earlier(self, hold: Hold, operation: str, ids: bytes) -> Told | None:
        """The first answer to the request, None where this is the first."""
        part = hold_parts.find_earlier(self.ledger.table, hold, operation, ids)
        if part is None:
            return None
        entry = _entry(self.ledger, hold, part.seq) if part.seq else None
        return replace(_after(hold, part, entry), replayed=True)

    def _loaded(self, hold: Hold, move: Move) -> Load:
        """The parts that an extension's entry carries: none while the hold has room. Raises `HoldFull`."""
        if not hold_parts.is_full(hold):
            return NO_LOAD
        _require_pages(hold)
        return hold_parts.load(hold, move)

    def _made_room(self, hold: Hold, act: Act) -> int:
        """How many parts of the hold were copied to a page: all or none. Raises `HoldFull`, `Busy` or
        `OutcomeUnknown`.
        """
        number = len(hold_parts.read(hold.parts))
        if number < hold_parts.PAGE and not hold_parts.is_full(hold):
            return 0
        _require_pages(hold)
        self.ledger.table.write(hold_parts.page(hold, act.at))
        return number


def settled(ledger: Ledger, hold: Hold, act: Act) -> Hold:
    """`hold`, released if its end and its grace are over. Raises `Busy` or `OutcomeUnknown`."""
    for _ in range(TRIES):
        if hold.state != OPEN or act.at < hold.grace_ends_at:
            return hold
        hold = expired(ledger, hold, by_system("holds", act.request_id, OVER, at=act.at))
    raise Busy()


def expired(ledger: Ledger, hold: Hold, act: Act) -> Hold:
    """The open `hold` after it was released because its time is over, or as another writer left it."""
    return _ended(ledger, hold, EXPIRED, act, [])


def end(ledger: Ledger, audit: Audit, hold: Hold, act: Act) -> Hold:
    """The open `hold` after an operator released it, with an audit record, or as another writer left it."""
    record = audit.write(Record(hold.user, "hold_end", True, "", act))
    return _ended(ledger, hold, RELEASED, act, [record])


def _ended(ledger: Ledger, hold: Hold, state: str, act: Act, beside: Sequence[Write]) -> Hold:
    once = EndOnce(ledger.table, hold, state, act.at)
    try:
        ledger.post(_refund(hold, act), once, also=lambda _: list(beside))
    except AlreadyDone as done:
        return read(done.item)
    return hold_items.again(ledger.table, hold)


def _refund(hold: Hold, act: Act) -> Move:
    return Move(
        hold.user, "refund", hold.reserved, -hold.reserved, act, hold.jti, hold.tail,
        product=hold.entry_product, closes=_listed(hold),
    )  # fmt: skip


def _listed(hold: Hold) -> str:
    """The name under which the account lists the hold while it is open; empty for a token's."""
    return hold.name if hold.caller is not None else ""


def _require_pages(hold: Hold) -> None:
    if hold.pages >= hold_parts.MOST_PAGES:
        raise HoldFull(hold_parts.MOST_PAGES * hold_parts.PAGE)


def _require_open(hold: Hold) -> None:
    if hold.state == EXPIRED:
        raise HoldExpired()
    if hold.state != OPEN:
        raise HoldClosed(STATES[hold.state])


def _now(hold: Hold, available: int, owed: int) -> Told:
    return Told(
        hold,
        hold.state,
        hold.reserved,
        hold.committed,
        hold.released,
        available,
        owed,
        hold.ends_at,
    )


def _after(hold: Hold, part: Part, entry: Entry | None) -> Told:
    """The hold as the request left it that `part` keeps."""
    state = STATE_AFTER[part.kind]
    reserved, released = (part.rest, 0) if state == OPEN else (0, part.rest)
    available = entry.available_after if entry is not None else part.available
    owed = entry.owed_after if entry is not None else part.owed
    ends_at = hold.issued_at + part.ends
    told = Told(hold, state, reserved, part.charged, released, available, owed, ends_at)
    return told if part.kind == EXTEND else replace(told, entry=entry)


def members(told: Told) -> dict[str, Any]:
    """A hold as its caller sees it; a commit also says what it charged."""
    hold = told.hold
    shown = {
        "ok": True,
        "holdId": hold.hold_id or hold.jti,
        "userId": hold.user,
        "state": STATES[told.state],
        "reserved": told.reserved,
        "committed": told.committed,
        "released": told.released,
        "available": told.available,
        "owed": told.owed,
        "expiresAt": iso(told.ends_at),
        "product": {"code": hold.product, "version": hold.version},
        "units": hold.units or None,
    }
    if told.entry is not None:
        shown |= {"charged": told.entry.charged, "owedAdded": told.entry.owed}
    return shown
