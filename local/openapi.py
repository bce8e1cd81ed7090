"""Writes the API's description as it is served, from its source in `docs/`.

`python -m local.openapi` writes it; with `--check` it is only compared, and a difference ends with 1.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import yaml

from local.settings import ROOT

SOURCE = ROOT / "docs" / "openapi.yaml"
SERVED = ROOT / "functions" / "health" / "openapi.json"


def rendered(source: Path = SOURCE) -> str:
    """The served text of the description in `source`.

    Raises `TypeError` on what JSON can not say, such as a time without quotes.
    """
    document = yaml.safe_load(source.read_text(encoding="utf-8"))
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def is_current(served: Path = SERVED) -> bool:
    """Whether `served` says what its source says."""
    return served.exists() and served.read_text(encoding="utf-8") == rendered()


def main() -> int:
    """The exit code of the program."""
    parser = argparse.ArgumentParser(description="Write or check the served API description.")
    parser.add_argument("--check", action="store_true", help="compare only")
    if not parser.parse_args().check:
        SERVED.write_text(rendered(), encoding="utf-8")
    elif not is_current():
        print(f"{SERVED.relative_to(ROOT)} is out of date: run python -m local.openapi")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
