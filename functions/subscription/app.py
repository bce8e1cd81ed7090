"""A subscriber's OpenRouter key: made, watched and replaced, so that it never runs dry unnoticed."""

from engine.access import bearer, keyrings
from engine.access.keyrings import JWT_SECRET_CLOUD, PROVISIONING_API_KEY, WEBHOOK_SECRET, KeyRings
from engine.credits import webhooks
from engine.ledger.items import account_pk
from engine.ledger.posting import Ledger
from engine.platform import config, sealing, table
from engine.platform.errors import NotFound
from engine.platform.table import Table
from engine.platform.times import iso
from engine.subscriptions import setup, top_ups
from engine.subscriptions import usage as subscription_usage
from engine.subscriptions.key_steps import find_subscription
from engine.subscriptions.plans import UNIT
from engine.subscriptions.subscribing import Subscriber, Subscribing
from engine.web import limits
from engine.web.forms import TopUpForm
from engine.web.http import Answer, Api, Call, legacy
from engine.web.idempotency import replay_headers

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name), UNIT)
rings = KeyRings(
    keyrings.connect(),
    settings.secrets_prefix,
    (JWT_SECRET_CLOUD, PROVISIONING_API_KEY, WEBHOOK_SECRET),
)
rotation = setup.rotation(settings, ledger, rings, sealing.connect())
subscribing = Subscribing(rotation, settings.plan_policy)
api = Api(settings)
lambda_handler = api


@api.route("POST", "/api/key")
def key(call: Call) -> Answer:
    token = bearer.subscriber(call, rings[JWT_SECRET_CLOUD])
    window = limits.take(ledger.table, account_pk(token.user), "key", settings.rate_limit, call.now)
    who = Subscriber(token.user, token.email, token.username)
    handed = subscribing.obtain(who, call.act(f"user:{token.user}"))
    return Answer(
        {"ok": True, "success": True, "data": handed.members(), "timestamp": iso(call.now)},
        headers=limits.policy_headers(window),
    )


@api.route("GET", "/api/usage")
def usage(call: Call) -> Answer:
    user = bearer.subscriber(call, rings[JWT_SECRET_CLOUD]).user
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
    act = call.act(actor, form.reason or "top_up")
    paid = top_ups.top_up(
        ledger,
        form.user_id,
        form.amount,
        form.transaction_id,
        call.request_key,
        act,
    )
    members = top_ups.members(form.user_id, form.amount, paid)
    headers = replay_headers(paid.replayed)
    return Answer(legacy(members, paid.at), headers=headers)
