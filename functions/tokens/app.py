"""Vends single-use tokens for credits, and says whether a token is good."""

from dataclasses import replace

from engine.access import bearer, front_secret, keyrings, tokens
from engine.access.identity import People, Person
from engine.access.keyrings import ENGINE_JWT_SECRET, VEND_JWT_SECRET, KeyRings
from engine.credits import vending
from engine.credits.hold_items import OPEN, SPENT
from engine.credits.placing import Vend
from engine.ledger.audit import Audit
from engine.ledger.posting import Ledger
from engine.ledger.served import Served
from engine.platform import config, logs, table
from engine.platform.errors import (
    EngineError,
    Forbidden,
    InsufficientCredits,
    LegacyInsufficientCredits,
    Unauthorized,
)
from engine.platform.table import Table
from engine.products import catalogue
from engine.products.catalogue import Catalogue
from engine.web import rate_limits, released_app, scopes
from engine.web.http import Answer, Api, Call
from engine.web.token_forms import UserForm, ValidateForm, VendForm

settings = config.load()
served = Served()
ledger = Ledger(Table(table.connect(), settings.table_name), served=served)
audit = Audit(ledger.table, settings.audit_days)
products = Catalogue(ledger.table)
rings = KeyRings(
    keyrings.connect(),
    settings.secrets_prefix,
    front_secret.names(settings, ENGINE_JWT_SECRET, VEND_JWT_SECRET),
)
people = People(ledger.table, lambda: rings[ENGINE_JWT_SECRET], settings)
api = Api(settings, front_secret.required(settings, rings))
lambda_handler = api


@api.route("POST", "/v1/vend-token")
def vend(call: Call) -> Answer:
    person = people.require(call)
    form = call.read(VendForm)
    vended = _vend(_request(call, person, OPEN), form, person)
    return Answer(vended.members, headers=vended.headers)


@api.route("POST", "/vend-token")
def vend_legacy(call: Call) -> Answer:
    if not settings.allow_anonymous_vend:
        raise Forbidden("This route is switched off here.")
    user = call.read(UserForm).user_id
    _limit_address(call, "anonymous-vend")
    try:
        person = Person(user, frozenset({scopes.TRANSCRIBE}), f"anonymous:{user}")
        vended = _vend(_request(call, person, SPENT), VendForm(), person)
    except InsufficientCredits as short:
        raise LegacyInsufficientCredits(details=short.details) from None
    return Answer(vended.members, headers=vended.headers)


@api.route("POST", "/validate-token")
def validate(call: Call) -> Answer:
    form = call.read(ValidateForm)
    _limit_address(call, "validate")
    try:
        token = tokens.verify_for(form.token, rings[VEND_JWT_SECRET], form.audience, now=call.now)
        hold = vending.validate(ledger, token)
        if form.consume:
            key = call.request_key.key or call.request_id
            vending.redeem(ledger, hold, key, call.act("backend", "redeemed"))
    except Unauthorized as refused:
        return Answer({"ok": False, "valid": False, "reason": refused.details["reason"]})
    used = form.consume or hold.claim is not None
    return Answer({"ok": True, "valid": True, "used": used, "payload": token.claims()})


@api.route("GET", "/v1/products")
def sold(call: Call) -> Answer:
    headers = {"Cache-Control": f"public, max-age={catalogue.KEEP_S}"}
    return Answer({"ok": True, "products": catalogue.listed(products.all())}, headers=headers)


def _request(call: Call, person: Person, state: str) -> Vend:
    """The vend that the call asks for, of one transcript."""
    asked, act, ring = call.money_key, call.act(person.actor), rings[VEND_JWT_SECRET]
    key = asked.key or call.request_id
    vend = vending.vend_request(person.user, state, ring, key, asked.fingerprint, act)
    looks = settings.reuse_unused_token or released_app.is_calling(call.headers)
    return replace(vend, reuses=state == OPEN and looks)


def _vend(vend: Vend, form: VendForm, person: Person) -> vending.Vended:
    """The vend, with its documented log line either way."""
    sell = vending.vend_held if vend.state == OPEN else vending.vend_spent
    limit = settings.rate_limit
    try:
        bearer.require_scope(person.scopes, scopes.TRANSCRIBE)
        vend = replace(vend, product=products.current(form.product), units=form.units)
        vended = sell(ledger, rings[VEND_JWT_SECRET], vend, rate_limit=limit)
    except EngineError as error:
        logs.vending(vend.user, ok=False, code=error.code)
        if error.status >= 500:
            raise
        raise vending.refused(audit, vend.user, error, vend.act, rate_limit=limit) from None
    logs.vending(vend.user, ok=True, replayed="Idempotency-Replayed" in vended.headers)
    return vended


def _limit_address(call: Call, route_class: str) -> None:
    limit = settings.rate_limit * rate_limits.ADDRESS_FACTOR
    subject = rate_limits.of_address(call.address)
    rate_limits.take(ledger.table, subject, route_class, limit, call.now)
