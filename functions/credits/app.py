"""Balances, and credits from API keys and payment providers."""

from msgspec import structs

from engine.access import front_secret, keyrings
from engine.access.callers import Access
from engine.access.identity import People
from engine.access.keyrings import ENGINE_ADMIN_KEY, ENGINE_JWT_SECRET, WEBHOOK_SECRET, KeyRings
from engine.credits import payment_webhooks, payments, placing, users
from engine.credits.payments import Grant, Granted
from engine.ledger.items import account_pk
from engine.ledger.posting import Ledger
from engine.platform import config, table
from engine.platform.table import Table
from engine.platform.times import iso
from engine.web import rate_limits, released_app
from engine.web.forms import AddForm, NoForm
from engine.web.http import Answer, Api, Call, legacy
from engine.web.request_ids import replay_headers
from engine.web.scopes import CREDITS_WRITE

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name))
rings = KeyRings(
    keyrings.connect(),
    settings.secrets_prefix,
    front_secret.names(settings, ENGINE_JWT_SECRET, ENGINE_ADMIN_KEY, WEBHOOK_SECRET),
)
access = Access(ledger.table, engine=lambda: rings[ENGINE_ADMIN_KEY], engine_as_bearer=True)
people = People(ledger.table, lambda: rings[ENGINE_JWT_SECRET], settings)
api = Api(settings, front_secret.required(settings, rings))
lambda_handler = api


@api.route("GET", "/v1/credits/balance")
def balance(call: Call) -> Answer:
    return _balance(call, people.require(call).user)


@api.route("POST", "/v1/user/balance")
@api.route("POST", "/user/balance")
def balance_by_post(call: Call) -> Answer:
    user = people.require(call).user
    call.read(NoForm)
    return _balance(call, user)


def _balance(call: Call, user: str) -> Answer:
    window = rate_limits.take(ledger.table, account_pk(user), "read", settings.rate_limit, call.now)
    account = ledger.account(user)
    if settings.reuse_unused_token or released_app.is_calling(call.headers):
        account = placing.as_the_app_sees(ledger.table, account)
    members = users.balance_members(account, settings.build)
    return Answer(members, headers=rate_limits.policy_headers(window))


@api.route("POST", "/v1/credits/add")
def add(call: Call) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    form = call.read(AddForm)
    granted = _grant(call, form, actor, "api_add")
    return Answer(
        {
            "ok": True,
            "userId": form.user_id,
            "amount": form.amount,
            "newBalance": granted.new_balance,
            "reason": granted.reason,
            "requestId": granted.request_id,
            "timestamp": iso(granted.at),
        },
        headers=_replay_header(granted),
    )


@api.route("POST", "/add-credits")
def add_by_webhook(call: Call) -> Answer:
    delivery = payment_webhooks.verify(call, rings[WEBHOOK_SECRET])
    form = call.read(AddForm)
    if form.transaction_id is None and delivery.id is not None:
        form = structs.replace(form, transaction_id=f"webhook-id:{delivery.id}")
    granted = _grant(call, form, delivery.actor, "add_webhook")
    members = {
        "userId": form.user_id,
        "amount": form.amount,
        "newBalance": granted.new_balance,
        "requestId": granted.request_id,
    }
    return Answer(legacy(members, granted.at), headers=_replay_header(granted))


def _grant(call: Call, form: AddForm, actor: str, type_: str) -> Granted:
    """A payment's id makes the request safe to repeat, so only a request without one needs its own."""
    asked = call.request_key if form.transaction_id is not None else call.money_key
    return payments.grant(
        ledger,
        Grant(
            user=form.user_id,
            amount=form.amount,
            type=type_,
            provider=form.provider,
            payment_id=form.transaction_id,
            key=asked.key,
            fingerprint=asked.fingerprint,
            act=call.act(actor, form.reason or type_),
        ),
    )


def _replay_header(granted: Granted) -> dict[str, str]:
    return replay_headers(granted.replayed)
