"""`pluct` as an operator runs it: from a folder of its own, with nothing of this machine's settings."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import dotenv
from cli import endpoint as place
from cli import stores as target
from cli.__main__ import app


class Terminal:
    """`folder` is where the commands run; `say` runs one, `ask` one whose answer is JSON."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        patch.chdir(folder)
        names = {name for known, others in dotenv.ALIASES.items() for name in (known, *others)}
        for name in (*names, *place.OWN, "BASE_URL", "PLUCT_LOG", "PLUCT_STACK", "PLUCT_TABLE"):
            patch.delenv(name, raising=False)
        patch.setenv("COLUMNS", "200")

    def say(self, *words: str, typed: str | None = None) -> Result:
        target.OPTIONS.set(target.Options())
        result = CliRunner().invoke(app, words, input=typed, prog_name="pluct")
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        assert "Traceback" not in result.output
        return result

    def ask(self, *words: str, code: int = 0) -> Any:
        """The JSON answer of a command that ends with `code`."""
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
