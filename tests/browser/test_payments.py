"""Payments: the inbox, a payment with its entries, an assignment, a refund by hand, the reconciler."""

import time
from itertools import count

import pytest

from tests.browser.conftest import Office
from tests.browser.desk import Desk
from tests.browser.looking import faults

_numbers = count(1)
LONG = "pays-" + "x" * 120


@pytest.fixture
def receipt(office: Office) -> str:
    """A payment of KES 650.00 that waits in the inbox."""
    name = f"SJT{next(_numbers):06d}P"
    office.past.arrive(name, 65_000, int(time.time()) - 600, account="PL7K2M9")
    return name


def row(desk: Desk, name: str) -> str:
    return next((text for text in desk.texts("tbody tr") if name in text), "")


def test_a_payment_of_the_inbox_is_assigned_and_a_part_sent_back(
    clerk: Desk, office: Office, receipt: str
) -> None:
    user = office.user(5, LONG)
    office.past.arrive(f"{receipt}X", 123_456_700, int(time.time()) - 90_000, account="nobody")
    clerk.open("/payments")
    clerk.sees(receipt, "10 minutes ago", "KES 1,234,567.00", "What was typed is no pay code")
    assert faults(clerk) == {}
    clerk.press(receipt)
    clerk.sees("Compare the account with purchases", "It has granted nothing.", "***149")
    clerk.press("Assign")
    clerk.sees("With this price: 250 credits")
    clerk.press("Assign", "dialog")
    clerk.sees("The id of a user.", "A reason is required.")
    clerk.fill("User", user)
    clerk.sees("255")
    clerk.fill("Reason", "the payer wrote")
    clerk.answers("lost", of="assign")
    clerk.press("Assign", "dialog")
    clerk.sees("this took effect, once.")
    clerk.wait(lambda: not clerk.maybe("dialog[open]"))
    clerk.sees("Bought a pack of 250 credits", "the payer wrote", "assigned a payment")
    assert office.balance(user) == 255
    clerk.answers("normal")
    clerk.press("Record a refund")
    clerk.fill("Sent back in all", "650.01")
    clerk.fill("Receipt of the refund", "BACK1")
    clerk.fill("Reason", "paid too much")
    clerk.press("Record", "dialog")
    clerk.sees("An amount up to KES 650.00.")
    clerk.fill("Sent back in all", "325")
    clerk.sees("125 credits")
    clerk.press("Record", "dialog")
    clerk.sees("partly refunded", "Taken back after a refund or dispute: 125 credits", "BACK1")
    assert office.balance(user) == 130
    assert faults(clerk) == {}


def test_decided_payments_are_found_by_their_members(
    clerk: Desk, office: Office, receipt: str
) -> None:
    clerk.open(f"/payments/mpesa:{receipt}")
    clerk.press("Ignore")
    clerk.press("Test payment")
    assert faults(clerk) == {}
    clerk.press("Ignore", "dialog")
    clerk.sees("The payment is closed.", "ignored", "closed a payment")
    clerk.open("/payments?state=decided")
    clerk.wait(lambda: row(clerk, receipt))
    clerk.fill("Paid from", "600")
    clerk.press("Filter")
    clerk.sees("Name the currency of the amounts.")
    clerk.fill("Currency", "kes")
    clerk.fill("Paid to", "700")
    clerk.press("Filter")
    clerk.wait(lambda: "currency=KES" in clerk.path)
    clerk.wait(lambda: row(clerk, receipt))
    day = time.strftime("%Y-%m-%d", time.gmtime())
    clerk.open(f"/payments?state=ignored&provider=mpesa&fromDay={day}&toDay={day}")
    clerk.wait(lambda: row(clerk, receipt))
    assert faults(clerk) == {}
    clerk.open("/payments?state=disputed")
    clerk.sees("No payment is like that")
    clerk.press("show all decided payments")
    clerk.wait(lambda: row(clerk, receipt))
    clerk.open("/payments/mpesa:UB00000000")
    clerk.sees("There is no such payment")


def test_the_reconciler_runs_by_hand_and_says_what_it_read(clerk: Desk) -> None:
    clerk.open("/payments/reconciliation")
    clerk.press("Run now")
    clerk.press("A payer asks")
    clerk.press("Run", "dialog")
    clerk.wait(lambda: clerk.maybe("p.verdict"))
    clerk.sees("own:grants", "There is no difference")
    assert faults(clerk) == {}


def test_a_viewer_sees_payments_and_decides_none(
    nobody: Desk, office: Office, receipt: str
) -> None:
    nobody.start(*office.operator("viewer"), f"/payments/mpesa:{receipt}")
    nobody.sees("waits for a decision")
    assert not nobody.all(".head .actions button")
    nobody.answers("failed", of="/admin/payments")
    nobody.driver.execute_script("dispatchEvent(new Event('online'))")
    nobody.sees("Not refreshed since")
    assert faults(nobody) == {}
