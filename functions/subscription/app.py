"""A subscriber's OpenRouter key and usage, and payments for subscriptions."""

from engine.access import bearer, front_secret, keyrings
from engine.access.keyrings import JWT_SECRET_CLOUD, PROVISIONING_API_KEY, WEBHOOK_SECRET, KeyRings
from engine.credits import payment_webhooks
from engine.ledger.items import account_pk
from engine.ledger.posting import Ledger
from engine.platform import config, sealing, table
from engine.platform.errors import NotFound
from engine.platform.table import Table
from engine.platform.times import iso
from engine.subscriptions import subscription, top_ups, wiring
from engine.subscriptions import usage as subscription_usage
from engine.subscriptions.issuing import KeyIssuer
from engine.subscriptions.plans import UNIT
from engine.subscriptions.subscription import Subscriber
from engine.subscriptions.top_ups import TopUp
from engine.web import rate_limits
from engine.web.forms import TopUpForm
from engine.web.http import Answer, Api, Call, legacy
from engine.web.request_ids import replay_headers

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name), UNIT)
rings = KeyRings(
    keyrings.connect(),
    settings.secrets_prefix,
    front_secret.names(settings, JWT_SECRET_CLOUD, PROVISIONING_API_KEY, WEBHOOK_SECRET),
)
lifecycle = wiring.lifecycle(settings, ledger, rings, sealing.connect())
issuer = KeyIssuer(lifecycle, settings.plan_policy)
api = Api(settings, front_secret.required(settings, rings))
lambda_handler = api


@api.route("POST", "/api/key")
def key(call: Call) -> Answer:
    token = bearer.subscriber(call, rings[JWT_SECRET_CLOUD])
    window = rate_limits.take(
        ledger.table, account_pk(token.user), "key", settings.rate_limit, call.now
    )
    who = Subscriber(token.user, token.email, token.username)
    issued = issuer.obtain(who, call.act(f"user:{token.user}"))
    return Answer(
        {"ok": True, "success": True, "data": issued.members(), "timestamp": iso(call.now)},
        headers=rate_limits.policy_headers(window),
    )


@api.route("GET", "/api/usage")
def usage(call: Call) -> Answer:
    user = bearer.subscriber(call, rings[JWT_SECRET_CLOUD]).user
    window = rate_limits.take(ledger.table, account_pk(user), "read", settings.rate_limit, call.now)
    found = subscription.find(ledger.table, user)
    if found is None:
        raise NotFound()
    members = subscription_usage.members(ledger, found, call.now)
    return Answer(
        {"ok": True, "success": True, "data": members, "timestamp": iso(call.now)},
        headers=rate_limits.policy_headers(window),
    )


@api.route("POST", "/webhooks/top-up")
def top_up(call: Call) -> Answer:
    actor = payment_webhooks.verify(call, rings[WEBHOOK_SECRET]).actor
    form = call.read(TopUpForm)
    act = call.act(actor, form.reason or "top_up")
    paid = TopUp(form.user_id, form.amount, form.transaction_id, form.provider)
    granted = top_ups.top_up(ledger, paid, call.request_key, act)
    headers = replay_headers(granted.replayed)
    return Answer(legacy(top_ups.members(paid, granted), granted.at), headers=headers)
