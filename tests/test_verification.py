"""Verification: an untouched account has no finding, and every edit is found where it was made."""

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import count
from typing import Any

import pytest

from engine.credits import hold_items, holds, placing, verification
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, SPENT, Hold
from engine.credits.holds import NOTHING, ResolveOnce, Step
from engine.credits.placing import Vend
from engine.credits.verification import Finding
from engine.ledger.idempotency import Request, RequestOnce
from engine.ledger.items import (
    Account,
    Entry,
    Move,
    account_pk,
    account_sk,
    read_account,
    read_entry,
)
from engine.platform.errors import EngineError
from engine.platform.table import Item, Table, marshal
from tests.support.gateway import Gateway
from tests.support.invariants import findings_of
from tests.support.streams import ORIGIN, Book, SmallPages, fresh, stored_entries

ENTRY_FIELDS = [field.name for field in fields(Entry)]
HOLD_FIELDS = ["jti", "name", "state", "amount", "seq", "issued_at", "balance_after", "request_id"]


@dataclass(frozen=True)
class Story:
    """An account in which everything happened that can, as it is stored."""

    account: Account
    entries: list[Item]
    holds: list[Item]

    def findings(self, **changed: Any) -> list[Finding]:
        told = replace(self, **changed)
        return findings_of(told.account, told.entries, told.holds)

    def entry(self, seq: int) -> Entry:
        return read_entry(self.entries[seq - 1])

    def with_entry(self, seq: int, item: Item) -> list[Item]:
        return [*self.entries[: seq - 1], item, *self.entries[seq:]]


class Author:
    """Makes an account's history by the ledger's own moves."""

    def __init__(self, gateway: Gateway) -> None:
        self.ledger = gateway.ledger
        self.user = fresh("author")
        self.now = 1_800_000_000

    def move(self, type: str, amount: int) -> None:
        key = fresh("key")
        act = replace(ORIGIN, at=self.now)
        once = RequestOnce(self.ledger, Request(self.user, type, key, "", act), {})
        self.ledger.post(Move(self.user, type, amount, 0, act), once)

    def vend(self, state: str = OPEN) -> Hold:
        self.now += 1
        vend = Vend(self.user, "vend", fresh("key"), "f", state, "k", replace(ORIGIN, at=self.now))
        return placing.place(self.ledger, vend, rate_limit=10**6)[0]

    def settle(self, hold: Hold, *outcomes: str) -> Hold:
        for outcome in outcomes:
            hold = holds.settle(self.ledger, hold, outcome, replace(ORIGIN, at=self.now))
        return hold

    def give(self, hold: Hold) -> Hold:
        """A delivery after a release, written off, as an earlier version did."""
        step = Step(hold_items.WRITTEN_OFF, "write_off", lambda *_: (0, 0), reconciles=True)
        act = replace(ORIGIN, at=self.now)
        move = Move(self.user, step.type, 0, 0, act, hold.jti, hold.resolved_seq)
        once = ResolveOnce(self.ledger.table, hold, step, NOTHING, self.now)
        self.ledger.post(move, once)
        return hold_items.again(self.ledger.table, hold)


def told(table: Table, user: str) -> Story:
    pk = account_pk(user)
    account = read_account(user, "credits", table.get(pk, account_sk("credits")))
    entries = [entry.item() for entry in stored_entries(table, user)]
    return Story(account, entries, list(table.ascending(pk, "H#", "H#~", consistent=True)))


@pytest.fixture(scope="module")
def story(gateway: Gateway) -> Story:
    author = Author(gateway)
    author.move("user_creation", 0)
    author.move("api_add", 9)
    author.settle(author.vend(), CAPTURED)
    author.settle(author.vend(), RELEASED)
    author.settle(author.vend(), CAPTURED, RELEASED)
    author.settle(author.vend(), RELEASED, CAPTURED)
    author.vend(SPENT)
    author.settle(author.vend(SPENT), RELEASED, CAPTURED)
    author.settle(author.vend(SPENT), CAPTURED)
    author.vend()
    gift = author.settle(author.vend(), RELEASED)
    author.move("admin_deduct", -author.ledger.account(author.user).available)
    assert author.give(gift).state == hold_items.WRITTEN_OFF
    author.move("add_webhook", 3)
    author.vend()
    return told(gateway.ledger.table, author.user)


def test_no_transition_of_a_hold_writes_off() -> None:
    """Earlier versions delivered a late text as a gift; now it is kept back until it is paid."""
    steps = holds.STEPS.values()
    assert {step.state for step in steps} == {CAPTURED, RELEASED}
    assert {step.type for step in steps} == {"capture", "refund", "spend"}


SEQS = range(1, 26)


def test_a_history_with_every_type_has_no_findings(story: Story) -> None:
    assert len(story.entries) == SEQS[-1]
    assert {item["type"] for item in story.entries} == {
        "user_creation", "api_add", "add_webhook", "spend", "capture", "refund", "write_off", "admin_deduct",
    }  # fmt: skip
    assert {item["state"] for item in story.holds} == {
        OPEN, SPENT, CAPTURED, RELEASED, hold_items.WRITTEN_OFF,
    }  # fmt: skip
    assert story.findings() == []


def test_expired_resolved_holds_are_no_finding(story: Story) -> None:
    left = [item for item in story.holds if item["state"] == OPEN]
    assert story.findings(holds=left) == []


def changed(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else f"{value or ''}x"


@pytest.mark.parametrize("name", ENTRY_FIELDS)
def test_an_edit_of_any_field_of_any_entry_is_found_at_that_entry(story: Story, name: str) -> None:
    for seq in SEQS:
        item = story.entries[seq - 1]
        new = changed(item.get(name) if name != "reverses" else item.get(name, 0))
        found = story.findings(entries=story.with_entry(seq, item | {name: new}))
        assert seq in {finding.seq for finding in found}, (seq, found)


@pytest.mark.parametrize("name", [*ENTRY_FIELDS, "foreign"])
def test_a_removed_or_added_field_is_found(story: Story, name: str) -> None:
    for seq in SEQS:
        item = story.entries[seq - 1]
        other = {key: value for key, value in item.items() if key != name}
        if name not in item:
            other[name] = None
        found = story.findings(entries=story.with_entry(seq, other))
        assert seq in {finding.seq for finding in found}, (seq, found)


@pytest.mark.parametrize("value", [None, "7", [1], {"a": 1}, 10**30, True, -2, b"7"])
@pytest.mark.parametrize(
    "name", ["amount", "held", "available_after", "seq", "reverses", "type", "hash"]
)
def test_a_field_of_another_type_is_found(story: Story, name: str, value: Any) -> None:
    found = story.findings(entries=story.with_entry(4, story.entries[3] | {name: value}))
    assert 4 in {finding.seq for finding in found}, found


@pytest.mark.parametrize("name", ["at", "amount", "type", "subject", "reverses", "actor", "reason"])
def test_an_edit_with_a_recomputed_hash_is_found_at_that_entry(story: Story, name: str) -> None:
    for seq in SEQS:
        entry = story.entry(seq)
        old = getattr(entry, name)
        edited = replace(entry, **{name: changed(old if name != "reverses" else old or 0)})
        edited = replace(edited, hash=edited.expected_hash())
        found = story.findings(entries=story.with_entry(seq, edited.item()))
        assert "chain" in {finding.kind for finding in found if finding.seq == seq}, (seq, found)


def test_an_edited_hash_is_no_finding_for_the_next_entry(story: Story) -> None:
    edited = story.entries[4] | {"hash": story.entries[3]["hash"]}
    (found,) = story.findings(entries=story.with_entry(5, edited))
    assert (found.kind, found.seq) == ("edited", 5)


def test_one_wrong_balance_is_one_finding_of_arithmetic(story: Story) -> None:
    for name in ("available_after", "held_after", "amount"):
        found = story.findings(
            entries=story.with_entry(5, story.entries[4] | {name: story.entries[4][name] + 7})
        )
        assert [finding.seq for finding in found if finding.kind == "arithmetic"] == [5]
        assert [finding.seq for finding in found if finding.kind == "edited"] == [5]
        assert not [finding for finding in found if finding.kind == "chain"]


@pytest.mark.parametrize("seq", SEQS)
def test_a_deleted_entry_is_a_gap(story: Story, seq: int) -> None:
    found = story.findings(entries=[item for item in story.entries if item["seq"] != seq])
    assert ("gap", seq) in {(finding.kind, finding.seq) for finding in found}, found
    assert f"entry {seq} is missing" in " ".join(finding.text for finding in found)


def test_a_run_of_deleted_entries_is_one_gap(story: Story) -> None:
    found = story.findings(entries=[*story.entries[:3], *story.entries[9:]])
    gaps = [finding.text for finding in found if finding.kind == "gap"]
    assert gaps == ["entries 4 to 9 are missing before entry 10"]


@pytest.mark.parametrize("at", [0, 7, SEQS[-1]])
def test_an_inserted_entry_is_found(story: Story, at: int) -> None:
    copy = story.entries[1]
    stray = copy | {"sk": f"E#credits#{at + 1:012d}x"}
    found = story.findings(entries=[*story.entries[:at], stray, *story.entries[at:]])
    assert [finding.kind for finding in found] == ["foreign"]


def test_an_entry_after_the_accounts_last_is_a_stray(story: Story) -> None:
    book = Book(story.account.user)
    book.account = story.account
    stray = book.post("api_add", 5)
    found = story.findings(entries=[*story.entries, stray.item()])
    assert ("stray", stray.seq) in {(finding.kind, finding.seq) for finding in found}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("available", "account"), ("held", "account"), ("seq", "gap"), ("head", "chain")],
)
def test_an_edited_account_is_found(story: Story, name: str, kind: str) -> None:
    account = replace(story.account, **{name: changed(getattr(story.account, name))})
    assert kind in {finding.kind for finding in story.findings(account=account)}
    lower = replace(story.account, seq=story.account.seq - 1)
    assert "stray" in {finding.kind for finding in story.findings(account=lower)}


@pytest.mark.parametrize("name", HOLD_FIELDS)
def test_an_edited_hold_is_found(story: Story, name: str) -> None:
    for index, item in enumerate(story.holds):
        edited = item | {name: changed(item[name])}
        found = story.findings(holds=[*story.holds[:index], edited, *story.holds[index + 1 :]])
        assert "hold" in {finding.kind for finding in found}, item
        assert item["sk"] in " ".join(finding.text for finding in found)


@pytest.mark.parametrize("state", [OPEN, SPENT, CAPTURED, RELEASED, hold_items.WRITTEN_OFF])
def test_a_hold_whose_state_contradicts_the_entries_is_found(story: Story, state: str) -> None:
    for index, item in enumerate(story.holds):
        if item["state"] != state:
            edited = item | {"state": state}
            found = story.findings(holds=[*story.holds[:index], edited, *story.holds[index + 1 :]])
            assert "hold" in {finding.kind for finding in found}, item


def test_a_resolved_hold_must_name_its_last_entry(story: Story) -> None:
    for index, item in enumerate(story.holds):
        for wrong in (None, 0, item["seq"], 1, SEQS[-1], 999):
            if wrong != item.get("resolved_seq"):
                edited = item | {"resolved_seq": wrong}
                others = [*story.holds[:index], *story.holds[index + 1 :]]
                assert story.findings(holds=[*others, edited]), (item, wrong)


def test_a_hold_restored_to_an_earlier_state_is_found(story: Story) -> None:
    """Captured, then given back: an older copy of the hold says captured still."""
    entries = [read_entry(item) for item in story.entries]
    late = next(entry for entry in entries if entry.type == "refund" and not entry.held)
    captured = entries[(late.reverses or 0) - 1]
    assert captured.type == "capture"
    (index,) = [n for n, item in enumerate(story.holds) if item["jti"] == late.subject]
    older = story.holds[index] | {"state": CAPTURED, "resolved_seq": captured.seq}
    (found,) = story.findings(holds=[*story.holds[:index], older, *story.holds[index + 1 :]])
    assert f"but entry {captured.seq} does not resolve it so" in found.text


def test_a_missing_open_hold_is_found(story: Story) -> None:
    for item in story.holds:
        others = [other for other in story.holds if other != item]
        found = story.findings(holds=others)
        if item["state"] == OPEN:
            assert [(finding.kind, finding.seq) for finding in found] == [
                ("unresolved", item["seq"])
            ]
        else:
            assert found == []


def test_an_open_hold_missing_from_the_sweepers_index_is_found(story: Story) -> None:
    blind = [
        {name: value for name, value in item.items() if name != "open_shard"}
        for item in story.holds
    ]
    assert {finding.kind for finding in story.findings(holds=blind)} == {"hold", "unresolved"}


def test_a_hold_without_an_entry_is_found(story: Story) -> None:
    invented = story.holds[0] | {"seq": 999}
    (found,) = story.findings(holds=[*story.holds, invented])
    assert "names entry 999, which is not a vend" in found.text


def book_findings(book: Book) -> list[str]:
    found = findings_of(book.account, (entry.item() for entry in book.entries), [])
    return [f"{finding.kind} {finding.seq}" for finding in found]


def test_a_hold_is_resolved_once() -> None:
    book = Book("ann")
    book.grant(5)
    left_open, vended = book.vend(), book.vend()
    book.end(vended, "capture")
    unresolved = f"unresolved {left_open.seq}"
    assert book_findings(book) == [unresolved]
    book.end(vended, "refund")
    assert book_findings(book) == ["resolution 5", unresolved]


@pytest.mark.parametrize(
    ("amount", "held", "reverses", "subject", "type"),
    [
        (1, -1, 9, "same", "refund"),
        (1, -1, 0, "same", "refund"),
        (1, -1, -1, "same", "refund"),
        (1, -1, 4, "same", "refund"),
        (1, -1, 3, "other", "refund"),
        (1, -1, 1, "same", "refund"),
        (2, -1, 3, "same", "refund"),
        (1, 0, 3, "same", "refund"),
        (0, 0, 3, "same", "capture"),
        (0, 0, 3, "same", "write_off"),
        (1, 0, 3, "same", "admin_add"),
        (1, 0, None, "same", "refund"),
        (0, -1, None, "same", "capture"),
    ],
)
def test_a_resolution_that_does_not_fit_is_found(
    amount: int, held: int, reverses: int | None, subject: str, type: str
) -> None:
    book = Book("ann")
    book.grant(5)
    book.vend()
    vended = book.vend()
    about = vended.subject if subject == "same" else "else"
    wrong = book.post(type, amount, held, subject=about, reverses=reverses)
    assert f"resolution {wrong.seq}" in book_findings(book)


def test_a_second_resolution_is_found() -> None:
    """A hold is resolved, and that is reconciled at most once."""
    book = Book("ann")
    book.grant(5)
    vended = book.vend()
    captured = book.end(vended, "capture")
    refund = book.post("refund", 1, subject=vended.subject, reverses=captured.seq)
    assert book_findings(book) == []
    book.post("spend", -1, subject=vended.subject, reverses=refund.seq)
    assert book_findings(book) == ["resolution 5"]


def test_an_undone_adjustment_is_fine() -> None:
    book = Book("ann")
    added = book.post("admin_add", 5)
    book.post("admin_deduct", -5, reverses=added.seq)
    assert book_findings(book) == []


def test_a_balance_below_zero_is_found() -> None:
    book = Book("ann")
    book.grant(1)
    book.post("admin_deduct", -3)
    assert book_findings(book) == ["negative 2"]


def test_a_long_history_takes_little_memory() -> None:
    """A check of entries that are not kept: 26 bytes each, and what one page needs."""

    def long_history() -> Iterator[Item]:
        book = Book("ann")
        for _ in range(3_000):
            yield book.post("api_add", 1).item()
            book.entries.clear()
        accounts.append(book.account)

    accounts: list[Account] = []
    check = verification.AccountCheck("ann", "credits")
    tracemalloc.start()
    for item in long_history():
        check.feed(item)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert check.finish(accounts[0], []) == []
    assert peak < 300_000


def test_a_stored_account_is_read_page_by_page(gateway: Gateway, story: Story) -> None:
    table = Table(SmallPages(gateway.dynamodb), gateway.table_name)  # type: ignore[arg-type]
    found = verification.verify_user(table, "credits", story.account.user)
    assert (found.ok, found.entries, found.held) == (True, SEQS[-1], 2)


LEAST_READS = 6
"""Two of the account, three entries and a hold."""


class Interrupted(Table):
    """Lets another writer act before read number `at`, which counts every read from the store."""

    def __init__(self, gateway: Gateway, at: int, act: Callable[[], object]) -> None:
        super().__init__(SmallPages(gateway.dynamodb), gateway.table_name)  # type: ignore[arg-type]
        self.reads, self._at, self._act = 0, at, act

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        self._noted()
        return super().get(pk, sk, consistent=consistent)

    def _pages(self, operation: str, request: dict[str, Any]) -> Iterator[Item]:
        for item in super()._pages(operation, request):
            self._noted()
            yield item

    def _noted(self) -> None:
        self.reads += 1
        if self.reads == self._at:
            self._act()


@pytest.mark.parametrize(
    "outcomes", [(), (CAPTURED,), (RELEASED,), (CAPTURED, RELEASED), (RELEASED, CAPTURED)], ids=str
)
@pytest.mark.parametrize("is_new", [True, False], ids=["vended meanwhile", "vended before"])
def test_no_false_alarm_while_the_account_is_in_use(
    gateway: Gateway, outcomes: tuple[str, ...], is_new: bool
) -> None:
    """A vend and its outcomes happen between any two reads of the check."""
    for at in count(1):
        author = Author(gateway)
        author.move("user_creation", 5)
        author.settle(author.vend(), CAPTURED)
        hold = None if is_new else author.vend()
        use = partial(used, author, hold, outcomes)
        table = Interrupted(gateway, at, use)
        assert verification.verify_user(table, "credits", author.user).findings == []
        if table.reads < at:
            break
    assert table.reads >= LEAST_READS


def used(author: Author, hold: Hold | None, outcomes: tuple[str, ...]) -> None:
    author.settle(hold or author.vend(), *outcomes)


def test_an_account_that_never_stabilises_is_busy(gateway: Gateway) -> None:
    author = Author(gateway)
    author.move("user_creation", 5)

    class Restless(Table):
        def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
            author.move("api_add", 1)
            return super().get(pk, sk, consistent=consistent)

    with pytest.raises(EngineError, match="never stabilised"):
        verification.verify_user(
            Restless(gateway.dynamodb, gateway.table_name), "credits", author.user
        )


@pytest.mark.parametrize("name", ["available", "held", "seq", "head", "user", "unit"])
def test_an_incomplete_account_item_is_found(gateway: Gateway, name: str) -> None:
    author = Author(gateway)
    author.move("user_creation", 5)
    key = marshal({"pk": account_pk(author.user), "sk": account_sk("credits")})
    gateway.dynamodb.update_item(
        TableName=gateway.table_name,
        Key=key,
        UpdateExpression="REMOVE #name",
        ExpressionAttributeNames={"#name": name},
    )
    found = verification.verify_user(gateway.ledger.table, "credits", author.user)
    assert found.findings[0].kind == "account"
