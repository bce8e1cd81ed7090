"""Checks that an account is explained by its entries, and reports where it is not.

Each entry stores a hash over itself and its predecessor's hash, and the account stores the newest hash. So
any edit from outside is found, unless everything from the edited entry to the account was rewritten.

Resolved holds expire by TTL, so the entries decide: what a `spend` holds is resolved by a chain of entries
(`engine.credits.hold_chains`), or its hold is open. The holds that still exist must agree with the entries:
those of tokens, and of back ends' the open ones and those that entries of the last days name.

The check needs 34 bytes of memory per entry, so an account may have any length.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from engine.credits import hold_items, hold_parts
from engine.credits.hold_chains import (
    CAPTURE,
    CHARGE,
    GIFT,
    HELD,
    LATE_REFUND,
    OPEN_ROLES,
    PLACING,
    REFUND,
    HoldChains,
)
from engine.credits.hold_items import (
    CAPTURED,
    EXPIRED,
    OPEN,
    RELEASED,
    SPENT,
    WRITTEN_OFF,
    Hold,
)
from engine.ledger import origins
from engine.ledger.items import (
    CREDITS,
    START,
    Account,
    Entry,
    account_pk,
    account_sk,
    entry_prefix,
    entry_sk,
    own_members,
    read_account,
    read_entry,
)
from engine.platform.errors import Busy
from engine.platform.table import Item, Table
from engine.web import request_ids

ENDS = {
    CAPTURED: (CAPTURE, CHARGE),
    RELEASED: (REFUND, LATE_REFUND),
    EXPIRED: (REFUND, CHARGE),
    WRITTEN_OFF: (GIFT,),
}
"""The allowed roles of a hold's resolving entry, by the hold's state."""

OF_HOLDS = ("spend", "capture", "refund")
"""The types of entries whose subject can be a back end's hold."""

OF_ACCOUNTS = ("ACCOUNT#", "E#", "H#", "U#", "R#", "KEY#", "SUBSCRIPTION")
"""Sort keys of items that exist only with an account."""

ROUNDS = 20
"""How often an account in use is read again."""

LARGEST = 2**62
"""Larger than any number in an entry."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An inconsistency. `kind` is a stable word, `seq` the entry concerned, None if there is none."""

    kind: str
    seq: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The result for one account; amounts in the unit's smallest coin."""

    user: str
    unit: str
    entries: int
    available: int
    held: int
    owed: int
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        return not self.findings


def verify_user(table: Table, unit: str, user: str) -> Verification:
    """Check one account, also while it is in use. Raises `Busy`.

    Every change of an account or of a hold's state changes the account's seq, and an erasure its salt. So
    everything read between two equal readings of both is consistent; until they are equal, only new
    entries are read. Raises `Busy` as well if the account never stabilises.
    """
    pk = account_pk(user)
    check = AccountCheck(user, unit)
    for _ in range(ROUNDS):
        before = table.get(pk, account_sk(unit))
        low, high = entry_sk(unit, check.seq + 1), entry_prefix(unit) + "\uffff"
        for item in table.ascending(pk, low, high, consistent=True):
            check.feed(item)
        hold_items = list(_holds_of(table, pk, unit, before, check.backend_holds))
        origin_items = [item for item in origins.of_user(table, user) if item.get("unit") == unit]
        after = table.get(pk, account_sk(unit))
        if _stand(before) == _stand(after):
            account, trouble = _account(user, unit, after)
            found = trouble + check.finish(account, hold_items)
            found += _origin_findings(account, origin_items)
            figures = account.available, account.held, account.owed
            return Verification(user, unit, check.entries, *figures, found)
    raise Busy(f"The account of {user} never stabilised while it was read.")


def _holds_of(
    table: Table, pk: str, unit: str, account: Item | None, recent: Iterable[str]
) -> Iterator[Item]:
    """The holds of tokens, and those of back ends: the open ones that the account lists, and the `recent`
    ones that entries name. Only credits have holds; the other unit reserves money for keys.
    """
    if unit != CREDITS:
        return
    yield from table.ascending(pk, "H#", "H#\uffff", consistent=True)
    names = {*(account or {}).get("open_holds", ()), *recent}
    keys = [(hold_items.backend_pk(name), hold_items.BACKEND_SK) for name in sorted(names)]
    yield from table.get_many(keys, consistent=True)


def verify_all(table: Table) -> Iterator[Verification]:
    """Check every account, one after the other. Reads the whole table. Raises `Busy`."""
    for user, unit in all_accounts(table):
        yield verify_user(table, unit, user)


def units_of(table: Table, user: str) -> list[str]:
    """The units in which any item of an account of `user` exists. Raises `Busy`."""
    items = table.ascending(account_pk(user), "!", "~", consistent=True)
    return sorted({unit for _, unit in _owners(items)})


def all_accounts(table: Table) -> Iterator[tuple[str, str]]:
    """User and unit of every account, including those of which only other items remain.

    Reads the whole table: for operators' commands. Raises `Busy`.
    """
    kinds = {f":kind{number}": kind for number, kind in enumerate(OF_ACCOUNTS)}
    of_a_kind = " OR ".join(f"begins_with(sk, {name})" for name in kinds)
    items = table.scan(
        f"begins_with(pk, :owner) AND ({of_a_kind})",
        {":owner": account_pk(""), **kinds},
        keys_only=True,
    )
    return _owners(items)


def _owners(items: Iterable[Item]) -> Iterator[tuple[str, str]]:
    """User and unit of each account that any of `items` belongs to, once.

    Some items do not name a unit in their key: their user must have an account in some unit.
    """
    seen: set[tuple[str, str]] = set()
    users: set[str] = set()
    unplaced: set[str] = set()
    for item in items:
        user, unit = item["pk"].removeprefix(account_pk("")), _unit_in(item["sk"])
        if unit is None:
            if user not in users and item["sk"].startswith(OF_ACCOUNTS):
                unplaced.add(user)
        elif (user, unit) not in seen:
            seen.add((user, unit))
            users.add(user)
            yield user, unit
    for user in sorted(unplaced - users):
        yield user, CREDITS


def _unit_in(sk: str) -> str | None:
    """The unit of the account that an item with this sort key belongs to, None if the key has none."""
    kind, _, rest = sk.partition("#")
    if kind == "H":
        return CREDITS
    return rest.partition("#")[0] if kind in ("ACCOUNT", "E", "U") else None


class AccountCheck:
    """Reads an account's entries one by one and stores of each only what holds need."""

    def __init__(self, user: str, unit: str) -> None:
        self._user = user
        self._unit = unit
        self.seq = 0
        """The newest seq read."""
        self.entries = 0
        self._findings: list[Finding] = []
        self._chains = HoldChains()
        self._heads = {START}
        self._available = {0}
        self._held = {0}
        self._owed = {0}
        self._sum_available = self._sum_held = self._sum_owed = 0
        self._backend_holds: dict[str, int] = {}

    @property
    def backend_holds(self) -> Iterable[str]:
        """The names of back ends' holds that still have their records when the newest entry is made."""
        return self._backend_holds

    def feed(self, item: Item) -> None:
        """Check the next entry."""
        entry = _entry(item)
        if entry is None or entry_sk(self._unit, entry.seq) != item["sk"] or entry.seq <= self.seq:
            self._foreign(item)
            return
        if entry.seq != self.seq + 1:
            self._gap(entry.seq)
            self._begin_anew(entry.seq)
        self.seq = entry.seq
        self.entries += 1
        self._check_hash(entry, item)
        self._check_sums(entry)
        self._note_backend_hold(entry)
        trouble = self._chains.feed(entry)
        if trouble:
            self._find("resolution", entry.seq, f"entry {entry.seq} ({entry.type}) {trouble}")

    def _note_backend_hold(self, entry: Entry) -> None:
        """The names, the latest last; a resolved hold's record passes, so its name is not kept for longer."""
        kept = self._backend_holds
        if entry.type in OF_HOLDS and hold_items.is_of_backend(entry.subject):
            name = entry.subject[: hold_items.NAME_LENGTH]
            kept.pop(name, None)
            kept[name] = entry.at
        passed = takewhile(lambda one: one[1] + request_ids.KEEP_S < entry.at, kept.items())
        for name, _ in list(passed):
            del kept[name]

    def finish(self, account: Account, hold_items: Iterable[Item]) -> list[Finding]:
        """All findings, after the last entry."""
        self._check_account(account)
        self._check_holds(account, hold_items)
        return self._findings

    def _find(self, kind: str, seq: int | None, text: str) -> None:
        self._findings.append(Finding(kind, seq, text))

    def _foreign(self, item: Item) -> None:
        """Reports an item that is no entry; in the place of an entry, it counts as an unreadable one."""
        digits = item["sk"].removeprefix(entry_prefix(self._unit))
        seq = int(digits) if digits.isdecimal() else None
        if seq is not None and entry_sk(self._unit, seq) == item["sk"] and seq > self.seq:
            if seq != self.seq + 1:
                self._gap(seq)
            self._begin_anew(seq + 1)
            self.seq = seq
        self._find("foreign", seq, f"the item {item['sk']} is not an entry as one is written")

    def _begin_anew(self, seq: int) -> None:
        """Continues at `seq`, after entries that are missing."""
        self._chains.begin_anew(seq)
        self._heads = set()
        self._available, self._held, self._owed = set(), set(), set()

    def _gap(self, seq: int) -> None:
        which = _span(self.seq + 1, seq - 1)
        self._find("gap", self.seq + 1, f"{which} missing before entry {seq}")

    def _check_hash(self, entry: Entry, item: Item) -> None:
        expected = entry.expected_hash()
        if entry.hash != expected or entry.item() != own_members(item):
            self._find("edited", entry.seq, f"entry {entry.seq} was changed after it was written")
        elif self._heads and entry.prev not in self._heads:
            text = f"entry {entry.seq} does not follow entry {entry.seq - 1}, which was replaced"
            self._find("chain", entry.seq - 1, text)
        if entry.user != self._user or entry.unit != self._unit:
            text = f"entry {entry.seq} belongs to {entry.user} in {entry.unit}"
            self._find("foreign", entry.seq, text)
        # Only one of the two was changed: the next entry may follow either.
        self._heads = {entry.hash, expected}

    def _check_sums(self, entry: Entry) -> None:
        """Balances after each entry; one wrong number makes one finding, not one per later entry."""
        self._sum_available += entry.amount
        self._sum_held += entry.held
        self._sum_owed += entry.owed
        change, after = entry.amount, entry.available_after
        should, self._available = _followed(self._available, change, after)
        self._check_balance(entry, "available", after, should)
        should, self._held = _followed(self._held, entry.held, entry.held_after)
        self._check_balance(entry, "held", entry.held_after, should)
        should, self._owed = _followed(self._owed, entry.owed, entry.owed_after)
        self._check_balance(entry, "owed", entry.owed_after, should)
        if min(entry.available_after, entry.held_after, entry.owed_after) < 0:
            self._find("negative", entry.seq, f"a balance is below zero after entry {entry.seq}")

    def _check_balance(self, entry: Entry, name: str, after: int, should: int | None) -> None:
        """`should` is the expected balance where `after` is wrong, else None."""
        if should is not None:
            text = f"entry {entry.seq} says {after} are {name} after it, but it should be {should}"
            self._find("arithmetic", entry.seq, text)

    def _check_account(self, account: Account) -> None:
        if account.seq > self.seq:
            which = _span(self.seq + 1, account.seq)
            self._find("gap", self.seq + 1, f"{which} missing: the account continues up to there")
        elif account.seq < self.seq:
            which = _span(account.seq + 1, self.seq)
            self._find("stray", account.seq + 1, f"{which} not known to the account")
        elif self._heads and account.head not in self._heads:
            text = f"the account does not follow entry {self.seq}: one of them was replaced"
            self._find("chain", self.seq, text)
        for name, sum_, shown in (
            ("available", self._sum_available, account.available),
            ("held", self._sum_held, account.held),
            ("owed", self._sum_owed, account.owed),
        ):
            if sum_ != shown:
                text = f"the account says {shown} {name}, its entries add up to {sum_}"
                self._find("account", None, text)

    def _check_holds(self, account: Account, hold_items: Iterable[Item]) -> None:
        open_holds: list[Hold] = []
        for item in hold_items:
            hold = _hold(item)
            if hold is None:
                self._find("hold", None, f"the hold {item['sk']} cannot be read")
            elif (trouble := self._hold_trouble(hold, item)) is not None:
                self._find("hold", hold.seq, f"the hold {item['sk']} {trouble}")
            elif hold.state == OPEN:
                open_holds.append(hold)
        open_seqs = {hold.tail for hold in open_holds}
        for seq in self._chains.open_ends():
            if seq not in open_seqs:
                text = f"entry {seq} holds credits that no entry resolved, and has no open hold"
                self._find("unresolved", seq, text)
        self._check_listed(account, {hold.name for hold in open_holds if hold.caller is not None})

    def _check_listed(self, account: Account, names: set[str]) -> None:
        """The open holds of back ends are those that the account lists."""
        listed = set(account.open_holds)
        for name in sorted(names ^ listed):
            which = (
                "lists a hold that is not open" if name in listed else "does not list the open hold"
            )
            self._find("hold", None, f"the account {which}: {name}")

    def _hold_trouble(self, hold: Hold, item: Item) -> str | None:
        """What is wrong with a hold; None for nothing."""
        chains = self._chains
        if not 0 < hold.seq <= self.seq or chains.roles[hold.seq] not in PLACING:
            return f"names entry {hold.seq}, which is not a vend"
        if not chains.placed(hold.seq, _hold_says(hold)):
            return f"does not match entry {hold.seq}"
        if (item["pk"], item["sk"]) != hold.key or not hold.jti.startswith(hold.name):
            return "is not stored under its name"
        if hold.state == OPEN and item.get("open_shard") != hold_items.shard_of(hold.name):
            return "is open, but missing from the sweeper's index"
        return self._state_trouble(hold)

    def _state_trouble(self, hold: Hold) -> str | None:
        chains = self._chains
        if hold.state == OPEN and hold.last_seq is not None:
            return self._parts_trouble(hold)
        if hold.state in (OPEN, SPENT):
            role, resolved = chains.roles[hold.seq], bool(chains.resolved[hold.seq])
            if resolved or hold.resolved_seq is not None:
                return f"is {hold.state}, but entry {hold.seq} was resolved"
            return None if (hold.state == OPEN) == (role == HELD) else f"was never {hold.state}"
        return self._end_trouble(hold)

    def _end_trouble(self, hold: Hold) -> str | None:
        """What is wrong with a resolved hold."""
        chains, end = self._chains, hold.resolved_seq or 0
        is_resolved = 0 < end <= self.seq and chains.resolved[hold.seq]
        if hold.state not in ENDS or not is_resolved:
            return f"is {hold.state}, but no entry resolved entry {hold.seq}"
        right = chains.roles[end] in ENDS[hold.state] and chains.is_about(end, hold.jti)
        if not right or chains.resolved[end]:
            return f"is {hold.state}, but entry {end} does not resolve it so"
        if hold.committed != chains.charged[end]:
            return f"says that {hold.committed} were charged, but its entries charge {chains.charged[end]}"
        is_refund = hold.caller is not None and chains.roles[end] == REFUND
        if is_refund and hold.released != chains.reserved[end]:
            return f"says that {hold.released} went back, but entry {end} gives {chains.reserved[end]} back"
        return self._requests_trouble(hold)

    def _parts_trouble(self, hold: Hold) -> str | None:
        """What is wrong with an open hold that was committed in parts or reserves more."""
        chains, tail = self._chains, hold.tail
        is_tail = 0 < tail <= self.seq and chains.is_about(tail, hold.jti)
        if not is_tail or chains.roles[tail] not in OPEN_ROLES or chains.resolved[tail]:
            return f"is open, but entry {tail} is not its newest"
        figures = (hold.reserved, hold.committed)
        expected = (chains.reserved[tail], chains.charged[tail])
        if figures != expected:
            return f"reserves and was charged {figures}, but its entries say {expected}"
        return self._requests_trouble(hold)

    def _requests_trouble(self, hold: Hold) -> str | None:
        """What is wrong with the requests that the hold keeps, each with its entry."""
        for part in hold_parts.read(hold.parts):
            known = part.seq <= self.seq and self._chains.is_about(part.seq, hold.jti)
            if part.seq and not (known and part.charged == self._chains.charged[part.seq]):
                return f"keeps a request that entry {part.seq} does not explain"
        return None


def _span(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"


def _followed(candidates: set[int], change: int, after: int) -> tuple[int | None, set[int]]:
    """The expected balance after `change` if `after` is wrong, and the balances that the next entry may start
    from.

    If they differ, either the change or the balance is wrong: the next entry shows which.
    """
    expected = {number + change for number in candidates}
    if not expected or after in expected:
        return None, {after}
    should = min(expected)
    return should, {should, after}


def _hold_says(hold: Hold) -> int:
    """As `hold_chains` digests the entry that placed the hold."""
    return hash((hold.jti, hold.amount, hold.issued_at, hold.balance_after, hold.request_id))


def _entry(item: Item) -> Entry | None:
    """The entry in `item`, even with a wrong hash; None if a member is missing or of another type."""
    entry = read_entry(item)
    numbers = (entry.seq, entry.at, entry.amount, entry.held, entry.owed, entry.units)
    balances = (entry.available_after, entry.held_after, entry.owed_after)
    optional = (entry.reverses or 0, entry.left or 0)
    texts = (entry.user, entry.unit, entry.type, entry.subject, entry.prev, entry.hash)
    origin = (entry.actor, entry.reason, entry.request_id, entry.origin_id, entry.product)
    whole = all(_is_number(number) for number in (*numbers, *balances, *optional))
    return entry if whole and all(isinstance(text, str) for text in (*texts, *origin)) else None


def _hold(item: Item) -> Hold | None:
    """The hold in `item`; None if a member is missing or of another type."""
    hold = hold_items.read(item)
    first = (hold.seq, hold.amount, hold.issued_at, hold.balance_after, hold.resolved_seq or 0)
    later = (hold.left or 0, hold.last_seq or 0, hold.ends_at, hold.pages, hold.carried_by)
    numbers = (*first, hold.committed, hold.released, hold.version, hold.units, *later)
    texts = (hold.name, hold.jti, hold.state, hold.request_id)
    whole = all(_is_number(number) for number in numbers) and hold_parts.is_readable(hold.parts)
    return hold if whole and all(isinstance(text, str) for text in texts) else None


def _is_number(value: Any) -> bool:
    return type(value) is int and abs(value) < LARGEST


def _account(user: str, unit: str, item: Item | None) -> tuple[Account, list[Finding]]:
    """The account, and the findings in its item."""
    if item is None:
        return Account(user, unit), [Finding("account", None, "there is no account item")]
    try:
        account = read_account(user, unit, item)
    except KeyError as missing:
        text = f"the account item has no {missing.args[0]}"
        return Account(user, unit), [Finding("account", None, text)]
    wrong = item.get("user") != user or item.get("unit") != unit
    text = f"the account item belongs to {item.get('user')} in {item.get('unit')}"
    return account, [Finding("account", None, text)] if wrong else []


def _origin_findings(account: Account, items: Iterable[Item]) -> list[Finding]:
    """Origins whose texts do not match their id: edited, or left by an incomplete erasure."""
    return [
        Finding("origin", None, f"the origin {item['sk']} does not match its id")
        for item in items
        if not origins.is_erased(item) and not origins.is_genuine(item, account.origin_salt)
    ]


def _stand(item: Item | None) -> tuple[Any, Any]:
    return (item.get("seq"), item.get("origin_salt")) if item is not None else (None, None)
