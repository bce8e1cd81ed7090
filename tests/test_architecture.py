"""docs/architecture.md describes the engine as it is, and docs/README.md lists every page of docs."""

import importlib
import re
import tomllib
from collections.abc import Iterable
from itertools import combinations, pairwise

import pytest

from tests.support.template import ROOT

ENGINE = ROOT / "layers" / "engine" / "engine"
ROOMS = {path.parent.name for path in ENGINE.glob("*/__init__.py")}
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
TABLE = (ROOT / "docs/table-design.md").read_text(encoding="utf-8")
INDEX = (ROOT / "docs/README.md").read_text(encoding="utf-8")
NAME = re.compile(rf"`((?:{'|'.join(sorted(ROOMS))})(?:\.\w+)+)`")
CALLED_SHORTER = {
    "hold, and record of its vend": "hold",
    "day, hour (for three days), total": "statistics",
    "copy of an entry, by time": "copy of an entry",
}
"""Items whose name in docs/table-design.md has a comma, and their name in the list of owners."""


def layers() -> list[list[str]]:
    """The layers of the import contract, top to bottom, with the functions above them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        one
        for one in settings["tool"]["importlinter"]["contracts"]
        if one.get("containers") == ["engine"]
    )
    return [
        ["functions"],
        *([room.strip() for room in row.split("|")] for row in contract["layers"]),
    ]


def drawn() -> set[tuple[str, str]]:
    """The arrows of the drawing: who imports whom."""
    drawing = PAGE.partition("```mermaid")[2].partition("```")[0]
    return set(re.findall(r"^ *(\w+)(?:\[.*?\])? --> (\w+)$", drawing, flags=re.MULTILINE))


def reachable(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Every pair that one or more arrows connect."""
    found = set(arrows)
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return found


def pairs(upper: Iterable[str], lower: Iterable[str]) -> set[tuple[str, str]]:
    return {(above, below) for above in upper for below in lower}


def test_the_drawing_allows_what_the_import_contract_allows() -> None:
    allowed = set().union(*(pairs(upper, lower) for upper, lower in combinations(layers(), 2)))
    assert reachable(drawn()) == allowed


def test_the_drawing_has_arrows_between_neighbouring_layers_only() -> None:
    neighbours = set().union(*(pairs(upper, lower) for upper, lower in pairwise(layers())))
    assert drawn() == neighbours


def rows(section: str) -> list[list[str]]:
    """The rows of a table of the page, without its head; cells are stripped."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_every_room_has_a_row_and_no_other_name_has_one() -> None:
    assert [row[0].strip("`") for row in rows("Rooms")].count("ledger") == 1
    assert sorted(row[0].strip("`") for row in rows("Rooms")) == sorted(ROOMS)


def stored_items() -> list[str]:
    """The first cells of the tables of items in docs/table-design.md."""
    tables = re.findall(r"^\| item \|.*\n\|[-|]+\n((?:\|.*\n)+)", TABLE, flags=re.MULTILINE)
    names = [line.split("|")[1].strip() for table in tables for line in table.splitlines()]
    return [CALLED_SHORTER.get(name, name) for name in names]


def test_every_stored_item_has_exactly_one_owner() -> None:
    owned = [
        item.strip() for row in rows("Rooms") if row[0] != "`admin`" for item in row[2].split(",")
    ]
    assert sorted(owned) == sorted(stored_items())


@pytest.mark.parametrize("name", sorted(set(NAME.findall(PAGE))))
def test_a_name_on_the_page_exists_in_the_engine(name: str) -> None:
    room, module, *attributes = name.split(".")
    found = importlib.import_module(f"engine.{room}.{module}")
    for attribute in attributes:
        found = getattr(found, attribute)


def test_a_wrong_name_on_the_page_would_be_found() -> None:
    assert len(set(NAME.findall(PAGE))) > 40
    assert NAME.findall("`credits.holds.lose` and `ledger`") == ["credits.holds.lose"]
    with pytest.raises(AttributeError):
        test_a_name_on_the_page_exists_in_the_engine("credits.holds.lose")


def test_every_file_on_the_page_exists() -> None:
    named = set(
        re.findall(r"`((?:functions|tests|cli|docs)/[\w/]+\.\w+|[\w-]+\.(?:ya?ml|toml))`", PAGE)
    )
    assert {"tests/test_contract.py", "functions/tokens/app.py", "template.yaml"} <= named
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_index_lists_every_page_once() -> None:
    pages = {path.name for path in (ROOT / "docs").iterdir() if path.is_file()} - {"README.md"}
    listed = re.findall(r"^- \[[\w.-]+\]\(([\w.-]+)\): ", INDEX, flags=re.MULTILINE)
    assert sorted(listed) == sorted(pages)
