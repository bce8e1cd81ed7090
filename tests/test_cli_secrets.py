"""`pluct secrets`: list, rotate, retire and import; no command shows a value."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from engine.access import keyrings, ring_store
from engine.access.keyrings import KEEP_S, Key, KeyRings, key_name
from engine.access.ring_store import Stored
from engine.access.rotation import STAGE_S
from engine.platform.times import DAY_S
from local.engine import json_client
from tests.support import deployed
from tests.support.gateway import Gateway
from tests.support.terminal import Terminal

NUMBERS = iter(range(1000))


class Parameters:
    """The parameters of a deployment, and a terminal that works on them."""

    def __init__(self, endpoint: str, terminal: Terminal) -> None:
        self.prefix = f"/cli-secrets-{next(NUMBERS)}/"
        self.terminal = terminal
        self.ssm: Any = json_client("ssm", endpoint)
        terminal.run_file(
            baseUrl="http://127.0.0.1:9", engineUrl=endpoint, secretsPrefix=self.prefix
        )

    def put(self, **secrets: Key) -> None:
        for name, key in secrets.items():
            value = ring_store.document(Stored((key,)))
            self.ssm.put_parameter(Name=self.prefix + name, Value=value, Type="SecureString")

    def keys(self, name: str) -> tuple[Key, ...]:
        path = self.prefix + name
        found = self.ssm.get_parameter(Name=path, WithDecryption=True)["Parameter"]
        assert found["Type"] == "SecureString"
        return keyrings.parse(found["Value"])

    def secrets(self, name: str) -> list[str]:
        return [key.secret for key in self.keys(name)]


def made(secret: str, days_ago: int = 1) -> Key:
    at = int(time.time()) - days_ago * DAY_S
    return Key(secret, at, at)


@pytest.fixture
def parameters(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parameters:
    return Parameters(endpoint, Terminal(tmp_path, monkeypatch))


def test_an_import_says_what_was_created_kept_and_replaced(parameters: Parameters) -> None:
    parameters.put(ADMIN_SECRET=made("the-admin-secret"), WEBHOOK_SECRET=made("generated-webhook"))
    parameters.terminal.vars(
        ADMIN_SECRET="the-admin-secret",
        WEBHOOK_SECRET="the-webhook-secret",
        TTT_SHARED_SECRET="the-secret-of-ttt",
    )
    found = parameters.terminal.ask("secrets", "import")
    assert {one["name"]: one["done"] for one in found["secrets"]} == {
        "ENGINE_ADMIN_KEY": "created",
        "ADMIN_SECRET": "kept",
        "WEBHOOK_SECRET": "replaced",
        "TTT_SHARED_SECRET": "created",
    }
    assert parameters.secrets("WEBHOOK_SECRET") == ["generated-webhook", "the-webhook-secret"]
    assert parameters.secrets("TTT_SHARED_SECRET") == ["the-secret-of-ttt"]
    assert parameters.keys("WEBHOOK_SECRET")[1].imported
    again = parameters.terminal.ask("secrets", "import")
    assert {one["done"] for one in again["secrets"]} == {"kept"}


def test_older_names_are_read_where_the_preferred_one_is_missing(parameters: Parameters) -> None:
    parameters.terminal.vars(
        ENGINE_SHARED_SECRET="shared-by-two-services",
        ADMIN_API_KEY="the-key-of-admins",
        EMPTY="",
        OTHER="x",
    )
    found = parameters.terminal.ask("secrets", "import")["secrets"]
    assert {one["name"]: one["from"] for one in found} == {
        "ENGINE_JWT_SECRET": "ENGINE_SHARED_SECRET",
        "ENGINE_ADMIN_KEY": "ADMIN_API_KEY",
        "TTT_SHARED_SECRET": "ENGINE_SHARED_SECRET",
    }
    parameters.terminal.vars(
        JWT_SECRET="secret-of-user-tokens",
        ENGINE_SHARED_SECRET="shared-by-two-services",
        ENGINE_ADMIN_KEY="another-key-of-admins",
    )
    found = parameters.terminal.ask("secrets", "import")["secrets"]
    assert found[0] == {"name": "ENGINE_JWT_SECRET", "from": "JWT_SECRET", "done": "replaced"}
    assert parameters.secrets("ENGINE_JWT_SECRET") == [
        "shared-by-two-services",
        "secret-of-user-tokens",
    ]


def test_a_dry_run_writes_nothing(parameters: Parameters) -> None:
    parameters.put(WEBHOOK_SECRET=made("before"))
    parameters.terminal.vars(WEBHOOK_SECRET="after-the-import", ADMIN_SECRET="a-new-admin-secret")
    result = parameters.terminal.say("secrets", "import", "--dry-run")
    assert (result.exit_code, "nothing was written" in result.stdout) == (0, True)
    assert parameters.secrets("WEBHOOK_SECRET") == ["before"]
    found = parameters.ssm.get_parameters(Names=[parameters.prefix + "ADMIN_SECRET"])
    assert found["Parameters"] == []


def test_an_imported_key_signs_after_every_function_has_read_it(parameters: Parameters) -> None:
    parameters.put(ENGINE_JWT_SECRET=made("generated"))
    parameters.terminal.vars(ENGINE_JWT_SECRET="imported-secret-1")
    parameters.terminal.ask("secrets", "import")
    ring = KeyRings(parameters.ssm, parameters.prefix, ("ENGINE_JWT_SECRET",))["ENGINE_JWT_SECRET"]
    assert (ring.signing, ring.matches("imported-secret-1")) == ("generated", True)
    later = KeyRings(
        parameters.ssm,
        parameters.prefix,
        ("ENGINE_JWT_SECRET",),
        clock=lambda: time.time() + STAGE_S,
    )
    assert later["ENGINE_JWT_SECRET"].signing == "imported-secret-1"


def test_a_secret_shared_with_another_service_is_used_at_once(parameters: Parameters) -> None:
    parameters.put(TTT_SHARED_SECRET=made("before"))
    parameters.terminal.vars(TTT_SHARED_SECRET="agreed-with-ttt-1")
    parameters.terminal.ask("secrets", "import")
    ring = KeyRings(parameters.ssm, parameters.prefix, ("TTT_SHARED_SECRET",))["TTT_SHARED_SECRET"]
    assert ring.signing == "agreed-with-ttt-1"


@pytest.mark.parametrize("value", ["abc", "-----BEGIN PUBLIC KEY-----MFkwEwYHKoZIzj0"])
def test_an_unfit_secret_is_refused_with_its_reason_and_nothing_is_written(
    parameters: Parameters, value: str
) -> None:
    parameters.put(ADMIN_SECRET=made("the-admin-secret"))
    parameters.terminal.vars(ADMIN_SECRET="a-good-admin-secret", JWT_SECRET_CLOUD=value)
    result = parameters.terminal.say("secrets", "import")
    assert result.exit_code != 0 and "JWT_SECRET_CLOUD is refused: it" in result.stderr
    assert value not in result.stderr
    assert parameters.secrets("ADMIN_SECRET") == ["the-admin-secret"]


def test_a_retired_key_can_be_imported_again(parameters: Parameters) -> None:
    parameters.put(WEBHOOK_SECRET=made("webhook-secret-1"))
    for value in ("webhook-secret-2", "webhook-secret-1", "webhook-secret-2"):
        parameters.terminal.vars(WEBHOOK_SECRET=value)
        parameters.terminal.ask("secrets", "import")
    assert parameters.secrets("WEBHOOK_SECRET") == ["webhook-secret-1", "webhook-secret-2"]
    parameters.terminal.ask("secrets", "retire", "WEBHOOK_SECRET", key_name("webhook-secret-1"))
    parameters.terminal.vars(WEBHOOK_SECRET="webhook-secret-1")
    parameters.terminal.ask("secrets", "import")
    assert parameters.secrets("WEBHOOK_SECRET") == ["webhook-secret-2", "webhook-secret-1"]


def test_a_rotation_appends_one_key_and_shows_when_it_signs(parameters: Parameters) -> None:
    parameters.put(VEND_JWT_SECRET=made("first"))
    found = parameters.terminal.ask("secrets", "rotate", "VEND_JWT_SECRET")
    first, second = parameters.keys("VEND_JWT_SECRET")
    assert (first.secret, found["made"], len(found["keys"])) == ("first", [second.kid], 2)
    assert second.signs_from == second.created_at + STAGE_S
    assert parameters.terminal.ask("secrets", "rotate", "VEND_JWT_SECRET")["made"] == []
    assert (
        "already waiting" in parameters.terminal.say("secrets", "rotate", "VEND_JWT_SECRET").stdout
    )
    assert len(parameters.keys("VEND_JWT_SECRET")) == 2


def test_a_secret_of_another_service_is_not_rotated(parameters: Parameters) -> None:
    parameters.put(TTT_SHARED_SECRET=made("theirs"), PROVISIONING_API_KEY=made("sk-or-theirs"))
    for name in ("TTT_SHARED_SECRET", "PROVISIONING_API_KEY"):
        result = parameters.terminal.say("secrets", "rotate", name)
        assert (result.exit_code, "pluct secrets import" in result.stderr) == (2, True)
        assert len(parameters.keys(name)) == 1
    assert parameters.terminal.say("secrets", "rotate", "NO_SUCH").exit_code == 4


def test_the_key_in_use_is_not_retired(parameters: Parameters) -> None:
    parameters.put(WEBHOOK_SECRET=made("old"))
    assert (
        parameters.terminal.say("secrets", "retire", "WEBHOOK_SECRET", key_name("old")).exit_code
        == 2
    )
    parameters.terminal.ask("secrets", "rotate", "WEBHOOK_SECRET")
    assert parameters.terminal.say("secrets", "retire", "WEBHOOK_SECRET", "nothing").exit_code == 4
    parameters.terminal.ask("secrets", "retire", "WEBHOOK_SECRET", key_name("old"))
    assert "old" not in parameters.secrets("WEBHOOK_SECRET")


def test_the_list_shows_key_ids_and_ages_and_warns_about_old_keys(parameters: Parameters) -> None:
    parameters.put(VEND_JWT_SECRET=made("a", 10), WEBHOOK_SECRET=made("b", 91))
    result = parameters.terminal.say("secrets", "list")
    assert result.exit_code == 0
    assert key_name("a") in result.stdout and "the calendar" in result.stdout
    assert "WEBHOOK_SECRET is 91 days old." in result.stdout
    found = parameters.terminal.ask("secrets", "list")["secrets"]
    assert {one["name"]: one["ageDays"] for one in found} == {
        "VEND_JWT_SECRET": 10, "WEBHOOK_SECRET": 91,
    }  # fmt: skip


def test_a_deployment_without_secrets_is_reported(parameters: Parameters) -> None:
    result = parameters.terminal.say("secrets", "list")
    assert (result.exit_code, "has no secrets" in result.stdout) == (0, True)


def test_no_command_prints_or_logs_a_value(parameters: Parameters) -> None:
    parameters.put(
        WEBHOOK_SECRET=made("a-value-of-before"), VEND_JWT_SECRET=made("a-value-that-signs")
    )
    parameters.terminal.vars(WEBHOOK_SECRET="a-value-of-today", ADMIN_SECRET="a-value-of-an-admin")
    seen = ""
    for form in ((), ("--json",)):
        for words in (
            ("import", "--dry-run"), ("import",), ("list",), ("rotate", "VEND_JWT_SECRET"),
            ("rotate", "WEBHOOK_SECRET"), ("retire", "WEBHOOK_SECRET", "x"),
        ):  # fmt: skip
            seen += parameters.terminal.say("secrets", *words, *form).output
    values = [
        secret
        for name in ("VEND_JWT_SECRET", "WEBHOOK_SECRET")
        for secret in parameters.secrets(name)
    ]
    assert [v for v in (*values, "a-value") if v in seen or v in parameters.terminal.log] == []
    assert "end secrets rotate VEND_JWT_SECRET exit=0" in parameters.terminal.log


def test_a_file_without_secrets_and_a_malformed_ring_are_reported(parameters: Parameters) -> None:
    parameters.terminal.vars(OTHER="x")
    assert parameters.terminal.say("secrets", "import").exit_code == 2
    assert parameters.terminal.say("secrets", "import", "missing.vars").exit_code == 2
    name = parameters.prefix + "ADMIN_SECRET"
    parameters.ssm.put_parameter(Name=name, Value="a bare one", Type="SecureString")
    result = parameters.terminal.say("secrets", "list")
    assert (result.exit_code, "not a key ring" in result.stderr) == (5, True)


def test_a_stack_in_aws_is_reached_with_the_usual_settings(
    parameters: Parameters, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters.put(WEBHOOK_SECRET=made("x"))
    for name, value in (deployed.CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}).items():
        monkeypatch.setenv(name, value)
    stack = parameters.prefix.strip("/")
    found = parameters.terminal.ask("secrets", "list", "--stack", stack)
    assert (found["place"], len(found["secrets"])) == (f"The stack {stack}", 1)
    assert (
        parameters.terminal.say("secrets", "list", "--stack", "a", "--run-file", "b").exit_code == 2
    )


def test_without_a_local_run_a_stack_must_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = Terminal(tmp_path, monkeypatch).say("secrets", "list")
    assert (result.exit_code, "--stack" in result.stderr) == (2, True)


def test_the_gateway_accepts_an_imported_secret(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(tmp_path, monkeypatch)
    name = f"cli-secrets-{next(NUMBERS)}"
    gateway = Gateway(endpoint, SECRETS_PREFIX=name)
    terminal.run_file(baseUrl="http://x", engineUrl=endpoint, secretsPrefix=f"/{name}/")
    user, headers = gateway.user(balance=1)
    terminal.vars(WEBHOOK_SECRET="a-provider-s-own")
    terminal.ask("secrets", "import")
    function: Any = gateway.function("credits")
    function.rings.clock = lambda: time.time() + KEEP_S
    body = {"userId": user, "amount": 1}
    shown = {"x-webhook-secret": "a-provider-s-own"}
    reply = gateway.call("POST", "/add-credits", body, headers=shown)
    assert (reply.status, gateway.balance(user)) == (200, 2)
    assert json.loads(gateway.vend(headers).text)["balanceAfter"] == 1
