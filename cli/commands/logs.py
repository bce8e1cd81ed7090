"""`pluct logs`: what the functions of a local run or of a deployment say, as it comes if wanted."""

import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.call_log import logged
from cli.errors import CommandError, reporting_errors
from cli.log_groups import LEVELS, Line, LogReader, Wanted
from cli.options import JsonLines, RunFile, Stack
from cli.output import print_json_line, print_wrapped, say
from cli.stores import find_stack

PAUSE_S = 2.0
CALLS_PER_S = 5
"""An account's quota of FilterLogEvents in a region is 5 or 10, depending on the region."""
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"([1-9][0-9]{0,5})([smhd])")
# In the heading of a line already, or of no use to a person.
_NOT_SHOWN = frozenset(
    {"level", "message", "timestamp", "service", "function", "_aws", "xray_trace_id"}
)


# One parameter per option: Typer reads the signature.
@logged("logs")
def logs(
    functions: Annotated[
        list[str] | None, typer.Argument(help="Short names such as tokens; all by default.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    since: Annotated[
        str, typer.Option(help="A span such as 90s, 10m, 2h, 3d, or an ISO time in UTC.")
    ] = "10m",
    request_id: Annotated[str, typer.Option(help="Only of this request.")] = "",
    user: Annotated[str, typer.Option(help="Only about this user.")] = "",
    level: Annotated[str, typer.Option(help=f"At least this: {', '.join(LEVELS)}.")] = "",
    as_json: JsonLines = False,
    run_file: RunFile = None,
    stack: Stack = None,
) -> None:
    """Show what functions log, oldest first: of the local run, or of a stack in AWS."""
    with reporting_errors(as_json=as_json):
        wanted = Wanted(request_id, user, _level(level))
        reader = LogReader(find_stack(run_file, stack))
        reader.find(functions or [])
        found = _lines(reader, wanted, _since(since, time.time()), follow=follow)
        shown = 0
        for line in found:
            _show(line, as_json=as_json)
            shown += 1
        if not shown and not as_json:
            say("There are no such lines.", good=False)


def _lines(reader: LogReader, wanted: Wanted, since: float, *, follow: bool) -> Iterator[Line]:
    if follow:
        return reader.follow(wanted, since, max(PAUSE_S, len(reader.groups) / CALLS_PER_S))
    return iter(reader.read(wanted, since))


def _since(text: str, now: float) -> float:
    """The time that `text` names, in seconds. Raises `CommandError`."""
    if span := _SPAN.fullmatch(text):
        return now - int(span[1]) * _UNITS_S[span[2]]
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--since is neither a span such as 10m nor a time: {text}") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _level(text: str) -> str:
    if text and text.upper() not in LEVELS:
        raise CommandError(f"A level is one of {', '.join(LEVELS)}.")
    return text.upper()


def _show(line: Line, *, as_json: bool) -> None:
    when = datetime.fromtimestamp(line.at, UTC)
    if as_json:
        at = when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        print_json_line({"at": at, "name": line.function, **line.members})
        return
    level = str(line.members.get("level", ""))
    heading = f"{when:%H:%M:%S} {line.function:<14} {level:<7} {line.members.get('message', '')}"
    print_wrapped(" ".join([heading, *_facts(line.members)]), style=_style(level))


def _facts(members: Mapping[str, Any]) -> Iterator[str]:
    for name, value in members.items():
        if name not in _NOT_SHOWN:
            yield f"{name}={value}"


def _style(level: str) -> str:
    return {"ERROR": "red", "CRITICAL": "red", "WARNING": "yellow"}.get(level, "")
