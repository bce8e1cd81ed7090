"""`pluct payments`: the inbox of payments, and the reconciler. All commands need `ADMIN_SECRET`."""

import re
from typing import Annotated, Any

import typer

from cli.client import path_segment
from cli.options import Everything, Json, Limit, Reason, RequestId, User, Yes
from cli.output import print_facts, print_table, say
from cli.session import Session, open_session

PATH = "/admin/payments"
MOST_ROUNDS = 100

app = typer.Typer(
    help="Decide about payments, and compare them with providers.", no_args_is_help=True
)

Provider = Annotated[str, typer.Argument(help="Such as stripe, mpesa or google.")]
Payment = Annotated[str, typer.Argument(help="The provider's id of the payment.")]
Receipt = Annotated[str, typer.Argument(help="The receipt of M-Pesa.")]


@app.command("list")
def list_payments(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="Payments of this user.")] = None,
    limit: Limit = 50,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """List payments that wait for a decision, or those of a user."""
    with open_session(context, as_json=as_json) as session:
        query: dict[str, Any] = {"limit": limit, **({"user": user} if user else {})}
        found, cursor = session.pages(PATH, query, "payments", everything=everything)
        if session.show_json({"ok": True, "payments": found, "nextCursor": cursor}):
            return
        if not found:
            say("There are no such payments.", good=user is None)
            return
        heads = ("Provider", "Payment", "Status", "Reason", "Amount", "Account", "Age (h)")
        print_table(heads, map(_row, found), right=("Amount", "Age (h)"))


@app.command("show")
def show(
    context: typer.Context, provider: Provider, payment: Payment, as_json: Json = False
) -> None:
    """Show one payment: what was paid, granted, taken back and refunded."""
    with open_session(context, as_json=as_json) as session:
        path = f"{PATH}/{path_segment(provider)}/{path_segment(payment)}"
        members = session.client.get(path, headers=session.admin_headers).required().members
        if not session.show_json(members):
            print_facts({_title(name): value for name, value in members["payment"].items()})


@app.command("assign")
def assign(
    context: typer.Context,
    provider: Provider,
    payment: Payment,
    user: User,
    pack: Annotated[str, typer.Argument(help="The pack that the payment buys.")],
    reason: Reason,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Grant a pack to a user for a payment of the inbox."""
    with open_session(context, as_json=as_json) as session:
        session.confirm(f"{provider} {payment}: {pack} for {user}. Grant it?", yes=yes)
        body = {"userId": user, "packId": pack, "reason": reason}
        reply = session.admin_write(_path(provider, payment, "assign"), body, request_id)
        _show(session, reply.members)


@app.command("ignore")
def ignore(
    context: typer.Context,
    provider: Provider,
    payment: Payment,
    reason: Reason,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Close a payment of the inbox without doing anything."""
    with open_session(context, as_json=as_json) as session:
        session.confirm(f"{provider} {payment}: close it?", yes=yes)
        path = _path(provider, payment, "ignore")
        _show(session, session.admin_write(path, {"reason": reason}, request_id).members)


@app.command("refunded")
def refunded(
    context: typer.Context,
    provider: Provider,
    payment: Payment,
    receipt: Annotated[str, typer.Argument(help="The receipt of the refund.")],
    reason: Reason,
    amount: Annotated[
        int | None, typer.Option(help="What went back in all, in minor units; all by default.")
    ] = None,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Record a refund that was made by hand; it takes back what was granted for it."""
    with open_session(context, as_json=as_json) as session:
        session.confirm(f"{provider} {payment}: {amount or 'all'} went back?", yes=yes)
        body: dict[str, Any] = {"receipt": receipt, "reason": reason}
        body |= {"amountMinor": amount} if amount is not None else {}
        reply = session.admin_write(_path(provider, payment, "refund"), body, request_id)
        _show(session, reply.members)


@app.command("register-urls")
def register_urls(
    context: typer.Context,
    reason: Reason,
    again: Annotated[
        bool, typer.Option("--again", help="Also where the same ones were registered before.")
    ] = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Tell M-Pesa where it reports payments to the short code; the same again changes nothing."""
    with open_session(context, as_json=as_json) as session:
        body = {"reason": reason, "again": again}
        members = session.admin_write(f"{PATH}/addresses", body, request_id).members
        if session.show_json(members):
            return
        done = "Registered" if members["isNew"] else "Registered before"
        say(f"{done} for {members['shortCode']}, shown without the secret in them:")
        say(f"confirmation {members['confirmationUrl']}")
        say(f"validation {members['validationUrl']}")


@app.command("ask-status")
def ask_status(
    context: typer.Context,
    receipt: Receipt,
    reason: Reason,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Ask M-Pesa for a payment that nothing has reported; a proved one is in the inbox soon after."""
    with open_session(context, as_json=as_json) as session:
        path = _path("mpesa", receipt, "status")
        reply = session.admin_write(path, {"reason": reason}, request_id)
        if not session.show_json(reply.members):
            say(f"M-Pesa was asked for {receipt}.")


@app.command("reverse")
def reverse(
    context: typer.Context,
    receipt: Receipt,
    reason: Reason,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Ask M-Pesa to give a payment back; it takes back what was granted when M-Pesa has done so."""
    with open_session(context, as_json=as_json) as session:
        session.confirm(f"mpesa {receipt}: give the payment back?", yes=yes)
        path = _path("mpesa", receipt, "reverse")
        _show(session, session.admin_write(path, {"reason": reason}, request_id).members)


@app.command("findings")
def findings(context: typer.Context, as_json: Json = False) -> None:
    """List what the reconciler cannot repair. Exit code 1 if there is anything."""
    with open_session(context, as_json=as_json) as session:
        headers = session.admin_headers
        members = session.client.get(f"{PATH}/findings", headers=headers).required().members
        found = members["findings"]
        if not session.show_json(members):
            heads = ("Kind", "Provider", "Payment", "First seen", "Age (h)")
            rows = ((*_finding(one), one["ageSeconds"] // 3600) for one in found)
            print_table(heads, rows, right=("Age (h)",))
        if found:
            raise typer.Exit(1)


@app.command("reconcile")
def reconcile(context: typer.Context, reason: Reason, as_json: Json = False) -> None:
    """Compare payments with the providers now, with a line for each round until nothing is left."""
    with open_session(context, as_json=as_json) as session:
        total: dict[str, int] = {}
        for number in range(1, MOST_ROUNDS + 1):
            reply = session.admin_write(f"{PATH}/reconcile", {"reason": reason}, None)
            for name, count in reply.members["counts"].items():
                total[name] = total.get(name, 0) + count
            session.note(f"Round {number}: {_counts(reply.members['counts'])}")
            if reply.members["isDone"]:
                break
        if not session.show_json({"ok": True, "rounds": number, "counts": total}):
            say(f"Done in {number} rounds: {_counts(total)}")


def _path(provider: str, payment: str, decision: str) -> str:
    return f"{PATH}/{path_segment(provider)}/{path_segment(payment)}/{decision}"


def _show(session: Session, members: dict[str, Any]) -> None:
    payment = members["payment"]
    if not session.show_json(members):
        say(f"{payment['provider']} {payment['paymentId']} is {payment['status']}.")


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    amount = f"{one['grossMinor']} {one['currency'] or 'units'}"
    named = (one["provider"], one["paymentId"], one["status"], one["reason"] or "")
    return (*named, amount, one["account"] or "", one["ageSeconds"] // 3600)


def _title(name: str) -> str:
    """`Refunded minor` for the member `refundedMinor`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def _finding(one: dict[str, Any]) -> tuple[str, ...]:
    return one["kind"], one["provider"], one["paymentId"], one["firstSeenAt"]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "nothing"
