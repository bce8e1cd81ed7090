"""The dashboard's login, sessions and page."""

import base64
import gzip
import json
import re
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from itertools import count
from typing import Any

import pytest

from engine.access import attempts, login, operators, sessions
from engine.access.attempts import ACCOUNT, ADDRESS, Backoff
from engine.access.operators import Cost
from engine.access.sessions import COOKIE, LIFETIME_S
from engine.ledger import audit
from engine.platform.errors import OperatorExists, TooManyAttempts
from tests.mutation.desk import Interrupted
from tests.support import template
from tests.support.gateway import Gateway
from tests.support.operators import CHEAP, Browser, act, audit_of, logged_in, made
from tools import web

_numbers = count(1)


@pytest.fixture
def desk(endpoint: str) -> Gateway:
    return Gateway(endpoint)


@pytest.fixture(scope="module")
def shared(endpoint: str) -> Gateway:
    return Gateway(endpoint)


def items(gateway: Gateway, prefix: str) -> list[dict[str, Any]]:
    found = gateway.ledger.table.scan("attribute_exists(pk)", {})
    return [item for item in found if str(item["pk"]).startswith(prefix)]


def trail(gateway: Gateway, name: str) -> list[tuple[str, bool, str]]:
    """What the operator did; the record of its creation is left out."""
    records = audit.of_user(gateway.ledger.table, f"operator:{name}", limit=100)
    return sorted(
        (record["action"], record["ok"], record["code"])
        for record in records
        if record["action"] != "operator_create"
    )


def test_a_login_answers_name_and_scopes_and_sets_a_strict_cookie(desk: Gateway) -> None:
    reply = Browser(desk).log_in("anna", made(desk, "anna", "operator"))
    assert reply.status == 200
    assert (reply.json["name"], reply.json["role"]) == ("anna", "operator")
    assert reply.json["scopes"] == [
        "credits:write", "holds:write", "subscriptions:write", "users:read",
    ]  # fmt: skip
    value, *attributes = reply.headers["set-cookie"].split("; ")
    assert re.fullmatch(rf"{COOKIE}=[A-Za-z0-9_-]{{43}}", value)
    wanted = {"HttpOnly", "Secure", "SameSite=Strict", "Path=/", f"Max-Age={LIFETIME_S}"}
    assert set(attributes) == wanted
    assert trail(desk, "anna") == [("login", True, "")]


def test_the_table_contains_no_password_cookie_or_token(desk: Gateway) -> None:
    password = made(desk, "anna")
    browser = Browser(desk)
    browser.log_in("anna", password)
    stored = json.dumps(list(desk.ledger.table.scan("begins_with(pk, :pk)", {":pk": ""})))
    for secret in (password, browser.cookies[COOKIE], browser.csrf):
        assert len(secret) > 20 and secret not in stored


def test_a_session_returns_its_operator(shared: Gateway) -> None:
    browser = logged_in(shared, "who")
    reply = browser.call("GET", "/dashboard/session")
    assert (reply.status, reply.json["name"]) == (200, "who")
    assert reply.json["csrfToken"] == browser.csrf
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("cookies", [{}, {COOKIE: ""}, {COOKIE: "x" * 43}, {"other": "1"}])
def test_without_a_session_the_answer_is_401(shared: Gateway, cookies: dict[str, str]) -> None:
    for method in ("GET", "DELETE"):
        reply = shared.call(method, "/dashboard/session", cookies=cookies)
        assert (reply.status, reply.code) == (401, "session_ended")


def test_a_session_ends_after_twelve_hours(desk: Gateway) -> None:
    desk.now = 1_800_000_000
    browser = logged_in(desk, "anna")
    desk.now += LIFETIME_S - 1
    assert browser.call("GET", "/dashboard/session").status == 200
    desk.now += 1
    assert browser.call("GET", "/dashboard/session").code == "session_ended"
    (item,) = items(desk, "SESSION#")
    assert item["ttl"] == desk.now


def test_a_logout_ends_only_this_session(desk: Gateway) -> None:
    password = made(desk, "anna")
    first, second = Browser(desk), Browser(desk)
    first.log_in("anna", password)
    second.log_in("anna", password)
    reply = first.call("DELETE", "/dashboard/session")
    assert reply.status == 200
    assert reply.headers["set-cookie"].startswith(f"{COOKIE}=; Max-Age=0; ")
    assert first.call("GET", "/dashboard/session").status == 401
    assert second.call("GET", "/dashboard/session").status == 200
    assert ("logout", True, "") in trail(desk, "anna")


def test_a_logout_in_two_tabs_at_once_is_recorded_once(desk: Gateway) -> None:
    made(desk, "anna")
    operator = operators.get(desk.ledger.table, "anna")
    assert operator is not None
    session = sessions.begin(desk.ledger.table, operator, act())
    for _ in range(2):
        login.log_out(audit_of(desk), session, act(), everywhere=False)
    assert trail(desk, "anna") == [("logout", True, "")]


def test_a_logout_everywhere_ends_all_sessions_and_allows_a_new_login(desk: Gateway) -> None:
    password = made(desk, "anna")
    browsers = [Browser(desk) for _ in range(3)]
    for browser in browsers:
        browser.log_in("anna", password)
    other = logged_in(desk, "bert")
    assert browsers[0].call("DELETE", "/dashboard/sessions").status == 200
    assert [b.call("GET", "/dashboard/session").status for b in browsers] == [401] * 3
    assert other.call("GET", "/dashboard/session").status == 200
    assert browsers[0].log_in("anna", password).status == 200
    assert browsers[0].call("GET", "/dashboard/session").status == 200


def test_disabling_an_operator_ends_sessions_and_enabling_restores_none(
    desk: Gateway,
) -> None:
    password = made(desk, "anna")
    browser = Browser(desk)
    browser.log_in("anna", password)
    operators.change(audit_of(desk), "anna", act(), disabled=True)
    assert browser.call("GET", "/dashboard/session").status == 401
    assert Browser(desk).log_in("anna", password).code == "login_refused"
    operators.change(audit_of(desk), "anna", act(), disabled=False)
    assert browser.call("GET", "/dashboard/session").status == 401
    assert browser.log_in("anna", password).status == 200


def test_a_new_role_applies_from_the_next_request(desk: Gateway) -> None:
    browser = logged_in(desk, "anna", "admin")
    operators.change(audit_of(desk), "anna", act(), role="viewer")
    assert browser.call("GET", "/dashboard/session").json["scopes"] == ["users:read"]


def test_a_new_password_ends_the_sessions_of_the_old_one(desk: Gateway) -> None:
    old = made(desk, "anna")
    browser = Browser(desk)
    browser.log_in("anna", old)
    new = operators.new_password(audit_of(desk), "anna", act(), cost=CHEAP)
    assert browser.call("GET", "/dashboard/session").status == 401
    assert browser.log_in("anna", old).code == "login_refused"
    assert browser.log_in("anna", new).status == 200


@pytest.mark.parametrize("csrf", ["", "0" * 64, "é"])
@pytest.mark.parametrize("path", ["/dashboard/session", "/dashboard/sessions"])
def test_a_write_without_the_csrf_token_is_refused(shared: Gateway, path: str, csrf: str) -> None:
    browser = logged_in(shared, f"csrf{next(_numbers)}")
    reply = browser.call("DELETE", path, csrf=csrf)
    assert (reply.status, reply.code) == (403, "csrf_refused")
    assert browser.call("GET", "/dashboard/session").status == 200


def test_the_csrf_token_of_another_session_is_refused(shared: Gateway) -> None:
    one, other = logged_in(shared, "one"), logged_in(shared, "other")
    assert one.call("DELETE", "/dashboard/session", csrf=other.csrf).code == "csrf_refused"


@pytest.mark.parametrize(
    ("site", "status"),
    [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)],
)
def test_only_the_dashboards_own_page_can_log_somebody_in(
    shared: Gateway, site: str, status: int
) -> None:
    name = f"site-{site}"
    reply = Browser(shared).log_in(name, made(shared, name), **{"sec-fetch-site": site})
    assert reply.status == status


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(desk: Gateway) -> None:
    made(desk, "anna")
    wrong = Browser(desk).log_in("anna", "wrong").json
    unknown = Browser(desk).log_in("zoe", "wrong").json
    odd = Browser(desk).log_in("Robert'); --", "wrong").json
    for body in (wrong, unknown, odd):
        del body["requestId"], body["timestamp"]
    assert wrong == unknown == odd
    assert wrong["code"] == "login_refused"
    assert trail(desk, "anna") == [("login", False, "login_refused")]
    assert trail(desk, "unnamed") == [("login", False, "login_refused")]


def test_case_and_surrounding_spaces_of_a_name_are_ignored(shared: Gateway) -> None:
    password = made(shared, "carla")
    assert Browser(shared).log_in("  Carla ", password).status == 200


def test_failures_for_one_name_increase_the_wait(desk: Gateway) -> None:
    password = made(desk, "anna")
    desk.now = 1_800_000_000
    addresses = (f"198.51.100.{number}" for number in count(1))
    waits = []
    for _ in range(ACCOUNT.free - 1):
        assert Browser(desk, next(addresses)).log_in("anna", "wrong").code == "login_refused"
    for _ in range(11):
        assert Browser(desk, next(addresses)).log_in("anna", "wrong").code == "login_refused"
        refused = Browser(desk, next(addresses)).log_in("anna", password)
        assert (refused.status, refused.code) == (429, "too_many_attempts")
        waits.append(int(refused.headers["retry-after"]))
        assert refused.json["retryAfterSeconds"] == waits[-1]
        desk.now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert Browser(desk, next(addresses)).log_in("anna", password).status == 200


def test_waits_double_up_to_a_limit() -> None:
    policy = Backoff(free=3, longest_s=60)
    assert [policy.wait_s(n) for n in range(1, 12)] == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert ACCOUNT.wait_s(10**9) == 300 and ADDRESS.wait_s(10**9) == 900


def test_failures_from_one_address_count_for_all_names(desk: Gateway) -> None:
    desk.now = 1_800_000_000
    browser = Browser(desk)
    for number in range(ADDRESS.free):
        assert browser.log_in(f"guess{number}", "wrong").code == "login_refused"
    assert browser.log_in("anna", made(desk, "anna")).code == "too_many_attempts"
    elsewhere = Browser(desk, "203.0.113.99")
    assert elsewhere.log_in("bert", made(desk, "bert")).status == 200


def test_an_ipv6_network_counts_as_one_address(desk: Gateway) -> None:
    desk.now = 1_800_000_000
    for number in range(ADDRESS.free):
        guess = Browser(desk, f"2001:db8:0:1::{number + 1:x}").log_in(f"guess{number}", "wrong")
        assert guess.code == "login_refused"
    name, password = "anna", made(desk, "anna")
    refused = Browser(desk, "2001:db8:0:1:ffff::1").log_in(name, password)
    assert refused.code == "too_many_attempts"
    assert Browser(desk, "2001:db8:0:2::1").log_in(name, password).status == 200


def test_an_unknown_name_has_the_same_limit_as_a_known_one(desk: Gateway) -> None:
    desk.now = 1_800_000_000
    addresses = (f"198.51.100.{number}" for number in count(1))
    codes = [Browser(desk, next(addresses)).log_in("nobody", "x").code for _ in range(6)]
    assert codes == ["login_refused"] * 5 + ["too_many_attempts"]


def test_failures_are_forgotten_after_an_hour(desk: Gateway) -> None:
    table, now = desk.ledger.table, 1_800_000_000
    for _ in range(ACCOUNT.free):
        attempts.take(table, "LOGIN#x", ACCOUNT, now)
    with pytest.raises(TooManyAttempts):
        attempts.take(table, "LOGIN#x", ACCOUNT, now)
    for _ in range(ACCOUNT.free):
        attempts.take(table, "LOGIN#x", ACCOUNT, now + attempts.FORGOTTEN_AFTER_S)


def test_a_success_is_not_counted_as_a_failure_of_its_address(desk: Gateway) -> None:
    desk.now = 1_800_000_000
    password = made(desk, "anna")
    browser = Browser(desk)
    for _ in range(3):
        browser.log_in("zoe", "wrong")
        assert browser.log_in("anna", password).status == 200
    (address,) = items(desk, "LOGIN#IP#")
    assert address["failures"] == 3


def test_a_success_leaves_no_failure_behind(desk: Gateway) -> None:
    Browser(desk).log_in("anna", made(desk, "anna"))
    assert [item["failures"] for item in items(desk, "LOGIN#")] == [0, 0]


def test_an_attempt_that_begins_the_count_anew_in_between_is_counted(desk: Gateway) -> None:
    table, now = desk.ledger.table, 1_800_000_000
    attempts.take(table, "LOGIN#x", ACCOUNT, now)
    later = now + attempts.FORGOTTEN_AFTER_S
    overtaken = Interrupted(table, lambda: attempts.take(table, "LOGIN#x", ACCOUNT, later))
    attempts.take(overtaken, "LOGIN#x", ACCOUNT, later)
    (counted,) = items(desk, "LOGIN#x")
    assert counted["failures"] == 2


def test_a_success_whose_count_has_expired_stores_nothing(desk: Gateway) -> None:
    attempts.succeeded(desk.ledger.table, "anna", "IP#203.0.113.9")
    assert not items(desk, "LOGIN#")


def test_concurrent_attempts_get_no_further_than_sequential_ones(desk: Gateway) -> None:
    table, now = desk.ledger.table, 1_800_000_000

    def attempt(_: int) -> bool:
        try:
            attempts.take(table, "LOGIN#race", ACCOUNT, now)
        except TooManyAttempts:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        passed = list(pool.map(attempt, range(24)))
    assert sum(passed) == ACCOUNT.free


@pytest.mark.parametrize("before", [0, 1])
def test_an_attempt_that_another_one_was_faster_than_is_counted_after_it(
    desk: Gateway, before: int
) -> None:
    """Also the first one of a subject."""
    table, subject, now = desk.ledger.table, f"LOGIN#faster-{before}", 1_800_000_000
    for _ in range(before):
        attempts.take(table, subject, ACCOUNT, now)

    def others() -> None:
        attempts.take(table, subject, ACCOUNT, now + 1)
        attempts.take(table, subject, ACCOUNT, now + 1)

    attempts.take(Interrupted(table, others), subject, ACCOUNT, now + 1)
    kept = table.get(subject, attempts.SK)
    assert kept is not None and kept["failures"] == before + 3


def test_the_function_only_uses_keys_that_its_policy_allows(desk: Gateway) -> None:
    browser = logged_in(desk, "anna")
    browser.call("DELETE", "/dashboard/session")
    Browser(desk).log_in("anna", "wrong")
    Browser(desk).log_in("O'Neil", "wrong")
    statement, _front_secret = template.functions()["dashboard"].statements
    allowed = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    touched = {str(item["pk"]) for item in items(desk, "")}
    assert {pk.partition("#")[0] for pk in touched} == {key.partition("#")[0] for key in allowed}
    assert not [pk for pk in touched if not any(fnmatchcase(pk, key) for key in allowed)]


def test_an_operator_is_created_once(desk: Gateway) -> None:
    password = made(desk, "anna", "viewer")
    with pytest.raises(OperatorExists):
        made(desk, "anna", "admin")
    assert Browser(desk).log_in("anna", password).json["role"] == "viewer"


def test_passwords_are_long_and_unique(desk: Gateway) -> None:
    passwords = {made(desk, f"op{number}") for number in range(20)}
    assert len(passwords) == 20 and all(len(password) >= 24 for password in passwords)


def test_a_hash_is_stored_with_its_cost_which_follows_the_guidance(desk: Gateway) -> None:
    """OWASP's password storage cheat sheet: scrypt with N=2^15, r=8, p=3 or an equivalent."""
    password = operators.create(audit_of(desk), "anna", "viewer", act())
    (item,) = items(desk, "OPERATOR#")
    assert item["cost"] == {"n": 2**15, "r": 8, "p": 3} and len(item["hash"]) == 64
    assert operators.UNKNOWN.cost == Cost()
    assert Browser(desk).log_in("anna", password).status == 200


PAGES = ["/dashboard", "/dashboard/users", "/dashboard/users/a:b", "/dashboard/nowhere"]


@pytest.mark.parametrize("path", PAGES)
def test_the_page_is_public_and_has_a_strict_policy(shared: Gateway, path: str) -> None:
    reply = shared.call("GET", path)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        rule.split(" ", 1) for rule in reply.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert (policy["script-src"], policy["style-src"]) == ("'self'", "'self'")
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert policy["frame-ancestors"] == "'none'" and reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["cross-origin-opener-policy"] == "same-origin"
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    assert reply.headers["cache-control"] == "no-store"
    page = base64.b64decode(reply.text).decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|\bstyle=", page)
    assert "{{" not in page


def test_files_are_named_by_content_and_cached_for_ever(shared: Gateway) -> None:
    page = base64.b64decode(shared.call("GET", "/dashboard").text).decode()
    names = re.findall(r"/dashboard/assets/([\w.-]+)", page)
    assert {name.rpartition(".")[2] for name in names} >= {"css", "js"}
    for name in names:
        plain = shared.call("GET", f"/dashboard/assets/{name}")
        packed = shared.call(
            "GET", f"/dashboard/assets/{name}", headers={"accept-encoding": "gzip, br"}
        )
        assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert packed.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in plain.headers["vary"]
        content = base64.b64decode(plain.text)
        assert gzip.decompress(base64.b64decode(packed.text)) == content


@pytest.mark.parametrize("name", ["app.js", "app.000000000000.js", "index.html", "..%2Fapp.py"])
def test_no_other_file_is_served(shared: Gateway, name: str) -> None:
    assert shared.call("GET", f"/dashboard/assets/{name}").status == 404


def test_the_first_view_is_under_60_kilobytes_and_each_other_page_adds_little(
    shared: Gateway,
) -> None:
    static = shared.function("dashboard").STATIC
    sizes = {re.sub(r"\.[0-9a-f]{12}", "", name): len(f.packed) for name, f in static.files.items()}
    sizes["index.html"] = len(static.page.packed)
    first = web.first_view()
    assert sum(sizes[name] for name in first) < 60_000
    for page, files in web.Bundle.of(web.SOURCE).parts().items():
        assert sum(sizes[name] for name in files if name not in first) < 20_000, page
