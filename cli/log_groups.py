"""The structured logs of a stack's functions, from CloudWatch Logs; the local engine has them likewise."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.errors import CommandError
from cli.exit_codes import NOT_FOUND, UNAVAILABLE
from cli.stores import FoundStack
from engine.platform.ids import digest

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
SETTLED_S = 15
"""How much later than its own time a line may show up; such lines are looked for again."""

_ENDS_OF_NAMES = ("function", "logs")
# What Lambda itself writes about an invocation.
_PLATFORM = ("START RequestId:", "END RequestId:", "REPORT RequestId:", "INIT_START ", "XRAY ")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a function: `function` is its short name, `at` its time in seconds, `members` what it says.

    A line that is no JSON object, such as a part of a traceback, is the member `message`.
    """

    function: str
    at: float
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are asked for; a member that is empty lets every line pass."""

    request_id: str = ""
    user: str = ""
    level: str = ""

    @property
    def pattern(self) -> str:
        """CloudWatch's filter pattern that every wanted line matches; it saves reading the others."""
        terms = [text for text in (self.request_id, _logged(self.user)) if text and '"' not in text]
        return " ".join(f'"{text}"' for text in terms)

    def takes(self, line: Line) -> bool:
        members = line.members
        if self.request_id and self.request_id not in _texts(members):
            return False
        if self.user and not _is_of(members, _logged(self.user)):
            return False
        least = LEVELS.index(self.level) if self.level else 0
        return _rank(members) >= least


@dataclass(slots=True)
class LogReader:
    """Reads the log groups of `stack` by their short names; `groups` is filled by `find`."""

    stack: FoundStack
    groups: dict[str, str] = field(default_factory=dict)
    _seen: dict[tuple[str, str, int, str], None] = field(default_factory=dict)

    def find(self, functions: Iterable[str]) -> None:
        """Chooses the groups of these functions, or all. Raises `CommandError`."""
        known = self._known()
        wanted = [short_name(name) for name in functions]
        missing = [name for name in wanted if name not in known]
        if missing:
            text = f"There is no function {missing[0]}: give one of {', '.join(sorted(known))}."
            raise CommandError(text, NOT_FOUND, {"code": "not_found"})
        self.groups = {name: known[name] for name in wanted} or known

    def read(self, wanted: Wanted, since: float) -> list[Line]:
        """The wanted lines since `since` in seconds, oldest first, that no call returned before.

        Raises `CommandError`.
        """
        found = [
            line
            for function, group in self.groups.items()
            for line in self._of_group(function, group, wanted, since)
        ]
        return sorted(found, key=lambda line: line.at)

    def follow(self, wanted: Wanted, since: float, pause_s: float) -> Iterator[Line]:
        """The lines since `since` and all that come, without an end. Raises `CommandError`."""
        while True:
            began = time.time()
            yield from self.read(wanted, since)
            since = max(since, began - SETTLED_S)
            self._forget(since)
            time.sleep(pause_s)

    def _known(self) -> dict[str, str]:
        pages = _asked(
            self.stack.client("cloudformation"), "list_stack_resources", StackName=self.stack.name
        )
        resources = [one for page in pages for one in page["StackResourceSummaries"]]
        return {
            short_name(one["LogicalResourceId"]): one["PhysicalResourceId"]
            for one in resources
            if one["ResourceType"] == "AWS::Logs::LogGroup"
        }

    def _of_group(self, function: str, group: str, wanted: Wanted, since: float) -> Iterator[Line]:
        asked: dict[str, Any] = {"logGroupName": group, "startTime": int(since * 1000)}
        if wanted.pattern:
            asked["filterPattern"] = wanted.pattern
        for page in _asked(self.stack.client("logs"), "filter_log_events", **asked):
            for event in page["events"]:
                line = _line(function, event)
                if line is not None and self._is_new(group, event) and wanted.takes(line):
                    yield line

    def _is_new(self, group: str, event: Mapping[str, Any]) -> bool:
        name = event.get("eventId") or f"{event.get('logStreamName')} {event['message']}"
        key = (group, str(event.get("logStreamName")), int(event["timestamp"]), str(name))
        is_new = key not in self._seen
        self._seen[key] = None
        return is_new

    def _forget(self, since: float) -> None:
        """Lets go of lines that are not looked for again."""
        self._seen = {key: None for key in self._seen if key[2] >= int(since * 1000)}


def short_name(name: str) -> str:
    """`tokens` for a function `TokensFunction` or its group `TokensLogs`, in any spelling."""
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    for end in _ENDS_OF_NAMES:
        plain = plain.removesuffix(end) or plain
    return plain


def _asked(client: Any, operation: str, **asked: Any) -> Iterator[dict[str, Any]]:
    """The pages of an operation. Raises `CommandError`."""
    try:
        yield from client.get_paginator(operation).paginate(**asked)
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"The logs cannot be read: {error}", UNAVAILABLE) from None


def _line(function: str, event: Mapping[str, Any]) -> Line | None:
    """The line of an event; None for an empty one, and for what Lambda says about an invocation."""
    text = str(event["message"]).rstrip()
    if not text.strip() or text.startswith(_PLATFORM):
        return None
    try:
        members = json.loads(text)
    except ValueError:
        members = None
    if not isinstance(members, dict):
        members = {"message": text}
    return Line(function, int(event["timestamp"]) / 1000, members)


def _logged(user: str) -> str:
    """The user's id as lines show it: `logs.py` replaces e-mail addresses."""
    return f"~{digest(user)}" if "@" in user else user


def _texts(members: Mapping[str, Any]) -> set[str]:
    return {value for value in members.values() if isinstance(value, str)}


def _is_of(members: Mapping[str, Any], user: str) -> bool:
    """Whether a line is about `user`: a member, or a word of a documented line such as `user=anna`."""
    words = str(members.get("message", "")).split()
    return user in _texts(members) or f"user={user}" in words


def _rank(members: Mapping[str, Any]) -> int:
    """How bad a line is. Text that is no JSON is what a failure wrote; an access log has no levels."""
    if members.keys() == {"message"}:
        return len(LEVELS)
    level = members.get("level")
    return LEVELS.index(level if level in LEVELS else "INFO")
