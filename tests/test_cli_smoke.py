"""`pluct smoke`: every failing step ends the run with exit code 1 and one line that says why."""

from pathlib import Path
from typing import Any

import pytest

from cli import client, dotenv, endpoint
from cli.commands import smoke
from tests.support.answering import Answer, answering
from tests.support.terminal import Terminal

WHO = {"SMOKE_USER": "u_smoke", "SMOKE_REFRESH_SECRET": "rs_of_the_smoke_account"}
BALANCE = {"ok": True, "balance": 5, "heldCredits": 0}
SOLD = {"ok": True, "token": "t", "balanceAfter": 4, "requestId": "r-vend"}


def entry(
    seq: int, type_: str, amount: int, held: int, after: tuple[int, int], **more: str
) -> dict[str, Any]:
    given = {"subject": "jti-1", "requestId": f"r-{type_}", **more}
    sums = {"balanceAfter": after[0], "heldAfter": after[1]}
    return {"seq": seq, "type": type_, "amount": amount, "heldChange": held, **sums, **given}


START = entry(1, "api_add", 5, 0, (5, 0), subject="")
SPEND = entry(2, "spend", -1, 1, (4, 1), requestId="r-vend")
CAPTURE = entry(3, "capture", 0, -1, (4, 0))


def history(*entries: dict[str, Any]) -> Answer:
    return Answer(200, {"transactions": list(entries)})


GOOD = {
    "health": Answer(200, {"status": "ok", "version": "1", "build": {"ref": "abc"}}),
    "description": Answer(200, {"openapi": "3.1.0", "paths": {}}),
    "stranger": Answer(401),
    "device": Answer(200, {"userId": "u_smoke", "token": "t"}),
    "funds": Answer(200, BALANCE),
    "entries before": history(START),
    "balance": Answer(200, BALANCE),
    "entries after": history(START),
    "sold": Answer(200, SOLD),
    "sold again": Answer(200, SOLD),
    "job": Answer(202, {"jobId": "j-1"}),
    "ended": Answer(200, {"status": "completed", "text": "words"}),
    "settled": Answer(200, {"status": "completed", "credit": "captured"}),
    "history": history(CAPTURE, SPEND, START),
}


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr(client.Client.__init__, "__defaults__", (lambda _: None,))
    monkeypatch.setattr(smoke, "POLL_INTERVAL_S", 0)
    return Terminal(tmp_path, monkeypatch)


def run(terminal: Terminal, plan: dict[str, Answer], code: int, *words: str) -> dict[str, Any]:
    """The last step of a run against a gateway that gives the answers of `plan`."""
    with answering(*plan.values()) as server:
        terminal.vars(BASE_URL=server.url, **WHO)
        found = terminal.ask("smoke", *words, code=code)
    return found["steps"][-1]


def test_a_run_that_passes_ends_with_zero(terminal: Terminal) -> None:
    last = run(terminal, GOOD, 0)
    assert (last["ok"], last["result"]) == (True, "spend, capture")


@pytest.mark.parametrize(
    ("answer", "bad", "step", "line"),
    [
        ("health", Answer(200, {"status": "degraded"}), "the gateway is well", "its status is degraded"),
        ("health", Answer(500, {"message": "Broken."}), "the gateway is well", "Broken. (GET /hea"),
        ("description", Answer(200, {}), "it describes itself", "no OpenAPI document"),
        ("stranger", Answer(200, BALANCE), "a stranger is refused", "it answers 200 without a"),
        ("device", Answer(401, {"message": "No."}), "the device signs in", "No. (POST /v1/devices/t"),
        ("device", Answer(200, {}), "the device signs in", "The answer has no userId"),
        ("funds", Answer(200, {**BALANCE, "balance": 0}), "the account can pay", "is empty"),
        ("balance", Answer(200, {**BALANCE, "balance": 6}), "the balance is that of the history",
         "it shows 6 and 0 held, not 5 and 0"),
        ("entries after", history(SPEND), "the balance is that of the history", "no history"),
        ("sold", Answer(402, {"message": "No credits."}), "a token is sold, once", "No credits."),
        ("sold again", Answer(200, {**SOLD, "token": "u"}), "a token is sold, once",
         "the repeated call got another token"),
        ("job", Answer(403, {"message": "Used."}), "the token starts one job", "Used. (POST /ttt/"),
        ("ended", Answer(200, {"status": "failed", "message": "Private video."}), "the job ends",
         "it failed: Private video."),
        ("settled", Answer(200, {"credit": "held"}), "the credit is accounted for",
         "the credit is held, not captured"),
        ("history", history(START), "the history explains it", "it does not show the vend"),
        ("history", history(SPEND, START), "the history explains it", "it shows spend for one"),
        ("history", history(CAPTURE, SPEND, entry(1, "api_add", 5, 0, (6, 0), subject="")),
         "the history explains it", "entry 2 does not follow from entry 1"),
    ],
)  # fmt: skip
def test_a_failing_step_says_why(
    terminal: Terminal, answer: str, bad: Answer, step: str, line: str
) -> None:
    plan = {**GOOD, answer: bad}
    if answer == "entries after":  # The history stays empty.
        plan |= {"entries before": history(), "entries after": history()}
    last = run(terminal, plan, 1)
    assert (last["step"], last["ok"]) == (step, False)
    assert line in last["result"]


def test_a_job_that_does_not_end_fails_after_the_wait(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(smoke.time, "monotonic", lambda: next(clock))
    plan = {**GOOD, "ended": Answer(200, {"status": "processing"})}
    last = run(terminal, dict(list(plan.items())[:12]), 1, "--wait", "15")
    assert (last["step"], last["result"]) == ("the job ends", "not within 15 s")


def test_a_balance_that_another_run_changes_is_read_again(terminal: Terminal) -> None:
    """The other run spends between the first pair of reads; the next pair agrees."""
    between = Answer(200, {"ok": True, "balance": 4, "heldCredits": 1})
    moved = history(SPEND, START)
    plan = {**GOOD, "entries after": moved}
    again = {"entries 2": moved, "balance 2": between, "entries 3": moved}
    names = list(plan)
    at = names.index("sold")
    ordered = {name: plan[name] for name in names[:at]} | again
    ordered |= {name: plan[name] for name in names[at:]}
    assert run(terminal, ordered, 0)["ok"] is True


def test_the_table_marks_the_failed_step(terminal: Terminal) -> None:
    with answering(Answer(200, {"status": "degraded"})) as server:
        terminal.vars(BASE_URL=server.url, **WHO)
        result = terminal.say("smoke")
    assert result.exit_code == 1
    assert "FAILED" in result.stdout and "The smoke test failed." in result.stdout


def test_no_account_is_created_without_the_key_that_adds_credits(terminal: Terminal) -> None:
    """The gateway is not called, so no empty account is left behind."""
    with answering(Answer(201, {"userId": "u", "refreshSecret": "rs"})) as server:
        terminal.vars(BASE_URL=server.url)
        assert terminal.say("smoke-account").exit_code == 2
        assert server.asked == []


def test_credentials_of_the_smoke_test_are_never_imported_into_a_deployment() -> None:
    assert dotenv.secrets(dict.fromkeys(endpoint.SMOKE_CREDENTIALS, "value")) == {}
