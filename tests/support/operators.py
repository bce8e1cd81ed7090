"""An operator with a browser, in front of the gateway in process."""

from collections.abc import Mapping
from typing import Any

from engine.access import operators
from engine.access.operators import Cost
from engine.access.sessions import COOKIE
from engine.ledger.audit import Audit
from engine.platform.act import Act
from engine.platform.ids import new_id
from tests.support.gateway import Gateway, Reply

CHEAP = Cost(n=2**4, r=1, p=1)
"""What scrypt costs in tests; the real cost has its own test."""


class Browser:
    """Keeps its cookie and its token as the dashboard's page does."""

    def __init__(self, gateway: Gateway, address: str = "198.51.100.20") -> None:
        self.gateway = gateway
        self.address = address
        self.cookies: dict[str, str] = {}
        self.csrf = ""

    def log_in(self, name: str, password: str, **headers: str) -> Reply:
        body = {"name": name, "password": password}
        reply = self.gateway.call(
            "POST", "/dashboard/session", body, headers=headers, address=self.address
        )
        if reply.status == 200:
            pair = reply.headers["set-cookie"].partition(";")[0]
            self.cookies = {COOKIE: pair.partition("=")[2]}
            self.csrf = reply.json["csrfToken"]
        return reply

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        csrf: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        given = dict(headers or {})
        if method != "GET":
            given["x-csrf-token"] = self.csrf if csrf is None else csrf
        return self.gateway.call(
            method, path, body, query=query, headers=given, cookies=self.cookies,
            address=self.address,
        )  # fmt: skip


def made(gateway: Gateway, name: str, role: str = "operator") -> str:
    """A new operator's password."""
    return operators.create(audit_of(gateway), name, role, act(int(gateway.clock())), cost=CHEAP)


def audit_of(gateway: Gateway) -> Audit:
    return Audit(gateway.ledger.table, 400)


def act(at: int = 1_800_000_000) -> Act:
    """An act of the person who manages operators."""
    return Act("admin:tests", new_id("req"), "", "", at=at)


def logged_in(gateway: Gateway, name: str, role: str = "operator") -> Browser:
    browser = Browser(gateway)
    assert browser.log_in(name, made(gateway, name, role)).status == 200
    return browser
