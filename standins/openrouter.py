"""Stand-in for OpenRouter's key management API, with exact accounting.

Wire format: section 3.1 of the project's notes on wire formats. Every path is under
``/api/v1``. Names of the routes for faults and counts: ``create_key``, ``list_keys``,
``get_key``, ``update_key``, ``delete_key``, ``current_key``, ``credits``.

Its control API beside that of ``control``:

- ``POST /_control/spend``: ``{"hash" or "key", "usd", "overshoot"?, "in_flight"?}``
  spends this amount (string or number of USD) now; answers ``{"usage_usd"}``, or 402
  with the error of an inference call
- ``GET /_control/state``: every key with exact amounts as strings, the number of live
  keys by name, counts of calls, and changes of the owner's other keys
- ``POST /_control/settings``: ``{"usage_lag_seconds"?, "rate_limit_per_minute"?}``
"""

from collections import Counter
from decimal import Decimal
from typing import Any

from aiohttp import web

from . import openrouter_forms as forms
from .clock import Clock
from .control import PREFIX, Desk, Handler
from .openrouter_forms import FormError
from .openrouter_keys import Key, KeyRing, RefusedError, number

DEFAULT_WORKSPACE = "0df9e665-d932-5740-b2c7-b52af166bc11"
PAGE_SIZE = 100

_BASE = "/api/v1"
_OWNER = "user_2dHFtVWx2n56w6HkM0000000000"
_RATE_WINDOW_SECONDS = 60.0
_MESSAGES = {
    400: "Bad Request",
    401: "Missing Authentication header",
    402: "Insufficient credits",
    403: "Only management keys can perform this operation",
    404: "Resource not found",
    429: "Rate limit exceeded",
    500: "Internal Server Error",
}


def create_app(
    management_key: str,
    *,
    usage_lag_seconds: float = 0.0,
    rate_limit_per_minute: int | None = None,
    total_credits: str = "100.5",
    foreign_keys: int = 3,
    clock: Clock | None = None,
) -> web.Application:
    """The stand-in for an account with ``total_credits`` USD.

    ``usage_lag_seconds``: the delay until reads show spending. ``rate_limit_per_minute``:
    further calls get 429. ``foreign_keys``: the number of keys of the owner's other
    products, which exist from the start in the default workspace and have spent money.
    """
    desk = Desk(_error_body, clock, secrets=[management_key])
    account = _Account(desk.clock, Decimal(total_credits), usage_lag_seconds)
    account.add_foreign(foreign_keys)
    gate = _Gate(management_key, account, desk.clock, rate_limit_per_minute)
    app = desk.application()
    _add_routes(app, desk, _Routes(account, desk.clock), gate)
    orders = _Orders(account, gate, desk)
    app.router.add_post(PREFIX + "spend", orders.spend)
    app.router.add_get(PREFIX + "state", orders.state)
    app.router.add_post(PREFIX + "settings", orders.settings)
    return app


def _add_routes(app: web.Application, desk: Desk, routes: "_Routes", gate: "_Gate") -> None:
    keys, one_key = [f"{_BASE}/keys", f"{_BASE}/keys/"], [f"{_BASE}/keys/{{hash}}"]
    manage = gate.for_management
    desk.add(app, "POST", keys, manage(routes.create, refusal=403), "create_key")
    desk.add(app, "GET", keys, manage(routes.list), "list_keys")
    desk.add(app, "GET", one_key, manage(routes.get), "get_key")
    desk.add(app, "PATCH", one_key, manage(routes.update), "update_key")
    desk.add(app, "DELETE", one_key, manage(routes.delete), "delete_key")
    desk.add(app, "GET", [f"{_BASE}/credits"], manage(routes.credits, refusal=403), "credits")
    desk.add(app, "GET", [f"{_BASE}/key"], gate.for_inference(routes.current), "current_key")


class _Account:
    """The keys and credits of an OpenRouter account."""

    def __init__(self, clock: Clock, total_credits: Decimal, usage_lag_s: float) -> None:
        self.keys = KeyRing()
        self.total_credits = total_credits
        self.usage_lag_s = usage_lag_s
        self._clock = clock

    def add_foreign(self, count: int) -> None:
        """Add keys that belong to other products of the owner."""
        now = self._clock.now()
        for place in range(count):
            key = Key(f"other product {place + 1}", now, DEFAULT_WORKSPACE, foreign=True)
            key.spend(Decimal("0.25"), now - self.usage_lag_s, overshoot=False, in_flight=False)
            self.keys.add(key)

    @property
    def visible_until(self) -> float:
        """Reads show spending up to this moment."""
        return self._clock.now() - self.usage_lag_s

    def key_json(self, key: Key) -> dict[str, Any]:
        """The documented object as a read returns it now."""
        return key.as_json(self._clock.now(), self.visible_until)

    def spend(self, key: Key, usd: Decimal, *, overshoot: bool, in_flight: bool) -> None:
        """Record spending on a key. Raises RefusedError when the key or the account may not spend."""
        now = self._clock.now()
        if self.keys.usage(now) + usd > self.total_credits:
            raise RefusedError("Insufficient credits")
        key.spend(usd, now, overshoot=overshoot, in_flight=in_flight)


class _Gate:
    """Authorization and rate limit."""

    def __init__(
        self, management_key: str, account: _Account, clock: Clock, calls_per_minute: int | None
    ) -> None:
        self.calls_per_minute = calls_per_minute
        self._management_key = management_key
        self._account = account
        self._clock = clock
        self._recent: list[float] = []

    def for_management(self, handler: Handler, refusal: int = 401) -> Handler:
        """Requires the management key; ``refusal`` is the status for an inference key."""

        async def gated(request: web.Request) -> web.Response:
            token = _bearer(request)
            if token != self._management_key:
                known = self._account.keys.find(lambda key: key.secret == token)
                return _error(refusal if known else 401, None if known or not token else _UNKNOWN)
            return self._over_rate() or await _formal(handler, request)

        return gated

    def for_inference(self, handler: Handler) -> Handler:
        """Requires a live inference key."""

        async def gated(request: web.Request) -> web.Response:
            token, now = _bearer(request), self._clock.now()
            key = self._account.keys.find(lambda key: key.secret == token)
            if key is None or not key.live(now):
                return _error(401, _UNKNOWN if token else None)
            return self._over_rate() or await handler(request)

        return gated

    def _over_rate(self) -> web.Response | None:
        now = self._clock.now()
        self._recent = [at for at in self._recent if at > now - _RATE_WINDOW_SECONDS]
        if self.calls_per_minute is None or len(self._recent) < self.calls_per_minute:
            self._recent.append(now)
            return None
        wait_s = self._recent[0] + _RATE_WINDOW_SECONDS - now if self._recent else 60.0
        response = _error(429)
        response.headers["Retry-After"] = str(max(1, -int(-wait_s // 1)))
        response.headers["X-RateLimit-Limit"] = str(self.calls_per_minute)
        response.headers["X-RateLimit-Remaining"] = "0"
        response.headers["X-RateLimit-Reset"] = str(int((now + wait_s) * 1000))
        return response


class _Routes:
    """The documented operations."""

    def __init__(self, account: _Account, clock: Clock) -> None:
        self._account = account
        self._clock = clock

    async def create(self, request: web.Request) -> web.Response:
        """201 with the key itself, which no later answer contains."""
        now = self._clock.now()
        fields = forms.creation(await forms.read_object(request), now)
        fields = {"workspace_id": DEFAULT_WORKSPACE, "creator_user_id": _OWNER, **fields}
        key = Key(created_at=now, **fields)
        self._account.keys.add(key)
        answer = {"data": self._account.key_json(key), "key": key.secret}
        return web.json_response(answer, status=201)

    async def list(self, request: web.Request) -> web.Response:
        """The 100 newest keys after ``offset``; disabled ones with ``include_disabled`` only."""
        workspace_id = forms.workspace_of(request.query, DEFAULT_WORKSPACE)
        include_disabled = forms.flag_of(request.query, "include_disabled")
        offset = forms.offset_of(request.query)
        keys = self._account.keys.newest_first(workspace_id, include_disabled=include_disabled)
        page = keys[offset : offset + PAGE_SIZE]
        return web.json_response({"data": [self._account.key_json(key) for key in page]})

    async def get(self, request: web.Request) -> web.Response:
        """One key by its hash."""
        key = self._named(request)
        return _error(404) if key is None else self._shown(key)

    async def update(self, request: web.Request) -> web.Response:
        """The key after the change."""
        fields = forms.change(await forms.read_object(request), self._clock.now())
        key = self._named(request)
        if key is None:
            return _error(404)
        for name, value in fields.items():
            setattr(key, name, value)
        key.updated_at = self._clock.now()
        key.writes += 1
        return self._shown(key)

    async def delete(self, request: web.Request) -> web.Response:
        """``{"deleted": true}`` once, 404 from then on."""
        key = self._named(request)
        if key is None:
            return _error(404)
        key.deleted_at = self._clock.now()
        key.writes += 1
        return web.json_response({"deleted": True})

    async def current(self, request: web.Request) -> web.Response:
        """The key of the caller, as an inference key may see it."""
        token = _bearer(request)
        key = self._account.keys.find(lambda key: key.secret == token)
        if key is None:
            return _error(401, _UNKNOWN)
        about = {
            "label": key.label,
            **key.money_json(self._clock.now(), self._account.visible_until),
            "is_free_tier": False,
            "is_management_key": False,
            "is_provisioning_key": False,
            "rate_limit": {"requests": -1, "interval": "10s", "note": "Deprecated."},
        }
        return web.json_response({"data": about})

    async def credits(self, request: web.Request) -> web.Response:
        """The credits of the account."""
        data = {
            "total_credits": number(self._account.total_credits),
            "total_usage": number(self._account.keys.usage(self._account.visible_until)),
        }
        return web.json_response({"data": data})

    def _named(self, request: web.Request) -> Key | None:
        return self._account.keys.find(lambda key: key.hash == request.match_info["hash"])

    def _shown(self, key: Key) -> web.Response:
        return web.json_response({"data": self._account.key_json(key)})


class _Orders:
    """The control API of this stand-in."""

    def __init__(self, account: _Account, gate: _Gate, desk: Desk) -> None:
        self._account = account
        self._gate = gate
        self._desk = desk

    async def spend(self, request: web.Request) -> web.Response:
        """Record spending, with ``in_flight`` also on a deleted key."""
        order = await request.json()
        key = self._account.keys.ever(str(order.get("hash") or order["key"]))
        usd = Decimal(str(order["usd"]))
        if not (usd.is_finite() and usd >= 0):
            raise FormError("usd: must be a non-negative amount")
        allowed = {name: bool(order.get(name, False)) for name in ("overshoot", "in_flight")}
        try:
            self._account.spend(key, usd, **allowed)
        except RefusedError as refusal:
            return _error(402, str(refusal))
        return web.json_response({"usage_usd": str(key.usage(self._desk.clock.now()))})

    async def state(self, request: web.Request) -> web.Response:
        """The exact state without lag, including deleted keys."""
        now = self._desk.clock.now()
        own = [key for key in self._account.keys if not key.foreign]
        foreign = [key for key in self._account.keys if key.foreign]
        body = {
            "keys": [_key_state(key, now) for key in own],
            "live_by_name": dict(Counter(key.name for key in own if key.live(now))),
            "spent_usd": str(sum((key.usage(now) for key in own), Decimal(0))),
            "foreign": [_key_state(key, now) for key in foreign],
            "foreign_writes": sum(key.writes for key in foreign),
            "calls": self._desk.calls.as_json()["counts"],
        }
        return web.json_response(body)

    async def settings(self, request: web.Request) -> web.Response:
        """The settings after the change."""
        order = await request.json()
        lag_s = float(order.get("usage_lag_seconds", self._account.usage_lag_s))
        rate = order.get("rate_limit_per_minute", self._gate.calls_per_minute)
        self._account.usage_lag_s, self._gate.calls_per_minute = lag_s, rate
        return web.json_response({"usage_lag_seconds": lag_s, "rate_limit_per_minute": rate})


_UNKNOWN = "User not found."


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


async def _formal(handler: Handler, request: web.Request) -> web.Response:
    try:
        return await handler(request)
    except FormError as error:
        return _error(400, str(error))


def _key_state(key: Key, now: float) -> dict[str, Any]:
    return {
        "hash": key.hash,
        "name": key.name,
        "live": key.live(now),
        "disabled": key.disabled,
        "deleted": key.deleted_at is not None,
        "limit_usd": None if key.limit is None else str(key.limit),
        "spent_usd": str(key.usage(now)),
        "writes": key.writes,
    }


def _error(status: int, message: str | None = None) -> web.Response:
    body = {"code": status, "message": message or _MESSAGES[status]}
    return web.json_response({"error": body}, status=status)


def _error_body(route: str, status: int) -> Any:
    """The documented body of an error, for faults that ask for a status."""
    return {"error": {"code": status, "message": _MESSAGES.get(status, "Provider error")}}
