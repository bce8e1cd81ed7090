"""Says whether an account can be explained by its entries, and exactly where not.

An entry carries a hash over itself and its predecessor's hash, the account the newest one. So whatever
is changed from outside shows, except a rewriting of everything from the changed entry to the account.

Resolved holds pass by TTL after two days, so the entries are the truth about holds: a `spend` that set
a credit aside is resolved by exactly one entry that names it, or its hold is still open. What holds
still lie there must say what the entries say.

The check takes 26 bytes of memory an entry, so that an account may be of any length.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.credits import hold_items
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, SPENT, WRITTEN_OFF, Hold
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
    read_account,
    read_entry,
)
from engine.platform.errors import Busy
from engine.platform.table import Item, Table

NO_ENTRY, OTHER, HELD, PAID, CAPTURE, REFUND, LATE_REFUND, CHARGE, GIFT = range(9)
"""What an entry is to a hold: sets a credit aside, pays at once, takes it, gives it back, gives it back
after it was taken, takes it again after it was given back, lets it be.
"""

ALLOWED = {
    (HELD, CAPTURE): 0,
    (PAID, CAPTURE): 0,
    (HELD, REFUND): 1,
    (PAID, REFUND): 1,
    (CAPTURE, LATE_REFUND): 1,
    (REFUND, CHARGE): -1,
    (REFUND, GIFT): 0,
}
"""What may follow on what, (the entry that is named, the entry that names it), and how it changes
`available`, in units of what was vended.
"""

ENDS = {
    CAPTURED: (CAPTURE, CHARGE),
    RELEASED: (REFUND, LATE_REFUND),
    WRITTEN_OFF: (GIFT,),
}
"""What the entry that a hold names as its last may be, by the hold's state."""


OF_ACCOUNTS = ("ACCOUNT#", "E#", "H#", "U#", "R#", "KEY#", "SUBSCRIPTION")
"""Sort keys of what is only written together with an account, or after it."""

ROUNDS = 20
"""How often an account that is in use is read again."""

LARGEST = 2**62
"""No number of an entry is as large."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not add up. `kind` is a stable word, `seq` the entry it is at, if one."""

    kind: str
    seq: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at and what was found; amounts in the unit's smallest coin."""

    user: str
    unit: str
    entries: int
    available: int
    held: int
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        return not self.findings


def account_findings(
    account: Account, entries: Iterable[Item], hold_items: Iterable[Item]
) -> list[Finding]:
    """What is wrong in one account, given all of its entries in their order and its holds."""
    check = AccountCheck(account.user, account.unit)
    for item in entries:
        check.feed(item)
    return check.finish(account, hold_items)


def verify_user(table: Table, unit: str, user: str) -> Verification:
    """Look at one account while it is in use. Raises `Busy`.

    Every change of an account or of a hold's state moves the account's seq, and an erasure its salt, so
    what was read between two readings of the same two belongs together; until that is so, only what
    is new is read. Where that never came to be, `Busy` is raised, too.
    """
    pk = account_pk(user)
    check = AccountCheck(user, unit)
    for _ in range(ROUNDS):
        before = table.get(pk, account_sk(unit))
        low, high = entry_sk(unit, check.seq + 1), entry_prefix(unit) + "\uffff"
        for item in table.ascending(pk, low, high, consistent=True):
            check.feed(item)
        hold_items = list(_holds_of(table, pk, unit))
        origin_items = [item for item in origins.of_user(table, user) if item.get("unit") == unit]
        after = table.get(pk, account_sk(unit))
        if _stand(before) == _stand(after):
            account, trouble = _account(user, unit, after)
            found = trouble + check.finish(account, hold_items)
            found += _origin_findings(account, origin_items)
            return Verification(user, unit, check.entries, account.available, account.held, found)
    raise Busy(f"The account of {user} never stood still for long enough.")


def _holds_of(table: Table, pk: str, unit: str) -> Iterator[Item]:
    """Only credits are held by holds; the other unit sets money aside for keys."""
    return table.ascending(pk, "H#", "H#\uffff", consistent=True) if unit == CREDITS else iter(())


def verify_all(table: Table) -> Iterator[Verification]:
    """Look at every account, one after the other. Reads the whole table. Raises `Busy`."""
    for user, unit in all_accounts(table):
        yield verify_user(table, unit, user)


def units_of(table: Table, user: str) -> list[str]:
    """The units in which there is anything of an account of `user`. Raises `Busy`."""
    items = table.ascending(account_pk(user), "!", "~", consistent=True)
    return sorted({unit for _, unit in _owners(items)})


def all_accounts(table: Table) -> Iterator[tuple[str, str]]:
    """User and unit of every account, also of one of which only an entry or another item is left.

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

    The unit of some items is not in their key: their user must have an account in any unit.
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
    """The unit of the account that an item with this sort key belongs to, None where it does not say."""
    kind, _, rest = sk.partition("#")
    if kind == "H":
        return CREDITS
    return rest.partition("#")[0] if kind in ("ACCOUNT", "E", "U") else None


class AccountCheck:
    """Takes an account's entries one by one and remembers of each only what holds need."""

    def __init__(self, user: str, unit: str) -> None:
        self._user = user
        self._unit = unit
        self.seq = 0
        """The newest seq that was fed."""
        self.entries = 0
        self._findings: list[Finding] = []
        self._roles = bytearray([NO_ENTRY])
        self._resolved = bytearray([0])
        self._amounts = array("q", [0])
        self._subjects = array("q", [0])
        self._places = array("q", [0])
        """A digest of what a hold must say that was placed by this entry."""
        self._heads = {START}
        self._available = {0}
        self._held = {0}
        self._sum_available = self._sum_held = 0

    def feed(self, item: Item) -> None:
        """The next entry."""
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
        role = self._role(entry)
        self._check_resolution(entry, role)
        self._remember(entry, role)

    def finish(self, account: Account, hold_items: Iterable[Item]) -> list[Finding]:
        """All findings, once every entry was fed."""
        self._check_account(account)
        self._check_holds(hold_items)
        return self._findings

    def _find(self, kind: str, seq: int | None, text: str) -> None:
        self._findings.append(Finding(kind, seq, text))

    def _foreign(self, item: Item) -> None:
        """Takes an item that is no entry; where one belongs there, as if that could not be read."""
        digits = item["sk"].removeprefix(entry_prefix(self._unit))
        seq = int(digits) if digits.isdecimal() else None
        if seq is not None and entry_sk(self._unit, seq) == item["sk"] and seq > self.seq:
            if seq != self.seq + 1:
                self._gap(seq)
            self._begin_anew(seq + 1)
            self.seq = seq
        self._find("foreign", seq, f"the item {item['sk']} is not an entry as one is written")

    def _begin_anew(self, seq: int) -> None:
        """Goes on at `seq`, which does not follow on what is known."""
        missing = seq - len(self._roles)
        self._roles.extend(bytes(missing))
        self._resolved.extend(bytes(missing))
        for numbers in (self._amounts, self._subjects, self._places):
            numbers.extend([0] * missing)
        self._heads, self._available, self._held = set(), set(), set()

    def _gap(self, seq: int) -> None:
        which = _span(self.seq + 1, seq - 1)
        self._find("gap", self.seq + 1, f"{which} missing before entry {seq}")

    def _check_hash(self, entry: Entry, item: Item) -> None:
        expected = entry.expected_hash()
        if entry.hash != expected or entry.item() != item:
            self._find("edited", entry.seq, f"entry {entry.seq} was changed after it was written")
        elif self._heads and entry.prev not in self._heads:
            text = (
                f"entry {entry.seq} does not follow on entry {entry.seq - 1}: that one was replaced"
            )
            self._find("chain", entry.seq - 1, text)
        if entry.user != self._user or entry.unit != self._unit:
            text = f"entry {entry.seq} is of {entry.user} in {entry.unit}"
            self._find("foreign", entry.seq, text)
        # Either may be what the next one was made from: only one of them was changed.
        self._heads = {entry.hash, expected}

    def _check_sums(self, entry: Entry) -> None:
        """Balances after each entry; one wrong number makes one finding, not one in all that follow."""
        self._sum_available += entry.amount
        self._sum_held += entry.held
        should, self._available = _followed(self._available, entry.amount, entry.available_after)
        if should is not None:
            text = f"entry {entry.seq} says {entry.available_after} are available after it"
            self._find("arithmetic", entry.seq, f"{text}, but it should be {should}")
        should, self._held = _followed(self._held, entry.held, entry.held_after)
        if should is not None:
            text = f"entry {entry.seq} says {entry.held_after} are held after it"
            self._find("arithmetic", entry.seq, f"{text}, but it should be {should}")
        if entry.available_after < 0 or entry.held_after < 0:
            self._find("negative", entry.seq, f"a balance is below zero after entry {entry.seq}")

    def _check_resolution(self, entry: Entry, role: int) -> None:
        named = entry.reverses
        if named is None:
            if role in (CAPTURE, REFUND, GIFT):
                text = f"entry {entry.seq} ({entry.type}) does not say which entry it resolves"
                self._find("resolution", entry.seq, text)
            return
        trouble = self._resolution_trouble(entry, role, named)
        if trouble:
            text = f"entry {entry.seq} ({entry.type}) names entry {named}, {trouble}"
            self._find("resolution", entry.seq, text)
        if 0 < named < entry.seq:
            self._resolved[named] = 1

    def _resolution_trouble(self, entry: Entry, role: int, named: int) -> str:
        """What is wrong with `entry` resolving the entry `named`; empty where nothing is."""
        if not 0 < named < entry.seq or self._roles[named] == NO_ENTRY:
            return "which is not there"
        if self._subjects[named] != hash(entry.subject):
            return "which is about something else"
        if self._resolved[named]:
            return "which was resolved before"
        return self._step_trouble(entry, role, self._roles[named], self._amounts[named])

    def _step_trouble(self, entry: Entry, role: int, before: int, amount: int) -> str:
        if before == role == OTHER:
            return ""
        if (before, role) not in ALLOWED:
            return "which it can not resolve"
        right = (ALLOWED[before, role] * amount, -amount if before == HELD else 0)
        return "" if (entry.amount, entry.held) == right else f"but does not move its {amount}"

    def _role(self, entry: Entry) -> int:
        named = entry.reverses or 0
        match entry.type:
            case "spend" if entry.reverses is not None:
                return CHARGE
            case "spend":
                return HELD if entry.held else PAID
            case "refund" if 0 < named < entry.seq and self._roles[named] == CAPTURE:
                return LATE_REFUND
        return {"capture": CAPTURE, "refund": REFUND, "write_off": GIFT}.get(entry.type, OTHER)

    def _remember(self, entry: Entry, role: int) -> None:
        named = entry.reverses if entry.reverses and 0 < entry.reverses < entry.seq else 0
        self._roles.append(role)
        self._resolved.append(0)
        self._amounts.append(self._amounts[named] if named else abs(entry.amount))
        self._subjects.append(hash(entry.subject))
        self._places.append(_placed(entry) if role in (HELD, PAID) else 0)

    def _check_account(self, account: Account) -> None:
        if account.seq > self.seq:
            which = _span(self.seq + 1, account.seq)
            self._find("gap", self.seq + 1, f"{which} missing: the account goes on to there")
        elif account.seq < self.seq:
            which = _span(account.seq + 1, self.seq)
            self._find("stray", account.seq + 1, f"{which} not known to the account")
        elif self._heads and account.head not in self._heads:
            text = f"the account does not follow on entry {self.seq}: one of them was replaced"
            self._find("chain", self.seq, text)
        for name, sum_, shown in (
            ("available", self._sum_available, account.available),
            ("held", self._sum_held, account.held),
        ):
            if sum_ != shown:
                text = f"the account says {shown} {name}, its entries add up to {sum_}"
                self._find("account", None, text)

    def _check_holds(self, hold_items: Iterable[Item]) -> None:
        open_seqs: set[int] = set()
        for item in hold_items:
            hold = _hold(item)
            if hold is None:
                self._find("hold", None, f"the hold {item['sk']} can not be read")
            elif (trouble := self._hold_trouble(hold, item)) is not None:
                self._find("hold", hold.seq, f"the hold {item['sk']} {trouble}")
            elif hold.state == OPEN:
                open_seqs.add(hold.seq)
        for seq, role in enumerate(self._roles):
            if role == HELD and not self._resolved[seq] and seq not in open_seqs:
                text = f"entry {seq} holds credits that nothing resolved, and no open hold is good for it"
                self._find("unresolved", seq, text)

    def _hold_trouble(self, hold: Hold, item: Item) -> str | None:
        """What is wrong with a hold; None where nothing is."""
        if not 0 < hold.seq <= self.seq or self._roles[hold.seq] not in (HELD, PAID):
            return f"names entry {hold.seq}, which is no vend"
        if _hold_says(hold) != self._places[hold.seq]:
            return f"does not say what entry {hold.seq} says"
        if item["sk"] != hold_items.hold_sk(hold.name) or not hold.jti.startswith(hold.name):
            return "does not lie under its name"
        if hold.state == OPEN and item.get("open_shard") != hold_items.shard_of(hold.name):
            return "is open, but the sweeper does not see it"
        return self._state_trouble(hold)

    def _state_trouble(self, hold: Hold) -> str | None:
        role, resolved = self._roles[hold.seq], bool(self._resolved[hold.seq])
        if hold.state in (OPEN, SPENT):
            if resolved or hold.resolved_seq is not None:
                return f"is {hold.state}, but entry {hold.seq} was resolved"
            return None if (hold.state == OPEN) == (role == HELD) else f"was never {hold.state}"
        end = hold.resolved_seq or 0
        if hold.state not in ENDS or not 0 < end <= self.seq or not resolved:
            return f"is {hold.state}, but no entry resolved entry {hold.seq}"
        right = self._roles[end] in ENDS[hold.state] and self._subjects[end] == hash(hold.jti)
        if not right or self._resolved[end]:
            return f"is {hold.state}, but entry {end} does not say so"
        return None


def _span(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"


def _followed(candidates: set[int], change: int, after: int) -> tuple[int | None, set[int]]:
    """What should stand after `change` where `after` is wrong, and what the next entry may start from.

    Where the two differ, either the change or the balance is wrong: the next entry shows which.
    """
    expected = {number + change for number in candidates}
    if not expected or after in expected:
        return None, {after}
    should = min(expected)
    return should, {should, after}


def _placed(entry: Entry) -> int:
    """What the hold must say that `entry` placed."""
    return hash((entry.subject, -entry.amount, entry.at, entry.available_after, entry.request_id))


def _hold_says(hold: Hold) -> int:
    return hash((hold.jti, hold.amount, hold.issued_at, hold.balance_after, hold.request_id))


def _entry(item: Item) -> Entry | None:
    """The entry in `item`, whatever its hash says; None where a member is missing or of another kind."""
    entry = read_entry(item)
    numbers = (entry.seq, entry.at, entry.amount, entry.held)
    after = (entry.available_after, entry.held_after, entry.reverses or 0)
    texts = (entry.user, entry.unit, entry.type, entry.subject, entry.prev, entry.hash)
    origin = (entry.actor, entry.reason, entry.request_id, entry.origin_id)
    whole = all(_is_number(number) for number in (*numbers, *after))
    return entry if whole and all(isinstance(text, str) for text in (*texts, *origin)) else None


def _hold(item: Item) -> Hold | None:
    """The hold in `item`; None where a member is missing or of another kind."""
    hold = hold_items.read(item)
    numbers = (hold.seq, hold.amount, hold.issued_at, hold.balance_after, hold.resolved_seq or 0)
    texts = (hold.name, hold.jti, hold.state, hold.request_id)
    whole = all(_is_number(number) for number in numbers)
    return hold if whole and all(isinstance(text, str) for text in texts) else None


def _is_number(value: Any) -> bool:
    return type(value) is int and abs(value) < LARGEST


def _account(user: str, unit: str, item: Item | None) -> tuple[Account, list[Finding]]:
    """The account, and what keeps it from being one."""
    if item is None:
        return Account(user, unit), [Finding("account", None, "there is no account item")]
    try:
        account = read_account(user, unit, item)
    except KeyError as missing:
        text = f"the account item has no {missing.args[0]}"
        return Account(user, unit), [Finding("account", None, text)]
    wrong = item.get("user") != user or item.get("unit") != unit
    text = f"the account item says it is of {item.get('user')} in {item.get('unit')}"
    return account, [Finding("account", None, text)] if wrong else []


def _origin_findings(account: Account, items: Iterable[Item]) -> list[Finding]:
    """Origins whose texts are not those that their entries name: edited, or left by half an erasure."""
    return [
        Finding("origin", None, f"the origin {item['sk']} does not say what its entries name")
        for item in items
        if not origins.is_erased(item) and not origins.is_genuine(item, account.origin_salt)
    ]


def _stand(item: Item | None) -> tuple[Any, Any]:
    return (item.get("seq"), item.get("origin_salt")) if item is not None else (None, None)
