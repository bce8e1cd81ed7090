"""Holds of back ends on a user's page: their story in words, what is owed, and ending one."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import Office
from tests.browser.desk import Desk
from tests.browser.test_layout import FAULTS, WIDTHS
from tests.browser.test_looks import wrong_in_a_theme

STEPS = {
    "code": "steps", "label": "Steps of a report", "unit": "call", "creditsPerUnit": 25, "mostUnits": 10,
    "scope": "steps:run", "audience": "writer", "lifetimeSeconds": 3600, "graceSeconds": 60,
    "overage": "owed", "version": 0, "reason": "a test",
}  # fmt: skip
_numbers = count(1)


class BackEnd:
    """A back end with a key of its own."""

    def __init__(self, office: Office) -> None:
        self.office = office
        admin = {"authorization": f"Bearer {office.run['adminSecret']}"}
        office.post("/admin/products", STEPS, admin)
        body = {"description": "writer", "scopes": ["holds:write"]}
        key = office.post("/admin/generate-key", body, admin)["key"]
        self.headers = {"x-api-key": key}

    def place(self, user: str, units: int) -> str:
        hold = f"job-{next(_numbers)}"
        body = {"userId": user, "holdId": hold, "product": "steps", "units": units}
        self.office.post("/v1/holds", body, self.headers)
        return hold

    def ask(self, hold: str, operation: str, **body: Any) -> Mapping[str, Any]:
        body["clientRequestId"] = f"request-{next(_numbers)}"
        found: Mapping[str, Any] = self.office.post(
            f"/v1/holds/{hold}/{operation}", body, self.headers
        )
        return found


@pytest.fixture(scope="module")
def backend(office: Office) -> BackEnd:
    return BackEnd(office)


@pytest.fixture(scope="module")
def shared(driver: webdriver.Chrome, office: Office) -> Desk:
    """One log-in for all tests of this module."""
    desk = Desk(driver, office.base)
    desk.size(1440)
    desk.theme("light")
    desk.start(*office.operator())
    return desk


@pytest.fixture
def clerk(shared: Desk) -> Iterator[Desk]:
    shared.size(1440)
    shared.theme("light")
    yield shared
    assert shared.console() == []


def figures(desk: Desk) -> dict[str, str]:
    return {
        one.split("\n")[0]: one.split("\n")[1] for one in desk.texts(".figures-grid.small .figure")
    }


def test_the_story_of_a_hold_reads_in_plain_words(
    clerk: Desk, office: Office, backend: BackEnd
) -> None:
    user = office.user(100)
    hold = backend.place(user, 3)
    backend.ask(hold, "extend", units=1)
    backend.ask(hold, "commit", amount=40)
    backend.ask(hold, "commit", amount=25, final=True)
    clerk.open(clerk.user_path(user))
    clerk.sees(
        "Held 75 for 3 \N{MULTIPLICATION SIGN} steps",
        "25 credits more held for 1 \N{MULTIPLICATION SIGN} steps, 100 in all",
        "Charged 40 for steps, 60 still held", "Charged 25 for steps, 35 back", "extended",
        "partly charged", "65 charged, 35 back", hold,
    )  # fmt: skip
    assert figures(clerk) | {"Available": "35", "Held": "0", "Owed": "0"} == figures(clerk)


def test_what_is_owed_is_shown_and_paid_by_the_next_grant(
    clerk: Desk, office: Office, backend: BackEnd
) -> None:
    user = office.user(25)
    hold = backend.place(user, 1)
    backend.ask(hold, "commit", amount=30, final=True)
    clerk.open(clerk.user_path(user))
    clerk.sees("Charged 30 for steps; owed 5, paid by the next grant", "the next grant pays it")
    assert figures(clerk)["Owed"] == "5"
    clerk.press("Add credits")
    clerk.fill("Credits", "20")
    clerk.sees("New balance: 15; 5 pays what is owed")
    clerk.fill("Reason", "Goodwill")
    clerk.press("Review")
    clerk.wait(lambda: "New balance" in clerk.texts("dialog dt"))
    shown = dict(zip(clerk.texts("dialog dt"), clerk.texts("dialog dd"), strict=True))
    assert (shown["Change"], shown["Owed"], shown["New balance"]) == (
        "+20",
        "\N{MINUS SIGN}5",
        "15",
    )
    clerk.press("Add 20 credits")
    clerk.sees("20 credits added", f"The balance of {user} is 15.")
    clerk.sees("20 credits added by an operator; 5 of them pay what was owed")
    newest = office.entries(user)[0]
    assert (newest.amount, newest.owed, newest.owed_after) == (15, -5, 0)
    clerk.press("Undo", ".toasts")
    clerk.wait(lambda: "New balance" in clerk.texts("dialog dt"))
    shown = dict(zip(clerk.texts("dialog dt"), clerk.texts("dialog dd"), strict=True))
    assert (shown["Change"], shown["Owed"], shown["New balance"]) == ("\N{MINUS SIGN}20", "+5", "0")
    clerk.press("Undo", "dialog")
    clerk.sees("5 is owed again")
    assert office.ledger.account(user).owed == 5


def test_a_lost_answer_to_a_grant_that_pays_what_is_owed_is_found(
    clerk: Desk, office: Office, backend: BackEnd
) -> None:
    user = office.user(25)
    backend.ask(backend.place(user, 1), "commit", amount=30, final=True)
    clerk.open(clerk.user_path(user))
    clerk.press("Add credits")
    clerk.fill("Credits", "20")
    clerk.fill("Reason", "Goodwill")
    clerk.press("Review")
    clerk.wait(lambda: clerk.maybe("dl.preview"))
    clerk.answers("lost", of="POST /admin/add-credits")
    clerk.press("Add 20 credits")
    clerk.sees("this took effect, once")
    clerk.answers("normal")
    assert office.balance(user) == 15


def test_an_operator_ends_a_hold_by_keyboard_with_a_reason(
    clerk: Desk, office: Office, backend: BackEnd
) -> None:
    user = office.user(100)
    hold = backend.place(user, 3)
    backend.ask(hold, "commit", amount=40)
    clerk.open(clerk.user_path(user))
    clerk.sees("75 credits", "35 still held, 40 charged", hold)
    button = clerk.one("#open + ul button")
    assert button.get_attribute("aria-label") == f"End {hold}, entry 3"
    clerk.driver.execute_script("arguments[0].focus()", button)
    clerk.keys(Keys.ENTER)
    clerk.sees(
        "35 credits go back to", "The 40 that were charged stay charged", "Left alone, it ends"
    )
    clerk.keys(Keys.ENTER)
    clerk.sees("A reason is required")
    clerk.keys("The back end is gone", Keys.ENTER)
    clerk.sees("is ended: 35 credits back", "No credit is held", "40 charged, 35 back")
    newest = office.entries(user)[0]
    assert (newest.type, newest.amount, newest.reason) == ("refund", 35, "The back end is gone")
    assert newest.actor.startswith("operator:")


def test_a_hold_that_ended_meanwhile_is_told_as_such(
    clerk: Desk, office: Office, backend: BackEnd
) -> None:
    user = office.user(100)
    hold = backend.place(user, 3)
    clerk.open(clerk.user_path(user))
    clerk.wait(lambda: clerk.maybe("#open + ul button"))
    clerk.press(f"End {hold}, entry 3")
    backend.ask(hold, "commit", units=3, final=True)
    clerk.fill("Reason", "It hangs")
    clerk.press("End the hold")
    clerk.sees("had ended before. Nothing was changed.")
    assert office.balance(user) == 25


def test_a_viewer_sees_holds_and_ends_none(nobody: Desk, office: Office, backend: BackEnd) -> None:
    user = office.user(100)
    backend.place(user, 3)
    nobody.start(*office.operator("viewer"), nobody.user_path(user))
    nobody.sees("75 credits for 3 \N{MULTIPLICATION SIGN} steps")
    assert not nobody.maybe("#open + ul button")


def test_holds_are_accessible_and_fit_at_every_width(
    desk: Desk, office: Office, backend: BackEnd
) -> None:
    user = office.user(1_000_000)
    for units in (10, 10):
        backend.ask(backend.place(user, units), "commit", amount=3)
    desk.open(desk.user_path(user))
    desk.wait(lambda: desk.maybe("#open + ul button"))
    desk.settled()
    assert wrong_in_a_theme(desk) == {}
    found = {}
    for width in WIDTHS:
        desk.size(width)
        if faults := desk.driver.execute_script(FAULTS):
            found[width] = faults[:4]
    assert found == {}
    desk.driver.execute_script("document.querySelector('#open + ul button').click()")
    desk.sees("End this hold?")
    for width in (1440, 360):
        desk.size(width)
        assert wrong_in_a_theme(desk) == {}
        assert desk.overflow() <= 0
    desk.keys(Keys.ESCAPE)
