"""Packs and purchases: what is sold, what a user buys, and what payment providers report."""

from engine.access import bearer, front_secret, keyrings
from engine.access.keyrings import ENGINE_JWT_SECRET, STRIPE_WEBHOOK_SECRET, KeyRings
from engine.ledger.items import account_pk
from engine.payments import answers, book, buying, by_mpesa, by_play, by_stripe, clients
from engine.payments.buying import Order, Shop
from engine.payments.clients import Clients
from engine.payments.errors import ProviderFailed
from engine.payments.settlement import Settled
from engine.platform import config, logs, table
from engine.platform.act import Act
from engine.platform.errors import NotFound, Unauthorized
from engine.platform.table import Table
from engine.providers import (
    callback_paths,
    daraja_callbacks,
    daraja_results,
    play_messages,
    stripe_signature,
)
from engine.providers.stripe_events import read as event_of
from engine.providers.wire import NotSent, Refused, Unknown
from engine.web import rate_limits
from engine.web.forms import IntentForm, PaymentsQuery, PurchaseForm
from engine.web.http import Answer, Api, Call
from engine.web.request_ids import replay_headers

PACKS_AGE_S = 60

settings = config.load()
books = book.opened(settings, Table(table.connect(), settings.table_name))
rings = KeyRings(
    keyrings.connect(),
    settings.secrets_prefix,
    front_secret.names(settings, ENGINE_JWT_SECRET, *clients.SECRETS, *clients.HEARING),
)
providers = Clients(settings, rings, books.table)
shop = Shop(books, providers, settings)
api = Api(settings, front_secret.required(settings, rings))
lambda_handler = api


@api.route("GET", "/v1/packs")
def packs(call: Call) -> Answer:
    sold = books.packs.all()
    headers = {"Cache-Control": f"public, max-age={PACKS_AGE_S}"}
    return Answer(answers.packs_members(sold), headers=headers)


@api.route("POST", "/v1/payments/intents")
def begin(call: Call) -> Answer:
    user = _user(call)
    form = call.read(IntentForm)
    order = Order(user, form, call.request_key, call.public_base, call.now)
    intent, replayed = buying.begin(shop, order)
    members = answers.intent_members(intent, call.now, pay_to=buying.pay_to(settings, intent))
    return Answer(members, headers=replay_headers(replayed))


@api.route("GET", "/v1/payments")
def payments(call: Call) -> Answer:
    user = _user(call)
    query = call.read_query(PaymentsQuery)
    return Answer(answers.page_members(books, user, query.limit, query.cursor, call.now))


@api.route("GET", "/v1/payments/{id}")
def payment(call: Call, id: str) -> Answer:
    return Answer(answers.one_of(books, _user(call), id, call.now))


@api.route("POST", "/v1/payments/google/claim")
def claim(call: Call) -> Answer:
    user = _user(call)
    token = call.read(PurchaseForm).purchase_token
    settled = by_play.claim(books, providers.play, user, token, _act(call, "google"))
    return Answer(answers.claimed_members(settled.row if settled is not None else None))


@api.route("POST", "/webhooks/stripe")
def hear_stripe(call: Call) -> Answer:
    header = call.headers.get(stripe_signature.HEADER, "")
    secrets = rings[STRIPE_WEBHOOK_SECRET].secrets
    if not stripe_signature.is_signed(header, call.raw_body, secrets, call.now):
        raise Unauthorized("signature", scheme="StripeSignature")
    event = event_of(call.raw_body)
    if event is None or not event.is_listened_to:
        return _heard(None)
    try:
        return _heard(by_stripe.hear(books, providers.stripe, event, _act(call, "stripe")))
    except (NotSent, Unknown, Refused):
        raise ProviderFailed() from None


@api.route("POST", "/webhooks/play")
def hear_play(call: Call) -> Answer:
    account, audience = settings.play_push_account, settings.play_audience
    if not play_messages.is_admitted(call.event, account, audience, call.now):
        raise Unauthorized("not our push account")
    notice = play_messages.notice(call.raw_body, settings.play_package)
    if notice is None:
        return _heard(None)
    try:
        return _heard(by_play.hear(books, providers.play, notice, _act(call, "google")))
    except (NotSent, Unknown, Refused):
        raise ProviderFailed() from None


@api.route("POST", "/v1/payments/callbacks/{kind}/{capability}")
def hear_daraja(call: Call, kind: str, capability: str) -> Answer:
    found = providers.subject_of(kind, capability)
    if found is None:
        raise NotFound()
    if not callback_paths.is_known_address(call.address):
        logs.unknown_address(call.address, kind)
    return Answer(_of_daraja(call, *found))


def _of_daraja(call: Call, kind: str, subject: str) -> dict[str, object]:
    """What Daraja is answered; what cannot be read is acknowledged, because nothing makes it better."""
    act = _act(call, "mpesa")
    numbers = providers.mpesa_numbers
    if kind == "stk" and (result := daraja_callbacks.stk(call.raw_body)) is not None:
        by_mpesa.hear_prompt(books, subject, result, act)
    paid = daraja_callbacks.c2b(call.raw_body) if kind in ("confirmation", "validation") else None
    if kind == "confirmation" and paid is not None:
        by_mpesa.hear_payment(books, paid, numbers, act)
    found = daraja_results.result(call.raw_body) if kind in ("status", "reversal") else None
    if kind == "status" and found is not None:
        by_mpesa.hear_status(books, subject, found, numbers, act)
    if kind == "reversal" and found is not None:
        by_mpesa.hear_reversal(books, subject, found, act)
    if kind == "validation":
        admitted = daraja_callbacks.admitted() if paid is None else by_mpesa.validated(books, paid)
        return dict(admitted)
    return daraja_callbacks.accepted()


def _heard(settled: Settled | None) -> Answer:
    return Answer({"ok": True, "outcome": settled.outcome if settled is not None else "ignored"})


def _act(call: Call, provider: str) -> Act:
    """The act of a provider, which has no address that concerns the user."""
    return Act(f"webhook:{provider}", call.request_id, "", "", "payment", at=call.now)


def _user(call: Call) -> str:
    """The user of the call, which counts. Raises `Unauthorized`, `RateLimited`, `Busy`."""
    user = bearer.user(call, rings[ENGINE_JWT_SECRET], settings).user
    rate_limits.take(books.table, account_pk(user), "payments", settings.rate_limit, call.now)
    return user
