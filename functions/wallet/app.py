"""The released app's wallet: prices, jobs under one request id, what the app may do, requests for credits."""

from engine.access import bearer, front_secret, keyrings
from engine.access.identity import People, Person
from engine.access.keyrings import ENGINE_JWT_SECRET, TTT_SHARED_SECRET, KeyRings
from engine.credits import placing, vending
from engine.ledger.audit import Audit
from engine.ledger.items import account_pk
from engine.ledger.posting import Ledger
from engine.metadata.answers import Metadata
from engine.platform import config, table
from engine.platform.circuit import Circuit
from engine.platform.errors import EngineError, JobNotFound, SubmissionsPaused
from engine.platform.ids import is_job_id
from engine.platform.table import Table
from engine.products.catalogue import Catalogue
from engine.transcription import handover
from engine.transcription.gateway import Gateway, Questions
from engine.transcription.handover import QueueHandover
from engine.transcription.upstream import Upstream
from engine.wallet import (
    client_policy,
    credit_requests,
    devices,
    fulfilment,
    progress,
    quotes,
    sync,
)
from engine.wallet.fulfilment import Asked, Wallet
from engine.wallet.policy import Policies
from engine.web import rate_limits, scopes
from engine.web.forms import CreditRequestForm, FulfillForm, PhoneForm, QuoteForm, SyncQuery
from engine.web.http import Answer, Api, Call
from engine.web.rate_limits import Lots
from engine.web.request_ids import replay_headers

POLICY_S = 60
"""How long a cache may keep the policy, which holds no person's data."""

REPORTS_DIVISOR = 10
"""An address may report payments a tenth as often as a user may call, because a person reads each report."""

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name))
audit = Audit(ledger.table, settings.audit_days)
rings = KeyRings(
    keyrings.connect(),
    settings.secrets_prefix,
    front_secret.names(settings, ENGINE_JWT_SECRET, TTT_SHARED_SECRET),
)
upstream = Upstream(settings.ttt_base, signs=settings.ttt_signs)
questions = Questions()
polls = Lots()
circuit = Circuit(ledger.table, "ttt")
calls = QueueHandover(settings.calls_queue, handover.connect)
policies = Policies(ledger.table)
products = Catalogue(ledger.table)
metadata = Metadata(ledger.table, settings.tiktok_base)
people = People(ledger.table, lambda: rings[ENGINE_JWT_SECRET], settings)
api = Api(settings, front_secret.required(settings, rings))
lambda_handler = api


@api.route("POST", "/v1/quote")
def quote(call: Call) -> Answer:
    person = _spender(call, "quote")
    form = call.read(QuoteForm)
    key = call.request_key.key or call.request_id
    made = quotes.make(ledger.table, products, person.user, form, key, call.now)
    free = settings.free_repeats and fulfilment.is_at_hand(_gateway(call), person.user, made.url)
    length = quotes.duration_s(metadata, made.url)
    account = placing.as_the_app_sees(ledger.table, ledger.account(person.user))
    members = quotes.members(
        made, account, is_at_hand=free, duration_s=length, request_id=call.request_id
    )
    return Answer(members)


@api.route("POST", "/v1/fulfill")
def fulfill(call: Call) -> Answer:
    person = _spender(call, "fulfill")
    form, key = call.read(FulfillForm), call.money_key.key or call.request_id
    act = call.act(person.actor)
    wallet = Wallet(_gateway(call), products, settings.rate_limit, settings.free_repeats)
    try:
        done = fulfilment.fulfil(wallet, Asked(person.user, form.quote_id, key, act))
    except EngineError as error:
        raise _refused(person, error, call) from None
    members = fulfilment.members(done, call.request_id)
    return Answer(members, headers=replay_headers(done.replayed))


@api.route("GET", "/v1/jobs/{id}")
def job(call: Call, id: str) -> Answer:
    person = people.require(call)
    polls.take(ledger.table, account_pk(person.user), "status", settings.rate_limit, call.now)
    if not is_job_id(id):
        raise JobNotFound()
    act = call.act("system:status", "transcription ended")
    hold, heard = fulfilment.job(_gateway(call), person.user, id, act)
    return Answer(progress.members(hold, heard, call.request_id))


@api.route("GET", "/v1/mobile/sync")
def synchronise(call: Call) -> Answer:
    person = _limited(call, "read")
    query = call.read_query(SyncQuery)
    version = policies.current(call.now)
    cursor = sync.Cursor(query.since, call.now)
    return Answer(sync.members(ledger, circuit, version, person.user, cursor))


@api.route("POST", "/v1/profile/device")
def report_device(call: Call) -> Answer:
    person = _limited(call, "profile")
    devices.report(ledger.table, person.user, call.read(PhoneForm), call.now)
    return Answer({"ok": True, "requestId": call.request_id})


@api.route("POST", "/v1/credits/request")
def request_credits(call: Call) -> Answer:
    person = _limited(call, "read")
    form, _ = call.read(CreditRequestForm), call.request_key
    address = rate_limits.of_address(call.address)
    limit = max(1, settings.rate_limit // REPORTS_DIVISOR)
    rate_limits.take(ledger.table, address, "credit-request", limit, call.now)
    made = credit_requests.ask(ledger, person.user, form.reference, call.act(person.actor))
    members = {"ok": True, **credit_requests.members(made.item), "requestId": call.request_id}
    return Answer(members, status=202, headers=replay_headers(not made.is_new))


@api.route("GET", "/v1/credits/requests")
def own_requests(call: Call) -> Answer:
    person = _limited(call, "read")
    found = credit_requests.of_user(ledger.table, person.user)
    return Answer({"ok": True, "requests": found, "requestId": call.request_id})


@api.route("GET", "/v1/public/client-policy")
def show_policy(call: Call) -> Answer:
    _limit_address(call)
    members = client_policy.members(policies.current(call.now), call.public_base)
    return Answer(members, headers={"Cache-Control": f"public, max-age={POLICY_S}"})


@api.route("GET", "/downloads/android/latest.apk")
def download(call: Call) -> Answer:
    _limit_address(call)
    url = client_policy.release_url(policies.current(call.now).policy)
    headers = {"Location": url, "Cache-Control": f"public, max-age={POLICY_S}"}
    return Answer({"ok": True, "url": url}, status=302, headers=headers)


def _limited(call: Call, route_class: str) -> Person:
    """The caller, whose call is counted. Raises `Unauthorized`, `RateLimited`, `Busy`."""
    person = people.require(call)
    rate_limits.take(
        ledger.table, account_pk(person.user), route_class, settings.rate_limit, call.now
    )
    return person


def _spender(call: Call, route_class: str) -> Person:
    """The caller, who may start transcriptions: with an app that is served, while videos are taken.

    Raises also `ScopeMissing`, `AppUpdateRequired`, `SubmissionsPaused`.
    """
    person = _limited(call, route_class)
    bearer.require_scope(person.scopes, scopes.TRANSCRIBE)
    policy = policies.current(call.now).policy
    policy.require_allowed(call.headers.get("x-client-version-code", ""))
    if not policy.transcription_submit:
        raise SubmissionsPaused()
    return person


def _refused(person: Person, error: EngineError, call: Call) -> EngineError:
    """The error to answer, kept in the audit if it is about the request."""
    if error.status >= 500:
        return error
    act = call.act(person.actor)
    return vending.refused(
        audit, person.user, error, act, rate_limit=settings.rate_limit, action="fulfill"
    )


def _limit_address(call: Call) -> None:
    limit = settings.rate_limit * rate_limits.ADDRESS_FACTOR
    subject = rate_limits.of_address(call.address)
    rate_limits.take(ledger.table, subject, "policy", limit, call.now)


def _gateway(call: Call) -> Gateway:
    return Gateway(
        ledger,
        upstream,
        rings[TTT_SHARED_SECRET].signing,
        settings.request_timeout_s,
        call.public_base,
        circuit,
        calls,
        keep_days=settings.text_days,
        job_limit_s=settings.job_limit_s,
        products=products,
        questions=questions,
    )
