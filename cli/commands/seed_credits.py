"""The commands of the first command line: status, credits, tokens, balances; and what a video shows."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cli.client import Reply, Unknown, new_key, segment
from cli.output import UNREACHABLE, Json, Trouble, print_facts, print_table, say, warn
from cli.session import Desk, at

User = Annotated[str, typer.Argument(help="The user's id.", show_default=False)]
Amount = Annotated[int, typer.Argument(min=1, max=1_000_000, help="Whole credits.")]
RequestId = Annotated[
    str | None,
    typer.Option("--request-id", help="Say the same again to repeat a write safely."),
]


def status(context: typer.Context, as_json: Json = False) -> None:
    """Is the gateway well?

    Asks /health; ends with 5 where it is not well.
    """
    with at(context, as_json=as_json) as desk:
        reply = desk.calls.get("/health")
        if reply.status not in (200, 503):
            raise reply.refusal()
        found = reply.members
        is_well = found["status"] == "ok"
        if not desk.show_json(found):
            _show_health(desk, found)
        if not is_well:
            raise typer.Exit(UNREACHABLE)


def _show_health(desk: Desk, found: Mapping[str, Any]) -> None:
    build = found.get("build", {})
    print_facts(
        {
            "Gateway": f"{desk.place.title} at {desk.place.base_url}",
            "Version": f"{found.get('version')}, build {build.get('ref')}",
            "Deployed": build.get("deployedAt"),
            "Up for": f"{found.get('uptimeSeconds')} s (this instance)",
            "Reaches": _pairs(found.get("connectivity", {})),
            "Not set": ", ".join(k for k, v in found.get("configuration", {}).items() if not v)
            or "-",
            "Routes": len(found.get("routes", [])),
        }
    )
    say(f"It is {found['status']}.", good=found["status"] == "ok")


def _pairs(members: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in members.items()) or "-"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to put credits in."""

    path: str
    secret: str
    header: str
    prefix: str = ""

    @property
    def title(self) -> str:
        return f"POST {self.path} ({self.secret})"


WAYS = (
    Way("/v1/credits/add", "ENGINE_ADMIN_KEY", "x-api-key"),
    Way("/admin/credits/add", "ADMIN_SECRET", "authorization", "Bearer "),
    Way("/add-credits", "WEBHOOK_SECRET", "x-webhook-secret"),
)
"""In the order in which the first command line tried them."""
NEXT_WAY_AFTER = frozenset({401, 403, 404, 405})
"""Answers after which nothing has happened and another way may still do it."""


def seed_credits(
    context: typer.Context,
    user: User,
    amount: Amount,
    reason: Annotated[str, typer.Option(help="Kept with the entry.")] = "seeded by pluct",
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Put credits in, by whichever way works.

    By API key, else as admin, else as a payment; it says what came of each. The next way is tried
    only where nothing can have happened by the one before.
    """
    with at(context, as_json=as_json) as desk:
        key = request_id or new_key()
        body = {"userId": user, "amount": amount, "reason": reason}
        tried: list[dict[str, Any]] = []
        for way in WAYS:
            reply = _try(desk, way, body, key, tried)
            if reply is not None:
                _seeded(desk, way, reply, tried, body)
                return
        facts = {"tried": tried}
        if not as_json:
            _show_tried(tried)
        raise Trouble(f"No way to credit {user} worked.", _worst(tried), facts)


def _try(
    desk: Desk, way: Way, body: Mapping[str, Any], key: str, tried: list[dict[str, Any]]
) -> Reply | None:
    """The answer that counts; None where the next way may be tried. Raises `Trouble`."""
    step: dict[str, Any] = {"way": way.title, "ok": False}
    tried.append(step)
    secret = desk.place.credentials.get(way.secret)
    if secret is None:
        step |= {"why": f"{way.secret} is not set", "code": None}
        return None
    try:
        reply = desk.calls.post(way.path, body, headers={way.header: way.prefix + secret}, key=key)
    except Unknown as unknown:
        raise _unsure(str(unknown), unknown.code, key) from None
    if reply.ok:
        step["ok"] = True
        return reply
    refusal = reply.refusal()
    if reply.status >= 500:
        raise _unsure(str(refusal), refusal.code, key, refusal.facts)
    if reply.status not in NEXT_WAY_AFTER:
        raise refusal
    step |= {"why": str(refusal), "code": refusal.code}
    return None


def _unsure(text: str, code: int, key: str, facts: Mapping[str, Any] | None = None) -> Trouble:
    """No other way may be tried: it could add the credits a second time."""
    hint = f"{text} The credits may have arrived; repeat it with --request-id {key}."
    return Trouble(hint, code, {**(facts or {}), "retryWith": key})


def _seeded(
    desk: Desk, way: Way, reply: Reply, tried: list[dict[str, Any]], body: Mapping[str, Any]
) -> None:
    members = reply.members
    if desk.show_json({**members, "way": way.title, "tried": tried}):
        return
    _show_tried(tried)
    again = " (it was there already)" if reply.headers.get("idempotency-replayed") else ""
    say(f"{body['userId']}: +{body['amount']}, new balance {members['newBalance']}{again}.")


def _show_tried(tried: list[dict[str, Any]]) -> None:
    rows = [(step["way"], "worked" if step["ok"] else step["why"]) for step in tried]
    print_table(("Way", "What came of it"), rows)


def _worst(tried: list[dict[str, Any]]) -> int:
    """The exit code of the last way that was really tried; 2 where no secret is set."""
    codes = [int(step["code"]) for step in tried if step.get("code")]
    return codes[-1] if codes else 2


def vend_token(
    context: typer.Context, user: User, request_id: RequestId = None, as_json: Json = False
) -> None:
    """Buy a token with a credit, and print it.

    Asks POST /vend-token; where that is switched off, POST /v1/vend-token with a token of the user's.
    """
    with at(context, as_json=as_json) as desk:
        key = request_id or new_key()
        reply = desk.calls.post("/vend-token", {"userId": user}, key=key)
        if _switched_off(reply) and "ENGINE_JWT_SECRET" in desk.place.credentials:
            desk.note("POST /vend-token is switched off here; asking POST /v1/vend-token.")
            reply = desk.calls.post("/v1/vend-token", {}, headers=desk.user_headers(user), key=key)
        members = reply.required().members
        if not desk.show_json(members):
            desk.note(
                f"{user} has {members['balanceAfter']} left; good until {members['expiresAt']}."
            )
            typer.echo(members["token"])


def _switched_off(reply: Reply) -> bool:
    return reply.status in (401, 403, 404) and reply.members.get("code") != "insufficient_credits"


def balance(context: typer.Context, user: User, as_json: Json = False) -> None:
    """What a user can spend, and what is held."""
    with at(context, as_json=as_json) as desk:
        key = desk.place.credentials.get("ENGINE_ADMIN_KEY")
        headers = {"x-api-key": key} if key else {}
        reply = desk.calls.get(f"/user/{segment(user)}/balance", headers=headers)
        members = reply.required().members
        if not desk.show_json(members):
            print_facts(
                {
                    "User": user,
                    "Balance": members["balance"],
                    "Held": members.get("heldCredits"),
                    "Changed": members.get("updatedAt"),
                }
            )


def validate(
    context: typer.Context,
    jwt: Annotated[str, typer.Argument(help="The token; - reads it from standard input.")],
    as_json: Json = False,
) -> None:
    """Does the gateway accept this token?

    Ends with 3 where it does not.
    """
    with at(context, as_json=as_json) as desk:
        token = sys.stdin.readline().strip() if jwt == "-" else jwt
        if not token or not token.isascii() or not token.isprintable():
            raise Trouble("That is not a token.")
        reply = desk.calls.get("/ttt/status/ping", headers={"authorization": f"Bearer {token}"})
        members = reply.required().members
        if not desk.show_json(members):
            say("The gateway accepts this token.")


def meta(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="The address of a TikTok video.")],
    as_json: Json = False,
) -> None:
    """What a TikTok address shows."""
    with at(context, as_json=as_json) as desk:
        members = desk.calls.get("/meta", query={"url": url}).required().members
        if not desk.show_json(members):
            names = ("title", "author", "handle", "duration", "url", "source")
            print_facts({name.capitalize(): members.get(name) for name in names})
            for warning in members.get("warnings", []):
                warn(str(warning))


COMMANDS: dict[str, Callable[..., None]] = {
    "status": status,
    "seed-credits": seed_credits,
    "vend-token": vend_token,
    "balance": balance,
    "validate": validate,
    "meta": meta,
}
