"""Requests for credits: the queue, the payment beside a request, an approval, a rejection, a lost answer."""

import time
from itertools import count

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import Office
from tests.browser.desk import Desk
from tests.browser.looking import faults

MESSAGE = (
    "{receipt} Confirmed. Ksh650.00 sent to PLUCT LTD for account PLUCT on 2/3/26 at 10:15 AM."
)
_numbers = count(1)


def receipt() -> str:
    return f"SJQ{next(_numbers):06d}P"


def asked(office: Office, user: str, name: str) -> None:
    office.past.ask(user, MESSAGE.format(receipt=name), int(time.time()) - 7200)


def row(desk: Desk, name: str) -> str:
    return next((text for text in desk.texts("tbody tr") if name in text), "")


def test_a_request_is_approved_with_a_preview_and_leaves_the_queue(
    clerk: Desk, office: Office
) -> None:
    user, name = office.user(5), receipt()
    asked(office, user, name)
    clerk.open("/requests")
    clerk.sees(name, "2 hours ago", "KES 650.00, paid to a paybill, account PLUCT, on 2026-03-02")
    clerk.press(f"Approve {name}")
    clerk.sees(f"No provider has proved {name}.", "Packs with this price: 250 credits", "255")
    assert faults(clerk) == {}
    clerk.fill("Credits", "")
    clerk.keys(Keys.ENTER)
    clerk.sees("A whole number from 1 to 1,000,000.")
    clerk.fill("Credits", "200")
    clerk.fill("A word to the user", "Thank you")
    clerk.keys(Keys.ENTER)
    clerk.sees(f"200 credits are added for {name}.".replace(name, f"\u2068{name}\u2069"))
    clerk.wait(lambda: not row(clerk, name), "the request gone")
    assert office.balance(user) == 205
    clerk.open("/requests?state=answered")
    clerk.wait(lambda: "approved" in row(clerk, name))
    assert "200 credits" in row(clerk, name) and "“Thank you”" in row(clerk, name)
    assert faults(clerk) == {}
    clerk.open(clerk.user_path(user))
    clerk.sees("200 credits added by an operator", "Thank you")


def test_a_payment_that_arrived_is_assigned_and_answers_the_request(
    clerk: Desk, office: Office
) -> None:
    user, name = office.user(), receipt()
    office.past.arrive(name, 65_000, int(time.time()) - 60, account="nobody")
    asked(office, user, name)
    clerk.open(f"/requests?user={user}")
    clerk.press(f"Approve {name}")
    clerk.sees("This payment has arrived: KES 650.00")
    assert not clerk.maybe("dialog footer .primary"), "a second grant is not offered"
    clerk.press("Assign the payment")
    clerk.sees("Assign this payment", "With this price: 250 credits")
    assert faults(clerk) == {}
    clerk.fill("Reason", "the payer wrote")
    clerk.press("Assign", "dialog")
    clerk.wait(lambda: "approved" in row(clerk, name))
    assert office.balance(user) == 250
    other = office.user()
    asked(office, other, name)
    clerk.open(f"/requests?user={other}")
    clerk.press(f"Approve {name}")
    clerk.sees("This payment is decided already", "another user. It cannot be added a second time")
    clerk.keys(Keys.ESCAPE)
    clerk.wait(lambda: not clerk.maybe("dialog[open]"))


def test_a_rejection_whose_answer_is_lost_is_looked_up_and_the_user_reads_why(
    clerk: Desk, office: Office
) -> None:
    user, name = office.user(), receipt()
    asked(office, user, name)
    clerk.open(f"/requests?user={user}")
    clerk.press(f"Reject {name}")
    clerk.press("Reject", "dialog")
    clerk.sees("A reason is required. It is kept.")
    clerk.press("This receipt is not one of ours.")
    clerk.answers("lost", of="reject")
    clerk.press("Reject", "dialog")
    clerk.sees("this took effect, once.")
    clerk.wait(lambda: "rejected" in row(clerk, name))
    assert "“This receipt is not one of ours.”" in row(clerk, name)
    clerk.wait(lambda: not clerk.maybe("dialog[open]"))


def test_empty_failed_and_read_only_queues_say_so(nobody: Desk, office: Office) -> None:
    nobody.start(*office.operator("viewer"), "/requests?user=nobody-asked")
    nobody.sees("nobody-asked has reported no payment")
    assert faults(nobody) == {}
    asked(office, office.user(name="reads-only"), receipt())
    nobody.open("/requests?user=reads-only")
    nobody.wait(lambda: "waits" in "".join(nobody.texts("tbody tr")))
    assert not nobody.all("tbody button")
    nobody.answers("failed", of="credit-requests")
    nobody.press("Filter")
    nobody.driver.execute_script("dispatchEvent(new Event('online'))")
    nobody.sees("Not refreshed since")
    assert faults(nobody) == {}


@pytest.fixture(autouse=True, scope="module")
def long_ones(office: Office) -> None:
    user = office.user(name="asks-" + "x" * 120)
    office.past.ask(user, "Halo, " + "please check " * 30, int(time.time()) - 90_000)
