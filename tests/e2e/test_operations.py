"""Read models from the stream, the check of the ledger, and the command line."""

import json
import os
import subprocess
import sys
import time
from typing import Any

from local.settings import ROOT
from tests.e2e.conftest import App, bearer

DEADLINE_S = 30


def story(app: App, user: str) -> dict[str, Any]:
    """The admin's view of a user, when the projector has caught up with the ledger."""
    give_up_at = time.monotonic() + DEADLINE_S
    while time.monotonic() < give_up_at:
        found = app.call("GET", f"/admin/users/{user}", headers=bearer(app.run["adminSecret"])).json
        totals, newest = found["totals"], found["transactions"][0]
        if totals is not None and totals["upToSeq"] == newest["seq"]:
            return found
        time.sleep(0.1)
    raise AssertionError("the projector did not catch up")


def audited(app: App, user: str) -> list[dict[str, Any]]:
    path = f"/admin/audit?user={user}"
    return app.call("GET", path, headers=bearer(app.run["adminSecret"])).json["records"]


def test_the_projector_follows_the_ledger_and_the_check_is_clean(app: App) -> None:
    user, headers = app.device(balance=2)
    assert app.vend(headers).status == 200
    found = story(app, user)
    assert found["verification"]["ok"] is True
    (record,) = audited(app, user)
    assert (record["action"], record["ok"], record["actor"]) == ("vend", True, f"user:{user}")


def test_the_command_line_checks_the_whole_ledger(app: App, tmp_path: Any) -> None:
    run_file = tmp_path / "run.json"
    run_file.write_text(json.dumps(app.run))
    command = [
        sys.executable,
        "-m",
        "cli",
        "ledger",
        "verify",
        "--json",
        "--run-file",
        str(run_file),
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
