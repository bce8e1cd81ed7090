"""The admin API with a dashboard session: roles, CSRF tokens, and the actor in ledger and audit."""

from itertools import count

import boto3
import pytest

from engine.access.sessions import COOKIE
from tests.support import deployed
from tests.support.gateway import Gateway
from tests.support.operators import Browser, logged_in

_numbers = count(1)


@pytest.fixture(scope="module")
def shared(endpoint: str) -> Gateway:
    return Gateway(endpoint, RATE_LIMIT="100000")


def browser(gateway: Gateway, role: str) -> tuple[str, Browser]:
    name = f"op{next(_numbers)}"
    return name, logged_in(gateway, name, role)


def adjust(desk: Browser, user: str, amount: int = 5, **options: str) -> int:
    body = {"userId": user, "amount": amount, "reason": "goodwill"}
    return desk.call("POST", "/admin/add-credits", body, **options).status  # type: ignore[arg-type]


READS = ["/admin/users", "/admin/transactions", "/admin/stats", "/admin/audit"]


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_every_role_reads(shared: Gateway, role: str) -> None:
    _, desk = browser(shared, role)
    for path in READS:
        query = {"day": "2026-11-25"} if path.endswith("audit") else {}
        assert desk.call("GET", path, query=query).status == 200, path


MAY = {
    "viewer": (403, 403),
    "operator": (200, 403),
    "admin": (200, 201),
}


@pytest.mark.parametrize("role", MAY)
def test_what_a_role_may_write(shared: Gateway, role: str) -> None:
    _, desk = browser(shared, role)
    user, _ = shared.user(balance=1)
    adjusted, keyed = MAY[role]
    assert adjust(desk, user) == adjusted
    made = desk.call("POST", "/admin/generate-key", {"description": "x", "scopes": ["users:read"]})
    assert made.status == keyed
    assert shared.balance(user) == (6 if adjusted == 200 else 1)


def test_the_ledger_and_the_audit_name_the_operator(shared: Gateway) -> None:
    name, desk = browser(shared, "operator")
    user, _ = shared.user(balance=1)
    adjust(desk, user)
    entry = shared.entries(user)[-1]
    assert (entry.actor, entry.reason, entry.type) == (f"operator:{name}", "goodwill", "admin_add")
    assert (desk.gateway.origin(entry).address, entry.amount) == (desk.address, 5)
    shared.assert_explained(user)


@pytest.mark.parametrize("csrf", ["", "f" * 64])
def test_a_write_without_the_csrf_token_moves_nothing(shared: Gateway, csrf: str) -> None:
    _, desk = browser(shared, "admin")
    user, _ = shared.user(balance=1)
    body = {"userId": user, "amount": 5, "reason": "x"}
    for path in ("/admin/add-credits", "/admin/credits/add", "/admin/deduct-credits"):
        reply = desk.call("POST", path, body, csrf=csrf)
        assert (reply.status, reply.code) == (403, "csrf_refused")
    assert shared.balance(user) == 1


def test_an_ended_session_moves_nothing(shared: Gateway) -> None:
    _, desk = browser(shared, "admin")
    user, _ = shared.user(balance=1)
    kept = dict(desk.cookies)
    desk.call("DELETE", "/dashboard/session")
    desk.cookies = kept
    assert adjust(desk, user) == 401
    assert desk.call("GET", "/admin/users").code == "session_ended"
    assert shared.balance(user) == 1


def test_a_key_in_a_header_takes_precedence_over_a_cookie(shared: Gateway) -> None:
    """A back end with a stray cookie is not refused for it, and a bad key is not saved by a good one."""
    stray = shared.call("GET", "/admin/users", headers=shared.admin, cookies={COOKIE: "stray"})
    assert stray.status == 200
    _, desk = browser(shared, "admin")
    assert desk.call("GET", "/admin/users", headers={"x-api-key": "wrong"}).status == 401


def test_a_repeat_of_a_write_is_counted_once(shared: Gateway) -> None:
    _, desk = browser(shared, "operator")
    user, _ = shared.user(balance=1)
    body = {"userId": user, "amount": 5, "reason": "goodwill"}
    replies = [
        desk.call("POST", "/admin/add-credits", body, headers={"idempotency-key": '"dash-1"'})
        for _ in range(3)
    ]
    assert len({reply.text for reply in replies}) == 1
    assert shared.balance(user) == 6


def test_the_figures_count_the_dead_letters(endpoint: str) -> None:
    sqs = boto3.client("sqs", **deployed.client_settings(endpoint))
    queues = [sqs.create_queue(QueueName=f"dead-{n}")["QueueUrl"] for n in range(2)]
    for queue in (queues[0], queues[1], queues[1]):
        sqs.send_message(QueueUrl=queue, MessageBody="{}")
    desk = Gateway(endpoint, DEAD_LETTERS=" ".join(queues))
    assert desk.call("GET", "/admin/stats", headers=desk.admin).json["deadLetters"] == 3


@pytest.mark.parametrize("queues", ["", "http://127.0.0.1:9/nowhere"])
def test_queues_that_do_not_answer_leave_the_other_figures(endpoint: str, queues: str) -> None:
    desk = Gateway(endpoint, DEAD_LETTERS=queues)
    reply = desk.call("GET", "/admin/stats", headers=desk.admin)
    assert (reply.status, reply.json["deadLetters"]) == (200, None)
