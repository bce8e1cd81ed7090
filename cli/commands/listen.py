"""`pluct listen`: prints the notices of a gateway as they come, with their signatures checked."""

import contextlib
import time
from pathlib import Path
from typing import Annotated

import typer

from cli.call_log import logged
from cli.errors import CommandError, reporting_errors
from cli.notice_receiver import Received, receiving
from cli.notice_setting import notices_to
from cli.options import JsonLines, RunFile, Stack
from cli.output import print_json_line, print_wrapped, say
from cli.stores import find_parameters, find_stack
from engine.access.keyrings import NOTIFY_SECRET, KeyRings, Ring


# One parameter per option: Typer reads the signature.
@logged("listen")
def listen(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The port of the receiver; 0 is any free one.")
    ] = 0,
    forward_to: Annotated[
        str | None, typer.Option(help="Post each notice, as it came, to this address too.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after this many notices.")] = None,
    as_json: JsonLines = False,
    run_file: RunFile = None,
    stack: Stack = None,
) -> None:
    """Receive notices on this machine, check their signatures, print them, and send them on.

    A local run is told to send its notices here while the command runs. A deployment sends them to its
    NotifyUrl: give --stack and let your tunnel with https end at --port.
    """
    with reporting_errors(as_json=as_json), contextlib.ExitStack() as held:
        if forward_to is not None and not forward_to.startswith(("http://", "https://")):
            raise CommandError(f"--forward-to is not an http(s) address: {forward_to}")
        found = find_stack(run_file, stack)
        try:
            url, notices = held.enter_context(receiving(port, _ring(run_file, stack), forward_to))
        except OSError as error:
            raise CommandError(f"Port {port} cannot be used: {error}") from None
        if found.endpoint_url is not None:
            held.enter_context(notices_to(found, url))
        if not as_json:
            say(f"{found.title}: notices come to {url}; the schedule sends them once a minute.")
        come = 0
        while count is None or come < count:
            _show(notices.next(), as_json=as_json)
            come += 1


def _ring(run_file: Path | None, stack: str | None) -> Ring:
    """The keys that sign notices. Raises `CommandError`, `EngineError`."""
    found = find_parameters(run_file, stack)
    return KeyRings(found.client, found.prefix, (NOTIFY_SECRET,))[NOTIFY_SECRET]


def _show(notice: Received, *, as_json: bool) -> None:
    if as_json:
        print_json_line(notice.as_json)
        return
    kind = notice.body.get("type", "a message without a type")
    heading = f"{time.strftime('%H:%M:%S', time.gmtime())} {kind} {notice.message_id}"
    data = notice.body.get("data")
    facts = [f"{name}={value}" for name, value in data.items()] if isinstance(data, dict) else []
    forwarded = [] if notice.forwarded is None else [f"sent on: {notice.forwarded}"]
    refused = [f"REFUSED: {notice.refused}"] if notice.refused else []
    text = " ".join([heading, *refused, *facts, *forwarded])
    print_wrapped(text, style="red" if notice.refused else "")
