"""Entries have two formats: those of earlier versions stay as they are, and what is owed needs the second."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.credits import verification
from engine.ledger.idempotency import Request, RequestOnce
from engine.ledger.items import (
    CARRIED,
    LATER,
    Account,
    Entry,
    Move,
    account_pk,
    account_sk,
    next_entry,
    read_account,
    read_entry,
)
from engine.platform.table import Item, Put
from engine.readmodels import folds
from engine.readmodels.batches import readable
from tests.support.gateway import Gateway, Reply
from tests.support.invariants import findings_of
from tests.support.streams import ORIGIN, Book, fresh

OLD: list[Item] = json.loads(
    (Path(__file__).parent / "data" / "57e622b" / "account.json").read_text()
)
"""An account in which everything happened that could, as the version of commit 57e622b stored it."""

OLD_USER = "of-57e622b"
FIRST_FACTS = (
    "user", "unit", "seq", "at", "type", "amount", "held", "available_after", "held_after", "subject",
    "reverses", "actor", "reason", "request_id", "origin_id", "prev",
)  # fmt: skip


def old(prefix: str) -> list[Item]:
    return [item for item in OLD if item["sk"].startswith(prefix)]


def digest(facts: Mapping[str, Any]) -> str:
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


# Format 1


def test_an_entry_of_an_earlier_version_is_read_and_written_as_it_is() -> None:
    items = old("E#")
    assert len(items) == 25
    for item in items:
        entry = read_entry(item)
        assert entry.item() == item
        assert (
            item["hash"] == entry.expected_hash() == digest({n: item.get(n) for n in FIRST_FACTS})
        )
        assert (entry.owed, entry.owed_after, entry.product, entry.units, entry.left) == (
            0, 0, "", 0, None,
        )  # fmt: skip
        assert readable(item) == entry


def test_an_account_of_an_earlier_version_has_no_findings() -> None:
    account = read_account(OLD_USER, "credits", old("ACCOUNT#")[0])
    assert (account.available, account.held, account.owed, account.open_holds) == (2, 2, 0, ())
    assert findings_of(account, old("E#"), old("H#")) == []


def test_an_account_of_an_earlier_version_goes_on(gateway: Gateway) -> None:
    for item in OLD:
        gateway.ledger.table.write(Put(item, ""))
    assert verification.verify_user(gateway.ledger.table, "credits", OLD_USER).ok
    gateway.add(OLD_USER, 5)
    assert gateway.vend(gateway.user_headers(OLD_USER)).status == 200
    found = verification.verify_user(gateway.ledger.table, "credits", OLD_USER)
    assert (found.findings, found.entries, found.available) == ([], 27, 6)
    kept = [entry.item() for entry in gateway.entries(OLD_USER)]
    assert kept[:25] == old("E#")
    assert not any(LATER.keys() & item.keys() or "format" in item for item in kept)


def test_an_entry_that_says_nothing_new_has_the_first_format() -> None:
    entry = next_entry(
        Account("ann", "credits"), Move("ann", "api_add", 5, 0, ORIGIN, pays_owed=True)
    )
    assert entry.item().keys() == {*FIRST_FACTS, "pk", "sk", "hash"} - {"reverses"}


# Format 2


def owing(available: int, owed: int) -> Account:
    return Account("ann", "credits", True, available, 0, seq=3, origin_salt="s", owed=owed)


@pytest.mark.parametrize(
    ("change", "stored"),
    [
        ({"owed": 7}, {"owed": 7, "owed_after": 7}),
        ({"product": "minutes@2", "units": 3}, {"product": "minutes@2", "units": 3}),
        ({"left": 0}, {"left": 0}),
    ],
)
def test_the_second_format_stores_what_it_says_and_is_hashed_over_that(
    change: dict[str, Any], stored: dict[str, Any]
) -> None:
    entry = next_entry(owing(5, 0), Move("ann", "spend", -1, 1, ORIGIN, "jti", **change))
    item = entry.item()
    assert {name: item[name] for name in LATER if name in item} == stored
    assert item["format"] == 2
    facts = {name: value for name, value in item.items() if name not in ("pk", "sk", "hash")}
    assert entry.hash == digest(facts)
    assert "reverses" not in facts
    assert read_entry(item) == entry
    assert readable(item) == entry


def test_an_entry_of_an_account_that_owes_says_so() -> None:
    entry = next_entry(owing(5, 30), Move("ann", "spend", -1, 1, ORIGIN, "jti"))
    assert (entry.owed, entry.owed_after) == (0, 30)
    assert entry.item()["owed_after"] == 30


@pytest.mark.parametrize(
    "edit",
    [
        {"owed": 1}, {"owed_after": 6}, {"product": "other@1"}, {"units": 4}, {"left": 1}, {"left": None},
        {"format": 1}, {"format": 3}, {"reverses": None},
    ],
)  # fmt: skip
def test_an_edit_of_a_new_member_is_found(edit: dict[str, Any]) -> None:
    made = {"owed": 7, "product": "minutes@2", "units": 3, "left": 0}
    entry = next_entry(owing(5, 0), Move("ann", "spend", -1, 1, ORIGIN, "jti", **made))
    assert readable(entry.item() | edit) is None


@pytest.mark.parametrize("name", LATER)
def test_a_default_is_not_stored(name: str) -> None:
    """An entry that stores one was edited."""
    entry = next_entry(owing(5, 0), Move("ann", "spend", -1, 1, ORIGIN, "jti"))
    assert readable(entry.item() | {name: LATER[name]}) is None


# What is owed


def once(gateway: Gateway, user: str) -> RequestOnce:
    return RequestOnce(gateway.ledger, Request(user, "test", fresh("key"), "", ORIGIN), {})


def overdraw(gateway: Gateway, user: str, owed: int) -> None:
    """Hold one credit, and charge `owed` more than that and the balance."""
    ledger, product = gateway.ledger, {"product": "minutes@1", "units": 1}
    subject = fresh("hold").ljust(22, "x")[:22] + ".1"
    placed = ledger.post(
        Move(user, "spend", -1, 1, ORIGIN, subject, **product), once(gateway, user)
    ).entry
    taken = ledger.account(user).available
    move = Move(user, "capture", -taken, -1, ORIGIN, subject, placed.seq, owed=owed, **product)
    ledger.post(move, once(gateway, user))
    assert ledger.account(user).owed == owed


def test_an_account_whose_first_entry_owes_says_so(gateway: Gateway) -> None:
    user = fresh("debtor")
    move = Move(user, "spend", 0, 0, ORIGIN, product="minutes@1", beyond=5, may_owe=True)
    gateway.ledger.post(move, once(gateway, user))
    assert gateway.ledger.account(user).owed == 5
    gateway.assert_explained(user)


@pytest.fixture
def debtor(gateway: Gateway) -> str:
    """A user who has nothing and owes 30."""
    user, _ = gateway.user(balance=4)
    overdraw(gateway, user, 30)
    return user


def figures(gateway: Gateway, user: str) -> tuple[int, int]:
    """What is available and what is owed, explained by the entries and verified."""
    gateway.assert_explained(user)
    assert verification.verify_user(gateway.ledger.table, "credits", user).findings == []
    account = gateway.ledger.account(user)
    return account.available, account.owed


def paid_by(gateway: Gateway, route: str, user: str, amount: int) -> Reply:
    body: dict[str, Any] = {"userId": user, "amount": amount, "reason": "paid"}
    headers = {
        "/v1/credits/add": gateway.api_key,
        "/add-credits": {"x-webhook-secret": gateway.rings["WEBHOOK_SECRET"].signing},
        "/admin/credits/add": gateway.admin,
    }[route]
    if route != "/admin/credits/add":
        body["transactionId"] = fresh("payment")
    return gateway.call("POST", route, body, headers=headers)


@pytest.mark.parametrize("route", ["/v1/credits/add", "/add-credits", "/admin/credits/add"])
def test_a_grant_pays_what_is_owed_first(gateway: Gateway, debtor: str, route: str) -> None:
    reply = paid_by(gateway, route, debtor, 20)
    assert (reply.status, reply.json["newBalance"]) == (200, 0)
    assert figures(gateway, debtor) == (0, 10)
    reply = paid_by(gateway, route, debtor, 25)
    assert reply.json["newBalance"] == 15
    assert figures(gateway, debtor) == (15, 0)
    last = gateway.entries(debtor)[-1]
    assert (last.amount, last.owed, last.owed_after, last.charged) == (15, -10, 0, -25)
    assert gateway.ledger.table.get(account_pk(debtor), account_sk("credits"))["owed"] == 0  # type: ignore[index]


def test_a_row_of_a_sheet_pays_what_is_owed_as_its_preview_says(
    gateway: Gateway, debtor: str
) -> None:
    sheet = f"user,amount,reason\n{debtor},20,paid\n{debtor},25,paid\n{debtor},-5,corrected\n"
    told = []
    for dry_run in ("true", "false"):
        reply = gateway.call(
            "POST",
            "/admin/adjustments",
            raw=sheet,
            headers={**gateway.admin, "content-type": "text/csv"},
            query={"dryRun": dry_run},
        )
        told.append([row["balance"] for row in reply.json["rows"]])
    assert told == [[0, 15, 10], [0, 15, 10]]
    assert figures(gateway, debtor) == (10, 0)


def test_an_undone_grant_leaves_owed_what_it_paid(gateway: Gateway, debtor: str) -> None:
    for amount, left in ((20, (0, 10)), (25, (15, 0))):
        paid_by(gateway, "/admin/credits/add", debtor, amount)
        assert figures(gateway, debtor) == left
    *_, first, second = gateway.entries(debtor)
    for entry, amount, left in ((second, -25, (0, 10)), (first, -20, (0, 30))):
        path = f"/admin/users/{debtor}/transactions/{entry.seq}/undo"
        reply = gateway.call("POST", path, {"reason": "wrong"}, headers=gateway.admin)
        assert (reply.status, reply.json["amount"]) == (200, amount)
        assert gateway.entries(debtor)[-1].type == "admin_deduct"
        assert figures(gateway, debtor) == left


def test_a_refund_of_a_hold_pays_nothing_that_is_owed(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=3)
    gateway.vend(headers)
    held = gateway.entries(user)[-1]
    overdraw(gateway, user, 9)
    move = Move(user, "refund", 1, -1, ORIGIN, held.subject, held.seq)
    gateway.ledger.post(move, once(gateway, user))
    account = gateway.ledger.account(user)
    assert (account.available, account.owed) == (1, 9)


def test_every_balance_answer_shows_what_is_owed(gateway: Gateway, debtor: str) -> None:
    user = gateway.user_headers(debtor)
    asked = (
        ("GET", "/v1/credits/balance", user),
        ("POST", "/v1/user/balance", user),
        ("GET", f"/user/{debtor}/balance", user),
        ("GET", f"/admin/users/{debtor}", gateway.admin),
    )
    for method, path, headers in asked:
        found = gateway.call(method, path, {}, headers=headers).json
        assert (found["balance"], found["owed"]) == (0, 30), path
    history = gateway.call("GET", f"/user/{debtor}/transactions", headers=user).json
    newest = history["transactions"][0]
    told = {name: newest[name] for name in ("amount", "heldChange", "owedChange", "owedAfter")}
    assert told == {"amount": -3, "heldChange": -1, "owedChange": 30, "owedAfter": 30}
    assert (newest["product"], newest["units"]) == ("minutes@1", 1)


def test_a_first_grant_of_a_missing_account_is_stored_without_owed(gateway: Gateway) -> None:
    user = fresh("payer")
    paid_by(gateway, "/add-credits", user, 5)
    stored = gateway.ledger.table.get(account_pk(user), account_sk("credits"))
    assert stored is not None and "owed" not in stored and "open_holds" not in stored


def test_a_first_move_that_owes_is_stored_with_what_is_owed(gateway: Gateway) -> None:
    user = fresh("owing")
    move = Move(user, "spend", 0, 0, ORIGIN, "jti", owed=7, product="minutes@1", units=1)
    gateway.ledger.post(move, once(gateway, user))
    assert gateway.ledger.account(user).owed == 7


# Verification and statistics


class Holder(Book):
    """An account whose holds have parts."""

    SUBJECT = "n" * 22 + ".1"

    def part(self, type: str, amount: int, held: int, after: Entry | None, **more: Any) -> Entry:
        act = replace(ORIGIN, at=self.at)
        named = after.seq if after else None
        move = Move(
            self.user, type, amount, held, act, self.SUBJECT, named,
            **({"product": "minutes@1", "units": 1} | more),
        )  # fmt: skip
        entry = next_entry(self.account, move)
        self.entries.append(entry)
        self.account = replace(
            self.account, exists=True, available=entry.available_after, held=entry.held_after,
            seq=entry.seq, head=entry.hash, owed=entry.owed_after,
        )  # fmt: skip
        return entry

    def findings(self) -> list[str]:
        found = findings_of(self.account, (entry.item() for entry in self.entries), [])
        return [f"{finding.kind} {finding.seq}" for finding in found]


def holder(balance: int = 100, held: int = 10) -> tuple[Holder, Entry]:
    book = Holder("ann")
    book.grant(balance)
    return book, book.part("spend", -held, held, None)


def test_a_hold_in_parts_is_explained() -> None:
    book, placed = holder()
    first = book.part("capture", 0, -3, placed, left=7)
    more = book.part("spend", -5, 5, first, left=12)
    last = book.part("capture", 4, -12, more)
    assert book.findings() == []
    assert [entry.charged for entry in (placed, first, more, last)] == [0, 3, 0, 8]
    found = folds.stats(folds.fold(book.entries).counts)  # type: ignore[union-attr]
    assert (found.spent, found.available, found.held, found.owed) == (11, 89, 0, 0)
    assert (found.holds_placed, found.holds_captured, found.holds_released) == (1, 1, 0)


def test_a_hold_that_is_released_after_a_part_gives_back_the_rest() -> None:
    book, placed = holder()
    part = book.part("capture", 0, -3, placed, left=7)
    book.part("refund", 7, -7, part)
    assert book.findings() == []
    found = folds.stats(folds.fold(book.entries).counts)  # type: ignore[union-attr]
    assert (found.spent, found.holds_captured, found.holds_released) == (3, 0, 1)


def test_what_is_owed_keeps_the_statistics_balanced() -> None:
    book, placed = holder(balance=12, held=10)
    book.part("capture", -2, -10, placed, owed=5, left=0)
    assert book.findings() == ["unresolved 3"]
    found = folds.stats(folds.fold(book.entries).counts)  # type: ignore[union-attr]
    assert (found.spent, found.owed, found.available, found.held) == (17, 5, 0, 0)
    assert found.issued + found.owed == found.spent + found.available + found.held


@pytest.mark.parametrize(
    ("type", "amount", "held", "more"),
    [
        ("capture", 0, -3, {}),
        ("capture", 0, -3, {"left": 8}),
        ("capture", 0, -11, {"left": -1}),
        ("capture", 1, -3, {"left": 7}),
        ("capture", -1, -3, {"left": 7}),
        ("capture", 11, -10, {}),
        ("capture", 3, -10, {"owed": 1}),
        ("capture", 3, -10, {"product": "", "units": 0}),
        ("refund", 10, -3, {}),
        ("refund", 9, -10, {}),
        ("refund", 10, -10, {"owed": 1}),
        ("spend", -5, 5, {"left": 14}),
        ("spend", -4, 5, {"left": 15}),
        ("spend", -4, 0, {}),
    ],
)
def test_a_part_that_does_not_fit_is_found(
    type: str, amount: int, held: int, more: dict[str, Any]
) -> None:
    book, placed = holder()
    wrong = book.part(type, amount, held, placed, **more)
    assert f"resolution {wrong.seq}" in book.findings()


def test_nothing_follows_a_hold_that_was_captured_to_its_end() -> None:
    book, placed = holder()
    end = book.part("capture", 4, -10, placed)
    again = book.part("capture", 0, 0, end)
    assert book.findings() == [f"resolution {again.seq}"]


@pytest.mark.parametrize(("owed", "is_explained"), [(0, True), (4, True), (-1, False)])
def test_a_back_ends_hold_may_be_charged_after_its_release(owed: int, is_explained: bool) -> None:
    book, placed = holder()
    released = book.part("refund", 10, -10, placed)
    first = book.part("spend", -6, 0, released, owed=max(0, owed))
    book.part("spend", -1, 0, first, owed=owed)
    assert ("resolution 5" not in book.findings()) is is_explained


def test_a_wrong_sum_of_what_is_owed_is_found() -> None:
    book, placed = holder()
    book.part("capture", 0, -10, placed, owed=5)
    assert book.findings() == []
    book.account = replace(book.account, owed=4)
    assert book.findings() == ["account None"]
    edited = replace(book.entries[-1], owed_after=6)
    items = [*(entry.item() for entry in book.entries[:-1]), edited.item()]
    found = findings_of(replace(book.account, owed=5), items, [])
    assert {finding.kind for finding in found} >= {"edited", "arithmetic"}


def test_what_an_entry_carries_for_a_hold_is_not_part_of_it() -> None:
    """An entry that carries requests of a hold is projected and verified as one that does not."""
    entry = next_entry(owing(5, 0), Move("ann", "spend", -1, 1, ORIGIN, "jti", left=3))
    assert readable(entry.item() | {CARRIED: b"requests of a hold"}) == entry
