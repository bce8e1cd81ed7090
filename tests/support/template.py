"""What `template.yaml` says, read with PyYAML alone: functions, routes, environment, permissions."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
FUNCTIONS = ROOT / "functions"
DEFAULT_ROUTE = "$default"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML with CloudFormation's short forms."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """The long form: `!Ref X` is `{"Ref": "X"}`, `!GetAtt A.B` is `{"Fn::GetAtt": ["A", "B"]}`."""
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


@dataclass(frozen=True)
class Function:
    """One Lambda function; `routes` are route keys ("GET /health"), `$default` among them."""

    name: str
    properties: dict[str, Any]
    routes: frozenset[str]

    @property
    def statements(self) -> list[dict[str, Any]]:
        """What it may do, as IAM statements; fails where a policy is not written out."""
        return [statement for statement in self._written if statement["Effect"] == "Allow"]

    @property
    def denials(self) -> list[dict[str, Any]]:
        """What it may not do whatever else allows it."""
        return [statement for statement in self._written if statement["Effect"] == "Deny"]

    @property
    def _written(self) -> list[dict[str, Any]]:
        policies = with_conditions_met(self.properties.get("Policies", []))
        hidden = [p for p in policies if not isinstance(p, dict) or "Statement" not in p]
        assert not hidden, f"functions/{self.name}: write the policy out in template.yaml: {hidden}"
        return [statement for policy in policies for statement in as_list(policy["Statement"])]

    @property
    def parameters_reached(self) -> frozenset[str]:
        """The short names of the parameters that it may reach in the parameter store."""
        return frozenset(
            text.rpartition("/")[2]
            for statement in self.statements
            if any(action.startswith("ssm:") for action in as_list(statement["Action"]))
            for resource in as_list(statement["Resource"])
            for text in texts(resource)
        )


@cache
def document() -> dict[str, Any]:
    """The template with every short form made long."""
    loaded: dict[str, Any] = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader=_Loader)
    return loaded


def resources(type_name: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of one type, by logical id."""
    found = document()["Resources"].items()
    return {name: r.get("Properties", {}) for name, r in found if r["Type"] == type_name}


@cache
def functions() -> dict[str, Function]:
    """Every function by the name of its folder under `functions/`."""
    declared = resources("AWS::Serverless::Function")
    for logical_id, properties in declared.items():
        assert "CodeUri" in properties, f"template.yaml: add CodeUri to {logical_id}"
    made = [
        Function(Path(properties["CodeUri"]).name, properties, frozenset(_route_keys(properties)))
        for properties in declared.values()
    ]
    return {function.name: function for function in made}


def routes() -> set[str]:
    """The route keys of all functions but `$default` and those of HEAD."""
    found = {key for function in functions().values() for key in function.routes}
    return {key for key in found - {DEFAULT_ROUTE} if not key.startswith("HEAD ")}


def environment(name: str) -> dict[str, Any]:
    """The environment of function `name` as the template writes it, its own over the global one."""
    scopes = (document()["Globals"]["Function"], functions()[name].properties)
    variables: dict[str, Any] = {}
    for scope in scopes:
        variables |= scope.get("Environment", {}).get("Variables", {})
    return variables


def secret_names() -> frozenset[str]:
    """The secrets that a deployment creates."""
    (custom,) = resources("Custom::Secrets").values()
    return frozenset(custom["Names"])


def imported_names() -> frozenset[str]:
    """The secrets that an operator puts in, because another service makes them."""
    (custom,) = resources("Custom::Secrets").values()
    return frozenset(custom["Imported"])


def with_conditions_met(value: Any) -> Any:
    """`value` as it is where every condition of the template holds."""
    match value:
        case {"Fn::If": [_, met, _]}:
            return with_conditions_met(met)
        case dict():
            return {name: with_conditions_met(member) for name, member in value.items()}
        case list():
            return [with_conditions_met(member) for member in value]
    return value


def as_list(value: Any) -> list[Any]:
    """IAM takes one thing where it takes a list."""
    return value if isinstance(value, list) else [value]


def texts(value: Any) -> Iterator[str]:
    """Every text in `value`, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from texts(member)


def _route_keys(properties: dict[str, Any]) -> Iterator[str]:
    for name, event in properties.get("Events", {}).items():
        where = f"template.yaml: event {name} of {properties['CodeUri']}"
        assert "Type" in event, f"{where}: add Type"
        if event["Type"] != "HttpApi":
            continue
        route = event.get("Properties", {})
        assert route.get("ApiId") == {"Ref": "HttpApi"}, f"{where}: add ApiId: !Ref HttpApi"
        has_one = ("Path" in route) != ("Method" in route)
        assert not has_one, f"{where}: add {'Method' if 'Path' in route else 'Path'}"
        yield f"{route['Method']} {route['Path']}" if "Path" in route else DEFAULT_ROUTE
