"""A subscriber's OpenRouter key: made, watched and replaced, so that it never runs dry unnoticed."""

from engine import auth, config, keyrings, limits, sealing, subscription_keys, table
from engine.http import Answer, Api, Call
from engine.ids import iso
from engine.keyrings import JWT_SECRET_CLOUD, PROVISIONING_API_KEY, KeyRings
from engine.ledger import Ledger
from engine.ledger_items import account_pk
from engine.plans import UNIT
from engine.subscribing import Subscriber, Subscribing
from engine.table import Table

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name), UNIT)
rings = KeyRings(
    keyrings.connect(), settings.secrets_prefix, (JWT_SECRET_CLOUD, PROVISIONING_API_KEY)
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
