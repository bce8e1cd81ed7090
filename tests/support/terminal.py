"""`pluct` as an operator runs it, in an empty folder and without the settings of this machine."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import dotenv, endpoint, options
from cli.__main__ import app
from cli.commands import smoke, transcribe

POLL_INTERVAL_S = 0.2
"""Commands ask this often for the end of a job, in place of 1.5 s."""


class Terminal:
    """Runs commands in `folder`: `say` returns the result of one, `ask` its parsed JSON output."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        patch.chdir(folder)
        names = {name for known, others in dotenv.ALIASES.items() for name in (known, *others)}
        for name in (
            *names,
            *endpoint.SMOKE_CREDENTIALS,
            "BASE_URL",
            "PLUCT_LOG",
            "PLUCT_STACK",
            "PLUCT_TABLE",
        ):
            patch.delenv(name, raising=False)
        patch.setenv("COLUMNS", "200")
        for command in (smoke, transcribe):
            patch.setattr(command, "POLL_INTERVAL_S", POLL_INTERVAL_S)

    def say(self, *words: str, typed: str | None = None) -> Result:
        options.GLOBAL.set(options.GlobalOptions())
        result = CliRunner().invoke(app, words, input=typed, prog_name="pluct")
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        assert "Traceback" not in result.output
        return result

    def ask(self, *words: str, code: int = 0) -> Any:
        """The JSON output of a command that must end with exit code `code`."""
        result = self.say(*words, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def vars(self, **variables: str) -> None:
        text = "".join(f"{name}={value}\n" for name, value in variables.items())
        (self.folder / ".dev.vars").write_text(text)

    def run_file(self, **members: str) -> None:
        path = self.folder / ".local" / "run.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(members))

    @property
    def log(self) -> str:
        path = self.folder / "logs" / "cli.log"
        return path.read_text() if path.exists() else ""
