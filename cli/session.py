"""The session of a command that calls a gateway: its client, its credentials and its output."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from cli import endpoint
from cli.call_log import logged
from cli.client import Client, Reply, UnknownOutcome, new_request_id
from cli.endpoint import Endpoint
from cli.errors import CommandError, reporting_errors
from cli.exit_codes import UNAVAILABLE
from cli.options import GLOBAL
from cli.output import print_json
from engine.access import tokens
from engine.access.keyrings import Ring

TOKEN_LIFETIME_S = 3600


class Session:
    """One command's client and form of output."""

    def __init__(self, client: Client, *, as_json: bool) -> None:
        self.client = client
        self.as_json = as_json

    @property
    def endpoint(self) -> Endpoint:
        return self.client.endpoint

    @property
    def admin_headers(self) -> dict[str, str]:
        """The admin's credential, `ADMIN_SECRET`. Raises `CommandError` where it is not set."""
        return {"authorization": f"Bearer {self.endpoint.credential('ADMIN_SECRET')}"}

    def user_headers(self, user: str) -> dict[str, str]:
        """A new token for `user`, signed with `ENGINE_JWT_SECRET`. Raises `CommandError`."""
        ring = Ring((self.endpoint.credential("ENGINE_JWT_SECRET"),))
        now = int(time.time())
        text = tokens.issue_user(user, ring, now=now, lifetime_s=TOKEN_LIFETIME_S)
        return {"authorization": f"Bearer {text}"}

    def admin_write(self, path: str, body: Mapping[str, Any], request_id: str | None) -> Reply:
        """A POST by the admin under `request_id`, or under a new one.

        Raises `CommandError`; where the write may have happened, its text names the request id with
        which the command can be repeated.
        """
        key = request_id or new_request_id()
        try:
            reply = self.client.post(path, body, headers=self.admin_headers, key=key)
        except UnknownOutcome as unknown:
            raise _repeatable(unknown, key) from None
        if not reply.ok:
            refusal = reply.refusal()
            raise _repeatable(refusal, key) if refusal.code == UNAVAILABLE else refusal
        return reply

    def pages(
        self, path: str, query: Mapping[str, object], member: str, *, everything: bool
    ) -> tuple[list[Any], str | None]:
        """The items in `member` of one page, or of all pages, and the cursor of the next page.

        Raises `CommandError`.
        """
        found: list[Any] = []
        cursor = query.get("cursor")
        while True:
            page = {**query, "cursor": cursor}
            members = (
                self.client.get(path, headers=self.admin_headers, query=page).required().members
            )
            found += members[member]
            cursor = members.get("nextCursor")
            if not everything or cursor is None:
                return found, cursor

    def note(self, text: str) -> None:
        """Prints a remark for a person to standard error; nothing with `--json`."""
        if not self.as_json:
            typer.echo(text, err=True)

    def show_json(self, members: Mapping[str, Any]) -> bool:
        """Prints the result if `--json` was given. Returns whether it did."""
        if self.as_json:
            print_json(members)
        return self.as_json

    def confirm(self, question: str, *, yes: bool) -> None:
        """Asks the user unless `yes`. Raises `CommandError` where the answer is no or nobody can answer."""
        if yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise CommandError("This needs a confirmation: add --yes. Nothing was changed.")
        try:
            confirmed = typer.confirm(question, default=False, err=True)
        except typer.Abort:
            confirmed = False
        if not confirmed:
            raise CommandError("Nothing was changed.")


def _repeatable(error: CommandError, key: str) -> CommandError:
    text = f"{error} It may have been done; repeat it with --request-id {key}."
    return CommandError(text, error.code, {**error.facts, "retryWith": key})


@contextmanager
def open_session(context: typer.Context, *, as_json: bool) -> Iterator[Session]:
    """The session of a command; reports its errors and logs its end."""
    name = context.command_path.partition(" ")[2]
    with logged(name), reporting_errors(as_json=as_json):
        client = Client(endpoint.find(GLOBAL.get()))
        try:
            yield Session(client, as_json=as_json)
        finally:
            client.close()
