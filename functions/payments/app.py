"""Packs and purchases: what is sold, what a user buys, and what became of it."""

from engine.access import bearer, front_secret, keyrings
from engine.access.keyrings import ENGINE_JWT_SECRET, KeyRings
from engine.ledger.items import account_pk
from engine.payments import answers, book, buying
from engine.platform import config, table
from engine.platform.table import Table
from engine.web import rate_limits
from engine.web.forms import IntentForm, PaymentsQuery
from engine.web.http import Answer, Api, Call
from engine.web.request_ids import replay_headers

PACKS_AGE_S = 60

settings = config.load()
books = book.opened(settings, Table(table.connect(), settings.table_name))
rings = KeyRings(
    keyrings.connect(), settings.secrets_prefix, front_secret.names(settings, ENGINE_JWT_SECRET)
)
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
    intent, replayed = buying.begin(books, settings, user, form, call.request_key, call.now)
    members = answers.intent_members(intent, call.now)
    return Answer(members, headers=replay_headers(replayed))


@api.route("GET", "/v1/payments")
def payments(call: Call) -> Answer:
    user = _user(call)
    query = call.read_query(PaymentsQuery)
    return Answer(answers.page_members(books, user, query.limit, query.cursor, call.now))


@api.route("GET", "/v1/payments/{id}")
def payment(call: Call, id: str) -> Answer:
    return Answer(answers.one_of(books, _user(call), id, call.now))


def _user(call: Call) -> str:
    """The user of the call, which counts. Raises `Unauthorized`, `RateLimited`, `Busy`."""
    user = bearer.user(call, rings[ENGINE_JWT_SECRET], settings).user
    rate_limits.take(books.table, account_pk(user), "payments", settings.rate_limit, call.now)
    return user
