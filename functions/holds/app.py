"""Holds that back ends place, extend, commit and release, and those of tokens for back ends."""

from engine.access import front_secret, keyrings, tokens
from engine.access.callers import Access
from engine.access.keyrings import VEND_JWT_SECRET, KeyRings
from engine.credits import backend_holds
from engine.credits.backend_holds import HoldDesk, Placing, Request, Told, Wanted
from engine.ledger.audit import Audit, Record
from engine.ledger.items import account_pk
from engine.ledger.posting import Ledger
from engine.platform import config, logs, table
from engine.platform.errors import (
    EngineError,
    InsufficientCredits,
    InvalidRequest,
    RequestIdRequired,
    Unauthorized,
)
from engine.platform.table import Table
from engine.products.catalogue import Catalogue
from engine.products.errors import UnitsOverLimit
from engine.products.product import Product
from engine.web import rate_limits
from engine.web.forms import CommitForm, ExtendForm, HoldForm, ReleaseForm
from engine.web.http import Answer, Api, Call
from engine.web.rate_limits import Lots
from engine.web.request_ids import replay_headers
from engine.web.scopes import HOLDS_WRITE

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name))
audit = Audit(ledger.table, settings.audit_days)
products = Catalogue(ledger.table)
rings = KeyRings(
    keyrings.connect(), settings.secrets_prefix, front_secret.names(settings, VEND_JWT_SECRET)
)
access = Access(ledger.table)
calls = Lots()
api = Api(settings, front_secret.required(settings, rings))
lambda_handler = api


@api.route("POST", "/v1/holds")
def place(call: Call) -> Answer:
    caller = access.require(call, HOLDS_WRITE).actor
    _limit(call, caller)
    form = call.read(HoldForm)
    product = products.current(form.product)
    asked = _placing(call, caller, form, product)
    try:
        told = backend_holds.place(
            ledger, asked, most_open=settings.open_holds, dry_run=form.dry_run
        )
    except InsufficientCredits as short:
        named = {"code": product.code, "version": product.version}
        short.details |= {"price": asked.amount, "product": named}
        raise _refused(call, "place", form.user_id, short, asked) from None
    except EngineError as error:
        raise _refused(call, "place", form.user_id, error, asked) from None
    return _answer("place", told, **({"dryRun": True} if form.dry_run else {}))


@api.route("GET", "/v1/holds/{holdId}")
def show(call: Call, holdId: str) -> Answer:
    desk, actor = _desk(call)
    return Answer(backend_holds.members(desk.told(holdId, call.act(actor))))


@api.route("POST", "/v1/holds/{holdId}/extend")
def extend(call: Call, holdId: str) -> Answer:
    desk, actor = _desk(call)
    form = call.read(ExtendForm)
    wanted = _wanted(form.units, form.amount, required=form.expires_in_seconds is None)
    request = _request(call, actor, form.reason)
    hold = desk.find(holdId)
    most_s = products.at(hold.product, hold.version).lifetime_s
    if (form.expires_in_seconds or 0) > most_s:
        raise InvalidRequest(details={"field": "expiresInSeconds"})
    told = desk.extend(holdId, wanted, request, seconds=form.expires_in_seconds)
    return _answer("extend", told)


@api.route("POST", "/v1/holds/{holdId}/commit")
def commit(call: Call, holdId: str) -> Answer:
    desk, actor = _desk(call)
    form = call.read(CommitForm)
    wanted = _wanted(form.units, form.amount, required=not form.final)
    if not form.final and not (form.units or form.amount):
        raise InvalidRequest("Only a final commit can charge nothing.", details={"field": "units"})
    request = _request(call, actor, form.reason)
    return _answer("commit", desk.commit(holdId, wanted, request, final=form.final))


@api.route("POST", "/v1/holds/{holdId}/release")
def release(call: Call, holdId: str) -> Answer:
    desk, actor = _desk(call)
    request = _request(call, actor, call.read(ReleaseForm).reason)
    return _answer("release", desk.release(holdId, request))


def _desk(call: Call) -> tuple[HoldDesk, str]:
    """The holds of the caller, and the caller's name: of a generated key, or of a token's bearer.

    Raises `Unauthorized`, `Forbidden`, `RateLimited`, `Busy`.
    """
    caller = access.find(call)
    if caller is not None:
        caller.require(HOLDS_WRITE)
        _limit(call, caller.actor)
        return HoldDesk(ledger, products, caller.actor), caller.actor
    if not call.bearer:
        raise Unauthorized()
    token = tokens.verify_own(call.bearer, rings[VEND_JWT_SECRET], now=call.now)
    subject = account_pk(token.user)
    rate_limits.take(ledger.table, subject, "hold", settings.rate_limit, call.now)
    return HoldDesk(ledger, products, token), f"user:{token.user}"


def _limit(call: Call, caller: str) -> None:
    """Count the call of a key. Raises `RateLimited`, `OutcomeUnknown`."""
    subject = rate_limits.of_caller(caller)
    calls.take(ledger.table, subject, "hold", settings.hold_rate_limit, call.now)


def _placing(call: Call, caller: str, form: HoldForm, product: Product) -> Placing:
    """Raises `InvalidRequest`, `UnitsOverLimit`."""
    wanted = _wanted(form.units, form.amount, required=True)
    lifetime_s = form.expires_in_seconds or product.lifetime_s
    if lifetime_s > product.lifetime_s:
        raise InvalidRequest(details={"field": "expiresInSeconds"})
    amount = wanted.credits(product)
    if amount > product.price(product.most_units):
        raise UnitsOverLimit(product.most_units)
    return Placing(
        form.user_id, caller, form.hold_id, product, form.units or 0, amount, lifetime_s,
        call.request_key.fingerprint, call.act(caller, form.reason),
    )  # fmt: skip


def _wanted(units: int | None, amount: int | None, *, required: bool) -> Wanted:
    """Raises `InvalidRequest` for both, and for neither where one is required."""
    given = [one for one in (units, amount) if one is not None]
    if len(given) > 1 or (required and not given):
        raise InvalidRequest("Send units or amount, not both.", details={"field": "units"})
    return Wanted(units, amount)


def _request(call: Call, actor: str, reason: str) -> Request:
    """Raises `RequestIdRequired`: a part of a hold counts once for its request id."""
    asked = call.request_key
    if asked.key is None:
        raise RequestIdRequired()
    return Request(asked.key, asked.fingerprint, call.act(actor, reason))


def _refused(
    call: Call, operation: str, user: str, error: EngineError, asked: Placing
) -> EngineError:
    """The error, after it was logged and kept in the audit. Raises `OutcomeUnknown`."""
    logs.hold(operation, user, ok=False, code=error.code)
    if error.status < 500:
        audit.keep(Record(user, "hold", False, error.code, asked.act))
    return error


def _answer(operation: str, told: Told, **more: object) -> Answer:
    logs.hold(operation, told.hold.user, ok=True, replayed=told.replayed)
    members = {**backend_holds.members(told), **more}
    return Answer(members, headers=replay_headers(told.replayed))
