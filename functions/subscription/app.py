"""A subscriber's OpenRouter key: made, watched and replaced, so that it never runs dry unnoticed."""

from engine import (
    auth,
    config,
    keyrings,
    limits,
    sealing,
    subscription_keys,
    subscription_payments,
    subscription_usage,
    table,
    webhooks,
)
from engine.errors import NotFound
from engine.forms import TopUpForm
from engine.http import Answer, Api, Call, legacy
from engine.ids import iso
from engine.key_steps import find_subscription
from engine.keyrings import JWT_SECRET_CLOUD, PROVISIONING_API_KEY, WEBHOOK_SECRET, KeyRings
from engine.ledger import Ledger
from engine.ledger_items import account_pk
from engine.plans import UNIT
from engine.subscribing import Subscriber, Subscribing
from engine.table import Table

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name), UNIT)
rings = KeyRings(
    keyrings.connect(),
    settings.secrets_prefix,
    (JWT_SECRET_CLOUD, PROVISIONING_API_KEY, WEBHOOK_SECRET),
)
rotation = subscription_keys.rotation(settings, ledger, rings, sealing.connect())
subscribing = Subscribing(rotation, settings.plan_policy)
api = Api(settings)
lambda_handler = api


@api.route("POST", "/api/key")
def key(call: Call) -> Answer:
    token = auth.subscriber(call, rings[JWT_SECRET_CLOUD])
    window = limits.take(ledger.table, account_pk(token.user), "key", settings.rate_limit, call.now)
    who = Subscriber(token.user, token.email, token.username)
    handed = subscribing.obtain(who, call.origin(f"user:{token.user}"), now=call.now)
    return Answer(
        {"ok": True, "success": True, "data": handed.members(), "timestamp": iso(call.now)},
        headers=limits.policy_headers(window),
    )


@api.route("GET", "/api/usage")
def usage(call: Call) -> Answer:
    user = auth.subscriber(call, rings[JWT_SECRET_CLOUD]).user
    window = limits.take(ledger.table, account_pk(user), "read", settings.rate_limit, call.now)
    subscription = find_subscription(ledger.table, user)
    if subscription is None:
        raise NotFound()
    members = subscription_usage.members(ledger, subscription, call.now)
    return Answer(
        {"ok": True, "success": True, "data": members, "timestamp": iso(call.now)},
        headers=limits.policy_headers(window),
    )


@api.route("POST", "/webhooks/top-up")
def top_up(call: Call) -> Answer:
    actor = webhooks.verify(call, rings[WEBHOOK_SECRET]).actor
    form = call.read(TopUpForm)
    origin = call.origin(actor, form.reason or "top_up")
    paid = subscription_payments.top_up(
        ledger,
        form.user_id,
        form.amount,
        form.transaction_id,
        call.request_key,
        origin,
        now=call.now,
    )
    members = subscription_payments.members(form.user_id, form.amount, paid)
    headers = {"Idempotency-Replayed": "true"} if paid.replayed else {}
    return Answer(legacy(members, paid.at), headers=headers)
