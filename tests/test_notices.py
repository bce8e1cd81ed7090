"""Notices: written with the change that they report, signed, repeated, recorded, sent to public addresses."""

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from engine.access.keyrings import Ring
from engine.credits import standard_webhooks
from engine.platform.outgoing import Limits
from engine.platform.table import ConditionFailed, Item, Put
from engine.subscriptions import outbox
from engine.subscriptions import receiver as receiver_module
from engine.subscriptions.outbox import Attempt
from tests.support.gateway import Reply
from tests.support.loglines import caught
from tests.support.openrouter import Context, Studio, fresh_user, serving
from tests.support.receivers import Receiver, dripping, receiving
from tests.test_subscription_admin import act, call
from tests.test_subscription_crashes import drain

pytestmark = pytest.mark.enable_socket


class Scene:
    """A subscriber, and a receiver of notices about them."""

    def __init__(self, endpoint: str, standin: Any, receiver: Receiver) -> None:
        url = f"http://127.0.0.1:{receiver.port}/hooks?of=pluct"
        self.studio = Studio(endpoint, standin, NOTIFY_URL=url)
        self.function = self.studio.gateway.function("notices")
        self.function.clock = lambda: self.studio.now
        self.receiver = receiver
        self.user = fresh_user("notice")
        self.key = self.studio.key(self.user)["key"]

    def send(self, left_s: float = 100.0) -> dict[str, int]:
        """Notices sent and delivered in a round without trouble."""
        found: dict[str, int] = self.function.lambda_handler({}, Context(left_s))
        assert (found["troubles"], found["set_aside"]) == (0, 0)
        return {"sent": found["sent"], "delivered": found["delivered"]}

    def rotate(self) -> None:
        assert act(self.studio, self.user, "rotate").json["rotated"]

    def log(self, **query: str) -> Reply:
        path = f"/admin/subscriptions/{self.user}/webhooks"
        return call(self.studio, "GET", path, query=query)

    def webhooks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.log().json["webhooks"]
        return found

    def replay(self, message: str) -> Reply:
        path = f"/admin/subscriptions/{self.user}/webhooks/{message}/replay"
        return call(self.studio, "POST", path, {"reason": "again"})

    def items(self) -> list[Item]:
        return [i for i in self.studio.everything() if i["pk"] == f"HOOK#{self.user}"]


@pytest.fixture
def scene(endpoint: str) -> Iterator[Scene]:
    with serving() as standin, receiving() as receiver:
        yield Scene(endpoint, standin, receiver)


def test_a_rotation_is_notified_once_signed_and_without_the_key(scene: Scene) -> None:
    scene.rotate()
    assert scene.send() == {"sent": 1, "delivered": 1}
    assert scene.send() == {"sent": 0, "delivered": 0}
    ((path, headers, body),) = scene.receiver.got
    assert path == "/hooks?of=pluct"
    message = json.loads(body)
    assert message == {
        "type": "subscription.key_rotated",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "data": {
            "userId": scene.user, "keyNumber": 2, "replacedNumber": 1, "limit_credits": 1,
        },
    }  # fmt: skip
    assert scene.key not in body.decode() and "sk-or" not in body.decode()
    assert headers["content-type"] == "application/json"
    secret = scene.function.rings["NOTIFY_SECRET"].signing
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert headers["webhook-timestamp"] == str(int(scene.studio.now))


def test_a_first_key_makes_no_notice(scene: Scene) -> None:
    assert scene.items() == []


def test_a_balance_that_falls_below_a_credit_is_notified_once(scene: Scene) -> None:
    studio = scene.studio
    drain(studio, scene.user)
    act(studio, scene.user, "adjust", amount="0.3")
    for used in ("0.3", "0.000001", "0.1"):
        assert studio.standin.spend(scene.key, used)
        studio.key(scene.user)
    (notice,) = scene.webhooks()
    assert notice["type"] == "subscription.low_balance"
    assert notice["data"] == {
        "userId": scene.user, "remaining_credits": 0.999999, "threshold_credits": 1,
    }  # fmt: skip


def test_without_an_address_there_are_no_notices(endpoint: str) -> None:
    with serving() as standin:
        studio = Studio(endpoint, standin)
        user = fresh_user("notice")
        studio.key(user)
        assert act(studio, user, "rotate").json["rotated"]
        assert not [i for i in studio.everything() if i["pk"].startswith("HOOK#")]
        assert studio.gateway.function("notices").lambda_handler({}, Context()) == {}


def test_failed_attempts_are_repeated_with_growing_waits_and_an_end(scene: Scene) -> None:
    scene.receiver.status = 500
    scene.rotate()
    for delay_s in (*outbox.DELAYS_S, 0):
        assert scene.send() == {"sent": 1, "delivered": 0}
        if delay_s:
            wait_s = scene.items()[0]["expires_at"] - int(scene.studio.now)
            assert delay_s <= wait_s <= 1.25 * delay_s
            scene.studio.now += wait_s - 1
            assert scene.send()["sent"] == 0
            scene.studio.now += 1
    (notice,) = scene.webhooks()
    assert (notice["state"], notice["nextAttemptAt"]) == ("failed", None)
    assert [attempt["outcome"] for attempt in notice["attempts"]] == ["500"] * 8
    assert len({headers["webhook-id"] for _, headers, _ in scene.receiver.got}) == 1
    scene.studio.now += 10**6
    assert scene.send()["sent"] == 0


def test_a_replayed_notice_is_sent_with_the_same_id(scene: Scene) -> None:
    scene.rotate()
    scene.send()
    (notice,) = scene.webhooks()
    assert scene.replay(notice["id"]).json == {"ok": True, "id": notice["id"], "state": "pending"}
    assert scene.send() == {"sent": 1, "delivered": 1}
    first, second = scene.receiver.got
    assert first[1]["webhook-id"] == second[1]["webhook-id"] == notice["id"]
    assert first[2] == second[2]
    assert [a["outcome"] for a in scene.webhooks()[0]["attempts"]] == ["204", "204"]
    for missing in ("msg_1", "nothing", "msg_" + "x" * 61):
        assert scene.replay(missing).status == 404


@pytest.mark.parametrize(
    ("status", "state"),
    [(200, "delivered"), (410, "delivered"), (302, "pending"), (404, "pending")],
)
def test_2xx_and_410_end_the_attempts_and_no_redirect_is_followed(
    scene: Scene, status: int, state: str
) -> None:
    scene.receiver.status = status
    scene.rotate()
    scene.send()
    assert len(scene.receiver.got) == 1
    assert scene.webhooks()[0]["state"] == state
    assert scene.webhooks()[0]["attempts"][0]["outcome"] == str(status)


def test_an_unreachable_receiver_is_tried_again(scene: Scene) -> None:
    scene.rotate()
    scene.receiver.shutdown()
    scene.receiver.server_close()
    assert scene.send() == {"sent": 1, "delivered": 0}
    (notice,) = scene.webhooks()
    assert notice["attempts"][0]["outcome"] == "refused"
    assert "2027-01-15T08:01:00.000Z" <= notice["nextAttemptAt"] <= "2027-01-15T08:01:15.000Z"


def test_the_log_has_pages(scene: Scene) -> None:
    for _ in range(3):
        scene.rotate()
        scene.studio.forward(1)
    first = scene.log(limit="2").json
    rest = scene.log(limit="2", cursor=first["nextCursor"]).json
    numbers = [notice["data"]["keyNumber"] for notice in first["webhooks"] + rest["webhooks"]]
    assert (numbers, rest["nextCursor"]) == ([4, 3, 2], None)
    assert scene.log(cursor="KEY#1").status == 400
    assert call(scene.studio, "GET", "/admin/subscriptions/nobody/webhooks").status == 404


def test_nothing_is_started_without_time_left(scene: Scene) -> None:
    scene.rotate()
    assert scene.send(left_s=1.0) == {"sent": 0, "delivered": 0}


def test_a_leased_notice_is_sent_and_recorded_by_one_process(scene: Scene) -> None:
    scene.rotate()
    table, now = scene.studio.table, int(scene.studio.now)
    (item,) = scene.items()
    assert outbox.claim(table, item, now)
    assert not outbox.claim(table, item, now)
    assert list(outbox.due(table, shard_number(scene.user), now, 5)) == []
    assert not outbox.record_attempt(table, item, Attempt("late", is_final=True), now - 1)
    assert scene.items()[0]["attempts"] == []
    assert outbox.record_attempt(table, item, Attempt("200", is_final=True), now)
    assert scene.items()[0]["state"] == "delivered"
    assert scene.items()[0]["open_shard"] == "notices#delivered"
    assert not outbox.record_attempt(table, item, Attempt("500"), now)
    assert len(scene.items()[0]["attempts"]) == 1
    assert not outbox.claim(table, {**item, "expires_at": now + 60}, now)


def shard_number(user: str) -> int:
    return int(outbox.shard_of(user).removeprefix("hooks#"))


def test_a_notice_that_changed_meanwhile_is_not_replayed(scene: Scene) -> None:
    """Two operators replay it: the second finds it changed and reads it again."""
    scene.rotate()
    scene.send()
    (item,) = scene.items()
    table, now = scene.studio.table, int(scene.studio.now)
    table.write(outbox.replay(item, now))
    with pytest.raises(ConditionFailed):
        table.write(outbox.replay(item, now + 5))
    assert scene.items()[0]["expires_at"] == now


def test_a_notice_that_another_process_leased_is_not_due(scene: Scene) -> None:
    """Another sender takes the lease between the reading of the index and that of the item."""
    scene.rotate()
    table, now = scene.studio.table, int(scene.studio.now)
    (item,) = scene.items()

    class Overtaken:
        def due(self, *asked: Any, **named: Any) -> Iterator[Item]:
            for place in table.due(*asked, **named):
                assert outbox.claim(table, item, now)
                yield place

        def __getattr__(self, name: str) -> Any:
            return getattr(table, name)

    found = outbox.due(Overtaken(), shard_number(scene.user), now, 5)  # type: ignore[arg-type]
    assert list(found) == []
    (leased,) = scene.items()
    assert not outbox.claim(table, leased, now + outbox.LEASE_S - 1)
    assert outbox.claim(table, leased, now + outbox.LEASE_S)


@pytest.mark.parametrize("changed", [{"state": "delivered"}, {"expires_at": -1}, {}])
def test_a_notice_is_claimed_as_it_was_read(scene: Scene, changed: dict[str, Any]) -> None:
    """In between it was sent and, in the second case, an operator had it sent again."""
    scene.rotate()
    (item,) = scene.items()
    table, now = scene.studio.table, int(scene.studio.now)
    if "expires_at" in changed:
        changed = {"expires_at": item["expires_at"] - 1}
    table.write(Put(item | changed, ""))
    assert outbox.claim(table, item, now) == (not changed)


@pytest.mark.parametrize("changed", [{"state": "delivered"}, {"expires_at": outbox.LEASE_S}])
def test_a_notice_that_is_sent_or_leased_meanwhile_is_not_set_aside(
    scene: Scene, changed: dict[str, Any]
) -> None:
    scene.rotate()
    (item,) = scene.items()
    table, now = scene.studio.table, int(scene.studio.now)
    if "expires_at" in changed:
        changed = {"expires_at": now + outbox.LEASE_S + 1}
    table.write(Put(item | changed, ""))
    outbox.set_aside(table, item, now)
    assert scene.items() == [item | changed]


def test_a_notice_that_cannot_be_handled_is_set_aside_and_the_others_are_sent(scene: Scene) -> None:
    scene.rotate()
    table, now = scene.studio.table, int(scene.studio.now)
    (item,) = scene.items()
    for place, broken in enumerate(
        ({"facts": "{"}, {"round": "x"}, {"attempts": 7}, {"type": None})
    ):
        odd = {**item, "sk": f"msg_0_{place}", "expires_at": now - 100 + place, **broken}
        table.write(Put(odd, condition=""))
    with caught() as lines:
        counts = scene.function.lambda_handler({}, Context())
    assert counts["set_aside"] == 4
    assert [headers["webhook-id"] for _, headers, _ in scene.receiver.got] == [item["sk"]]
    assert lines.messages.count("be:set-aside") == counts["set_aside"]
    assert any("SetAside" in line for line in lines.json)
    scene.studio.now += outbox.LEASE_S + 1
    again = scene.function.lambda_handler({}, Context())
    assert again["set_aside"] == 0, "passed over for an hour"
    scene.studio.now += outbox.SET_ASIDE_S
    assert scene.function.lambda_handler({}, Context())["set_aside"] == 4


@pytest.mark.parametrize(
    ("answered", "waited_s"),
    [
        ("600", 600),
        ("5", 60),
        ("345600", outbox.LONGEST_WAIT_S),
        ("9" * 30, outbox.LONGEST_WAIT_S),
        ("Fri, 15 Jan 2027 08:15:00 GMT", 900),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 60),
        ("soon", 60),
        ("-5", 60),
    ],
)
def test_retry_after_of_the_receiver_is_kept_to_and_bounded(
    scene: Scene, answered: str, waited_s: int
) -> None:
    scene.receiver.status, scene.receiver.retry_after = 503, answered
    scene.rotate()
    scene.send()
    (item,) = scene.items()
    waited = item["expires_at"] - int(scene.studio.now)
    assert waited_s <= waited <= waited_s * 1.25


def test_notices_that_fail_together_are_not_repeated_together() -> None:
    waits = {outbox.wait_s(f"msg_{place}", 1, Attempt("503")) for place in range(100)}
    assert len(waits) > 30
    assert min(waits) >= 300 and max(waits) <= 375


def test_the_signature_is_that_of_the_standard_and_every_key_signs() -> None:
    """Key, id, time, body and signature of the Standard Webhooks library's own test."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    known = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    made = standard_webhooks.signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert made == known
    headers = standard_webhooks.headers("msg_1", 5, body, Ring(("old", "new")))
    old, new = headers["webhook-signature"].split(" ")
    assert old != new and old.startswith("v1,") and new.startswith("v1,")


def test_a_receiver_that_drips_is_given_up_at_the_deadline(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "LIMITS", Limits(seconds=0.3, size=0))
    scene.rotate()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            connection.sendall(b"x")
            time.sleep(0.02)

    with dripping(drip) as port:
        url = f"http://127.0.0.1:{port}/"
        monkeypatch.setattr(
            scene.function, "settings", replace(scene.function.settings, notify_url=url)
        )
        began = time.monotonic()
        assert scene.send() == {"sent": 1, "delivered": 0}
        assert time.monotonic() - began < 5
    (notice,) = scene.webhooks()
    assert notice["attempts"][0]["outcome"] == "timeout"


def test_an_outcome_that_comes_after_another_process_delivered_changes_nothing(
    scene: Scene,
) -> None:
    """The lease ran out at the second at which the other one took its own."""
    scene.rotate()
    table, now = scene.studio.table, int(scene.studio.now)
    (late,) = scene.items()
    assert outbox.claim(table, late, now)
    (taken,) = scene.items()
    assert outbox.claim(table, taken, now + outbox.LEASE_S)
    delivered = Attempt("200", is_final=True)
    assert outbox.record_attempt(table, taken, delivered, now + outbox.LEASE_S)
    assert not outbox.record_attempt(table, late, Attempt("timeout"), now)
    (kept,) = scene.items()
    assert (kept["state"], len(kept["attempts"])) == ("delivered", 1)


def test_notices_of_all_users_are_listed_by_state_and_sent_again_together(scene: Scene) -> None:
    scene.rotate()
    studio = scene.studio
    (one,) = listed(scene, state="pending")
    assert (one["userId"], one["attempts"]) == (scene.user, []) and one["nextAttemptAt"]
    assert scene.send()["delivered"] == 1
    assert listed(scene, state="pending") == [] and listed(scene, state="failed") == []
    (delivered,) = listed(scene, state="delivered")
    assert (delivered["id"], delivered["attempts"][0]["outcome"]) == (one["id"], "204")
    notices = [f"{scene.user}/{one['id']}", f"nobody/{one['id']}"]
    body = {"notices": notices, "reason": "the receiver lost it"}
    reply = call(studio, "POST", "/admin/notices/replay", body)
    assert [found["state"] for found in reply.json["notices"]] == ["pending", "not_found"]
    assert scene.send()["delivered"] == 1
    assert len({headers["webhook-id"] for _, headers, _ in scene.receiver.got}) == 1
    assert len(listed(scene, user=scene.user)) == 1
    query = {"user": scene.user}
    records = studio.gateway.call(
        "GET", "/admin/audit", headers=studio.gateway.admin, query=query
    ).json["records"]
    assert [r["action"] for r in records if r["reason"] == body["reason"]] == ["webhook_replay"]


def test_notices_are_listed_in_pages_newest_first(scene: Scene) -> None:
    for _ in range(5):
        scene.rotate()
        scene.studio.now += 100_000
        scene.send()
    seen: list[tuple[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"state": "delivered", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = call(scene.studio, "GET", "/admin/notices", query=query).json
        seen += [(one["attempts"][-1]["timestamp"], one["id"]) for one in page["notices"]]
        cursor = page["nextCursor"]
    assert seen == sorted(seen, reverse=True) and len(set(seen)) == 5


def test_notices_that_wait_are_listed_in_pages_by_their_next_attempt(scene: Scene) -> None:
    """Several at one time, in every shard of the index."""
    table, now = scene.studio.table, int(scene.studio.now)
    users = [f"waiting-{number}" for number in range(12)]
    assert len({outbox.shard_of(user) for user in users}) == outbox.SHARDS
    for number, user in enumerate(users):
        table.write(outbox.notice(user, "credits.low", "x", {"userId": user}, now + number // 6))
    seen: list[tuple[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"state": "pending", "limit": "5"} | ({"cursor": cursor} if cursor else {})
        page = call(scene.studio, "GET", "/admin/notices", query=query).json
        seen += [(one["nextAttemptAt"], one["userId"]) for one in page["notices"]]
        cursor = page["nextCursor"]
    assert sorted(user for _, user in seen) == sorted(users)
    assert [at for at, _ in seen] == sorted(at for at, _ in seen)


def listed(scene: Scene, **query: str) -> list[dict[str, Any]]:
    reply = call(scene.studio, "GET", "/admin/notices", query=query)
    assert reply.status == 200 and reply.json["isOn"] is True, reply.text
    return list(reply.json["notices"])
