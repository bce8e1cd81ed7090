"""Operators' routes: users, balances, transactions, statistics, API keys, audit."""

from typing import Any

from engine.access import api_keys, front_secret, keyrings, operators
from engine.access.callers import Access, by_session
from engine.access.keyrings import ADMIN_SECRET, KeyRings
from engine.admin import accounts, dead_letters, erasure, transactions_csv
from engine.admin import search as finding
from engine.credits import adjustments, backend_holds, bulk, hold_items
from engine.credits.adjustments import Adjusted, Adjustment
from engine.credits.hold_errors import HoldNotFound
from engine.ledger import audit as audit_records
from engine.ledger.audit import Audit
from engine.ledger.posting import Ledger
from engine.platform import config, table
from engine.platform.errors import Forbidden, InvalidRequest, NotFound
from engine.platform.ids import is_user_id
from engine.platform.table import Table
from engine.platform.times import DAY_S, is_day, iso
from engine.products import catalogue
from engine.products.errors import ProductNotFound
from engine.products.product import Product, require_consistent
from engine.readmodels import feed, overview
from engine.readmodels.audit_days import AuditDays
from engine.readmodels.audit_users import AuditUsers
from engine.readmodels.feed import EntryFilter
from engine.wallet import credit_requests, policy
from engine.web.desk_forms import (
    ApproveForm,
    CreditRequestsQuery,
    OperatorChangeForm,
    OperatorForm,
)
from engine.web.forms import (
    AdjustForm,
    AuditQuery,
    BulkQuery,
    EndHoldForm,
    EraseForm,
    HoldsQuery,
    KeyForm,
    PolicyForm,
    ProductForm,
    ReasonForm,
    SearchQuery,
    StatsQuery,
    TransactionsQuery,
    UndoForm,
    UsersQuery,
)
from engine.web.http import Answer, Api, Call, legacy
from engine.web.request_ids import replay_headers
from engine.web.scopes import ADMIN, CREDITS_WRITE, HOLDS_WRITE, KEYS_WRITE, USERS_READ

PAGE = 50
CSV_PAGE = 5000

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name))
audit = Audit(ledger.table, settings.audit_days)
rings = KeyRings(
    keyrings.connect(), settings.secrets_prefix, front_secret.names(settings, ADMIN_SECRET)
)
access = Access(ledger.table, admin=lambda: rings[ADMIN_SECRET], session=by_session(ledger.table))
api = Api(settings, front_secret.required(settings, rings))
lambda_handler = api


@api.route("GET", "/admin/users")
def users(call: Call) -> Answer:
    access.require(call, USERS_READ)
    query = call.read_query(UsersQuery)
    page = accounts.users_members(
        ledger, prefix=query.prefix, sort=query.sort, cursor=query.cursor, limit=query.limit
    )
    return Answer(legacy(page, call.now))


@api.route("GET", "/admin/users/{id}")
def user(call: Call, id: str) -> Answer:
    access.require(call, USERS_READ)
    if not is_user_id(id):
        raise NotFound()
    members = accounts.user_members(ledger, id, settings.build, settings.job_limit_s)
    if members is None:
        raise NotFound()
    return Answer(legacy(members, call.now))


@api.route("POST", "/admin/users/{id}/erase")
def erase(call: Call, id: str) -> Answer:
    actor = access.require(call, ADMIN).actor
    form = call.read(EraseForm)
    if not is_user_id(id):
        raise NotFound()
    if form.confirm != id:
        raise InvalidRequest("confirm is not the user's id.", details={"field": "confirm"})
    act = call.act(actor, form.reason)
    erased = erasure.erase(audit, id, act)
    return Answer(legacy(accounts.erased_members(id, erased, call.now), call.now))


@api.route("POST", "/admin/credits/add")
@api.route("POST", "/admin/add-credits")
def add(call: Call) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    form = call.read(AdjustForm)
    return _adjusted(call, actor, form, form.amount)


@api.route("POST", "/admin/deduct-credits")
def deduct(call: Call) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    form = call.read(AdjustForm)
    return _adjusted(call, actor, form, -form.amount)


@api.route("POST", "/admin/users/{id}/transactions/{seq}/undo")
def undo(call: Call, id: str, seq: str) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    form = call.read(UndoForm)
    asked = call.request_key
    if not is_user_id(id) or not seq.isascii() or not seq.isdigit() or len(seq) > 12:
        raise NotFound()
    act = call.act(actor, form.reason)
    made = adjustments.undo(ledger, audit, id, int(seq), asked, act)
    return _shown(made)


@api.route("POST", "/admin/adjustments")
def adjust_many(call: Call) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    dry_run = call.read_query(BulkQuery).dry_run == "true"
    sheet = bulk.parse(call.raw_body)
    if dry_run:
        outcomes = bulk.preview(ledger, sheet)
    else:
        run = bulk.Run(ledger, audit, call.act(actor))
        outcomes = run.make(sheet)
    return Answer(bulk.members(sheet, outcomes, dry_run=dry_run))


@api.route("GET", "/admin/search")
def search(call: Call) -> Answer:
    caller = access.require(call, USERS_READ)
    query = call.read_query(SearchQuery)
    office = finding.Office(ledger, caller)
    is_deep = query.deep == "true"
    return Answer(finding.search(office, query.q.strip(), deep=is_deep, cursor=query.cursor))


@api.route("GET", "/admin/transactions")
def transactions(call: Call) -> Answer:
    access.require(call, USERS_READ)
    query = call.read_query(TransactionsQuery)
    first, last = _days(query)
    wanted = EntryFilter(
        query.user, query.type, query.actor, first, last, query.min_amount, query.max_amount,
        query.product,
    )  # fmt: skip
    is_csv = query.format == "csv"
    found = feed.page(ledger, wanted, query.cursor, query.limit or (CSV_PAGE if is_csv else PAGE))
    if is_csv:
        known = accounts.origins_of(ledger.table, found.entries)
        text, written = transactions_csv.write(found.entries, known)
        return _csv(text, feed.shortened(found, wanted, written).cursor)
    undone = adjustments.undone_by(ledger, query.user) if query.user else {}
    entries = accounts.fitting(
        accounts.entries_members(ledger.table, found.entries, undone, settings.job_limit_s)
    )
    cursor = feed.shortened(found, wanted, len(entries)).cursor
    return Answer(legacy({"ok": True, "transactions": entries, "nextCursor": cursor}, call.now))


@api.route("GET", "/admin/stats")
def stats(call: Call) -> Answer:
    access.require(call, USERS_READ)
    query = call.read_query(StatsQuery)
    members = overview.members(ledger.table, days=query.days, now=call.now)
    waiting = dead_letters.depth(settings.dead_letters)
    return Answer(legacy({**members, "deadLetters": waiting}, call.now))


@api.route("GET", "/admin/audit")
def records(call: Call) -> Answer:
    access.require(call, USERS_READ)
    query = call.read_query(AuditQuery)
    wanted = _wanted_records(query, call.now)
    keep_days = settings.audit_days
    readers = audit_records.Readers(
        AuditDays(keep_days, call.now).of_day, AuditUsers(keep_days, call.now).of_user
    )
    page = audit_records.page(ledger.table, wanted, query.cursor, query.limit, readers)
    shown = accounts.records_members(ledger, page.items)
    return Answer({"ok": True, "records": shown, "nextCursor": page.cursor})


@api.route("POST", "/admin/api-keys")
@api.route("POST", "/admin/generate-key")
def generate_key(call: Call) -> Answer:
    caller = access.require(call, KEYS_WRITE)
    form = call.read(KeyForm)
    for scope in form.scopes:
        caller.require(scope)
    act = call.act(caller.actor, form.description)
    made, text = api_keys.generate(ledger, audit, form.description, form.scopes, act)
    return Answer(
        legacy({"key": text, "apiKey": text, **api_keys.members(made)}, call.now), status=201
    )


@api.route("GET", "/admin/api-keys")
@api.route("GET", "/admin/keys")
def keys(call: Call) -> Answer:
    access.require(call, KEYS_WRITE)
    found = [api_keys.members(key) for key in api_keys.listed(ledger.table)]
    return Answer({"ok": True, "keys": found})


@api.route("DELETE", "/admin/api-keys/{id}")
@api.route("DELETE", "/admin/keys/{id}")
def revoke_key(call: Call, id: str) -> Answer:
    caller = access.require(call, KEYS_WRITE)
    known = api_keys.by_id(ledger.table, id)
    if known is None:
        raise NotFound()
    if not known.scopes <= caller.scopes and not caller.may("admin"):
        raise Forbidden()
    act = call.act(caller.actor, known.description)
    revoked = api_keys.revoke(ledger, audit, id, act)
    return Answer({"ok": True, "key": api_keys.members(revoked or known)})


@api.route("GET", "/admin/holds")
def user_holds(call: Call) -> Answer:
    access.require(call, USERS_READ)
    query = call.read_query(HoldsQuery)
    only_open = query.state == "open"
    members = accounts.holds_members(ledger, query.user, only_open=only_open)
    if members is None:
        raise NotFound()
    return Answer(members)


@api.route("POST", "/admin/holds/end")
def end_hold(call: Call) -> Answer:
    actor = access.require(call, HOLDS_WRITE).actor
    form = call.read(EndHoldForm)
    hold = hold_items.find(ledger.table, form.user_id, form.hold)
    if hold is None:
        raise HoldNotFound()
    replayed = hold.state != hold_items.OPEN
    if not replayed:
        hold = backend_holds.end(ledger, audit, hold, call.act(actor, form.reason))
    members = {"ok": True, "userId": hold.user, "hold": accounts.told_members(hold)}
    return Answer(members, headers=replay_headers(replayed))


@api.route("GET", "/admin/app-policy")
def app_policy(call: Call) -> Answer:
    access.require(call, USERS_READ)
    current, versions = policy.newest(ledger.table), policy.history(ledger.table)
    shown = [version.members() for version in versions]
    return Answer({"ok": True, **current.members(), "history": shown})


@api.route("POST", "/admin/app-policy")
def change_app_policy(call: Call) -> Answer:
    actor = access.require(call, ADMIN).actor
    form = call.read(PolicyForm)
    made = policy.change(ledger, audit, form, call.act(actor, form.reason))
    return Answer({"ok": True, **made.members()})


@api.route("GET", "/admin/credit-requests")
def list_credit_requests(call: Call) -> Answer:
    access.require(call, USERS_READ)
    query = call.read_query(CreditRequestsQuery)
    cursor = None
    if query.user is not None:
        found = credit_requests.all_of(ledger.table, query.user)[: query.limit]
    elif query.state == "answered":
        found, cursor = credit_requests.answered(ledger.table, query.limit, query.cursor)
    else:
        found = credit_requests.pending(ledger.table, query.limit)
    return Answer({"ok": True, "requests": found, "nextCursor": cursor})


@api.route("POST", "/admin/credit-requests/{id}/approve")
def approve_credits(call: Call, id: str) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    form = call.read(ApproveForm)
    act = call.act(actor, form.reason or f"payment {form.receipt}")
    approved = credit_requests.approve(ledger, audit, id, form, act)
    return Answer({"ok": True, "request": approved})


@api.route("POST", "/admin/credit-requests/{id}/reject")
def reject_credits(call: Call, id: str) -> Answer:
    actor = access.require(call, CREDITS_WRITE).actor
    form = call.read(ReasonForm)
    act = call.act(actor, form.reason)
    rejected = credit_requests.reject(ledger, audit, id, form.reason, act)
    return Answer({"ok": True, "request": rejected})


@api.route("GET", "/admin/products")
def products(call: Call) -> Answer:
    access.require(call, USERS_READ)
    found = catalogue.Catalogue(ledger.table).newest()
    return Answer({"ok": True, "products": [catalogue.operator_members(one) for one in found]})


@api.route("POST", "/admin/products")
def save_product(call: Call) -> Answer:
    actor = access.require(call, ADMIN).actor
    form = call.read(ProductForm)
    act = call.act(actor, form.reason)
    made, replayed = catalogue.save(ledger, audit, _draft(form), act)
    members = {"ok": True, "product": catalogue.operator_members(made)}
    return Answer(members, headers=replay_headers(replayed))


@api.route("GET", "/admin/products/{code}")
def product(call: Call, code: str) -> Answer:
    access.require(call, USERS_READ)
    versions = catalogue.history(ledger.table, code)
    if not versions:
        raise ProductNotFound(code[:32])
    return Answer({"ok": True, "versions": [catalogue.operator_members(one) for one in versions]})


@api.route("GET", "/admin/operators")
def list_operators(call: Call) -> Answer:
    access.require(call, ADMIN)
    found = operators.listed(ledger.table)
    return Answer({"ok": True, "operators": [operators.members(one) for one in found]})


@api.route("POST", "/admin/operators")
def create_operator(call: Call) -> Answer:
    actor = access.require(call, ADMIN).actor
    form = call.read(OperatorForm)
    password = operators.create(audit, form.name, form.role, call.act(actor, form.reason))
    return Answer(_operator(form.name) | {"password": password}, status=201)


@api.route("POST", "/admin/operators/{name}")
def change_operator(call: Call, name: str) -> Answer:
    actor = access.require(call, ADMIN).actor
    form = call.read(OperatorChangeForm)
    _require_another(actor, name)
    act = call.act(actor, form.reason)
    operators.change(audit, name, act, role=form.role, disabled=form.disabled)
    return Answer(_operator(name))


@api.route("POST", "/admin/operators/{name}/password")
def renew_password(call: Call, name: str) -> Answer:
    actor = access.require(call, ADMIN).actor
    act = call.act(actor, call.read(ReasonForm).reason)
    _require_another(actor, name)
    password = operators.new_password(audit, name, act)
    return Answer(_operator(name) | {"password": password})


@api.route("POST", "/admin/operators/{name}/log-out")
def log_operator_out(call: Call, name: str) -> Answer:
    actor = access.require(call, ADMIN).actor
    act = call.act(actor, call.read(ReasonForm).reason)
    if not operators.is_name(name):
        raise NotFound()
    operators.end_sessions(audit, name, act)
    return Answer(_operator(name))


def _operator(name: str) -> dict[str, Any]:
    """The operator as it is now. Raises `NotFound`, `Busy`."""
    found = operators.get(ledger.table, name)
    if found is None:
        raise NotFound()
    return {"ok": True, "operator": operators.members(found)}


def _require_another(actor: str, name: str) -> None:
    """Raises `NotFound` for what is no name, `InvalidRequest` where operators would shut themselves out."""
    if not operators.is_name(name):
        raise NotFound()
    if actor == operators.ACTOR + name:
        raise InvalidRequest("Another admin must do this for you.", details={"field": "name"})


def _draft(form: ProductForm) -> Product:
    """Raises `InvalidRequest` where the form contradicts itself."""
    draft = Product(
        form.code, form.version, form.label, form.unit, form.credits_per_unit, form.most_units,
        form.scope, form.audience, form.lifetime_seconds, form.grace_seconds, form.overage,
        form.settled_by, form.least_units, form.active,
    )  # fmt: skip
    require_consistent(draft)
    return draft


def _csv(text: str, cursor: str | None) -> Answer:
    headers = {"Content-Disposition": 'attachment; filename="transactions.csv"'}
    headers |= {"X-Next-Cursor": cursor} if cursor else {}
    return Answer(text, headers=headers, content_type="text/csv; charset=utf-8")


def _days(query: TransactionsQuery | AuditQuery) -> tuple[str | None, str | None]:
    """The first and the last day that `query` asks for. Raises `InvalidRequest`."""
    first, last = query.from_day or query.day, query.to_day or query.day
    for name, day in (("fromDay", first), ("toDay", last)):
        if day is not None and not is_day(day):
            raise InvalidRequest("This is not a day of the calendar.", details={"field": name})
    return first, last


def _wanted_records(query: AuditQuery, now: int) -> audit_records.RecordFilter:
    """Without a user or an actor, the days are today alone, or as far back as records are kept.

    Raises `InvalidRequest`.
    """
    ok = None if query.outcome == "any" else query.outcome == "done"
    first, last = _days(query)
    begin = (query.cursor or "").removeprefix(audit_records.OLD)[:10]
    if begin and not is_day(begin):
        raise InvalidRequest("The cursor is not valid.", details={"field": "cursor"})
    if query.user is None:
        today = iso(now)[:10]
        oldest = iso(now - settings.audit_days * DAY_S)[:10]
        first = max(oldest, first or (oldest if last or query.actor else today))
        last = min(today, last or today)
    return audit_records.RecordFilter(query.user, first, last, query.action, ok, query.actor)


def _adjusted(call: Call, actor: str, form: AdjustForm, amount: int) -> Answer:
    asked = call.money_key
    act = call.act(actor, form.reason)
    adjustment = Adjustment(form.user_id, amount, asked.key, asked.fingerprint, act)
    return _shown(adjustments.adjust(ledger, audit, adjustment))


def _shown(made: Adjusted) -> Answer:
    headers = replay_headers(made.replayed)
    return Answer(legacy(accounts.adjusted_members(made), made.at), headers=headers)
