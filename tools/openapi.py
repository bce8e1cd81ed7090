"""Writes the API's description as it is served, from its source in `docs/`: as JSON and as a page.

`python -m tools.openapi` writes both; with `--check` they are only compared, and a difference ends with 1.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from local.settings import ROOT
from tools import docs_page

SOURCE = ROOT / "docs" / "openapi.yaml"
SERVED = ROOT / "functions" / "health" / "openapi.json"


def rendered(source: Path = SOURCE) -> str:
    """The served text of the description in `source`.

    Raises `TypeError` on what JSON can not say, such as a time without quotes.
    """
    return json.dumps(_document(source), indent=2, ensure_ascii=False) + "\n"


def is_current(served: Path = SERVED) -> bool:
    """Whether `served` says what its source says."""
    return _says(served, rendered())


def page_is_current(page: Path = docs_page.PAGE) -> bool:
    """Whether `page` says what the source says."""
    return _says(page, docs_page.rendered(_document(SOURCE)))


def main() -> int:
    """The exit code of the program."""
    parser = argparse.ArgumentParser(description="Write or check the served API description.")
    parser.add_argument("--check", action="store_true", help="compare only")
    if not parser.parse_args().check:
        SERVED.write_text(rendered(), encoding="utf-8")
        docs_page.PAGE.write_text(docs_page.rendered(_document(SOURCE)), encoding="utf-8")
    elif not (is_current() and page_is_current()):
        print("functions/health is out of date: run python -m tools.openapi")
        return 1
    return 0


def _document(source: Path) -> Any:
    return yaml.safe_load(source.read_text(encoding="utf-8"))


def _says(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    raise SystemExit(main())
