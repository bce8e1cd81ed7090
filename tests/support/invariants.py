"""The whole table at one moment, and what must be true of it at every moment."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from engine.credits.hold_items import BACKEND_SK, is_of_backend
from engine.credits.verification import AccountCheck, Finding
from engine.ledger import audit
from engine.ledger.items import CREDITS, START, Account, Entry, read_account, read_entry
from engine.platform.table import Item, Table
from engine.readmodels import folds
from engine.readmodels.audit_users import AuditUsers
from engine.readmodels.figures import days, get_summary, notices, totals
from engine.readmodels.writes import RECORD_ID_LENGTH, is_audited, is_vend

NAME_LENGTH = 22


class Snapshot:
    """Everything that is stored, by what it is; for small tables, read in one consistent scan."""

    def __init__(self, table: Table) -> None:
        self.items = sorted(table.scan("pk <> :none", {":none": "none"}), key=_key)
        self.accounts = {i["user"]: i for i in self.items if i["sk"] == f"ACCOUNT#{CREDITS}"}
        self.entries: dict[str, list[Entry]] = {user: [] for user in self.accounts}
        self.holds: dict[str, list[Item]] = {user: [] for user in self.accounts}
        for item in self.items:
            user = item["pk"].removeprefix("A#")
            if item["sk"].startswith(f"E#{CREDITS}#"):
                self.entries.setdefault(user, []).append(read_entry(item))
            elif item["sk"].startswith("H#"):
                self.holds.setdefault(user, []).append(item)
            elif item["sk"] == BACKEND_SK:
                self.holds.setdefault(item["user"], []).append(item)

    def assert_sound(self) -> None:
        """The invariants of the ledger, for every user and for all of them together."""
        assert self.accounts.keys() == self.entries.keys() == self.holds.keys()
        for user in self.accounts:
            self._assert_explained(user)
            self._assert_verified(user)
            assert_each_hold_ends_once(self.entries[user])
        self._assert_payments_granted_once()

    def _assert_explained(self, user: str) -> None:
        """Contiguous, chained, never negative, and adding up to the balance at every prefix."""
        available = held = owed = 0
        previous = START
        for seq, entry in enumerate(self.entries[user], 1):
            available, held = available + entry.amount, held + entry.held
            owed += entry.owed
            assert (entry.owed_after, owed >= 0) == (owed, True)
            assert (entry.user, entry.seq, entry.prev) == (user, seq, previous)
            assert (entry.available_after, entry.held_after) == (available, held)
            assert available >= 0 and held >= 0
            assert entry.hash == entry.expected_hash()
            previous = entry.hash
        account = self.accounts[user]
        assert (account["available"], account["held"]) == (available, held)
        assert account.get("owed", 0) == owed
        assert (account["seq"], account["head"]) == (len(self.entries[user]), previous)

    def _assert_verified(self, user: str) -> None:
        account = read_account(user, CREDITS, self.accounts[user])
        entries = (entry.item() for entry in self.entries[user])
        assert findings_of(account, entries, self.holds[user]) == []

    def _assert_payments_granted_once(self) -> None:
        paid = Counter(
            entry.subject
            for entries in self.entries.values()
            for entry in entries
            if entry.type == "add_webhook" and entry.subject
        )
        kept = {item["sk"] for item in self.items if item["pk"] == "PAYMENT#default"}
        assert set(paid.values()) <= {1}
        assert kept == paid.keys()

    def outstanding(self) -> int:
        return sum(item["available"] + item["held"] for item in self.accounts.values())


def findings_of(
    account: Account, entries: Iterable[Item], hold_items: Iterable[Item]
) -> list[Finding]:
    """What verification finds in one account, given its entries in order and its holds."""
    check = AccountCheck(account.user, account.unit)
    for item in entries:
        check.feed(item)
    return check.finish(account, hold_items)


def assert_each_hold_ends_once(entries: Iterable[Entry]) -> None:
    """Each token is debited once, resolved at most once and reconciled at most once; no entry of a hold is
    named twice. A back end's hold may have parts, whose rules the check of the account knows.
    """
    ends: Counter[str] = Counter()
    debits: Counter[str] = Counter()
    reversed_: Counter[int] = Counter()
    for entry in entries:
        if is_of_backend(entry.subject):
            reversed_[entry.reverses or -entry.seq] += 1
        elif entry.reverses is not None:
            ends[entry.subject] += 1
            reversed_[entry.reverses] += 1
        elif entry.type == "spend":
            debits[entry.subject] += 1
    assert set(debits.values()) <= {1}
    assert set(reversed_.values()) <= {1}
    assert all(count <= 2 for count in ends.values())
    assert ends.keys() <= debits.keys()


def assert_read_models(table: Table, low_balance: int) -> None:
    """Summaries, days, totals, audit and notices say exactly what the entries say."""
    snapshot = Snapshot(table)
    everything = folds.Counts()
    by_day: dict[str, folds.Counts] = {}
    for user, entries in snapshot.entries.items():
        folded = folds.fold(entries)
        assert folded is not None
        assert get_summary(table, CREDITS, user) == folds.summary_of(user, CREDITS, folded)
        everything.update(folded.counts)
        for day, counts in folded.days.items():
            by_day.setdefault(day, folds.Counts()).update(counts)
        _assert_noticed(table, user, entries, low_balance)
    assert totals(table, CREDITS) == _stats(everything)
    shown = days(table, CREDITS, "2000-01-01", "2999-12-31")
    assert shown == {day: _stats(by_day[day]) for day in sorted(by_day)}
    _assert_audited(table, snapshot)


def _assert_noticed(table: Table, user: str, entries: list[Entry], low_balance: int) -> None:
    expected = [entry.seq for entry in entries if folds.falls_low(entry, low_balance)]
    assert [n["seq"] for n in notices(table, user, limit=1000)] == expected[::-1]


def _assert_audited(table: Table, snapshot: Snapshot) -> None:
    """Every vend and every admin act is in its user's audit once, under the key that its entry gives; of
    these, acts alone are stored.
    """
    acts = set[tuple[str, str]]()
    for user, entries in snapshot.entries.items():
        found = AuditUsers(1, 0).of_user(table, user, audit.HIGHEST, None)
        shown = [i["sk"].partition("#")[2] for _, i in found if i is not None and "seq" in i]
        audited = [entry for entry in entries if is_audited(entry)]
        assert sorted(shown) == sorted(entry.hash[:RECORD_ID_LENGTH] for entry in audited)
        acts |= {(user, one.hash[:RECORD_ID_LENGTH]) for one in audited if not is_vend(one)}
    kept = [i for i in snapshot.items if i["pk"].startswith("AUDIT#") and "seq" in i]
    assert sorted((i["user"], i["sk"].partition("#")[2]) for i in kept) == sorted(acts)


def _stats(counts: folds.Counts) -> folds.Stats:
    return folds.stats({name: value for name, value in counts.items() if value})


def _key(item: Item) -> tuple[Any, Any]:
    return item["pk"], item["sk"]
