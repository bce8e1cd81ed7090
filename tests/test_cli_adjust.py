"""`pluct adjust`, `packs` and `payments show`, against a scripted gateway."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.answering import Answer, Answering, answering
from tests.support.terminal import Terminal

USER = {"ok": True, "balance": 5, "owed": 0}
ENTRY = {"seq": 7, "type": "admin_add", "amount": 10}
UNDONE = {"userId": "ann", "seq": 8, "amount": -10, "newBalance": 5}
PACK = {
    "packId": "p250", "version": 3, "label": "250 credits", "credits": 250, "bonus": 0, "dollars": 0,
    "prices": {"USD": 499}, "googleProductId": None, "appleProductId": None, "taxNote": "",
    "active": True, "editedAt": "2026-03-02T10:15:30.000Z",
}  # fmt: skip


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch)


@contextmanager
def gateway(terminal: Terminal, *answers: dict[str, Any]) -> Iterator[Answering]:
    with answering(*(Answer(200, {"ok": True, **members}) for members in answers)) as server:
        terminal.vars(ADMIN_SECRET="the-admin-secret", BASE_URL=server.url)
        yield server


def row(status: str, code: str = "") -> dict[str, Any]:
    named = {"line": 2, "id": "d:2", "userId": "ann", "amount": 10, "reason": "An outage"}
    return {**named, "status": status, "code": code, "balance": 15, "seq": None}


def bulk(status: str) -> dict[str, Any]:
    return {"dryRun": False, "file": "d", "counts": {status: 1}, "rows": [row(status)]}


def test_the_balance_after_a_deduction_is_said_before_the_question(terminal: Terminal) -> None:
    with gateway(terminal, USER) as server:
        result = terminal.say("adjust", "deduct", "ann", "3", "--reason", "typed twice")
    assert "5 -3 = 2" in result.stderr
    assert result.exit_code == 2
    assert [asked.method for asked in server.asked] == ["GET"]


def test_more_than_there_is_is_refused_before_the_question(terminal: Terminal) -> None:
    with gateway(terminal, USER) as server:
        result = terminal.say("adjust", "deduct", "ann", "6", "--reason", "typed twice", "--yes")
    assert result.exit_code == 6
    assert "ann has 5" in result.stderr
    assert [asked.method for asked in server.asked] == ["GET"]


def test_a_repeated_deduction_is_answered_by_the_gateway(terminal: Terminal) -> None:
    """The balance is the lower one of after the first attempt, whose answer was lost."""
    made = {"newBalance": 0, "seq": 7}
    with gateway(terminal, {**USER, "balance": 0}, made, {"transactions": [ENTRY]}) as server:
        words = ("adjust", "deduct", "ann", "6", "--reason", "r", "--yes", "--request-id", "k-1")
        assert terminal.say(*words).exit_code == 0
    assert server.asked[1].headers["idempotency-key"] == '"k-1"'


def test_a_transaction_is_undone_after_it_was_shown(terminal: Terminal) -> None:
    with gateway(terminal, {"transactions": [ENTRY], "nextCursor": None}, UNDONE) as server:
        result = terminal.say("adjust", "undo", "ann", "7", "--reason", "wrong user", "--yes")
    assert "admin_add +10" in result.stderr
    assert "-10, 5 now (entry 8)" in result.stdout
    assert server.asked[1].path == "/admin/users/ann/transactions/7/undo"
    assert server.asked[1].body == {"reason": "wrong user"}


def test_an_unknown_transaction_is_not_found(terminal: Terminal) -> None:
    with gateway(terminal, {"transactions": [{**ENTRY, "seq": 6}], "nextCursor": None}) as server:
        result = terminal.say("adjust", "undo", "ann", "7", "--reason", "r", "--yes")
    assert result.exit_code == 4
    assert len(server.asked) == 1


def test_a_file_is_shown_before_it_is_done(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("user,amount,reason\nann,10,An outage\n", encoding="utf-8")
    with gateway(terminal, bulk("would_do")) as server:
        assert terminal.say("adjust", "many", str(file)).exit_code == 2
        assert terminal.say("adjust", "many", str(file), "--dry-run").exit_code == 0
    assert {asked.path for asked in server.asked} == {"/admin/adjustments?dryRun=true"}
    with gateway(terminal, bulk("would_do"), bulk("done")) as server:
        result = terminal.say("adjust", "many", str(file), "--yes")
    assert (result.exit_code, "done 1" in result.stdout) == (0, True)
    assert server.asked[1].path == "/admin/adjustments"
    assert server.asked[1].headers["content-type"] == "text/csv"


@pytest.mark.parametrize("status", ["refused", "invalid", "not_reached"])
def test_a_row_that_was_not_done_makes_the_exit_code_1(
    status: str, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("user,amount,reason\nann,10,An outage\n", encoding="utf-8")
    with gateway(terminal, bulk("would_do"), bulk(status)):
        assert terminal.say("adjust", "many", str(file), "--yes").exit_code == 1


def test_an_edit_of_a_pack_is_the_next_version_with_the_rest_unchanged(terminal: Terminal) -> None:
    with gateway(terminal, {"packs": [PACK]}, {"pack": {**PACK, "version": 4}}) as server:
        words = ("packs", "edit", "p250", "--set", "price.KES=65000", "--set", "bonus=10")
        result = terminal.say(*words, "--reason", "Kenya", "--yes")
    assert "p250 is version 4 now" in result.stdout
    body = server.asked[1].body
    assert (body["version"], body["prices"], body["bonus"]) == (3, {"USD": 499, "KES": 65000}, 10)
    assert (body["credits"], body["googleProductId"], body["dollars"]) == (250, "", "0")


@pytest.mark.parametrize(
    "change", ["bonus=many", "colour=red", "price.USD=-1", "active=maybe", "label"]
)
def test_a_change_that_is_none_is_refused(change: str, terminal: Terminal) -> None:
    with gateway(terminal, {"packs": [PACK]}) as server:
        result = terminal.say("packs", "edit", "p250", "--set", change, "--reason", "r", "--yes")
    assert result.exit_code in (2, 7)
    assert len(server.asked) == 1


def test_a_payment_is_shown_with_every_member(terminal: Terminal) -> None:
    payment = {"provider": "stripe", "paymentId": "pi_1", "refundedMinor": 250, "payer": None}
    with gateway(terminal, {"payment": payment}) as server:
        shown = terminal.say("payments", "show", "stripe", "pi_1").stdout
    assert server.asked[0].path == "/admin/payments/stripe/pi_1"
    assert all(text in shown for text in ("Refunded minor", "250", "pi_1"))


def test_a_profile_is_replaced_by_an_object_alone(terminal: Terminal) -> None:
    stored = {"userId": "ann", "profile": {"theme": "dark"}, "updatedAt": None}
    with gateway(terminal, stored) as server:
        assert terminal.say("users", "profile", "ann", "--set", "[1]").exit_code == 7
        assert server.asked == []
        assert terminal.ask("users", "profile", "ann", "--set", '{"theme": "dark"}') == {
            "ok": True,
            **stored,
        }
    assert (server.asked[0].method, server.asked[0].body) == ("PUT", {"profile": {"theme": "dark"}})


def test_the_audit_is_filtered_and_shows_refusals(terminal: Terminal) -> None:
    record = {
        "timestamp": "2026-03-02T10:15:30.000Z", "userId": "ann", "action": "vend", "ok": False,
        "code": "insufficient_credits", "actor": "user:ann", "reason": "",
    }  # fmt: skip
    with gateway(terminal, {"records": [record], "nextCursor": None}) as server:
        shown = terminal.say(
            "audit", "--actor", "user:ann", "--outcome", "refused", "--from", "2026-03-01"
        ).stdout
    assert "insufficient_credits" in shown
    assert "outcome=refused" in server.asked[0].path
    assert "actor=user%3Aann" in server.asked[0].path
    assert "fromDay=2026-03-01" in server.asked[0].path
