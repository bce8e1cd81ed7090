"""`pluct notices`, against a scripted gateway."""

from pathlib import Path

import pytest

from cli.exit_codes import NOT_FOUND, USAGE
from tests.support.answering import Answer, answering
from tests.support.terminal import Terminal

ID = "msg_001772446530_wI1qbb3k5vC2T1cJ0x9m2A"
FAILED = {
    "id": ID, "userId": "user-1", "type": "credits.low", "state": "failed", "data": {},
    "timestamp": "2026-03-02T10:15:30.000Z", "nextAttemptAt": None,
    "attempts": [{"timestamp": "2026-03-02T10:15:31.000Z", "outcome": "503"}],
}  # fmt: skip
REPLAY = ("notices", "replay", f"user-1/{ID}", "--reason", "it was down")


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal(tmp_path, monkeypatch)
    made.vars(ADMIN_SECRET="the-admin-secret")
    return made


def test_notices_that_failed_are_listed_with_their_last_answer(terminal: Terminal) -> None:
    page = {"ok": True, "isOn": True, "notices": [FAILED], "nextCursor": "next"}
    with answering(Answer(200, page), Answer(200, page)) as server:
        terminal.vars(ADMIN_SECRET="the-admin-secret", BASE_URL=server.url)
        shown = terminal.say("notices", "list")
        found = terminal.ask("notices", "list", "--user", "user-1", "--json")
    assert all(text in shown.stdout for text in (f"user-1/{ID}", "credits.low", "503"))
    assert found == {"ok": True, "notices": [FAILED], "nextCursor": "next"}
    queries = [asked.path.partition("?")[2] for asked in server.asked]
    assert queries == ["state=failed&limit=50", "user=user-1&limit=50"]
    assert terminal.say("notices", "list", "--state", "lost").exit_code == USAGE


def test_notices_are_sent_again_and_an_expired_one_is_reported(terminal: Terminal) -> None:
    answer = {"userId": "user-1", "id": ID, "state": "pending"}
    answers = [{"ok": True, "notices": [{**answer, "state": s}]} for s in ("pending", "not_found")]
    with answering(*(Answer(200, one) for one in answers)) as server:
        terminal.vars(ADMIN_SECRET="the-admin-secret", BASE_URL=server.url)
        assert terminal.say(*REPLAY).exit_code == USAGE
        sent = terminal.say(*REPLAY, "--yes")
        expired = terminal.say(*REPLAY, "--yes")
    assert (sent.exit_code, "pending" in sent.stdout) == (0, True)
    assert (expired.exit_code, "not_found" in expired.stdout) == (NOT_FOUND, True)
    body = {"notices": [f"user-1/{ID}"], "reason": "it was down"}
    assert [asked.body for asked in server.asked] == [body, body]
