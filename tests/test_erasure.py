"""Erasure of personal data: nothing of it remains, and every balance is explained as before."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from engine.admin import erasure
from engine.credits.verification import verify_user
from engine.ledger import audit, origins
from engine.ledger.audit import Audit
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import Busy
from engine.platform.table import Item, Put, Table, Update, Write
from engine.readmodels import feed
from engine.readmodels.projection import Projector
from engine.readmodels.rebuild import compare, write
from tests.support.gateway import Gateway, Reply
from tests.support.operators import logged_in
from tests.support.streams import Context, at_once, event, records

ADDRESS = "198.51.100.123"
AGENT = "Erasable/1 (Phone of Ann)"
ADMIN = Act("admin:test", "r-erase", "192.0.2.9", "desk", "asked by letter", at=0)
KEEP_DAYS = 30
PASSING = "IP"
"""The rate window of an address, which passes by TTL within minutes and is of nobody."""


@dataclass
class Person:
    """A user with everything that the gateway keeps of one."""

    gateway: Gateway
    user: str
    headers: dict[str, str]
    device: dict[str, str]

    @property
    def table(self) -> Table:
        return self.gateway.ledger.table

    def vend(self, **members: str) -> Reply:
        return self.gateway.call(
            "POST", "/v1/vend-token", members, headers=self.headers, address=ADDRESS
        )

    def erase(self, **changed: Any) -> Reply:
        body = {"reason": "asked by letter", "confirm": self.user, **changed}
        path = f"/admin/users/{self.user}/erase"
        return self.gateway.call(
            "POST", path, body, headers=self.gateway.admin, address="192.0.2.9"
        )

    def project(self) -> None:
        handler = self.gateway.function("projector").lambda_handler
        batch = event(records(self.gateway.entries(self.user)))
        assert handler(batch, Context()) == {"batchItemFailures": []}

    def story(self) -> dict[str, Any]:
        path = f"/admin/users/{self.user}"
        return self.gateway.call("GET", path, headers=self.gateway.admin).json

    def items(self) -> list[Item]:
        return list(self.table.scan("sk > :lowest", {":lowest": " "}))

    def where(self) -> set[str]:
        """The kinds of partitions in which there is anything of the person."""
        words = (ADDRESS, AGENT, "ann@example.com", "Ann Example", "my name is Ann")
        told = (item for item in self.items() if any(word in str(item) for word in words))
        return {str(item["pk"]).partition("#")[0] for item in told}


class Meeting(Table):
    """Does something just before each read and each write, once each."""

    def __init__(self, table: Table, at: int, action: Callable[[], object]) -> None:
        super().__init__(table._client, table.name)
        self.calls = 0
        self.at = at
        self.action = action
        self.before = ""
        """The sort key of an item before whose change it happens."""

    def _meet(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            self.action()

    def ascending(self, *args: Any, **kwargs: Any) -> Any:
        self._meet()
        return list(super().ascending(*args, **kwargs))

    def write(self, write: Write) -> Item:
        self._meet()
        if isinstance(write, Update) and write.sk == self.before:
            self.action()
        return super().write(write)


@pytest.fixture
def person(endpoint: str) -> Person:
    gateway = Gateway(endpoint)
    made = gateway.call("POST", "/v1/devices", address=ADDRESS, headers={"user-agent": AGENT})
    user = made.json["userId"]
    headers = gateway.user_headers(user) | {"user-agent": AGENT}
    ann = Person(gateway, user, headers, made.json)
    gateway.add(user, 3)
    profile = {"profile": {"note": "my name is Ann"}}
    path = f"/user/{user}/profile"
    assert gateway.call("PUT", path, profile, headers=headers, address=ADDRESS).status == 200
    for key in ("k1", "k2", "k3"):
        assert ann.vend(clientRequestId=key).status == 200
    assert ann.vend(clientRequestId="k4").status == 402
    subscription = {
        "pk": f"A#{user}", "sk": "SUBSCRIPTION",
        "email": "ann@example.com", "username": "Ann Example", "plan": "basic",
    }  # fmt: skip
    ann.table.write(Put(subscription, condition=""))
    ann.project()
    return ann


def test_an_erasure_leaves_no_personal_data_and_the_same_entries(person: Person) -> None:
    before = person.gateway.entries(person.user)
    assert person.where() == {"A", "AUDIT", "ORIGIN", "IP"}
    reply = person.erase()
    assert reply.status == 200
    assert {name: reply.json[name] for name in reply.json["data"] if name != "erasedAt"} == {
        "ok": True,
        "userId": person.user,
        "origins": 2,
        "auditRecords": 1,
        "jobs": 0,
        "payments": 0,
        "device": True,
        "profile": True,
        "subscription": True,
        "complete": True,
    }
    assert person.where() <= {PASSING}
    assert person.gateway.entries(person.user) == before
    person.gateway.assert_explained(person.user)
    assert verify_user(person.table, "credits", person.user).ok


def test_the_audit_says_who_erased_and_why_and_keeps_the_operators_address(person: Person) -> None:
    person.erase()
    person.erase()
    kept = audit.of_user(person.table, person.user, limit=9)
    acts = [item for item in kept if item["action"] == erasure.ACTION]
    assert len(acts) == 2
    for act in acts:
        assert (act["ok"], act["actor"], act["reason"]) == (True, "admin:secret", "asked by letter")
        assert act["address"] == "192.0.2.9"


def test_erased_acts_are_still_shown_without_their_origin(person: Person) -> None:
    person.erase()
    story = person.story()
    assert story["erasedAt"] is not None
    assert person.gateway.ledger.account(person.user).recent_origins == ()
    assert {(one["address"], one["userAgent"]) for one in story["transactions"]} == {("", "")}
    assert [one["type"] for one in story["transactions"]][:3] == ["spend"] * 3
    query = {"user": person.user}
    ask = person.gateway.call
    shown = ask("GET", "/admin/audit", headers=person.gateway.admin, query=query).json["records"]
    assert {one["address"] for one in shown if one["actor"] == f"user:{person.user}"} == {""}
    assert [one["code"] for one in shown if not one["ok"]] == ["insufficient_credits"]


def test_before_an_erasure_the_origin_is_shown(person: Person) -> None:
    assert person.story()["erasedAt"] is None
    ask, admin = person.gateway.call, person.gateway.admin
    query = {"user": person.user}
    shown = ask("GET", "/admin/audit", headers=admin, query=query).json["records"]
    assert {(one["address"], one["userAgent"]) for one in shown} == {(ADDRESS, AGENT)}
    listed = ask("GET", "/admin/transactions", headers=admin).json["transactions"]
    spends = [one for one in listed if one["type"] == "spend"]
    assert {(one["address"], one["userAgent"]) for one in spends} == {(ADDRESS, AGENT)}
    sheet = ask("GET", "/admin/transactions", headers=admin, query={"format": "csv"}).text
    assert sheet.count(ADDRESS) == len(spends) + 1, "the vends, and the device's registration"


def test_the_device_is_signed_out(person: Person) -> None:
    body = {"userId": person.user, "refreshSecret": person.device["refreshSecret"]}
    assert person.gateway.call("POST", "/v1/devices/token", body).status == 200
    person.erase()
    assert person.gateway.call("POST", "/v1/devices/token", body).status == 401


def test_a_rebuild_restores_no_erased_data(person: Person) -> None:
    person.erase()
    now = int(person.gateway.clock())
    write(Projector(person.table, low_balance=3, audit_days=400), now=now, sleep=at_once)
    found = compare(person.table, audit_days=400, now=now, sleep=lambda _: None)
    assert found.differences == []
    assert person.where() <= {PASSING}
    days = feed.page(person.gateway.ledger, feed.EntryFilter(), None, 50)
    assert [entry for entry in days.entries if entry.user == person.user]


def test_a_vend_after_an_erasure_has_a_new_origin(person: Person) -> None:
    person.gateway.add(person.user, 1)
    person.erase()
    old = {item["sk"] for item in origins.of_user(person.table, person.user)}
    assert person.vend(clientRequestId="after").status == 200
    newest = person.gateway.entries(person.user)[-1]
    assert newest.origin_id not in old
    assert person.gateway.origin(newest).address == ADDRESS
    assert person.erase().json["origins"] == 1
    assert person.vend(clientRequestId="k1").headers["idempotency-replayed"] == "true"


def test_a_second_erasure_finds_nothing(person: Person) -> None:
    person.erase()
    again = person.erase().json
    found = {name: again[name] for name in ("origins", "auditRecords", "device", "profile")}
    assert found == {"origins": 0, "auditRecords": 0, "device": False, "profile": False}
    assert again["complete"] is True


def test_long_histories_are_erased_in_several_calls(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "MOST", 2)
    first, second = person.erase().json, person.erase().json
    assert (first["origins"], first["auditRecords"], first["complete"]) == (2, 0, False)
    assert (second["origins"], second["auditRecords"], second["complete"]) == (0, 1, True)
    assert person.where() <= {PASSING}


def test_an_erasure_creates_no_items(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    gateway.add("little", 1)
    ann = Person(gateway, "little", {}, {})
    before = {(item["pk"], item["sk"]) for item in ann.items()}
    assert ann.erase().json["device"] is False
    made = {(item["pk"], item["sk"]) for item in ann.items()} - before
    assert {pk.partition("#")[0] for pk, _ in made} == {"AUDIT"}


@pytest.mark.parametrize("member", ["email", "username"])
def test_a_subscription_loses_its_personal_data(person: Person, member: str) -> None:
    item = {"pk": f"A#{person.user}", "sk": "SUBSCRIPTION", member: "Ann Example", "plan": "basic"}
    person.table.write(Put(item, condition=""))
    assert person.erase().json["subscription"] is True
    kept = person.table.get(item["pk"], "SUBSCRIPTION")
    assert kept is not None and (kept["plan"], kept.get(member)) == ("basic", None)


def test_a_record_that_expires_meanwhile_is_not_created_again(person: Person) -> None:
    (item,) = audit.with_texts(person.table, person.user)

    def passes() -> None:
        key = {name: {"S": item[name]} for name in ("pk", "sk")}
        person.gateway.dynamodb.delete_item(TableName=person.table.name, Key=key)

    meeting = Meeting(person.table, 0, passes)
    meeting.before = item["sk"]
    erased = erasure.erase(Audit(meeting, KEEP_DAYS), person.user, replace(ADMIN, at=1))
    assert (erased.audit_records, erased.complete) == (0, True)
    assert person.table.get(item["pk"], item["sk"]) is None


def test_an_account_in_another_unit_is_erased_too(person: Person) -> None:
    dollars = Ledger(person.table, "usd_micros")
    move = Act("user:x", "r-usd", ADDRESS, AGENT, "top_up", at=0)
    _grant(dollars, person.user, move)
    person.erase()
    assert person.where() <= {PASSING}
    assert verify_user(person.table, "usd_micros", person.user).ok


class Dying(Table):
    """Stops at write number `at`, before or after it took effect."""

    def __init__(self, table: Table, at: int, *, after: bool) -> None:
        super().__init__(table._client, table.name)
        self.left = at
        self.after = after

    def write(self, write: Write) -> Item:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Busy()
        done = super().write(write)
        if self.left == 0:
            raise Busy()
        return done


@pytest.mark.parametrize("after", [False, True])
def test_the_next_erasure_completes_an_interrupted_one(person: Person, after: bool) -> None:
    at = 0
    while True:
        at += 1
        try:
            table = Dying(person.table, at, after=after)
            erasure.erase(Audit(table, KEEP_DAYS), person.user, replace(ADMIN, at=at))
            break
        except Busy:
            person.gateway.add(person.user, 1)
            assert person.vend(clientRequestId=f"between {at}").status == 200
    assert at > 6, "a step for each kind of data"
    assert person.where() <= {PASSING}
    assert verify_user(person.table, "credits", person.user).ok
    person.gateway.assert_explained(person.user)


@pytest.mark.parametrize("met", ["vend", "erasure"])
def test_moves_concurrent_with_an_erasure_stay_explained(person: Person, met: str) -> None:
    """A vend or a second erasure at every point of one: what the vend after it comes from is known, and
    the check finds nothing.
    """
    other: Callable[[], object] = lambda: erasure.erase(  # noqa: E731 - two of a kind
        Audit(person.table, KEEP_DAYS), person.user, replace(ADMIN, at=1)
    )
    keys = iter(range(1000))
    vend: Callable[[], object] = lambda: person.vend(clientRequestId=f"m{next(keys)}")  # noqa: E731
    at = 0
    while True:
        at += 1
        person.gateway.add(person.user, 3)
        vend()
        meeting = Meeting(person.table, at, vend if met == "vend" else other)
        erasure.erase(Audit(meeting, KEEP_DAYS), person.user, replace(ADMIN, at=at))
        assert person.vend(clientRequestId=f"last {at}").status == 200
        newest = person.gateway.entries(person.user)[-1]
        assert person.gateway.origin(newest).address == ADDRESS
        assert verify_user(person.table, "credits", person.user).ok
        if meeting.calls < at:
            break
    assert at > 6


def test_verification_reports_an_incomplete_erasure(person: Person) -> None:
    account = f"A#{person.user}", "ACCOUNT#credits"
    change = "SET origin_salt = :new"
    person.table.write(Update(*account, change, "", values={":new": "another"}))
    kinds = {finding.kind for finding in verify_user(person.table, "credits", person.user).findings}
    assert kinds == {"origin"}
    person.erase()
    assert verify_user(person.table, "credits", person.user).ok


@pytest.mark.parametrize(
    "changed",
    [
        {"confirm": "somebody-else"},
        {"confirm": ""},
        {"reason": " "},
        {"reason": None},
        {"confirm": 7},
    ],
)
def test_nothing_is_erased_without_reason_and_confirmation(
    person: Person, changed: dict[str, Any]
) -> None:
    before = person.items()
    reply = person.erase(**changed)
    assert (reply.status, reply.json["details"]["field"]) == (400, next(iter(changed)))
    assert person.items() == before


def test_an_unknown_user_is_not_found_and_not_recorded(person: Person) -> None:
    before = person.items()
    for user in ("nobody-to-erase", "a%23b"):
        body = {"reason": "asked", "confirm": "nobody-to-erase"}
        path = f"/admin/users/{user}/erase"
        reply = person.gateway.call("POST", path, body, headers=person.gateway.admin)
        assert (reply.status, reply.code) == (404, "not_found")
    assert person.items() == before


def test_only_an_admin_may_erase(person: Person) -> None:
    body = {"reason": "asked", "confirm": person.user}
    path = f"/admin/users/{person.user}/erase"
    operator = logged_in(person.gateway, "olga", "operator")
    reply = operator.call("POST", path, body)
    assert (reply.status, reply.json["details"]) == (403, {"scope": "admin"})
    assert person.gateway.call("POST", path, body, headers=person.headers).status == 401
    assert person.where() > {PASSING}
    assert logged_in(person.gateway, "ada", "admin").call("POST", path, body).status == 200


def _grant(ledger: Ledger, user: str, origin: Act) -> None:
    from engine.ledger.idempotency import Request, RequestOnce
    from engine.ledger.items import Move

    once = RequestOnce(ledger, Request(user, "top_up", None, "", origin), {})
    ledger.post(Move(user, "top_up", 5, 0, origin), once)
