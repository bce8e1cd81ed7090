"""Subscriptions for operators: list, show, adjust, change the plan, block, rotate the key, notices."""

from engine.access import front_secret, keyrings
from engine.access.callers import Access, by_session
from engine.access.keyrings import ADMIN_SECRET, PROVISIONING_API_KEY, KeyRings
from engine.ledger.audit import Audit
from engine.ledger.posting import Ledger
from engine.platform import config, sealing, table
from engine.platform.table import Table
from engine.subscriptions import administration as admin
from engine.subscriptions import wiring
from engine.subscriptions.issuing import KeyIssuer
from engine.subscriptions.plans import UNIT
from engine.subscriptions.subscription import PlanChoice
from engine.web.desk_forms import NoticesQuery, ReplayForm
from engine.web.forms import (
    PlanForm,
    ReasonForm,
    RotateForm,
    SubscriptionAdjustForm,
    SubscriptionsQuery,
    WebhooksQuery,
)
from engine.web.http import Answer, Api, Call
from engine.web.scopes import SUBSCRIPTIONS_WRITE, USERS_READ

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name), UNIT)
audit = Audit(ledger.table, settings.audit_days)
rings = KeyRings(
    keyrings.connect(),
    settings.secrets_prefix,
    front_secret.names(settings, ADMIN_SECRET, PROVISIONING_API_KEY),
)
lifecycle = wiring.lifecycle(settings, ledger, rings, sealing.connect())
issuer = KeyIssuer(lifecycle, settings.plan_policy)
access = Access(ledger.table, admin=lambda: rings[ADMIN_SECRET], session=by_session(ledger.table))
api = Api(settings, front_secret.required(settings, rings))
lambda_handler = api


@api.route("GET", "/admin/subscriptions")
def subscriptions(call: Call) -> Answer:
    access.require(call, USERS_READ)
    query = call.read_query(SubscriptionsQuery)
    return Answer(admin.page_members(ledger, query.prefix, query.limit, query.cursor))


@api.route("GET", "/admin/subscriptions/{id}")
def subscription(call: Call, id: str) -> Answer:
    access.require(call, USERS_READ)
    return Answer(admin.look(ledger, id, call.now))


@api.route("POST", "/admin/subscriptions/{id}/adjust")
def adjust(call: Call, id: str) -> Answer:
    actor = access.require(call, SUBSCRIPTIONS_WRITE).actor
    form = call.read(SubscriptionAdjustForm)
    act = call.act(actor, form.reason)
    return Answer(admin.adjust(ledger, id, form.amount, call.money_key, act))


@api.route("POST", "/admin/subscriptions/{id}/plan")
def plan(call: Call, id: str) -> Answer:
    actor = access.require(call, SUBSCRIPTIONS_WRITE).actor
    form = call.read(PlanForm)
    act, choice = call.act(actor, form.reason), PlanChoice(form.plan, form.policy)
    return Answer(admin.change_plan(ledger, audit, id, choice, call.money_key, act))


@api.route("POST", "/admin/subscriptions/{id}/block")
def block(call: Call, id: str) -> Answer:
    actor = access.require(call, SUBSCRIPTIONS_WRITE).actor
    act = call.act(actor, call.read(ReasonForm).reason)
    return Answer(admin.block(issuer, audit, id, act))


@api.route("POST", "/admin/subscriptions/{id}/unblock")
def unblock(call: Call, id: str) -> Answer:
    actor = access.require(call, SUBSCRIPTIONS_WRITE).actor
    act = call.act(actor, call.read(ReasonForm).reason)
    return Answer(admin.unblock(ledger, audit, id, act))


@api.route("POST", "/admin/subscriptions/{id}/rotate")
def rotate(call: Call, id: str) -> Answer:
    actor = access.require(call, SUBSCRIPTIONS_WRITE).actor
    form = call.read(RotateForm)
    act = call.act(actor, form.reason)
    return Answer(admin.rotate(issuer, audit, id, act, revoke=form.revoke))


@api.route("GET", "/admin/subscriptions/{id}/webhooks")
def webhooks(call: Call, id: str) -> Answer:
    access.require(call, USERS_READ)
    query = call.read_query(WebhooksQuery)
    return Answer(admin.notice_page(ledger, id, query.limit, query.cursor))


@api.route("POST", "/admin/subscriptions/{id}/webhooks/{message}/replay")
def replay(call: Call, id: str, message: str) -> Answer:
    actor = access.require(call, SUBSCRIPTIONS_WRITE).actor
    act = call.act(actor, call.read(ReasonForm).reason)
    return Answer(admin.replay_notice(ledger, audit, id, message, act))


@api.route("GET", "/admin/notices")
def notices(call: Call) -> Answer:
    access.require(call, USERS_READ)
    query = call.read_query(NoticesQuery)
    page = admin.notices(ledger, query)
    return Answer({**page, "isOn": bool(settings.notify_url)})


@api.route("POST", "/admin/notices/replay")
def replay_many(call: Call) -> Answer:
    actor = access.require(call, SUBSCRIPTIONS_WRITE).actor
    form = call.read(ReplayForm)
    act = call.act(actor, form.reason)
    return Answer(admin.replay_notices(ledger, audit, form, act))
