"""Writes the served forms of `docs/openapi.yaml` into `functions/health`: `openapi.json` and `docs`.

`python -m tools.openapi` writes the files that have changed. `make setup` and the tests do so by themselves,
and git ignores the files. With `--check` it only reports what the description lacks, and exits with 1 then.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from local.settings import ROOT
from tools import api_description
from tools.api_description import DescriptionError
from tools.docs import site

SOURCE = ROOT / "docs" / "openapi.yaml"
SERVED = ROOT / "functions" / "health" / "openapi.json"


def document(source: Path = SOURCE) -> dict[str, Any]:
    """The description in `source` as JSON has it: statuses are text.

    Raises DescriptionError for a file that is not YAML, or has what JSON cannot express, such as a time
    without quotes.
    """
    try:
        text = source.read_text(encoding="utf-8")
        # The loader is a safe one, with a further refusal.
        loaded: dict[str, Any] = json.loads(json.dumps(yaml.load(text, _Loader)))  # noqa: S506
    except (yaml.YAMLError, TypeError) as error:
        raise DescriptionError(f"docs/{source.name} cannot be written as JSON: {error}") from error
    return loaded


class _Loader(yaml.CSafeLoader):
    """Refuses a name that stands twice in a mapping, as a merge of two branches can leave it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for name in (name for name, times in names.items() if times > 1 and name != "<<"):
            raise yaml.constructor.ConstructorError(
                None, None, f"{name!r} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def rendered(source: Path = SOURCE) -> dict[Path, str]:
    """The served files with their texts. Raises DescriptionError with all that the source lacks."""
    described = document(source)
    if lacking := api_description.complaints(described):
        raise DescriptionError("\n".join(lacking))
    served = json.dumps(described, indent=2, ensure_ascii=False) + "\n"
    pages = {site.FOLDER / name: text for name, text in site.rendered(described).items()}
    return {SERVED: served, **pages}


def write(files: dict[Path, str], folder: Path = site.FOLDER) -> None:
    """Writes those of `files` that have changed, and removes any other file of `folder`."""
    folder.mkdir(exist_ok=True)
    for path in set(folder.iterdir()) - files.keys():
        path.unlink()
    for path, text in files.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def main() -> int:
    """The exit code of the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="report only")
    is_check = parser.parse_args().check
    try:
        files = rendered()
    except DescriptionError as error:
        print(error, file=sys.stderr)
        return 1
    if not is_check:
        write(files)
    return 0


if __name__ == "__main__":
    sys.exit(main())
