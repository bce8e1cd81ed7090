"""What a function's role lets it do, asked before every call that its code makes of AWS.

Tests call handlers in process, where nobody checks a role. So `held_to` stands in the way of a function's
clients: a call that the template does not grant fails as it would in AWS, and what is called is kept.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import Session

from engine.admin.health import PROBE_PARAMETER
from engine.platform import aws, aws_json
from engine.platform.aws_json import Answer, Client, ErrorAnswer
from tests.support import template

TABLE = "Table"
_WRITES = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
_LEADING_KEYS = "dynamodb:LeadingKeys"
_GATED = "is_gated_by_tests"
DENIED = "AccessDeniedException"


@dataclass(frozen=True)
class Use:
    """One action on one thing: `Table`, `Table/index/<name>`, `parameter/<name>`, or `` where it is all one.

    `key` is the partition key of an item, where there is one.
    """

    action: str
    thing: str
    key: str = ""


@dataclass(frozen=True)
class Grant:
    """One action on one thing, for all partition keys or those of these patterns."""

    action: str
    thing: str
    keys: tuple[str, ...] = ()

    def covers(self, use: Use) -> bool:
        is_it = (self.action, self.thing) == (use.action, use.thing)
        return is_it and (not self.keys or any(fnmatchcase(use.key, key) for key in self.keys))


USED: dict[str, set[Use]] = {}
"""What functions called so far in this process, by name."""

REFUSED: list[str] = []
"""What the template lacks for calls that were refused; after each test this must be empty."""


@cache
def grants(function: str) -> tuple[Grant, ...]:
    """All that the policy of `function` in the template says."""
    return tuple(_grants(template.functions()[function].statements))


def _grants(statements: list[dict[str, Any]]) -> Iterator[Grant]:
    for statement in statements:
        condition = statement.get("Condition", {"ForAllValues:StringLike": {_LEADING_KEYS: []}})
        (patterns,) = condition["ForAllValues:StringLike"].values()
        for action in template.as_list(statement["Action"]):
            for resource in template.as_list(statement["Resource"]):
                yield Grant(action, _thing(action, resource), tuple(patterns))


def _thing(action: str, resource: Any) -> str:
    service = action.partition(":")[0]
    match resource:
        case {"Fn::Sub": str(text)} if service == "ssm":
            return "parameter/" + text.rpartition("/")[2]
        case {"Fn::Sub": str(text)} if service == "dynamodb":
            return text.replace("${Table.Arn}", TABLE)
        case {"Fn::GetAtt": ["Table", attribute]}:
            return TABLE if attribute == "Arn" else f"{TABLE}/stream"
    return ""


_function: ContextVar[str | None] = ContextVar("function", default=None)


@contextmanager
def held_to(function: str) -> Iterator[None]:
    """Clients that this thread makes meanwhile are those of `function`, also where this is nested."""
    _gate_clients(aws.session())
    aws_json.Client = _GatedClient  # type: ignore[misc]
    token = _function.set(function)
    try:
        yield
    finally:
        _function.reset(token)


def _gate_clients(session: Any) -> None:
    if getattr(session, _GATED, False):
        return

    def create_client(*arguments: Any, **options: Any) -> Any:
        client = Session.create_client(session, *arguments, **options)
        function = _function.get()
        if function is not None:
            client.meta.events.register("before-parameter-build", _gate(function))
        return client

    session.create_client = create_client
    setattr(session, _GATED, True)


class _GatedClient(Client):
    """The engine's own client, which keeps the function that it was made for."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._function = _function.get()

    def exchange(self, operation: str, request: dict[str, Any]) -> Answer:
        if self._function is not None:
            for said in _refused(self._function, self.service, operation, request):
                raise ErrorAnswer(DENIED, 400, {"message": said})
        return super().exchange(operation, request)


def _gate(function: str) -> Callable[..., None]:
    def check(params: Mapping[str, Any], model: Any, **_: Any) -> None:
        service = model.service_model.endpoint_prefix
        for said in _refused(function, service, model.name, params):
            error: Any = {"Error": {"Code": DENIED, "Message": said}}
            raise ClientError(error, model.name)

    return check


def _refused(
    function: str, service: str, operation: str, params: Mapping[str, Any]
) -> Iterator[str]:
    """What the function may not do of all that one call needs."""
    used = USED.setdefault(function, set())
    for use in uses(service, operation, params):
        used.add(use)
        if not _is_of_a_test(use) and not any(grant.covers(use) for grant in grants(function)):
            said = missing(function, use)
            REFUSED.append(said)
            yield said


def missing(function: str, use: Use) -> str:
    """What to add to the template so that `function` may do what it was refused."""
    keys = f", dynamodb:LeadingKeys for {use.key!r}" if use.key else ""
    return (
        f"functions/{function} is not authorized. template.yaml, its Policies: allow {use.action} on "
        f"{use.thing or 'its resource'}{keys}"
    )


def _is_of_a_test(use: Use) -> bool:
    """A parameter that no deployment has: tests make secrets of their own."""
    kind, _, name = use.thing.partition("/")
    return kind == "parameter" and name not in _parameters()


@cache
def _parameters() -> frozenset[str]:
    """The parameters of a deployment."""
    return template.secret_names() | template.imported_names() | {PROBE_PARAMETER}


def uses(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[Use]:
    """What IAM is asked for one call; a transaction is asked for each of its items."""
    if service == "dynamodb":
        yield from _table_uses(operation, params)
        return
    match operation:
        case "GetParameters":
            for name in params["Names"]:
                yield Use("ssm:GetParameters", _parameter(name))
        case "PutParameter":
            yield Use("ssm:PutParameter", _parameter(params["Name"]))
        case _:
            yield Use(f"{service}:{operation}", "")


def _table_uses(operation: str, params: Mapping[str, Any]) -> Iterator[Use]:
    match operation:
        case "TransactWriteItems":
            for item in params["TransactItems"]:
                ((kind, write),) = item.items()
                yield Use(f"dynamodb:{_WRITES[kind]}", TABLE, _key(write))
        case "BatchGetItem":
            for asked in params["RequestItems"].values():
                for key in asked["Keys"]:
                    yield Use("dynamodb:BatchGetItem", TABLE, _key({"Key": key}))
        case "Query" | "Scan":
            index = params.get("IndexName")
            thing = f"{TABLE}/index/{index}" if index else TABLE
            yield Use(f"dynamodb:{operation}", thing, _queried(params))
        case _:
            yield Use(f"dynamodb:{operation}", TABLE, _key(params))


def _parameter(name: str) -> str:
    return "parameter/" + name.rpartition("/")[2].partition(":")[0]


def _key(write: Mapping[str, Any]) -> str:
    key: str = (write.get("Key") or write["Item"])["pk"]["S"]
    return key


def _queried(params: Mapping[str, Any]) -> str:
    """The partition that a query names; the hash key comes first in every condition of ours."""
    found = re.search(r"=\s*(:\w+)", params.get("KeyConditionExpression", ""))
    return str(params["ExpressionAttributeValues"][found[1]]["S"]) if found else ""
