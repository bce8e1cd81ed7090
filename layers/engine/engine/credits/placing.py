"""Placing a hold: the price of a product is set aside, or spent at once, for a token that is vended.

The hold is also the record of the vend's request, so one item serves both and a vend writes three items.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.credits import holds
from engine.credits.hold_items import (
    BACKEND_SK,
    OPEN,
    RELEASED,
    Hold,
    backend_pk,
    find,
    hold_sk,
    product_facts,
    read,
    shard_of,
    stored_product,
)
from engine.credits.holds import UNUSED
from engine.ledger.items import Account, Entry, Move, account_pk
from engine.ledger.posting import AlreadyDone, BesideRefused, Ledger, Posted
from engine.platform.act import Act, by_system
from engine.platform.errors import Busy, KeyReused
from engine.platform.ids import base36, digest
from engine.platform.table import Item, Put, Table, Update, Write
from engine.platform.times import DAY_S
from engine.products.product import TRANSCRIPT, Product
from engine.web import request_ids

TRIES = 5
"""A request id is bought anew by one of its callers; the others look again at what that one left."""

UNUSED_SK = "UNUSED"
LEAST_LEFT_S = 60
"""An unused token with less time than this is not sold again."""

RENEWED_S = 400 * DAY_S
"""How long the record of a request id is kept that was bought anew; longer than any answer to it."""

Beside = Callable[[str], list[Write]]
"""The writes of the caller's own that belong to the hold with this jti, in its transaction."""


@dataclass(frozen=True, slots=True)
class Vend:
    """What is asked for when a token is vended; `state` is `OPEN` or `SPENT`."""

    user: str
    operation: str
    key: str
    fingerprint: str
    state: str
    kid: str
    act: Act
    reuses: bool = False
    """Whether an unused token of the user is sold again rather than more credits held."""
    product: Product = TRANSCRIPT
    units: int = 1

    @property
    def price(self) -> int:
        """Raises `UnitsOverLimit`."""
        return self.product.price(self.units)

    @property
    def name(self) -> str:
        """The name of the first hold that the request id buys."""
        return digest(self.user, self.operation, self.key)


class HoldOnce:
    """Lets a vend happen once for its request id."""

    def __init__(self, table: Table, template: Hold, now: int) -> None:
        self._table = table
        self._template = template
        self._now = now

    def earlier(self) -> Item | None:
        item = self._table.get(account_pk(self._template.user), hold_sk(self._template.name))
        if item is None or item.get("ttl", self._now) < self._now:
            return None
        return item

    def write(self, entry: Entry) -> Put:
        made = self._template
        item: Item = {
            "pk": account_pk(made.user),
            "sk": hold_sk(made.name),
            "user": made.user,
            "name": made.name,
            "jti": entry.subject,
            "kid": made.kid,
            "state": made.state,
            "amount": made.amount,
            "seq": entry.seq,
            "issued_at": made.issued_at,
            "balance_after": entry.available_after,
            "fingerprint": made.fingerprint,
            "request_id": made.request_id,
            **stored_product(made),
        }
        if made.state == OPEN:
            item["open_shard"] = shard_of(made.name)
            item["expires_at"] = made.token.expires_at + made.grace_s
        else:
            item["ttl"] = made.issued_at + request_ids.KEEP_S
        return Put(
            item,
            condition="attribute_not_exists(pk) OR #ttl < :now",
            names={"#ttl": "ttl"},
            values={":now": self._now},
        )


class PlaceOnce:
    """Lets a holdId be one hold of its caller."""

    def __init__(self, table: Table, template: Hold, now: int) -> None:
        self._table = table
        self._template = template
        self._now = now

    def earlier(self) -> Item | None:
        item = self._table.get(backend_pk(self._template.name), BACKEND_SK)
        expired_at = item.get("ttl", self._now) if item is not None else self._now
        return item if expired_at >= self._now else None

    def write(self, entry: Entry) -> Put:
        made = self._template
        item: Item = {
            "pk": backend_pk(made.name),
            "sk": BACKEND_SK,
            "user": made.user,
            "name": made.name,
            "jti": entry.subject,
            "state": OPEN,
            "amount": made.amount,
            "seq": entry.seq,
            "issued_at": made.issued_at,
            "balance_after": entry.available_after,
            "fingerprint": made.fingerprint,
            "request_id": made.request_id,
            "caller": made.caller,
            "hold_id": made.hold_id,
            "ends_at": made.ends_at,
            "open_shard": shard_of(made.name),
            "expires_at": made.grace_ends_at,
            **stored_product(made),
        }
        return Put(
            item,
            condition="attribute_not_exists(pk) OR #ttl < :now",
            names={"#ttl": "ttl"},
            values={":now": self._now},
        )


def place(
    ledger: Ledger, vend: Vend, *, rate_limit: int, beside: Beside | None = None
) -> tuple[Hold, Posted | None]:
    """Take the price of a token: held, or spent at once. The hold, and None if it was there.

    A request id whose credits went back buys anew: a hold of its own, under the id and a number.

    Raises `UnitsOverLimit`, `KeyReused`, `InsufficientCredits`, `RateLimited`, `Busy` or `OutcomeUnknown`;
    with `beside` also `BesideRefused`: the caller reads again what its writes depend on.
    """
    for _ in range(TRIES):
        try:
            found = _tried(ledger, vend, rate_limit, beside)
        except BesideRefused:
            if beside is not None:
                raise
            continue
        if found is not None:
            return found
    raise Busy()


def standing(ledger: Ledger, vend: Vend) -> Hold | None:
    """The hold that the request id of `vend` bought last; None where it has bought nothing, or its credit
    went back. Raises `Busy` or `OutcomeUnknown`.
    """
    item = ledger.table.get(account_pk(vend.user), hold_sk(vend.name))
    if item is None or item.get("ttl", vend.act.at) < vend.act.at:
        return None
    hold = _latest(ledger, vend, read(item), int(item.get("renewals", 0)))
    return None if hold is None or hold.state == RELEASED else hold


def _tried(
    ledger: Ledger, vend: Vend, rate_limit: int, beside: Beside | None
) -> tuple[Hold, Posted | None] | None:
    """What `place` returns, or None where another call of the same request id has bought meanwhile.

    Raises what `place` raises, and `BesideRefused`.
    """
    kept = _Unused(ledger.table, vend)
    reused = kept.hold()
    if reused is not None:
        return reused, None
    noted = kept.noted if beside is None else beside
    try:
        return _placed(ledger, vend, vend.name, rate_limit, noted)
    except AlreadyDone as done:
        first, bought = read(done.item), int(done.item.get("renewals", 0))
    latest = _latest(ledger, vend, first, bought)
    if latest is not None and latest.state != RELEASED:
        if latest.fingerprint != vend.fingerprint:
            raise KeyReused()
        return latest, None
    try:
        name, renewal = name_of(vend, bought + 1), Renewal(first, bought)
        return _placed(ledger, vend, name, rate_limit, noted, renewal)
    except AlreadyDone:
        return None


def as_the_app_sees(table: Table, account: Account) -> Account:
    """`account` with the credits of the user's unused token among those that are available. The app can use
    them: a vend answers that token again, and a fulfilment takes its place. Without them it would lock itself
    with the last credit, as it vends a token whenever it looks at the balance. Raises `Busy`.
    """
    hold = _unused(table, account.user) if account.held else None
    if hold is None or hold.seq > account.seq:  # Vended after the account was read.
        return account
    held = account.held - hold.amount
    return replace(account, available=account.available + hold.amount, held=held)


def give_up_unused(ledger: Ledger, user: str, needed: int, act: Act) -> bool:
    """Give back the credits of that token where they are what the user lacks of the `needed` ones; whether
    they are back. Raises `Busy` or `OutcomeUnknown`.
    """
    hold = _unused(ledger.table, user)
    if hold is None or ledger.account(user).available + hold.amount < needed:
        return False
    return holds.settle(ledger, hold, RELEASED, act).state == RELEASED


def name_of(vend: Vend, renewals: int) -> str:
    """The name of the hold that a request id buys when its credit went back `renewals` times."""
    return digest(vend.user, vend.operation, vend.key, str(renewals)) if renewals else vend.name


class _Unused:
    """The pointer to the user's last token, `A#<user>` / `UNUSED`: `jti`, `ttl`. It is written and read
    only where unused tokens are sold again.
    """

    def __init__(self, table: Table, vend: Vend) -> None:
        self._table = table
        self._vend = vend
        self._seen = ""

    def hold(self) -> Hold | None:
        """The hold to sell again: unused, with enough time left, for a request id that has bought nothing
        or whose credit went back. Raises `Busy`.
        """
        if not self._vend.reuses:
            return None
        user, now = self._vend.user, self._vend.act.at
        item = self._table.get(account_pk(user), UNUSED_SK)
        self._seen = str(item["jti"]) if item is not None else ""
        hold = find(self._table, user, self._seen) if item is not None else None
        if hold is None or not hold.is_unused or hold.token.left_s(now) < LEAST_LEFT_S:
            return None
        asked = (self._vend.product.code, self._vend.product.version, self._vend.units)
        if (hold.product, hold.version, hold.units) != asked:
            return None
        own = self._table.get(account_pk(user), hold_sk(self._vend.name))
        return hold if own is None or (own["state"] == RELEASED and "renewals" not in own) else None

    def noted(self, jti: str) -> list[Write]:
        """Points to the token that is sold now, where nobody else has sold one since."""
        if not self._vend.reuses:
            return []
        until = self._vend.act.at + self._vend.product.lifetime_s
        item = {"pk": account_pk(self._vend.user), "sk": UNUSED_SK, "jti": jti, "ttl": until}
        condition = "attribute_not_exists(pk) OR jti = :seen"
        return [Put(item, condition, values={":seen": self._seen})]


@dataclass(frozen=True, slots=True)
class Renewal:
    """Another hold for a request id, after the `first` one and `bought` renewals."""

    first: Hold
    bought: int

    def noted(self, now: int) -> Update:
        """The number of renewals, kept with the first hold, which is the record of the request id."""
        return Update(
            account_pk(self.first.user),
            hold_sk(self.first.name),
            "SET renewals = :next, #ttl = :ttl",
            "jti = :jti AND (attribute_not_exists(renewals) OR renewals = :bought)",
            names={"#ttl": "ttl"},
            values={
                ":next": self.bought + 1,
                ":bought": self.bought,
                ":ttl": now + RENEWED_S,
                ":jti": self.first.jti,
            },
        )


def _unused(table: Table, user: str) -> Hold | None:
    """The hold of the token that the user's app vended last, None if there is none or it was used."""
    item = table.get(account_pk(user), UNUSED_SK)
    hold = find(table, user, str(item["jti"])) if item is not None else None
    return hold if hold is not None and hold.is_unused else None


def _latest(ledger: Ledger, vend: Vend, first: Hold, bought: int) -> Hold | None:
    """The hold that the request id bought last, None where it is no longer stored. An unused one whose
    token has run out is released here, as the sweeper would a moment later.
    """
    hold: Hold | None = first
    if bought:
        item = ledger.table.get(account_pk(vend.user), hold_sk(name_of(vend, bought)))
        is_kept = item is not None and item.get("ttl", vend.act.at) >= vend.act.at
        hold = read(item) if item is not None and is_kept else None
    if hold is None or not hold.is_unused or vend.act.at < hold.token.expires_at:
        return hold
    act = by_system("vending", vend.act.request_id, UNUSED, at=vend.act.at)
    return holds.settle(ledger, hold, RELEASED, act)


def _placed(
    ledger: Ledger,
    vend: Vend,
    name: str,
    rate_limit: int,
    beside: Beside,
    renewal: Renewal | None = None,
) -> tuple[Hold, Posted]:
    """The hold called `name`, new. Raises what `place` raises, and `AlreadyDone`, `BesideRefused`."""
    template = Hold(
        vend.user, name, "", vend.kid, vend.state, vend.price, 0, vend.act.at, 0,
        vend.fingerprint, vend.act.request_id, **product_facts(vend.product, vend.units),
    )  # fmt: skip
    move = Move(
        vend.user,
        "spend",
        amount=-template.amount,
        held=template.amount if vend.state == OPEN else 0,
        act=vend.act,
        subject=f"{name}{base36(vend.act.at)}",
        product=template.entry_product,
        units=template.entry_units,
    )
    once = HoldOnce(ledger.table, template, vend.act.at)
    noted = beside(move.subject)
    if renewal is not None:
        noted.append(renewal.noted(vend.act.at))
    posted = ledger.post(move, once, rate_limit=rate_limit, also=lambda _: noted)
    return read(once.write(posted.entry).item), posted
