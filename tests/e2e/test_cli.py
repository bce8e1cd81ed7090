"""`pluct` against the whole system over HTTP: what documents 000 and 001 promise, and operators' tasks."""

import csv
import io
import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.commands.transcribe import request_id
from engine.access.keyrings import key_name
from local.settings import ROOT
from tests.e2e.conftest import App, bearer
from tests.support.replays import timeless
from tests.support.terminal import Terminal

VIDEO = "https://www.tiktok.com/@scout2015/video/6718335390845095173"
DEADLINE_S = 30


@pytest.fixture
def terminal(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal(tmp_path, monkeypatch)
    found.run_file(**app.run)
    return found


def fresh() -> str:
    return f"cli-{uuid.uuid4().hex[:12]}"


def once(look: Callable[[], Any]) -> Any:
    """The first result of `look` that is not empty; the projector follows the ledger with a delay."""
    give_up_at = time.monotonic() + DEADLINE_S
    while time.monotonic() < give_up_at:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("the projector did not catch up")


def test_the_commands_of_document_000(app: App, terminal: Terminal) -> None:
    """Document 000: status, seed-credits, vend-token, balance and validate, in this order."""
    user = fresh()
    assert terminal.ask("status")["status"] == "ok"
    seeded = terminal.ask("seed-credits", user, "3")
    assert (seeded["newBalance"], seeded["way"]) == (3, "POST /v1/credits/add (ENGINE_ADMIN_KEY)")
    token = terminal.ask("vend-token", user)["token"]
    assert terminal.ask("balance", user)["balance"] == 2
    assert terminal.ask("validate", token)["ok"] is True
    assert terminal.say("validate", token + "x").exit_code == 3
    assert terminal.say("vend-token", user).stdout.count(".") == 2
    app.assert_adds_up(user)


def test_each_route_of_seed_credits_works_alone(app: App, terminal: Terminal) -> None:
    members = {"adminKey": "ENGINE_ADMIN_KEY", "adminSecret": "ADMIN_SECRET",
               "webhookSecret": "WEBHOOK_SECRET"}  # fmt: skip
    user = fresh()
    for n, (member, secret) in enumerate(members.items(), 1):
        others = {other: "not-this-one" for other in members if other != member}
        terminal.run_file(**{**app.run, **others})
        found = terminal.ask("seed-credits", user, "1")
        assert found["newBalance"] == n
        assert [step["ok"] for step in found["tried"]] == [False] * (n - 1) + [True]
        assert secret in found["way"]
    app.assert_adds_up(user)


def test_a_repeated_seed_adds_the_credits_once(app: App, terminal: Terminal) -> None:
    user = fresh()
    for _ in range(3):
        terminal.ask("seed-credits", user, "5", "--request-id", f"seed-{user}")
    assert terminal.ask("balance", user)["balance"] == 5
    assert (
        "added by an earlier call"
        in terminal.say("seed-credits", user, "5", "--request-id", f"seed-{user}").stdout
    )


def test_a_vend_without_credits_is_refused(terminal: Terminal) -> None:
    user = fresh()
    terminal.ask("seed-credits", user, "1")
    terminal.ask("vend-token", user)
    refused = terminal.ask("vend-token", user, code=6)
    assert (refused["code"], refused["ok"]) == ("insufficient_credits", False)
    assert terminal.say("balance", fresh()).exit_code == 4


def test_users_are_listed_searched_and_shown(terminal: Terminal) -> None:
    user = fresh()
    terminal.ask("seed-credits", user, "4")
    (found,) = once(lambda: terminal.ask("users", "search", user)["users"])
    assert (found["userId"], found["balance"]) == (user, 4)
    assert user in terminal.say("users", "search", user[:8]).stdout
    newest = terminal.ask("users", "list", "--sort", "newest", "--limit", "1")
    assert len(newest["users"]) == 1
    everybody = terminal.ask("users", "list", "--limit", "2", "--all")
    assert user in {one["userId"] for one in everybody["users"]}
    assert everybody["nextCursor"] is None
    story = terminal.say("users", "show", user)
    assert "api_add" in story.stdout and "The ledger adds up." in story.stdout
    assert terminal.ask("users", "show", fresh(), code=4)["code"] == "not_found"
    assert "no such users" in terminal.say("users", "search", "zzzz-nobody").stdout


def test_an_adjustment_shows_before_and_after_and_happens_once(
    app: App, terminal: Terminal
) -> None:
    user = fresh()
    added = terminal.ask("adjust", "add", user, "5", "--reason", "a gift", "--yes")
    assert (added["balanceBefore"], added["newBalance"], added["replayed"]) == (0, 5, False)
    words = ("adjust", "deduct", user, "2", "--reason", "a mistake", "--yes", "--request-id", user)
    first, second = terminal.ask(*words), terminal.ask(*words)
    assert (first["balanceBefore"], first["newBalance"], first["replayed"]) == (5, 3, False)
    assert {**second, "replayed": False} == first and second["replayed"] is True
    assert "nothing was changed now" in terminal.say(*words).stdout
    other = ("adjust", "deduct", user, "1", "--reason", "another", "-y", "--request-id", user)
    assert terminal.ask(*other, code=7)["code"] == "idempotency_key_reused"
    poor = ("adjust", "deduct", user, "99", "--reason", "too much", "-y")
    assert terminal.ask(*poor, code=6)["code"] == "insufficient_credits"
    entries = app.ledger.entries(user, limit=10)
    assert [(entry.type, entry.amount, entry.reason) for entry in entries] == [
        ("admin_deduct", -2, "a mistake"),
        ("admin_add", 5, "a gift"),
    ]
    app.assert_adds_up(user)


def test_an_adjustment_says_what_it_pays_of_what_is_owed(app: App, terminal: Terminal) -> None:
    user = fresh()
    terminal.ask("seed-credits", user, "2")
    app.owe(user, 5)
    shown = terminal.say("adjust", "add", user, "20", "--reason", "a gift", typed="n\n").stderr
    assert "2 +20 = 17 (5 of it pays what is owed)" in shown
    assert terminal.ask("balance", user)["owed"] == 5
    assert "Owed" in terminal.say("users", "show", user).stdout
    added = terminal.ask("adjust", "add", user, "20", "--reason", "a gift", "--yes")
    assert (added["balanceBefore"], added["newBalance"]) == (2, 17)
    assert terminal.ask("balance", user)["owed"] == 0
    app.assert_adds_up(user)


def test_products_are_listed_edited_and_switched_off(terminal: Terminal) -> None:
    code = f"p{uuid.uuid4().hex[:8]}"
    members = {"label": "Summary", "creditsPerUnit": "25", "mostUnits": "20", "audience": "writer",
               "scope": "write:summary"}  # fmt: skip
    given = [word for name, value in members.items() for word in ("--set", f"{name}={value}")]
    made = terminal.ask("products", "edit", code, "--new", *given, "--reason", "sell it", "--yes")
    assert (made["product"]["version"], made["product"]["creditsPerUnit"]) == (1, 25)
    dearer = ("products", "edit", code, "--set", "creditsPerUnit=30", "--reason", "costs rose")
    asked = terminal.say(*dearer, typed="n\n")
    assert "Nothing was changed" in asked.stderr
    assert terminal.ask("products", "show", code)["versions"][0]["creditsPerUnit"] == 25
    shown = terminal.say(*dearer, "--yes").stdout
    assert [row.split() for row in shown.splitlines() if "creditsPerUnit" in row] == [
        ["creditsPerUnit", "25", "30"]
    ]
    assert "250 credits" in shown and "300 credits" in shown and "at most 20" in shown
    assert "is so already" in terminal.say(*dearer, "--yes").stderr
    off = terminal.ask("products", "off", code, "--reason", "sold out", "--yes")["product"]
    assert (off["version"], off["active"]) == (3, False)
    table = terminal.say("products", "list").stdout
    assert "transcript" in table and code in table
    versions = terminal.say("products", "show", code).stdout
    assert "30 credits a call" in versions and "Price of 10" in versions
    assert terminal.ask("products", "show", "nothing", code=4)["code"] == "product_not_found"


@pytest.mark.parametrize(
    "change", ["creditsPerUnit=-1", "creditsPerUnit=x", "active=yes", "colour=red", "label"]
)
def test_a_change_of_a_product_that_is_none_is_not_sent(terminal: Terminal, change: str) -> None:
    words = ("products", "edit", "transcript", "--set", change, "--reason", "x", "--yes")
    assert terminal.say(*words).exit_code in (2, 7)
    assert terminal.ask("products", "show", "transcript")["versions"][0]["version"] == 1


@pytest.mark.parametrize("words", [(), ("--reason", " ")])
def test_an_adjustment_needs_a_reason(terminal: Terminal, words: tuple[str, ...]) -> None:
    assert terminal.say("adjust", "add", fresh(), "1", *words, "--yes").exit_code == 2


def test_an_adjustment_without_confirmation_changes_nothing(app: App, terminal: Terminal) -> None:
    user = fresh()
    result = terminal.say("adjust", "add", user, "1", "--reason", "x", typed="n\n")
    assert (result.exit_code, "Nothing was changed" in result.stderr) == (2, True)
    assert terminal.say("adjust", "add", user, "1", "--reason", "x", "--json").exit_code == 2
    assert app.ledger.entries(user, limit=1) == []


def test_transactions_are_filtered_paged_and_printed_as_csv(terminal: Terminal) -> None:
    user = fresh()
    for n in range(3):
        terminal.ask("adjust", "add", user, str(n + 1), "--reason", "=1+1", "--yes")
    terminal.ask("adjust", "deduct", user, "1", "--reason", "back", "--yes")
    mine = ("transactions", "--user", user)
    found = once(lambda: [t for t in [terminal.ask(*mine)["transactions"]] if len(t) == 4])[0]
    assert [one["amount"] for one in found] == [-1, 3, 2, 1]
    deducted = terminal.ask(*mine, "--type", "admin_deduct")["transactions"]
    assert [one["reason"] for one in deducted] == ["back"]
    page = terminal.ask(*mine, "--limit", "1")
    rest = terminal.ask(*mine, "--limit", "1", "--all", "--cursor", str(page["nextCursor"]))
    assert page["transactions"] + rest["transactions"] == found
    today = time.strftime("%Y-%m-%d", time.gmtime())
    once(lambda: terminal.ask("transactions", "--day", today, "--all")["transactions"])
    sheet = terminal.say(*mine, "--csv", "--limit", "1", "--all").stdout
    rows = list(csv.DictReader(io.StringIO(sheet)))
    assert [row["amount"] for row in rows] == ["'-1", "3", "2", "1"] or [
        row["amount"] for row in rows
    ] == ["-1", "3", "2", "1"]
    assert all(not row["reason"].startswith("=") for row in rows)
    assert terminal.say(*mine, "--csv", "--json").exit_code == 2
    table = terminal.say(*mine).stdout
    assert "admin_deduct" in table and "+3" in table
    assert "no such transactions" in terminal.say("transactions", "--user", fresh()).stdout


def test_a_key_is_generated_used_listed_and_revoked(app: App, terminal: Terminal) -> None:
    result = terminal.say("keys", "generate", "for a backend", "--scope", "credits:write")
    key = result.stdout.strip()
    assert key.startswith("pk_live_")
    user = fresh()
    body = {"userId": user, "amount": 2}
    added = app.call("POST", "/v1/credits/add", body, headers={"x-api-key": key})
    assert added.status == 200, added.text
    listed = terminal.ask("keys", "list")["keys"]
    (mine,) = [one for one in listed if key.startswith(one["hint"])]
    assert "for a backend" in terminal.say("keys", "list").stdout
    assert key not in terminal.say("keys", "list").stdout
    assert terminal.say("keys", "revoke", mine["id"]).exit_code == 2
    terminal.ask("keys", "revoke", mine["id"], "--yes")
    after = app.call("POST", "/v1/credits/add", body, headers={"x-api-key": key})
    assert after.status == 401
    assert terminal.say("keys", "revoke", "key_0000000000000000", "--yes").exit_code == 4


def test_a_repeated_transcription_is_charged_once(app: App, terminal: Terminal) -> None:
    user = fresh()
    terminal.ask("seed-credits", user, "2")
    first = terminal.ask("transcribe", VIDEO, "--user", user)
    assert (first["status"], first["credit"], len(first["text"]) > 100) == (
        "completed",
        "captured",
        True,
    )
    again = terminal.say("transcribe", VIDEO + "?is_from_webapp=1", "--user", user)
    assert again.stdout.strip() == first["text"]
    assert "Already paid" in again.stderr
    assert terminal.ask("balance", user)["balance"] == 1
    by_job = terminal.ask("transcribe", VIDEO, "--user", user, "--job", first["jobId"])
    assert by_job["text"] == first["text"]
    terminal.ask("transcribe", VIDEO, "--user", user, "--again", "1")
    assert terminal.ask("balance", user)["balance"] == 0
    refused = terminal.ask("transcribe", VIDEO, "--user", user, "--again", "2", code=6)
    assert refused["code"] == "insufficient_credits"
    app.assert_adds_up(user)


def test_no_credit_is_spent_for_an_address_that_is_not_a_video(
    app: App, terminal: Terminal
) -> None:
    user = fresh()
    terminal.ask("seed-credits", user, "1")
    for url in ("https://example.com/x", "not an address", "https://www.tiktok.com/@ann"):
        assert terminal.ask("transcribe", url, "--user", user, code=7)["code"] == "invalid_url"
    assert app.ledger.account(user).available == 1


def test_every_form_of_a_video_address_has_the_same_request_id() -> None:
    ids = {request_id("ann", url, 0) for url in (VIDEO, VIDEO + "?x=1", VIDEO + "/")}
    assert len(ids) == 1
    assert request_id("ann", VIDEO, 1) not in ids and request_id("bob", VIDEO, 0) not in ids


def test_meta_shows_a_video_or_the_reason_of_the_failure(terminal: Terminal) -> None:
    assert terminal.ask("meta", "https://example.com/", code=7)["code"] == "invalid_url"
    result = terminal.say("meta", VIDEO)
    assert result.exit_code in (0, 4)


def test_a_rotation_logs_no_client_out(app: App, terminal: Terminal) -> None:
    user, headers = app.device(balance=4)
    sold = app.vend(headers, "before")
    for name in ("ENGINE_JWT_SECRET", "VEND_JWT_SECRET"):
        terminal.ask("secrets", "rotate", name)
    assert timeless(app.vend(headers, "before").text) == timeless(sold.text)
    assert app.vend(headers, "after").status == 200
    fresh_user, fresh_headers = app.device(balance=1)
    assert app.vend(fresh_headers).status == 200
    ticket = bearer(sold.json["token"])
    assert app.call("POST", "/ttt/transcribe", {"url": VIDEO}, headers=ticket).status == 202
    listed = {one["name"]: one for one in terminal.ask("secrets", "list")["secrets"]}
    assert len(listed["VEND_JWT_SECRET"]["keys"]) == 2
    assert listed["VEND_JWT_SECRET"]["inUse"] == key_name(app.run["vendJwtSecret"])
    for known in (user, fresh_user):
        app.assert_adds_up(known)


def test_the_installed_command_runs_and_logs_no_secret(app: App, tmp_path: Path) -> None:
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "run.json").write_text(json.dumps(app.run))
    unset = {"BASE_URL", "PLUCT_LOG", "ENGINE_ADMIN_KEY"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    user = fresh()
    for words in (["seed-credits", user, "1"], ["status"], ["balance", "nobody-at-all"]):
        done = subprocess.run(
            [ROOT / ".venv" / "bin" / "pluct", *words], cwd=tmp_path, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == (4 if "balance" in words else 0), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    log = (tmp_path / "logs" / "cli.log").read_text()
    assert "call POST /v1/credits/add 200" in log and "end balance exit=4" in log
    secrets = [value for name, value in app.run.items() if name.endswith(("Key", "Secret"))]
    assert [secret for secret in secrets if secret in log] == []
