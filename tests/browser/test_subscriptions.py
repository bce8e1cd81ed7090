"""Subscriptions on the dashboard, with the real service behind it: every act, and its entry."""

import time

import jwt
import pytest
import requests

from engine.ledger.items import Entry
from engine.ledger.posting import Ledger
from engine.subscriptions.plans import UNIT
from tests.browser.conftest import Office
from tests.browser.desk import Desk


class Subscriber:
    """A user with a key."""

    def __init__(self, office: Office, user: str) -> None:
        self.office = office
        self.user = user
        self.key = self.call().json()["data"]["key"]
        office.projected(user, UNIT)

    def call(self) -> requests.Response:
        secret = self.office.run["subscriptionJwtSecret"]
        claims = {"uid": self.user, "email": "sub@example.com", "exp": int(time.time()) + 600}
        headers = {"authorization": f"Bearer {jwt.encode(claims, secret, algorithm='HS256')}"}
        return requests.post(f"{self.office.base}/api/key", headers=headers, timeout=60)

    def entries(self) -> list[Entry]:
        return Ledger(self.office.table, UNIT).entries(self.user, limit=20)


@pytest.fixture
def subscriber(office: Office, request: pytest.FixtureRequest) -> Subscriber:
    return Subscriber(office, f"sub-{abs(hash(request.node.name)) % 10**8}")


def act(desk: Desk, opens: str, reason: str, confirms: str) -> None:
    desk.press(opens)
    desk.fill("Reason", reason)
    desk.press(confirms, "dialog")


def test_a_subscriber_is_found_and_shown_without_the_key(
    desk: Desk, subscriber: Subscriber
) -> None:
    desk.open("/subscriptions")
    desk.press(subscriber.user)
    desk.sees("Keys and rotations", "Adds up", "sub@example.com")
    desk.sees("Allowance of the plan granted", "held for a key")
    desk.settled()
    assert desk.heading.startswith(subscriber.user)
    assert subscriber.key not in str(desk.driver.page_source)


def test_a_top_up_is_an_entry_of_the_operator(desk: Desk, subscriber: Subscriber) -> None:
    desk.open(f"/subscriptions/{subscriber.user}")
    desk.press("Add or deduct")
    desk.fill("Amount in dollars", "2.50")
    desk.fill("Reason", "Paid by bank transfer")
    desk.press("Send", "dialog")
    desk.sees("The balance is changed.", "“Paid by bank transfer”")
    entry = subscriber.entries()[0]
    assert (entry.type, entry.amount, entry.reason) == (
        "admin_add", 2_500_000, "Paid by bank transfer",
    )  # fmt: skip
    assert entry.actor.startswith("operator:admin")


def test_a_rotation_makes_another_key(desk: Desk, subscriber: Subscriber) -> None:
    desk.open(f"/subscriptions/{subscriber.user}")
    act(desk, "Rotate key", "It leaked", "Rotate")
    desk.sees("The key is rotated.")
    assert subscriber.call().json()["data"]["key"] != subscriber.key


def test_a_blocked_subscriber_gets_no_key_until_unblocked(
    desk: Desk, subscriber: Subscriber
) -> None:
    desk.open(f"/subscriptions/{subscriber.user}")
    act(desk, "Block", "Abuse", "Block")
    desk.sees("The subscription is blocked.")
    assert (subscriber.call().status_code, subscriber.call().json()["code"]) == (
        402, "subscription_blocked",
    )  # fmt: skip
    act(desk, "Unblock", "Settled", "Unblock")
    desk.sees("The subscription is unblocked.")
    assert subscriber.call().status_code == 200


def test_a_plan_is_changed(desk: Desk, subscriber: Subscriber) -> None:
    desk.open(f"/subscriptions/{subscriber.user}")
    desk.press("Change plan")
    desk.choose("dialog select[name=plan]", "pro")
    desk.fill("Reason", "Upgrade")
    desk.press("Change it", "dialog")
    desk.sees("The plan is changed.")
    assert subscriber.entries()[0].type == "plan_change"


def test_a_viewer_looks_and_has_no_buttons(nobody: Desk, office: Office) -> None:
    subscriber = Subscriber(office, "sub-viewed")
    nobody.start(*office.operator("viewer"), path="/subscriptions/sub-viewed")
    nobody.sees(subscriber.user, "Adds up")
    assert "Block" not in nobody.texts("main button")
