"""What every command that calls a gateway begins and ends with."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from cli import call_log as journal
from cli import endpoint as place
from cli.client import Calls, Reply, Unknown, new_key
from cli.endpoint import Place
from cli.output import UNREACHABLE, Trouble, print_json, speaking, warn
from cli.stores import OPTIONS
from engine.access import tokens
from engine.access.keyrings import Ring

TOKEN_LIFETIME_S = 3600


class Desk:
    """One command's place, calls and manner of answering."""

    def __init__(self, calls: Calls, *, as_json: bool) -> None:
        self.calls = calls
        self.as_json = as_json

    @property
    def place(self) -> Place:
        return self.calls.place

    @property
    def admin(self) -> dict[str, str]:
        """The admin's credential: `ADMIN_SECRET`. Raises `Trouble`."""
        return {"authorization": f"Bearer {self.place.credential('ADMIN_SECRET')}"}

    def user_headers(self, user: str) -> dict[str, str]:
        """A fresh token of `user`, signed with `ENGINE_JWT_SECRET`. Raises `Trouble`."""
        ring = Ring((self.place.credential("ENGINE_JWT_SECRET"),))
        now = int(time.time())
        text = tokens.issue_user(user, ring, now=now, lifetime_s=TOKEN_LIFETIME_S)
        return {"authorization": f"Bearer {text}"}

    def once(self, path: str, body: Mapping[str, Any], request_id: str | None) -> Reply:
        """The admin's write under `request_id`, or one of its own. Raises `Trouble`, with the id to
        repeat it by where it may have been done.
        """
        key = request_id or new_key()
        try:
            reply = self.calls.post(path, body, headers=self.admin, key=key)
        except Unknown as unknown:
            raise _repeatable(unknown, key) from None
        if not reply.ok:
            refusal = reply.refusal()
            raise _repeatable(refusal, key) if refusal.code == UNREACHABLE else refusal
        return reply

    def note(self, text: str) -> None:
        """For a person only, beside the result."""
        if not self.as_json:
            typer.echo(text, err=True)

    def show_json(self, members: Mapping[str, Any]) -> bool:
        """Whether the result has been printed, as JSON."""
        if self.as_json:
            print_json(members)
        return self.as_json

    def agree(self, question: str, *, yes: bool) -> None:
        """Asks unless `yes`. Raises `Trouble` where the answer is no or nobody can be asked."""
        if yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise Trouble("Nobody can be asked here; add --yes. Nothing was changed.")
        try:
            agreed = typer.confirm(question, default=False, err=True)
        except typer.Abort:
            agreed = False
        if not agreed:
            raise Trouble("Nothing was changed.")


def _repeatable(trouble: Trouble, key: str) -> Trouble:
    text = f"{trouble} It may have been done; repeat it with --request-id {key}."
    return Trouble(text, trouble.code, {**trouble.facts, "retryWith": key})


@contextmanager
def at(context: typer.Context, *, as_json: bool) -> Iterator[Desk]:
    """The desk of a command; troubles end it as `speaking` says, and the journal hears of the end."""
    name = context.command_path.partition(" ")[2]
    with journaled(name), speaking(as_json=as_json):
        session = Calls(place.find(OPTIONS.get()))
        try:
            yield Desk(session, as_json=as_json)
        finally:
            session.close()


@contextmanager
def journaled(name: str) -> Iterator[None]:
    """Writes down how the command ended, whichever way."""
    try:
        yield
    except typer.Exit as ended:
        journal.append("end", name, f"exit={ended.exit_code}")
        raise
    except KeyboardInterrupt:
        journal.append("end", name, "interrupted")
        warn("Interrupted.")
        raise typer.Exit(130) from None
    journal.append("end", name, "exit=0")


def pages(desk: Desk, path: str, query: dict[str, object], member: str, *, everything: bool) -> Any:
    """The first page's `member`, or that of all pages, and the cursor to go on from."""
    found: list[Any] = []
    cursor = query.get("cursor")
    while True:
        reply = desk.calls.get(
            path, headers=desk.admin, query={**query, "cursor": cursor}
        ).required()
        found += reply.members[member]
        cursor = reply.members.get("nextCursor")
        if not everything or cursor is None:
            return found, cursor
