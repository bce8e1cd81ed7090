"""`pluct smoke` against the whole system: in the local run, and as a deployment's own smoke test."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.settings import ROOT
from tests.e2e.conftest import App, bearer
from tests.support.terminal import Terminal

STEPS = 11


class Deployment:
    """A terminal that treats the run as a deployment: an address, and credentials from the environment."""

    def __init__(self, app: App, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.app = app
        self.patch = patch
        self.terminal = Terminal(folder, patch)
        patch.setenv("BASE_URL", app.run["baseUrl"])
        patch.setenv("ENGINE_ADMIN_KEY", app.run["adminKey"])
        made = self.terminal.say("smoke-account", "--credits", "12")
        assert made.exit_code == 0, made.output
        self.secrets = dict(line.split("=", 1) for line in made.stdout.splitlines())
        self.user = self.secrets["SMOKE_USER"]
        patch.delenv("ENGINE_ADMIN_KEY")
        for name, value in self.secrets.items():
            patch.setenv(name, value)

    def steps(self, code: int = 0) -> dict[str, str]:
        found = self.terminal.ask("smoke", code=code)
        assert found["ok"] is (code == 0)
        return {step["step"]: step["result"] for step in found["steps"]}

    @property
    def account(self) -> tuple[int, int]:
        found = self.app.ledger.account(self.user)
        return found.available, found.held

    @property
    def types(self) -> list[str]:
        return [entry.type for entry in self.app.ledger.entries(self.user, limit=100)[::-1]]


@pytest.fixture
def deployment(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    return Deployment(app, tmp_path, monkeypatch)


def test_a_local_run_needs_no_options(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(tmp_path, monkeypatch)
    terminal.run_file(**app.run)
    found = terminal.ask("smoke")
    assert found["ok"] is True
    assert len(found["steps"]) == STEPS and all(step["ok"] for step in found["steps"])


def test_a_smoke_test_needs_one_device_secret_and_spends_one_credit(
    deployment: Deployment,
) -> None:
    assert set(deployment.secrets) == {"SMOKE_USER", "SMOKE_REFRESH_SECRET"}
    assert deployment.account == (12, 0)
    for left in (11, 10):
        found = deployment.steps()
        assert len(found) == STEPS
        assert found["the account can pay"] == f"{left + 1} credits"
        assert deployment.account == (left, 0)
    assert deployment.types == ["user_creation", "api_add", *(["spend", "capture"] * 2)]
    deployment.app.assert_adds_up(deployment.user)


def test_with_an_api_key_the_smoke_test_adds_its_credit_first(deployment: Deployment) -> None:
    deployment.patch.setenv("ENGINE_ADMIN_KEY", deployment.app.run["adminKey"])
    assert deployment.steps()["the history explains it"] == "api_add, spend, capture"
    assert deployment.account == (12, 0)


def test_two_concurrent_smoke_tests_pass(deployment: Deployment) -> None:
    environ = {**os.environ, **deployment.secrets, "BASE_URL": deployment.app.run["baseUrl"],
               "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "layers/engine")))}  # fmt: skip
    command = [sys.executable, "-m", "cli", "smoke", "--json"]
    runs = [
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    results: list[Any] = [json.loads(run.communicate()[0]) for run in runs]
    assert [found["ok"] for found in results] == [True] * 3, results
    assert deployment.account == (9, 0)


def test_an_interrupted_smoke_test_does_not_fail_the_next(deployment: Deployment) -> None:
    """It leaves a held credit, which the sweeper releases after the token's end."""
    signed_in = deployment.app.call(
        "POST",
        "/v1/devices/token",
        {"userId": deployment.user, "refreshSecret": deployment.secrets["SMOKE_REFRESH_SECRET"]},
    )
    assert deployment.app.vend(bearer(signed_in.json["token"])).status == 200
    assert deployment.account == (11, 1)
    assert deployment.steps()["the balance is that of the history"] == "11 and 1 held"
    assert deployment.account == (10, 1)


def test_an_empty_account_is_reported_with_its_remedy(deployment: Deployment) -> None:
    body = {"userId": deployment.user, "amount": 12, "reason": "emptied"}
    admin = bearer(deployment.app.run["adminSecret"])
    assert deployment.app.call("POST", "/admin/deduct-credits", body, headers=admin).status == 200
    said = deployment.steps(code=1)["the account can pay"]
    assert said == f"the account is empty: `pluct seed-credits {deployment.user} 100`"


def test_its_device_secret_gives_access_to_its_own_account_only(deployment: Deployment) -> None:
    """The secret signs in no other user, adds no credit and reads no admin list."""
    other, _ = deployment.app.device(balance=1)
    secret = deployment.secrets["SMOKE_REFRESH_SECRET"]
    call = deployment.app.call
    taken = {"userId": other, "refreshSecret": secret}
    assert call("POST", "/v1/devices/token", taken).status == 401
    own = {"userId": deployment.user, "refreshSecret": secret}
    token = bearer(call("POST", "/v1/devices/token", own).json["token"])
    grant = {"userId": deployment.user, "amount": 1, "reason": "x"}
    assert call("POST", "/v1/credits/add", grant, headers=token).status == 401
    assert call("GET", f"/user/{other}/transactions", headers=token).status == 404
    assert call("GET", "/admin/users", headers=token).status == 401
    assert deployment.account == (12, 0)


@pytest.mark.parametrize("name", ["SMOKE_USER", "SMOKE_REFRESH_SECRET"])
def test_an_invalid_secret_fails_at_sign_in(deployment: Deployment, name: str) -> None:
    deployment.patch.setenv(name, deployment.secrets[name][:-1] + "_")
    assert "401" in deployment.steps(code=1)["the device signs in"]
    deployment.patch.delenv(name)
    said = deployment.steps(code=1)["the device signs in"]
    assert said == f"{name} not set: `pluct smoke-account` creates them"


def test_no_secret_is_logged(deployment: Deployment) -> None:
    deployment.steps()
    assert "POST /v1/devices/token" in deployment.terminal.log
    assert deployment.secrets["SMOKE_REFRESH_SECRET"] not in deployment.terminal.log
