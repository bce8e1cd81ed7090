"""The dashboard: its public page and files, and sessions for operators. It serves no data: the page
calls the admin API with the session.
"""

from pathlib import Path

from engine.access import front_secret, login, sessions
from engine.access.sessions import Session
from engine.ledger.audit import Audit
from engine.platform import config, table
from engine.platform.errors import Forbidden, NotFound
from engine.platform.table import Table
from engine.platform.times import iso
from engine.web import assets
from engine.web.forms import LoginForm
from engine.web.http import Answer, Api, Call

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Frame-Options": "DENY",
}

settings = config.load()
STATIC = assets.load(
    Path(__file__).parent / "static", "index.html", "/dashboard/assets", settings.base_path
)
store = Table(table.connect(), settings.table_name)
audit = Audit(store, settings.audit_days)
api = Api(settings, front_secret.required(settings))
lambda_handler = api


@api.route("POST", "/dashboard/session")
def log_in(call: Call) -> Answer:
    _require_own_page(call)
    form = call.read(LoginForm)
    session = login.log_in(
        audit, form.name, form.password, call.act("")
    )  # fmt: skip
    return _who(session, {"Set-Cookie": sessions.cookie(session, settings.base_path)})


@api.route("GET", "/dashboard/session")
def who_am_i(call: Call) -> Answer:
    return _who(sessions.find(call, store), {})


@api.route("DELETE", "/dashboard/session")
def log_out(call: Call) -> Answer:
    return _log_out(call, everywhere=False)


@api.route("DELETE", "/dashboard/sessions")
def log_out_everywhere(call: Call) -> Answer:
    return _log_out(call, everywhere=True)


@api.route("GET", "/dashboard/assets/{name}")
def asset(call: Call, name: str) -> Answer:
    if name not in STATIC.files:
        raise NotFound()
    return assets.sent(call, STATIC.files[name], assets.FOR_EVER)


@api.route("GET", "/dashboard")
def page(call: Call) -> Answer:
    return assets.sent(call, STATIC.page, SECURITY_HEADERS)


@api.route("GET", "/dashboard/{page}")
@api.route("GET", "/dashboard/{page}/{id}")
def page_at(call: Call, page: str, id: str = "") -> Answer:
    return assets.sent(call, STATIC.page, SECURITY_HEADERS)


def _who(session: Session, headers: dict[str, str]) -> Answer:
    operator = session.operator
    members = {
        "ok": True,
        "name": operator.name,
        "role": operator.role,
        "scopes": sorted(operator.scopes),
        "csrfToken": session.csrf,
        "sessionEndsAt": iso(session.expires_at),
        "environment": settings.environment,
        "build": settings.build,
    }
    return Answer(members, headers=headers)


def _log_out(call: Call, *, everywhere: bool) -> Answer:
    session = sessions.find(call, store)
    login.log_out(
        audit, session, call.act(session.actor), everywhere=everywhere
    )  # fmt: skip
    return Answer({"ok": True}, headers={"Set-Cookie": sessions.no_cookie(settings.base_path)})


def _require_own_page(call: Call) -> None:
    """A login has no session yet, so the browser's Sec-Fetch-Site decides. Raises `Forbidden`."""
    if call.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden()
