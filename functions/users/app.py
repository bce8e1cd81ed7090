"""Users and devices: creation, tokens, history, profile."""

from engine.access import bearer, front_secret, identity, keyrings
from engine.access.callers import Access
from engine.access.keyrings import ADMIN_SECRET, ENGINE_ADMIN_KEY, ENGINE_JWT_SECRET, KeyRings
from engine.access.tokens import USER_LIFETIME_S
from engine.credits import users
from engine.credits.users import NewUserRequest
from engine.ledger.audit import Audit
from engine.ledger.items import account_pk
from engine.ledger.posting import Ledger
from engine.platform import config, table
from engine.platform.errors import NotFound, Unauthorized
from engine.platform.ids import is_user_id
from engine.platform.table import Table
from engine.web import rate_limits
from engine.web.forms import ClaimForm, CreateForm, NoForm, PageQuery, ProfileForm, RefreshForm
from engine.web.http import Answer, Api, Call, legacy
from engine.web.request_ids import replay_headers
from engine.web.scopes import ADMIN, CREDITS_WRITE, USERS_READ

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name))
audit = Audit(ledger.table, settings.audit_days)
rings = KeyRings(
    keyrings.connect(),
    settings.secrets_prefix,
    front_secret.names(settings, ENGINE_JWT_SECRET, ENGINE_ADMIN_KEY, ADMIN_SECRET),
)
access = Access(
    ledger.table,
    engine=lambda: rings[ENGINE_ADMIN_KEY],
    admin=lambda: rings[ADMIN_SECRET],
)
api = Api(settings, front_secret.required(settings, rings))
lambda_handler = api


@api.route("POST", "/user/create")
def create(call: Call) -> Answer:
    actor, privileged = _creator(call)
    form = call.read(CreateForm)
    users.require_grant_allowed(
        form.initial_credits, settings.welcome_credits, privileged=privileged
    )
    _limit_address(call, "create")
    asked = call.request_key
    request = NewUserRequest(
        form.user_id,
        form.initial_credits,
        asked.key,
        asked.fingerprint,
        call.act(actor, "user created"),
        actor if privileged else f"anonymous:{rate_limits.of_address(call.address)}",
    )
    made = users.create(ledger, rings[ENGINE_JWT_SECRET], request)
    members = {
        "userId": made.user,
        "balance": made.balance,
        "credits": made.balance,
        "token": made.token,
        "expiresIn": made.expires_in_s,
        "requestId": made.request_id,
    }
    headers = replay_headers(made.replayed)
    return Answer(legacy(members, made.issued_at), headers=headers)


@api.route("POST", "/v1/devices")
def register(call: Call) -> Answer:
    call.read(NoForm)
    _limit_address(call, "create")
    made = users.register_device(
        ledger, rings[ENGINE_JWT_SECRET], call.act("device", "device registered")
    )
    return Answer(
        {
            "ok": True,
            "userId": made.user,
            "token": made.token,
            "expiresIn": USER_LIFETIME_S,
            "refreshSecret": made.refresh_secret,
            "requestId": call.request_id,
        },
        status=201,
    )


@api.route("POST", "/v1/devices/token")
def refresh(call: Call) -> Answer:
    _limit_address(call, "refresh")
    form = call.read(RefreshForm)
    token = users.refresh_device(
        ledger, rings[ENGINE_JWT_SECRET], form.user_id, form.refresh_secret, now=call.now
    )
    return _fresh_token(call, form.user_id, token)


@api.route("POST", "/v1/devices/claim")
def claim(call: Call) -> Answer:
    if not settings.allow_header_identity or identity.has_credential(call):
        raise Unauthorized()
    user = identity.user_in_headers(call, settings)
    _limit_address(call, "refresh")
    secret = call.read(ClaimForm).refresh_secret
    act = call.act(f"{identity.HEADER}:{user}", "device token taken")
    token = users.claim_device(ledger, audit, rings[ENGINE_JWT_SECRET], user, secret, act)
    return _fresh_token(call, user, token)


@api.route("GET", "/user/{userId}/balance")
def balance(call: Call, userId: str) -> Answer:
    _require_reader(call, userId)
    account = ledger.account(userId)
    if not account.exists:
        raise NotFound()
    members = users.balance_members(account, settings.build)
    return Answer(legacy({**members, "credits": account.available}, call.now))


@api.route("GET", "/user/{userId}/transactions")
def history(call: Call, userId: str) -> Answer:
    _require_reader(call, userId)
    page = call.read_query(PageQuery)
    if not ledger.account(userId).exists:
        raise NotFound()
    entries = ledger.entries(userId, limit=page.limit + 1, before=page.cursor)
    shown = entries[: page.limit]
    members = {
        "userId": userId,
        "transactions": [users.transaction_members(entry) for entry in shown],
        "nextCursor": str(shown[-1].seq) if len(entries) > page.limit else None,
    }
    return Answer(legacy(members, call.now))


@api.route("GET", "/user/{userId}/profile")
def profile(call: Call, userId: str) -> Answer:
    _require_self(call, userId, USERS_READ)
    return Answer(users.profile_members(ledger.table, userId))


@api.route("PUT", "/user/{userId}/profile")
def write_profile(call: Call, userId: str) -> Answer:
    _require_self(call, userId, ADMIN)
    form = call.read(ProfileForm)
    users.write_profile(ledger.table, userId, form.profile, now=call.now)
    return Answer(users.profile_members(ledger.table, userId))


def _fresh_token(call: Call, user: str, token: str) -> Answer:
    return Answer(
        {
            "ok": True,
            "userId": user,
            "token": token,
            "expiresIn": USER_LIFETIME_S,
            "requestId": call.request_id,
        }
    )


def _creator(call: Call) -> tuple[str, bool]:
    """The actor, and whether the call may grant more than the welcome credits."""
    caller = access.find(call)
    if caller is not None:
        caller.require(CREDITS_WRITE)
        return caller.actor, True
    if not settings.allow_user_create:
        raise Unauthorized()
    return "anonymous", False


def _require_reader(call: Call, user: str) -> None:
    """Allows an API key, the admin, the user and, if the deployment allows it, anonymous callers.

    Raises `Unauthorized`, `NotFound` (also for another user), `RateLimited`.
    """
    caller = access.find(call)
    if caller is not None:
        caller.require(USERS_READ)
    elif call.bearer:
        own = bearer.user(call, rings[ENGINE_JWT_SECRET], settings).user
        rate_limits.take(ledger.table, account_pk(own), "read", settings.rate_limit, call.now)
        if own != user:
            raise NotFound()
    else:
        if not settings.allow_anonymous_history:
            raise Unauthorized()
        _limit_address(call, "read")
    if not is_user_id(user):
        raise NotFound()


def _require_self(call: Call, user: str, scope: str) -> None:
    """Allows the user and callers with `scope` only, because a profile may contain personal data.

    Raises `Unauthorized`, `Forbidden`, `NotFound` (also for another user), `RateLimited`.
    """
    caller = access.find(call)
    if caller is not None:
        caller.require(scope)
    else:
        own = bearer.user(call, rings[ENGINE_JWT_SECRET], settings).user
        rate_limits.take(ledger.table, account_pk(own), "read", settings.rate_limit, call.now)
        if own != user:
            raise NotFound()
    if not is_user_id(user) or not ledger.account(user).exists:
        raise NotFound()


def _limit_address(call: Call, route_class: str) -> None:
    limit = settings.rate_limit * rate_limits.ADDRESS_FACTOR
    rate_limits.take(
        ledger.table, rate_limits.of_address(call.address), route_class, limit, call.now
    )
