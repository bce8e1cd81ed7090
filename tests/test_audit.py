"""The audit: every refused vend with actor, origin, request id and code, and every vend."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest

from engine.ledger import audit
from engine.ledger.items import account_pk, account_sk
from engine.ledger.origins import Texts
from engine.platform.act import Act
from engine.platform.times import iso
from engine.readmodels.audit_users import AuditUsers
from tests.support.gateway import Gateway, Reply
from tests.support.histories import BEGINNING, World

LIMIT = 5
KEEP_DAYS = 30
DAY_S = 86_400
AGENT = "pluct-app/7"
ADDRESS = "198.51.100.9"


class Office(World):
    """A world with a rate limit, from where its calls come from one phone."""

    def add(self, body: Any) -> Reply:
        reply = super().add(body)
        assert reply.status == 200
        return reply

    def ask(self, user: str, body: dict[str, Any] | None = None, **claims: Any) -> Reply:
        """A vend by `user` from the phone; `claims` are laid over those of a user's token."""
        return self.gateway.call(
            "POST",
            "/v1/vend-token",
            body or {},
            headers={"authorization": f"Bearer {self.token(user, claims)}", "user-agent": AGENT},
            address=ADDRESS,
        )

    def token(self, user: str, claims: dict[str, Any]) -> str:
        now = self.now
        stated = {"sub": user, "scope": "ttt:transcribe", "iat": now, "exp": now + 600, **claims}
        return jwt.encode(stated, self.gateway.rings["ENGINE_JWT_SECRET"].signing)

    def records(self, user: str) -> list[dict[str, Any]]:
        """Those that are stored, newest first."""
        return audit.of_user(self.table, user, limit=100)

    def shown(self, user: str) -> list[dict[str, Any]]:
        """Those of vends too."""
        found = AuditUsers(KEEP_DAYS, self.now).of_user(self.table, user, audit.HIGHEST, None)
        return [item for _, item in found if item is not None]

    def window(self, user: str) -> int:
        """The calls that count in the user's window, wherever it is kept."""
        account = self.table.get(account_pk(user), account_sk("credits"))
        found = account or self.table.get(account_pk(user), "RATE#vend")
        return int(found["rate_used"]) if found else 0


@pytest.fixture(scope="module")
def limited(endpoint: str) -> Gateway:
    return Gateway(endpoint, RATE_LIMIT=str(LIMIT), AUDIT_DAYS=str(KEEP_DAYS))


@pytest.fixture
def office(limited: Gateway) -> Iterator[Office]:
    found = Office(limited)
    yield found
    found.close()


def short(office: Office) -> Reply:
    office.add({"userId": "ann", "amount": 1})
    office.ask("ann")
    return office.ask("ann")


def reused(office: Office) -> Reply:
    office.add({"userId": "ann", "amount": 2})
    office.ask("ann", {"clientRequestId": "k"})
    return office.ask("ann", {"clientRequestId": "k", "note": "other"})


def too_many(office: Office) -> Reply:
    office.add({"userId": "ann", "amount": LIMIT + 1})
    for _ in range(LIMIT):
        assert office.ask("ann").status == 200
    return office.ask("ann")


def out_of_scope(office: Office) -> Reply:
    office.add({"userId": "ann", "amount": 1})
    return office.ask("ann", scope="profile")


def unknown(office: Office) -> Reply:
    return office.ask("ann")


REFUSALS = [
    (short, 402, "insufficient_credits"),
    (reused, 422, "idempotency_key_reused"),
    (too_many, 429, "rate_limited"),
    (out_of_scope, 403, "forbidden"),
    (unknown, 402, "insufficient_credits"),
]


@pytest.mark.parametrize(
    ("refuse", "status", "code"), REFUSALS, ids=[each[0].__name__ for each in REFUSALS]
)
def test_a_refused_vend_is_recorded_with_actor_origin_and_code(
    office: Office, refuse: Any, status: int, code: str
) -> None:
    reply = refuse(office)
    assert (reply.status, reply.code) == (status, code)
    (kept,) = office.records("ann")
    record_id = kept["sk"].partition("#")[2]
    assert kept == {
        "pk": "AUDIT#ann",
        "sk": f"{iso(office.now)}#{record_id}",
        "audit_day": iso(office.now)[:10],
        "action": "vend",
        "ok": False,
        "code": code,
        "user": "ann",
        "actor": "user:ann",
        "reason": "",
        "request_id": reply.headers["x-request-id"],
        "address": ADDRESS,
        "user_agent": AGENT,
        "at": office.now,
        "ttl": office.now + KEEP_DAYS * DAY_S,
    }


def test_the_older_route_records_its_refusals(office: Office) -> None:
    reply = office.vend_at_once("ann", {})
    assert reply.status == 403
    (kept,) = office.records("ann")
    assert (kept["actor"], kept["code"]) == ("anonymous:ann", "insufficient_credits")
    assert kept["request_id"] == reply.headers["x-request-id"]


def test_the_key_of_a_record_has_user_time_and_id(office: Office) -> None:
    unknown(office)
    (kept,) = office.records("ann")
    shown = audit.members(kept, {})
    assert re.fullmatch(
        r"audit:ann:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z:[A-Za-z0-9_-]{22}", shown["key"]
    )
    assert (shown["userId"], shown["timestamp"]) == ("ann", iso(office.now))
    assert (shown["userAgent"], shown["address"]) == (AGENT, ADDRESS)


def test_a_vend_is_in_the_audit_at_once_and_a_replay_is_not(office: Office) -> None:
    """Its record is made from its entry; the projector stores none."""
    office.add({"userId": "ann", "amount": 2})
    first = office.ask("ann", {"clientRequestId": "k"})
    assert office.ask("ann", {"clientRequestId": "k"}).text == first.text
    (kept,) = office.shown("ann")
    office.project(office.gateway.entries("ann"))
    assert (office.shown("ann"), office.records("ann")) == ([kept], [])
    assert (kept["action"], kept["ok"], kept["code"]) == ("vend", True, "")
    assert kept["request_id"] == first.json["requestId"]
    (entry,) = [one for one in office.gateway.entries("ann") if one.type == "spend"]
    assert (kept["address"], kept["user_agent"], kept["origin_id"]) == ("", "", entry.origin_id)
    assert office.gateway.origin(entry) == Texts(ADDRESS, AGENT)
    assert kept["ttl"] == kept["at"] + KEEP_DAYS * DAY_S


def test_vends_and_refusals_of_a_minute_never_pass_the_limit_together(office: Office) -> None:
    """Two credits and a limit of five: two tokens, three times 402, then 429."""
    office.add({"userId": "ann", "amount": 2})
    statuses = [office.ask("ann").status for _ in range(9)]
    assert statuses == [200] * 2 + [402] * 3 + [429] * 4
    assert office.window("ann") == LIMIT
    assert len(office.records("ann")) == 7
    office.now += 60
    assert office.ask("ann").status == 402
    assert office.window("ann") == 1


def test_concurrent_vends_and_refusals_do_not_pass_the_limit(office: Office) -> None:
    office.add({"userId": "ann", "amount": 2})
    with ThreadPoolExecutor(12) as pool:
        statuses = sorted(pool.map(lambda _: office.ask("ann").status, range(36)))
    assert statuses == [200] * 2 + [402] * 3 + [429] * 31
    assert office.window("ann") == LIMIT
    assert len(office.records("ann")) == 34
    office.gateway.assert_explained("ann")


def test_a_user_without_an_account_is_limited_too(office: Office) -> None:
    assert [office.ask("ann").status for _ in range(8)] == [402] * LIMIT + [429] * 3
    assert office.window("ann") == LIMIT


def test_a_429_is_not_counted_and_takes_nothing_from_the_next_minute(office: Office) -> None:
    too_many(office)
    for _ in range(20):
        office.now += 2
        assert office.ask("ann").status == 429
    assert office.window("ann") == LIMIT
    office.now = BEGINNING + 60
    assert office.ask("ann").status == 200
    assert office.window("ann") == 1


def test_a_replay_is_neither_refused_nor_counted_nor_kept(office: Office) -> None:
    office.add({"userId": "ann", "amount": LIMIT})
    first = office.ask("ann", {"clientRequestId": "k"})
    for _ in range(LIMIT + 2):
        office.ask("ann")
    kept = len(office.records("ann"))
    assert office.ask("ann", {"clientRequestId": "k"}).text == first.text
    assert len(office.records("ann")) == kept
    assert office.window("ann") == LIMIT


def test_an_unauthenticated_call_is_not_recorded(office: Office) -> None:
    office.add({"userId": "ann", "amount": 1})
    assert office.ask("ann", exp=office.now - 1).status == 401
    assert office.records("ann") == []
    assert office.window("ann") == 0


def test_a_users_records_come_page_by_page_newest_first(office: Office) -> None:
    for _ in range(7):
        unknown(office)
        office.now += 61
    first = audit.of_user(office.table, "ann", limit=3)
    second = audit.of_user(office.table, "ann", limit=3, before=first[-1]["sk"])
    third = audit.of_user(office.table, "ann", limit=3, before=second[-1]["sk"])
    pages = [*first, *second, *third]
    assert [len(first), len(second), len(third)] == [3, 3, 1]
    assert [record["at"] for record in pages] == [BEGINNING + 61 * n for n in range(6, -1, -1)]
    assert audit.of_user(office.table, "bob", limit=3) == []


def test_a_days_records_are_those_of_all_users_page_by_page_and_of_no_other_day(
    office: Office,
) -> None:
    office.now = BEGINNING - BEGINNING % DAY_S + DAY_S - 3
    for user in ("ann", "bob", "cy", "dee", "eve"):
        office.ask(user)
        office.now += 1
    today, yesterday = iso(office.now)[:10], iso(office.now - DAY_S)[:10]
    assert [r["user"] for r in audit.of_day(office.table, yesterday, limit=9)] == [
        "cy", "bob", "ann",
    ]  # fmt: skip
    (newest,) = audit.of_day(office.table, yesterday, limit=1)
    rest = audit.of_day(office.table, yesterday, limit=1, before=newest["sk"])
    assert [r["user"] for r in rest] == ["bob"]
    assert [r["user"] for r in audit.of_day(office.table, today, limit=9)] == ["eve", "dee"]


def test_no_record_of_a_day_is_lost_between_pages_where_many_share_a_second(
    office: Office,
) -> None:
    users = [f"user-{n}" for n in range(12)]
    for user in users:
        office.ask(user)
    seen: list[str] = []
    before = None
    while page := audit.of_day(office.table, iso(office.now)[:10], limit=5, before=before):
        seen += [record["user"] for record in page]
        before = page[-1]["sk"]
    assert sorted(seen) == sorted(users)


def test_a_repeated_write_of_a_record_is_stored_once(office: Office) -> None:
    """The SDK may send the write again that took effect."""
    unknown(office)
    (kept,) = office.records("ann")
    act = Act("user:ann", kept["request_id"], ADDRESS, AGENT, at=0)
    record = audit.Record("ann", "vend", False, "another", act)
    audit.Audit(office.table, KEEP_DAYS).keep(record)
    assert office.records("ann") == [kept]
