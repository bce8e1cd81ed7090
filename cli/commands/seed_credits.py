"""`pluct seed-credits`: puts credits into an account by the first route that accepts them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cli.client import Reply, UnknownOutcome, new_request_id
from cli.errors import CommandError
from cli.exit_codes import USAGE
from cli.options import Amount, Json, RequestId, User
from cli.output import print_table, say
from cli.session import Session, open_session


@dataclass(frozen=True, slots=True)
class Route:
    """A route that adds credits, and the credential that it takes."""

    path: str
    secret: str
    header: str
    prefix: str = ""

    @property
    def title(self) -> str:
        return f"POST {self.path} ({self.secret})"


ROUTES = (
    Route("/v1/credits/add", "ENGINE_ADMIN_KEY", "x-api-key"),
    Route("/admin/credits/add", "ADMIN_SECRET", "authorization", "Bearer "),
    Route("/add-credits", "WEBHOOK_SECRET", "x-webhook-secret"),
)
"""In the order in which they are tried."""
NEXT_ROUTE_AFTER = frozenset({401, 403, 404, 405})
"""Answers that show that nothing was added, so that the next route may be tried."""


def seed_credits(
    context: typer.Context,
    user: User,
    amount: Amount,
    reason: Annotated[str, typer.Option(help="Stored with the entry.")] = "seeded by pluct",
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Put credits into an account by the first route that accepts them.

    Tries the API key, then the admin's secret, then the payment webhook, and shows the result of each.
    The next route is tried only where the one before cannot have added anything.
    """
    with open_session(context, as_json=as_json) as session:
        key = request_id or new_request_id()
        body = {"userId": user, "amount": amount, "reason": reason}
        tried: list[dict[str, Any]] = []
        for route in ROUTES:
            reply = _try(session, route, body, key, tried)
            if reply is not None:
                _show_result(session, reply, tried, body)
                return
        if not as_json:
            _show_tried(tried)
        raise CommandError(f"No route could credit {user}.", _exit_code(tried), {"tried": tried})


def _try(
    session: Session, route: Route, body: Mapping[str, Any], key: str, tried: list[dict[str, Any]]
) -> Reply | None:
    """The reply that added the credits; None where the next route may be tried.

    Raises `CommandError` where no other route may be tried.
    """
    step: dict[str, Any] = {"way": route.title, "ok": False}
    tried.append(step)
    secret = session.endpoint.credentials.get(route.secret)
    if secret is None:
        step |= {"why": f"{route.secret} is not set", "code": None}
        return None
    headers = {route.header: route.prefix + secret}
    try:
        reply = session.client.post(route.path, body, headers=headers, key=key)
    except UnknownOutcome as unknown:
        raise _uncertain(str(unknown), unknown.code, key) from None
    if reply.ok:
        step["ok"] = True
        return reply
    refusal = reply.refusal()
    if reply.status >= 500:
        raise _uncertain(str(refusal), refusal.code, key, refusal.facts)
    if reply.status not in NEXT_ROUTE_AFTER:
        raise refusal
    step |= {"why": str(refusal), "code": refusal.code}
    return None


def _uncertain(
    text: str, code: int, key: str, facts: Mapping[str, Any] | None = None
) -> CommandError:
    """The error after which no other route is tried: it could add the credits a second time."""
    hint = f"{text} The credits may have been added; repeat it with --request-id {key}."
    return CommandError(hint, code, {**(facts or {}), "retryWith": key})


def _show_result(
    session: Session, reply: Reply, tried: list[dict[str, Any]], body: Mapping[str, Any]
) -> None:
    members = reply.members
    if session.show_json({**members, "way": tried[-1]["way"], "tried": tried}):
        return
    _show_tried(tried)
    replayed = " (added by an earlier call)" if reply.headers.get("idempotency-replayed") else ""
    say(f"{body['userId']}: +{body['amount']}, new balance {members['newBalance']}{replayed}.")


def _show_tried(tried: list[dict[str, Any]]) -> None:
    rows = [(step["way"], "added" if step["ok"] else step["why"]) for step in tried]
    print_table(("Route", "Result"), rows)


def _exit_code(tried: list[dict[str, Any]]) -> int:
    """The exit code of the last route that was called; `USAGE` where no secret is set."""
    codes = [int(step["code"]) for step in tried if step.get("code")]
    return codes[-1] if codes else USAGE
