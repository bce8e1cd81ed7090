"""Packs and payments for operators: the catalogue, the inbox, and what they decide."""

import time
from decimal import Decimal
from functools import partial

from engine.access import front_secret, keyrings
from engine.access.callers import Access, by_session
from engine.access.keyrings import ADMIN_SECRET, KeyRings
from engine.payments import answers, book, by_mpesa, clients, inbox, intents, packs, reconciliation
from engine.payments.buying import Shop
from engine.payments.by_mpesa import Addresses
from engine.payments.clients import Clients
from engine.payments.inbox import Place
from engine.payments.packs import Pack
from engine.payments.reconciliation import Reconciler
from engine.platform import config, table
from engine.platform.errors import InvalidRequest
from engine.platform.table import Table
from engine.platform.times import is_day
from engine.providers import callback_paths
from engine.subscriptions.plans import micros
from engine.web.desk_forms import AdminPaymentsQuery, AssignForm, RefundForm
from engine.web.forms import AddressesForm, PackForm, ReasonForm
from engine.web.http import Answer, Api, Call
from engine.web.scopes import CREDITS_WRITE, USERS_READ

MOST_FINDINGS = 100
ROUND_S = 24.0
"""How long a round by hand may take: the API answers after 30 s at the latest."""

settings = config.load()
books = book.opened(settings, Table(table.connect(), settings.table_name))
rings = KeyRings(
    keyrings.connect(),
    settings.secrets_prefix,
    front_secret.names(settings, ADMIN_SECRET, *clients.SECRETS, *clients.ASKING),
)
providers = Clients(settings, rings, books.table)
shop = Shop(books, providers, settings)
access = Access(books.table, admin=lambda: rings[ADMIN_SECRET], session=by_session(books.table))
api = Api(settings, front_secret.required(settings, rings))
lambda_handler = api


@api.route("GET", "/admin/packs")
def all_packs(call: Call) -> Answer:
    access.require(call, USERS_READ)
    found = [packs.admin_members(pack) for pack in packs.everything(books.table)]
    return Answer({"ok": True, "packs": found})


@api.route("GET", "/admin/packs/{code}")
def pack_versions(call: Call, code: str) -> Answer:
    access.require(call, USERS_READ)
    found = [packs.admin_members(pack) for pack in packs.versions(books.table, code)]
    return Answer({"ok": True, "packs": found})


@api.route("POST", "/admin/packs")
def edit_pack(call: Call) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    form = call.read(PackForm)
    act = call.act(actor, form.reason)
    made = packs.edit(books.credits, books.audit, _pack(form), act)
    return Answer({"ok": True, "pack": packs.admin_members(made)})


@api.route("GET", "/admin/payments")
def payments(call: Call) -> Answer:
    access.require(call, USERS_READ)
    query = call.read_query(AdminPaymentsQuery)
    _require_days(query)
    return Answer(inbox.page(books, query, call.now))


@api.route("GET", "/admin/payments/findings")
def findings(call: Call) -> Answer:
    access.require(call, USERS_READ)
    found = reconciliation.open_findings(books.table, MOST_FINDINGS)
    shown = [reconciliation.finding_members(item, call.now) for item in found]
    passes = reconciliation.passes(books.table)
    return Answer({"ok": True, "findings": shown, "passes": passes})


@api.route("POST", "/admin/payments/reconcile")
def reconcile(call: Call) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    act = call.act(actor, call.read(ReasonForm).reason)
    ends_at = time.monotonic() + ROUND_S
    done = Reconciler(shop, act, lambda: ends_at - time.monotonic()).run(is_forced=True)
    return Answer({"ok": True, "isDone": done.is_done, "counts": dict(done.counts)})


@api.route("POST", "/admin/payments/addresses")
def register(call: Call) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    form = call.read(AddressesForm)
    addresses = providers.addresses(call.public_base)
    act = call.act(actor, form.reason)
    is_new = by_mpesa.register(books, providers.daraja, addresses, act, is_again=form.again)
    return Answer(_registered(addresses, is_new))


@api.route("GET", "/admin/payments/{provider}/{id}")
def payment(call: Call, provider: str, id: str) -> Answer:
    access.require(call, USERS_READ)
    row = inbox.find(books, Place(provider, id))
    intent = intents.find(books.table, row.intent) if row.intent else None
    begun = answers.intent_members(intent, call.now, row) if intent is not None else None
    return Answer({"ok": True, "payment": answers.row_members(row, call.now), "intent": begun})


@api.route("POST", "/admin/payments/{provider}/{id}/assign")
def assign(call: Call, provider: str, id: str) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    form = call.read(AssignForm)
    act = call.act(actor, form.reason)
    row = inbox.assign(books, Place(provider, id), form.user_id, form.pack_id, act)
    return Answer({"ok": True, "payment": answers.row_members(row, call.now)})


@api.route("POST", "/admin/payments/{provider}/{id}/refund")
def refund(call: Call, provider: str, id: str) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    form = call.read(RefundForm)
    act = call.act(actor, form.reason)
    place = Place(provider, id)
    row = inbox.mark_refunded(books, place, form.amount_minor, form.receipt, act)
    return Answer({"ok": True, "payment": answers.row_members(row, call.now)})


@api.route("POST", "/admin/payments/{provider}/{id}/ignore")
def ignore(call: Call, provider: str, id: str) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    act = call.act(actor, call.read(ReasonForm).reason)
    row = inbox.ignore(books, Place(provider, id), act)
    return Answer({"ok": True, "payment": answers.row_members(row, call.now)})


@api.route("POST", "/admin/payments/{provider}/{id}/status")
def ask_status(call: Call, provider: str, id: str) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    act = call.act(actor, call.read(ReasonForm).reason)
    replies = partial(providers.replies, call.public_base, "status")
    by_mpesa.ask_status(books, providers.daraja, Place(provider, id), replies, act)
    return Answer({"ok": True, "status": "asked"}, status=202)


@api.route("POST", "/admin/payments/{provider}/{id}/reverse")
def reverse(call: Call, provider: str, id: str) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    act = call.act(actor, call.read(ReasonForm).reason)
    replies = partial(providers.replies, call.public_base, "reversal")
    row = by_mpesa.reverse(books, providers.daraja, Place(provider, id), replies, act)
    return Answer({"ok": True, "payment": answers.row_members(row, call.now)}, status=202)


def _registered(addresses: Addresses, is_new: bool) -> dict[str, object]:
    """What was registered; the addresses without the part that proves their caller."""
    return {
        "ok": True,
        "isNew": is_new,
        "shortCode": addresses.short_code,
        "confirmationUrl": callback_paths.masked(addresses.confirmation),
        "validationUrl": callback_paths.masked(addresses.validation),
    }


def _require_days(query: AdminPaymentsQuery) -> None:
    """Raises `InvalidRequest` for a day that is not one of the calendar."""
    for name, day in (("fromDay", query.from_day), ("toDay", query.to_day)):
        if day is not None and not is_day(day):
            raise InvalidRequest("This is not a day of the calendar.", details={"field": name})


def _pack(form: PackForm) -> Pack:
    return Pack(
        form.pack_id,
        form.version,
        form.label,
        form.credits,
        form.bonus,
        micros(Decimal(form.dollars)),
        form.prices,
        form.google_product_id,
        form.apple_product_id,
        form.tax_note,
        form.active,
    )
