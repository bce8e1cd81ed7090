"""The page for back ends: its program is run as it stands there, and its table has every error."""

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml

from local.settings import ROOT
from tests.e2e.conftest import App, bearer
from tests.support.terminal import Terminal

PAGE = (ROOT / "docs/holds.md").read_text(encoding="utf-8")
STEPS = {
    "code": "steps", "version": 0, "label": "Steps of a report", "unit": "call", "creditsPerUnit": 15,
    "mostUnits": 10, "scope": "steps:run", "audience": "writer", "lifetimeSeconds": 600,
    "graceSeconds": 60, "overage": "reject", "reason": "the page's product",
}  # fmt: skip


class BackEnd:
    """The page's program, with a key of its own and a user."""

    def __init__(self, app: App, folder: Path) -> None:
        (text,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
        self.program = folder / "stream.py"
        self.program.write_text(text)
        self.app = app
        admin = bearer(app.run["adminSecret"])
        if app.call("GET", "/admin/products/steps", headers=admin).status == 404:
            assert app.call("POST", "/admin/products", STEPS, headers=admin).status == 200
        body = {"description": "the page's back end", "scopes": ["holds:write"]}
        self.key = app.call("POST", "/admin/generate-key", body, headers=admin).json["key"]
        self.user, _ = app.device(balance=100)
        self.job = f"job-{uuid.uuid4().hex[:8]}"

    def start(self, **env: str) -> "subprocess.CompletedProcess[str]":
        given = {"GATEWAY": self.app.run["baseUrl"], "PLUCT_API_KEY": self.key, **env}
        return subprocess.run(
            [sys.executable, str(self.program), self.user, self.job],
            env=os.environ | given, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def balance(self) -> tuple[int, int, int]:
        account = self.app.ledger.account(self.user)
        return account.available, account.held, account.owed


@pytest.fixture
def backend(app: App, tmp_path: Path) -> BackEnd:
    return BackEnd(app, tmp_path)


def test_a_job_that_dies_after_three_steps_and_comes_back_costs_what_came(backend: BackEnd) -> None:
    died = backend.start(CRASH_AFTER="3")
    assert died.returncode == 70, died.stderr
    assert [line[0] for line in died.stdout.splitlines()] == ["1", "2", "3"]
    assert backend.balance() == (10, 45, 0), "three steps are paid, three are still held"
    back = backend.start()
    assert back.returncode == 0, back.stderr
    assert back.stdout == "4: and came back\n5: to its end.\n75 credits paid, 15 back\n"
    assert backend.balance() == (25, 0, 0)
    backend.app.assert_adds_up(backend.user)
    again = backend.start()
    assert again.stdout == "75 credits paid, 15 back\n"
    assert backend.balance() == (25, 0, 0)


def test_a_job_that_the_user_cannot_pay_does_not_begin(backend: BackEnd) -> None:
    admin = bearer(backend.app.run["adminSecret"])
    body = {"userId": backend.user, "amount": 20, "reason": "a test"}
    backend.app.call("POST", "/admin/deduct-credits", body, headers=admin)
    poor = backend.start()
    assert (poor.returncode, poor.stdout) == (1, "")
    assert poor.stderr == "The job costs up to 90 credits, and there are 80.\n"
    assert backend.balance() == (80, 0, 0)


def test_operators_list_and_end_a_hold(
    backend: BackEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.start(CRASH_AFTER="3")
    terminal = Terminal(tmp_path, monkeypatch)
    terminal.run_file(**backend.app.run)
    user, job = backend.user, backend.job
    (hold,) = terminal.ask("holds", "list", user)["holds"]
    assert (hold["holdId"], hold["reserved"], hold["committed"]) == (job, 45, 45)
    monkeypatch.setenv("COLUMNS", "80")
    table = terminal.say("holds", "list", user).stdout
    assert max(map(len, table.splitlines())) <= 80 and job in table.replace("\n", "")
    assert "6 x steps" in terminal.say("holds", "show", user, job).stdout
    story = terminal.say("transactions", "--user", user).stdout
    assert max(map(len, story.splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "200")
    story = terminal.say("transactions", "--user", user, "--product", "steps").stdout
    assert "1 x steps@1: step 3" in story and "-15" in story and "+90" in story
    words = ("holds", "end", user, job, "--reason", "the back end is gone")
    assert "Nothing was changed" in terminal.say(*words, typed="n\n").stderr
    assert backend.balance() == (10, 45, 0)
    ended = terminal.ask(*words, "--yes")
    assert (ended["hold"]["state"], ended["hold"]["released"], ended["replayed"]) == (
        "released", 45, False,
    )  # fmt: skip
    assert backend.balance() == (55, 0, 0)
    assert "It had ended before" in terminal.say(*words, "--yes").stdout
    assert terminal.ask("holds", "list", user)["holds"] == []
    assert len(terminal.ask("holds", "list", user, "--ended")["holds"]) == 1
    assert terminal.ask("holds", "end", user, "other", "--reason", "x", "--yes", code=4)[
        "code"
    ] == ("hold_not_found")
    assert backend.start().returncode == 1, "the back end is told that the hold has ended"


def test_the_page_has_every_error_of_the_routes() -> None:
    """Each code that `docs/openapi.yaml` has for holds is in the page's table."""
    described = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
    refused = described["components"]["responses"]["HoldRefused"]
    codes = set(re.findall(r"'code': \{'enum': \[(.*?)\]", str(refused))[0].split(", "))
    table = PAGE.partition("## Errors")[2].partition("\n## ")[0]
    assert {code.strip("'") for code in codes} <= set(re.findall(r"`(\w+)`", table))
