"""An act of an operator and its audit record are one write: there is never one without the other.

Every call to the table fails in turn, before or after it took effect; afterwards what is stored is compared.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from engine.access import login, operators, sessions
from engine.ledger import audit as audit_records
from engine.ledger.audit import Audit
from engine.platform.act import Act
from engine.platform.errors import NotFound, OutcomeUnknown
from engine.platform.table import Put, Table, Write
from tests.support.gateway import Reply
from tests.support.openrouter import Studio, fresh_user, serving
from tests.support.operators import CHEAP
from tests.support.operators import act as managing

pytestmark = pytest.mark.enable_socket
REASON = {"reason": "because"}


@pytest.fixture(scope="module")
def studio(endpoint: str) -> Iterator[Studio]:
    with serving() as standin:
        yield Studio(endpoint, standin, NOTIFY_URL="http://127.0.0.1:1/")


class Failing:
    """Fails write number `at` of the table, before or after it takes effect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, when: str) -> None:
        self.count, self.at, self.when = 0, at, when
        self.blown = False
        for name in ("write", "transact"):
            monkeypatch.setattr(Table, name, self._wrapped(getattr(Table, name)))

    def _wrapped(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(table: Table, asked: Write) -> Any:
            number, self.count = self.count, self.count + 1
            if number != self.at:
                return real(table, asked)
            self.blown = True
            if self.when == "after":
                real(table, asked)
            raise OutcomeUnknown()

        return call


@dataclass(frozen=True)
class Case:
    """An act: what must be there before, the call, whether it is in effect, and its name in the audit."""

    name: str
    before: Callable[[Studio, str], str]
    call: Callable[[Studio, str], Reply]
    is_done: Callable[[Studio, str], bool]


def post(studio: Studio, path: str, **body: Any) -> Reply:
    return studio.gateway.call("POST", path, {**REASON, **body}, headers=studio.gateway.admin)


def subscriber(studio: Studio, user: str) -> str:
    studio.key(user)
    return user


def blocked(studio: Studio, user: str) -> str:
    subscriber(studio, user)
    post(studio, f"/admin/subscriptions/{user}/block")
    return user


def with_notice(studio: Studio, user: str) -> str:
    subscriber(studio, user)
    assert post(studio, f"/admin/subscriptions/{user}/rotate").json["rotated"]
    (item,) = (i for i in studio.everything() if i["pk"] == f"HOOK#{user}")
    studio.table.write(Put({**item, "state": "failed", "round": 7}, condition=""))
    return user


def notice(studio: Studio, user: str) -> dict[str, Any]:
    (item,) = (i for i in studio.everything() if i["pk"] == f"HOOK#{user}")
    return item


def api_key(studio: Studio, user: str) -> str:
    made = studio.gateway.call(
        "POST",
        "/admin/generate-key",
        {"description": user, "scopes": ["users:read"]},
        headers=studio.gateway.admin,
    )
    return str(made.json["id"])


def described(studio: Studio, description: str) -> list[dict[str, Any]]:
    found = studio.gateway.call("GET", "/admin/keys", headers=studio.gateway.admin).json["keys"]
    return [key for key in found if key["description"] == description]


def subscription_path(user: str, act: str) -> str:
    return f"/admin/subscriptions/{user}/{act}"


ACTS = [
    Case(
        "subscription_block",
        subscriber,
        lambda studio, user: post(studio, subscription_path(user, "block")),
        lambda studio, user: studio.subscription(user).state == "blocked",
    ),
    Case(
        "subscription_unblock",
        blocked,
        lambda studio, user: post(studio, subscription_path(user, "unblock")),
        lambda studio, user: studio.subscription(user).state == "active",
    ),
    Case(
        "subscription_rotate",
        subscriber,
        lambda studio, user: post(studio, subscription_path(user, "rotate")),
        lambda studio, user: studio.subscription(user).current > 1,
    ),
    Case(
        "subscription_plan",
        subscriber,
        lambda studio, user: post(studio, subscription_path(user, "plan"), plan="pro"),
        lambda studio, user: studio.subscription(user).plan == "pro",
    ),
    Case(
        "webhook_replay",
        with_notice,
        lambda studio, user: post(
            studio, subscription_path(user, f"webhooks/{notice(studio, user)['sk']}/replay")
        ),
        lambda studio, user: notice(studio, user)["state"] == "pending",
    ),
    Case(
        "key_revoke",
        api_key,
        lambda studio, key: studio.gateway.call(
            "DELETE", f"/admin/keys/{key}", headers=studio.gateway.admin
        ),
        lambda studio, key: any(
            item["sk"] == key and item.get("revoked_at") for item in studio.everything()
        ),
    ),
]


def records(studio: Studio, subject: str, action: str) -> list[dict[str, Any]]:
    found = audit_records.of_user(studio.table, subject, limit=20)
    return [item for item in found if item["action"] == action]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
@pytest.mark.parametrize("when", ["before", "after"])
def test_no_failed_write_leaves_an_act_without_its_record(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, act: Case, when: str
) -> None:
    at = 0
    while True:
        subject = act.before(studio, fresh_user("audited"))
        with monkeypatch.context() as patched:
            failing = Failing(patched, at, when)
            act.call(studio, subject)
        kept = records(studio, subject, act.name)
        assert len(kept) == act.is_done(studio, subject)
        studio.forward(25)
        studio.monitor()
        act.call(studio, subject)
        assert act.is_done(studio, subject)
        kept = records(studio, subject, act.name)
        assert kept
        if not failing.blown:
            break
        at += 1
    assert at >= 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_no_failed_write_leaves_an_api_key_without_its_record(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    at = 0
    while True:
        name = fresh_user("generated")
        with monkeypatch.context() as patched:
            failing = Failing(patched, at, when)
            studio.gateway.call(
                "POST",
                "/admin/generate-key",
                {"description": name, "scopes": ["users:read"]},
                headers=studio.gateway.admin,
            )
        for key in described(studio, name):
            (record,) = records(studio, key["id"], "key_generate")
            assert (record["reason"], record["actor"]) == (name, key["createdBy"])
        if not failing.blown:
            assert described(studio, name)
            break
        at += 1


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_no_failed_write_leaves_a_log_out_without_its_record(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, everywhere: bool, when: str
) -> None:
    name = f"bob-{when}-{int(everywhere)}"
    operators.create(Audit(studio.table, 30), name, "admin", managing(), cost=CHEAP)
    operator = operators.get(studio.table, name)
    assert operator is not None
    doing = Act(f"operator:{name}", f"r-{name}", "", "", "", at=1_800_000_000)
    session = sessions.begin(studio.table, operator, doing)
    with monkeypatch.context() as patched:
        Failing(patched, 0, when)
        with pytest.raises(OutcomeUnknown):
            login.log_out(Audit(studio.table, 30), session, doing, everywhere=everywhere)
    action = "logout_everywhere" if everywhere else "logout"
    assert len(records(studio, f"operator:{name}", action)) == (when == "after")
    login.log_out(Audit(studio.table, 30), session, doing, everywhere=everywhere)
    assert records(studio, f"operator:{name}", action)


CHANGES: dict[str, Callable[[Audit, str], object]] = {
    "operator_password": lambda audit, name: operators.new_password(
        audit, name, managing(), cost=CHEAP
    ),
    "operator_role": lambda audit, name: operators.change(audit, name, managing(), role="viewer"),
    "operator_disable": lambda audit, name: operators.change(
        audit, name, managing(), disabled=True
    ),
    "operator_enable": lambda audit, name: operators.change(
        audit, name, managing(), disabled=False
    ),
    "operator_log_out": lambda audit, name: operators.end_sessions(audit, name, managing()),
}


@pytest.mark.parametrize("action", CHANGES)
@pytest.mark.parametrize("when", ["before", "after"])
def test_no_failed_write_leaves_a_change_of_an_operator_without_its_record(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, action: str, when: str
) -> None:
    name, audit = f"carl-{when}-{action}", Audit(studio.table, 30)
    operators.create(audit, name, "admin", managing(), cost=CHEAP)
    before = operators.get(studio.table, name)
    with monkeypatch.context() as patched:
        Failing(patched, 0, when)
        with pytest.raises(OutcomeUnknown):
            CHANGES[action](audit, name)
    assert len(records(studio, f"operator:{name}", action)) == (when == "after")
    if when == "before":
        assert operators.get(studio.table, name) == before
    CHANGES[action](audit, name)
    kept = records(studio, f"operator:{name}", action)
    assert {(record["actor"], record["ok"]) for record in kept} == {("admin:tests", True)}


@pytest.mark.parametrize("when", ["before", "after"])
def test_no_failed_write_leaves_an_operator_without_its_record(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    name, audit = f"dora-{when}", Audit(studio.table, 30)
    with monkeypatch.context() as patched:
        Failing(patched, 0, when)
        with pytest.raises(OutcomeUnknown):
            operators.create(audit, name, "viewer", managing(), cost=CHEAP)
    kept = records(studio, f"operator:{name}", "operator_create")
    assert [record["reason"] for record in kept] == ["role viewer"] * (when == "after")
    assert (operators.get(studio.table, name) is not None) == (when == "after")


def test_a_change_of_an_unknown_operator_leaves_no_record(studio: Studio) -> None:
    for action, call in CHANGES.items():
        with pytest.raises(NotFound):
            call(Audit(studio.table, 30), "nobody")
        assert records(studio, "operator:nobody", action) == []
