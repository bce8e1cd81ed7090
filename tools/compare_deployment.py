"""Compares a deployment in the local engine with the template: `python -m tools.compare_deployment`.

It compares every property of every resource, as SAM translates the template, with what the engine's
services report. A difference that is not listed in `local.engine_gaps` is a fault, and so is a listed gap
that does not exist. Without `--run-file` it prints the list only.
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

from engine.admin.cloudformation import revisions
from local.deploy import STACK_NAME
from local.engine_gaps import ADDED, BY_RUN, DIFFERS, MISSING, WITHOUT_EFFECT, Gap, gaps_of, table
from local.services import PAYMENT_PARAMETERS, SERVICES
from local.settings import ROOT
from local.template import (
    Resources,
    Template,
    load_template,
    parameter_values,
    resources_of_type,
)
from tools.actual_resources import ActualStack, actual_stack, parameters_of, sent_code
from tools.expected_resources import StackValues, resolved, translated

_NOTHING = object()
# Lists without order, to which a service may add items.
_BY_KEY = ("Tags", "tags", "Names")
CHOSEN_PARAMETERS = (
    "AllowAnonymousHistory", "AllowAnonymousVend", "AllowHeaderIdentity", "AllowUserCreate", "BuildRef",
    "DeployedAt", "Environment", "PlanPolicy", "RateLimit", "RequestTimeout", "WelcomeCredits",
    *(service.parameter for service in SERVICES), *PAYMENT_PARAMETERS,
)  # fmt: skip
"""Parameters for which the local run does not use the template's defaults."""

_CODE = {"AWS::Lambda::Function": "Code", "AWS::Lambda::LayerVersion": "Content"}


@dataclass(frozen=True)
class Place:
    """A property, or with an empty path a whole resource; `members` are the declared properties."""

    logical_id: str
    type_name: str
    path: str
    members: frozenset[str]


@dataclass(frozen=True)
class Difference(Place):
    """A property or resource that differs from its declaration; `kind` is MISSING, DIFFERS or ADDED."""

    kind: str
    declared: Any
    found: Any

    def __str__(self) -> str:
        at = f"{self.logical_id} ({self.type_name}) {self.path}".rstrip()
        return f"{at}: {self.kind}; declared {_short(self.declared)}, found {_short(self.found)}"


@dataclass(frozen=True)
class Comparison:
    """Every declared value, either as declared or different."""

    differences: tuple[Difference, ...]
    same: tuple[Place, ...]

    def unlisted(self, entries: Iterable[Gap]) -> list[str]:
        """The differences that no entry covers."""
        listed = list(entries)
        return [
            str(found)
            for found in self.differences
            if not any(_covers(entry, found) for entry in listed)
        ]

    def outdated(self, entries: Iterable[Gap]) -> list[str]:
        """The entries whose property is as declared after all."""
        return [
            f"{entry.type_name} {entry.path or entry.what} is listed as {entry.kind}, but {place.logical_id} "
            "has it as declared"
            for entry in entries
            for place in self.same
            if _concerns(entry, place)
        ]

    def unused(self, entries: Iterable[Gap]) -> list[str]:
        """The entries that cover no difference of this template."""
        return [
            f"{entry.type_name} {entry.what}"
            for entry in entries
            if not any(_covers(entry, found) for found in self.differences)
        ]


def compare(endpoint: str, stack: str, template: Template, given: dict[str, str]) -> Comparison:
    """Compares `stack` in the engine at `endpoint` with `template` under the parameters `given`."""
    there = actual_stack(endpoint, stack)
    plain = translated(template, given)
    pseudo = {"AWS::StackName": stack, "AWS::AccountId": there.account}
    known = StackValues(
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
    """Placeholder ids for resources that do not exist, so that references to them can be compared."""
    return {name: f"<{name}>" for name in template["Resources"]}


def _attribute(there: ActualStack, name: str, attribute: str) -> str:
    described = there.resources.get(name)
    missing = f"<{name}.{attribute}>"
    return described.attributes.get(attribute, missing) if described else missing


def _compared(declared: dict[str, Any], there: ActualStack) -> Comparison:
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
    """Each path, without list positions, with its declared and its found value."""
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
    """A list without order as a mapping; every other value unchanged."""
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
    """Numbers and booleans as text, because services differ in how they report them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else value


def _covers(entry: Gap, found: Difference) -> bool:
    if entry.type_name != found.type_name or entry.kind != found.kind:
        return False
    if entry.path or found.path:
        return _is_under(found.path, entry.path)
    is_such = not entry.having or entry.having in found.members
    return is_such and entry.named in {"", found.logical_id}


def _concerns(entry: Gap, place: Place) -> bool:
    """Whether the entry covers a place that is as declared."""
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
    """The faults of the list for one way to deploy: differences it lacks and entries that are outdated."""
    listed = gaps_of(way)
    return comparison.unlisted(listed) + comparison.outdated(listed)


def told(comparison: Comparison, way: str) -> str:
    """The comparison as lines for a terminal."""
    as_declared, different = len(comparison.same), len(comparison.differences)
    counts = f"{as_declared} values are as declared, {different} are not."
    return "\n".join([counts, *(differing(comparison, way) or ["All of these are listed."])])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.compare_deployment", description=__doc__)
    parser.add_argument(
        "--run-file", type=Path, help="compare with this local run (.local/run.json)"
    )
    asked = parser.parse_args()
    # It warns for every function about an optional feature that is off.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    print(table())
    print("\nAccepted by the engine, without effect:")
    print("\n".join(f"- {what}" for what in WITHOUT_EFFECT.values()))
    if asked.run_file is None:
        return 0
    run = json.loads(asked.run_file.read_text(encoding="utf-8"))
    comparison = compare_run(run)
    print()
    print(told(comparison, BY_RUN))
    return 1 if differing(comparison, BY_RUN) else 0


def compare_run(run: Mapping[str, str]) -> Comparison:
    """Compares a running local run with the template; `run` are the members of its run file.

    The parameters that the run sets itself are read from its stack; the others have the template's defaults.
    """
    template = load_template(ROOT / "template.yaml")
    said = parameters_of(run["engineUrl"], STACK_NAME)
    given = {name: said[name] for name in CHOSEN_PARAMETERS if name in said}
    return compare(run["engineUrl"], STACK_NAME, template, given)


if __name__ == "__main__":
    sys.exit(main())
