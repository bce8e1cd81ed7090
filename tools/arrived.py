"""What the local engine makes of the template: `python -m tools.arrived` prints what it can not show.

Every property of every resource, as SAM translates the template, is compared with what the engine's
services say. A difference that the list in `local.not_shown` does not name is a fault, and so is an entry
of the list whose property arrives after all.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from engine.platform.cloudformation import revisions
from local.deploy import STACK_NAME
from local.not_shown import ADDED, BY_RUN, DIFFERS, MISSING, WITHOUT_EFFECT, Entry, entries, table
from local.settings import ROOT
from local.template import (
    Resources,
    Template,
    load_template,
    parameter_values,
    resources_of_type,
)
from tools.declared import Known, resolved, translated
from tools.described import Arrived, arrived, parameters_of, sent_code

_NOTHING = object()
# Lists whose order says nothing, and of which a service may know more than was declared.
_BY_KEY = ("Tags", "tags", "Names")
CHOSEN_PARAMETERS = (
    "AllowAnonymousHistory", "AllowAnonymousVend", "AllowUserCreate", "BuildRef", "DeployedAt", "Environment",
    "OpenrouterBase", "RateLimit", "RequestTimeout", "TiktokBase", "TttBase", "WelcomeCredits",
)  # fmt: skip
"""What the local run says other than the template's defaults."""

_CODE = {"AWS::Lambda::Function": "Code", "AWS::Lambda::LayerVersion": "Content"}


@dataclass(frozen=True)
class Place:
    """One property, or with an empty path a whole resource; `members` are what the resource declares."""

    logical_id: str
    type_name: str
    path: str
    members: frozenset[str]


@dataclass(frozen=True)
class Difference(Place):
    """What came out other than declared."""

    kind: str
    declared: Any
    found: Any

    def __str__(self) -> str:
        at = f"{self.logical_id} ({self.type_name}) {self.path}".rstrip()
        return f"{at}: {self.kind}; declared {_short(self.declared)}, found {_short(self.found)}"


@dataclass(frozen=True)
class Comparison:
    """Every declared value, as it arrived or as it did not."""

    differences: tuple[Difference, ...]
    same: tuple[Place, ...]

    def unlisted(self, entries: Iterable[Entry]) -> list[str]:
        """What differs although no entry says so."""
        listed = list(entries)
        return [
            str(found)
            for found in self.differences
            if not any(_covers(entry, found) for entry in listed)
        ]

    def outdated(self, entries: Iterable[Entry]) -> list[str]:
        """What an entry says does not arrive, and did."""
        return [
            f"{entry.type_name} {entry.path or entry.what} is listed as {entry.kind}, but {place.logical_id} "
            "has it as declared"
            for entry in entries
            for place in self.same
            if _concerns(entry, place)
        ]

    def unused(self, entries: Iterable[Entry]) -> list[str]:
        """Entries that nothing of this template is a case of."""
        return [
            f"{entry.type_name} {entry.what}"
            for entry in entries
            if not any(_covers(entry, found) for found in self.differences)
        ]


def compare(endpoint: str, stack: str, template: Template, given: dict[str, str]) -> Comparison:
    """Compares `stack` in the engine at `endpoint` with `template` under the parameters `given`."""
    there = arrived(endpoint, stack)
    plain = translated(template, given)
    pseudo = {"AWS::StackName": stack, "AWS::AccountId": there.account}
    known = Known(
        parameter_values(template, given),
        {**_unnamed(plain), **there.physical, **pseudo},
        lambda name, attribute: _attribute(there, name, attribute),
    )
    declared = resolved(plain, known)
    _describe_versions(declared, plain)
    digests = sent_code(endpoint, stack)
    for name, resource in declared.items():
        if resource["Type"] in _CODE:
            resource["Properties"][_CODE[resource["Type"]]] = digests.get(name)
    return _compared(declared, there)


def _describe_versions(declared: Resources, template: Template) -> None:
    """Gives every version in `declared` the digest that its description refers to."""
    given = _texts(declared["Revision"]["Properties"])
    digests = revisions(given)
    for name, resource in resources_of_type(template, "AWS::Lambda::Version").items():
        _revision, digest = resource["Properties"]["Description"]["Fn::GetAtt"]
        declared[name]["Properties"]["Description"] = digests[digest]


def _texts(node: Any) -> Any:
    """CloudFormation hands a custom resource every scalar as text."""
    if isinstance(node, dict):
        return {name: _texts(value) for name, value in node.items()}
    return [_texts(item) for item in node] if isinstance(node, list) else _plain(node)


def _unnamed(template: Template) -> dict[str, str]:
    """A name for what has none because it did not arrive, so that references to it can be told apart."""
    return {name: f"<{name}>" for name in template["Resources"]}


def _attribute(there: Arrived, name: str, attribute: str) -> str:
    described = there.resources.get(name)
    missing = f"<{name}.{attribute}>"
    return described.attributes.get(attribute, missing) if described else missing


def _compared(declared: dict[str, Any], there: Arrived) -> Comparison:
    differences: list[Difference] = []
    same: list[Place] = []
    for name, resource in declared.items():
        type_name, properties = resource["Type"], resource["Properties"]
        members = frozenset(properties)
        if there.types.get(name) != type_name or name not in there.resources:
            differences.append(
                Difference(name, type_name, "", members, MISSING, properties, _NOTHING)
            )
            continue
        for path, wanted, found in _leaves(properties, there.resources[name].properties, ""):
            if _is_same(wanted, found):
                same.append(Place(name, type_name, path, members))
                continue
            kind = MISSING if found is _NOTHING else ADDED if wanted is _NOTHING else DIFFERS
            differences.append(Difference(name, type_name, path, members, kind, wanted, found))
    nobody: frozenset[str] = frozenset()
    differences += [
        Difference(name, there.types[name], "", nobody, ADDED, _NOTHING, there.physical[name])
        for name in there.types.keys() - declared.keys()
    ]
    return Comparison(tuple(differences), tuple(same))


def _leaves(wanted: Any, found: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Every value with its path, list positions left out: as declared, and as found."""
    wanted, found = _keyed(wanted, path), _keyed(found, path)
    if isinstance(wanted, dict) and isinstance(found, dict) and (wanted or not found):
        more = found.keys() - wanted.keys() if path and not _is_by_key(path) else set()
        for member in [*wanted, *sorted(more)]:
            at = f"{path}.{member}".removeprefix(".")
            yield from _leaves(wanted.get(member, _NOTHING), found.get(member, _NOTHING), at)
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for left, right in zip(wanted, found, strict=True):
            yield from _leaves(left, right, path)
    else:
        yield path, wanted, found


def _keyed(value: Any, path: str) -> Any:
    """A list whose order says nothing as a mapping; everything else as it is."""
    if not (isinstance(value, list) and _is_by_key(path)):
        return value
    return dict(_pair(item) for item in value)


def _pair(item: Any) -> tuple[str, Any]:
    match item:
        case {"Key": key, "Value": value} | {"name": key, "x-amazon-apigateway-tag-value": value}:
            return key, value
    return item, ""


def _is_by_key(path: str) -> bool:
    return path.rpartition(".")[2] in _BY_KEY


def _is_same(wanted: Any, found: Any) -> bool:
    return _NOTHING is not wanted and _NOTHING is not found and _plain(wanted) == _plain(found)


def _plain(value: Any) -> Any:
    """A number or a truth as text, as services differ in how they give them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else value


def _covers(entry: Entry, found: Difference) -> bool:
    if entry.type_name != found.type_name or entry.kind != found.kind:
        return False
    if entry.path or found.path:
        return _is_under(found.path, entry.path)
    is_such = not entry.having or entry.having in found.members
    return is_such and entry.named in {"", found.logical_id}


def _concerns(entry: Entry, place: Place) -> bool:
    """Whether a place that came out as declared is one that the entry says can not."""
    if entry.type_name != place.type_name:
        return False
    if entry.path:
        return _is_under(place.path, entry.path)
    is_such = not entry.having or entry.having in place.members
    return is_such and entry.named in {"", place.logical_id}


def _is_under(path: str, above: str) -> bool:
    if not above:
        return False
    return fnmatchcase(path, above) or fnmatchcase(path, f"{above}.*")


def _short(value: Any) -> str:
    return "nothing" if value is _NOTHING else json.dumps(value, default=str)[:200]


def differing(comparison: Comparison, way: str) -> list[str]:
    """All that speaks against the list for this way into the engine; empty when it holds."""
    listed = entries(way)
    return comparison.unlisted(listed) + comparison.outdated(listed)


def told(comparison: Comparison, way: str) -> str:
    """The comparison in words."""
    arrived_so, otherwise = len(comparison.same), len(comparison.differences)
    counts = f"{arrived_so} values arrived as declared, {otherwise} things did not."
    return "\n".join([counts, *(differing(comparison, way) or ["All of these are in the list."])])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.arrived", description=__doc__)
    parser.add_argument(
        "--run-file", type=Path, help="compare with this local run (.local/run.json)"
    )
    asked = parser.parse_args()
    # It warns of every function that a feature of its own is off.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    print(table())
    print("\nKept by the engine, and without effect there:")
    print("\n".join(f"- {what}" for what in WITHOUT_EFFECT.values()))
    if asked.run_file is None:
        return 0
    run = json.loads(asked.run_file.read_text(encoding="utf-8"))
    comparison = compare_run(run)
    print()
    print(told(comparison, BY_RUN))
    return 1 if differing(comparison, BY_RUN) else 0


def compare_run(run: Mapping[str, str]) -> Comparison:
    """Compares a local run that is up, given its run file.

    Parameters that the run chooses itself are taken as it says; all others have the template's defaults.
    """
    template = load_template(ROOT / "template.yaml")
    said = parameters_of(run["engineUrl"], STACK_NAME)
    given = {name: said[name] for name in CHOSEN_PARAMETERS if name in said}
    return compare(run["engineUrl"], STACK_NAME, template, given)


if __name__ == "__main__":
    sys.exit(main())
