"""`pluct logs`: which lines are wanted, in what order, once each, and how they are shown."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cli.commands.logs import _since
from cli.errors import CommandError
from cli.log_groups import Line, LogReader, Wanted, short_name
from cli.stores import FoundStack
from engine.platform.ids import digest

NOW = 1_772_446_530.0
GROUPS = {"TokensLogs": "/aws/lambda/p-Tokens", "KeyMonitorLogs": "/aws/lambda/p-KeyMonitor"}


def resource(name: str, physical: str, type_: str) -> dict[str, str]:
    return {"LogicalResourceId": name, "PhysicalResourceId": physical, "ResourceType": type_}


class _Pages:
    def __init__(self, pages: list[dict[str, Any]]) -> None:
        self.pages = pages

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        return self.pages


class Aws:
    """CloudFormation and CloudWatch Logs as a client shows them; `said` are the events of each group."""

    def __init__(self, said: Mapping[str, list[tuple[float, str]]]) -> None:
        self.said = said
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> Any:
        if operation == "list_stack_resources":
            found = [resource(name, group, "AWS::Logs::LogGroup") for name, group in GROUPS.items()]
            other = resource("Table", "t", "AWS::DynamoDB::Table")
            return _Pages([{"StackResourceSummaries": found}, {"StackResourceSummaries": [other]}])
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        self.asked.append(asked)
        events = [
            {"timestamp": int(at * 1000), "message": text, "logStreamName": "s"}
            for at, text in self.said.get(asked["logGroupName"], [])
            if at * 1000 >= asked["startTime"]
        ]
        return [{"events": [event]} for event in events]


def reader(
    monkeypatch: pytest.MonkeyPatch, **said: list[tuple[float, str]]
) -> tuple[LogReader, Aws]:
    aws = Aws({GROUPS[f"{name}Logs"]: events for name, events in said.items()})
    monkeypatch.setattr(FoundStack, "client", lambda *_: aws)
    return LogReader(FoundStack("p", "The stack p", None)), aws


def line(**members: Any) -> str:
    return json.dumps({"level": "INFO", **members})


def test_lines_of_all_functions_are_in_order_of_time_and_come_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, aws = reader(
        monkeypatch,
        Tokens=[(NOW + 2, line(message="second"))],
        KeyMonitor=[(NOW + 1, line(message="first"))],
    )
    found.find([])
    lines = found.read(Wanted(), NOW)
    assert [(one.function, one.members["message"]) for one in lines] == [
        ("keymonitor", "first"),
        ("tokens", "second"),
    ]
    assert found.read(Wanted(), NOW) == []
    assert all("filterPattern" not in asked for asked in aws.asked)


@pytest.mark.parametrize("name", ["tokens", "TokensFunction", "TOKENS", "tokens-logs"])
def test_a_function_is_found_by_each_spelling(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = reader(monkeypatch)
    found.find([name])
    assert found.groups == {"tokens": GROUPS["TokensLogs"]}
    found.find(["key_monitor"])
    assert found.groups == {"keymonitor": GROUPS["KeyMonitorLogs"]}


def test_an_unknown_function_is_an_error_that_names_the_known_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, _ = reader(monkeypatch)
    with pytest.raises(CommandError, match="keymonitor, tokens"):
        found.find(["nothing"])


def test_what_lambda_says_itself_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ["START RequestId: 1 Version: 2", "END RequestId: 1", "REPORT RequestId: 1", "  ", "x"]
    found, _ = reader(monkeypatch, Tokens=[(NOW, text) for text in said])
    found.find(["tokens"])
    assert [one.members for one in found.read(Wanted(), NOW)] == [{"message": "x"}]


def told(**members: Any) -> Line:
    return Line("tokens", NOW, members)


@pytest.mark.parametrize(
    ("wanted", "passes", "is_kept_back"),
    [
        (Wanted(request_id="r1"), told(request_id="r1"), told(request_id="r12")),
        (Wanted(user="ann"), told(user="ann"), told(user="anna")),
        (Wanted(user="ann"), told(message="be:vending user=ann ok=true"), told(message="user=anna")),
        (
            Wanted(user="a@b.example"),
            told(message=f"be:vending user=~{digest('a@b.example')}"),
            told(message="be:vending user=b"),
        ),
        (Wanted(level="WARNING"), told(level="ERROR"), told(level="INFO", message="m")),
        (Wanted(level="WARNING"), told(message="Traceback (most recent"), told(status="200")),
    ],
)  # fmt: skip
def test_each_filter_takes_its_own(wanted: Wanted, passes: Line, is_kept_back: Line) -> None:
    assert (wanted.takes(passes), wanted.takes(is_kept_back)) == (True, False)


def test_the_store_is_asked_for_less_where_a_filter_allows_it() -> None:
    assert Wanted(request_id="Jx=", user="ann", level="INFO").pattern == '"Jx=" "ann"'
    assert Wanted(user='a"b').pattern == ""


@pytest.mark.parametrize(
    ("text", "seconds_ago"),
    [("90s", 90), ("10m", 600), ("2h", 7200), ("3d", 259_200), ("2026-03-02T10:15:00", 30)],
)
def test_since_is_a_span_or_a_time(text: str, seconds_ago: int) -> None:
    assert _since(text, NOW) == NOW - seconds_ago


@pytest.mark.parametrize("text", ["", "10", "m", "0m", "-3h", "yesterday"])
def test_any_other_since_is_refused(text: str) -> None:
    with pytest.raises(CommandError):
        _since(text, NOW)


def test_short_names_keep_functions_apart() -> None:
    folders = [path.name for path in (Path(__file__).parent.parent / "functions").iterdir()]
    assert len({short_name(name) for name in folders}) == len(folders)
