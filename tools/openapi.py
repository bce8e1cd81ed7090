"""Writes the served forms of `docs/openapi.yaml`: `functions/health/openapi.json` and `docs.html` beside it.

`python -m tools.openapi` writes both. With `--check` it only compares them; it exits with 1 when one is out
of date, and in either case when the description lacks something.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from local.settings import ROOT
from tools import api_description, docs_page
from tools.api_description import DescriptionError

SOURCE = ROOT / "docs" / "openapi.yaml"
SERVED = ROOT / "functions" / "health" / "openapi.json"
COMMAND = "run .venv/bin/python -m tools.openapi"


def document(source: Path = SOURCE) -> dict[str, Any]:
    """The description in `source` as JSON has it: statuses are text.

    Raises DescriptionError for a file that is not YAML, or has what JSON cannot express, such as a time
    without quotes.
    """
    try:
        loaded: dict[str, Any] = json.loads(
            json.dumps(yaml.safe_load(source.read_text(encoding="utf-8")))
        )
    except (yaml.YAMLError, TypeError) as error:
        raise DescriptionError(f"docs/{source.name} cannot be written as JSON: {error}") from error
    return loaded


def rendered(source: Path = SOURCE) -> dict[Path, str]:
    """The served files with their texts. Raises DescriptionError with all that the source lacks."""
    described = document(source)
    if lacking := api_description.complaints(described):
        raise DescriptionError("\n".join(lacking))
    return {
        SERVED: json.dumps(described, indent=2, ensure_ascii=False) + "\n",
        docs_page.PAGE: docs_page.rendered(described),
    }


def out_of_date(files: dict[Path, str]) -> list[str]:
    """A complaint in words about each of `files` that does not have its text."""
    return [
        f"functions/health/{path.name} is not what docs/openapi.yaml says: {COMMAND}"
        for path, text in files.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """The exit code of the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    is_check = parser.parse_args().check
    try:
        files = rendered()
    except DescriptionError as error:
        return _refuse([str(error)])
    if is_check:
        return _refuse(out_of_date(files))
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return 0


def _refuse(reasons: list[str]) -> int:
    if reasons:
        print("\n".join(reasons), file=sys.stderr)
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
