"""What holds for every command of `pluct`, and that each route for operators has one."""

import contextlib
import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cli import output
from cli.__main__ import app
from local.settings import ROOT
from tests.support.terminal import Terminal

COMMANDS = {
    "addCredits": "seed-credits",
    "adjustMany": "adjust many",
    "adjustSubscription": "subscriptions adjust",
    "adminAddCredits": "adjust add",
    "adminDeductCredits": "adjust deduct",
    "approveCreditRequest": "requests approve",
    "askPaymentStatus": "payments ask-status",
    "assignPayment": "payments assign",
    "blockSubscription": "subscriptions block",
    "changeAppPolicy": "policy set",
    "changeOperator": "operators change",
    "changeSubscriptionPlan": "subscriptions plan",
    "createOperator": "operators create",
    "editPack": "packs edit",
    "endHold": "holds end",
    "erasePersonalData": "users erase",
    "generateKey": "keys generate",
    "getAdminPayment": "payments show",
    "getAppPolicy": "policy show",
    "getHealth": "status",
    "getProduct": "products show",
    "getProfile": "users profile",
    "getStats": "stats",
    "getSubscription": "subscriptions show",
    "getUserBalance": "balance",
    "getUserStory": "users show",
    "ignorePayment": "payments ignore",
    "listAllPacks": "packs list",
    "listAllProducts": "products list",
    "listAllTransactions": "transactions",
    "listAudit": "audit",
    "listCreditRequests": "requests list",
    "listHolds": "holds list",
    "listKeys": "keys list",
    "listNotices": "notices list",
    "listOperators": "operators list",
    "listPackVersions": "packs show",
    "listPaymentFindings": "payments findings",
    "listSubscriptionWebhooks": "subscriptions notices",
    "listSubscriptions": "subscriptions list",
    "listUnmatchedPayments": "payments list",
    "listUserTransactions": "transactions",
    "listUsers": "users list",
    "logOperatorOut": "operators log-out",
    "markRefunded": "payments refunded",
    "putProfile": "users profile",
    "reconcilePayments": "payments reconcile",
    "registerPaymentAddresses": "payments register-urls",
    "rejectCreditRequest": "requests reject",
    "renewOperatorPassword": "operators password",
    "replayNotices": "notices replay",
    "replaySubscriptionWebhook": "subscriptions replay",
    "reversePayment": "payments reverse",
    "revokeKey": "keys revoke",
    "rotateSubscriptionKey": "subscriptions rotate",
    "saveProduct": "products edit",
    "search": "find",
    "transcribe": "transcribe",
    "unblockSubscription": "subscriptions unblock",
    "undoTransaction": "adjust undo",
    "vendToken": "vend-token",
    "vendTokenLegacy": "vend-token",
    "getMetadata": "meta",
}
"""The command for each operation of the API that an operator or a script may want."""

OLDER_NAMES = {
    "adminAddCreditsLegacy": "adminAddCredits",
    "createApiKey": "generateKey",
    "listApiKeys": "listKeys",
    "revokeApiKey": "revokeKey",
}
"""Operations that are another by an older name; the command calls that one."""

TIMEOUT_S = 60
numbers = st.integers(-(10**9), 10**9).map(str)
texts = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), max_size=128)


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command by its words, without the groups."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(words), command
        return
    for name, one in inner.items():
        yield from leaves(one, (*words, name))


ALL = dict(leaves(typer.main.get_command(app)))


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    told = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text(encoding="utf-8"))
    for path in told["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and "operationId" in operation:
                yield operation["operationId"], operation


def is_for_operators(operation: dict[str, Any]) -> bool:
    return any("adminSecret" in way for way in operation.get("security", []))


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_command_has_help_and_a_json_option(name: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        result = Terminal(tmp_path, patch).say(*name.split(), "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_command_and_option_says_what_it_does(name: str) -> None:
    command = ALL[name]
    assert command.help
    assert [one.name for one in command.params if not getattr(one, "help", "")] == []


def test_every_operation_for_operators_has_a_command() -> None:
    """A route that is new in the description is new in `COMMANDS`, with a command."""
    wanted = {name for name, operation in operations() if is_for_operators(operation)}
    assert wanted - COMMANDS.keys() - OLDER_NAMES.keys() == set()


def test_the_list_of_commands_names_real_operations_and_commands() -> None:
    known = {name for name, _ in operations()}
    assert {*COMMANDS, *OLDER_NAMES, *OLDER_NAMES.values()} <= known
    assert set(COMMANDS.values()) <= ALL.keys()
    assert set(OLDER_NAMES.values()) <= COMMANDS.keys()


def test_every_command_is_on_the_page() -> None:
    page = (ROOT / "docs/command-line.md").read_text(encoding="utf-8")
    first = {name.partition(" ")[0] for name in ALL}
    assert [name for name in sorted(first) if f"`{name}" not in page] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_every_command(shell: str) -> None:
    asked = {
        "_PLUCT_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "pluct ",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "pluct ",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cli"],
        cwd=ROOT,
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    first = {name.partition(" ")[0] for name in ALL}
    assert [name for name in sorted(first) if name not in done.stdout] == [], done.stderr


@given(st.data())
def test_any_table_fits_80_columns_and_loses_nothing(data: st.DataObject) -> None:
    heads = [f"Head {number}" for number in range(data.draw(st.integers(1, 12)))]
    right = data.draw(st.sets(st.sampled_from(heads)))
    whole = data.draw(st.sets(st.sampled_from(heads)))
    cells = [numbers if head in right else texts for head in heads]
    rows = data.draw(st.lists(st.tuples(*cells), max_size=4))
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setenv("COLUMNS", "80")
        output.print_table(heads, rows, right=sorted(right), whole=sorted(whole))
    assert max((cell_len(line) for line in printed.getvalue().splitlines()), default=0) <= 80
    printed_letters = Counter(printed.getvalue())
    wanted = Counter(letter for row in rows for text in row for letter in text)
    assert wanted <= printed_letters


@given(st.text(max_size=400))
def test_any_line_of_a_log_fits_80_columns(text: str) -> None:
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setenv("COLUMNS", "80")
        output.print_wrapped(text)
    assert max((cell_len(line) for line in printed.getvalue().splitlines()), default=0) <= 80
