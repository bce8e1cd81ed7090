"""A job of a product that is settled by use is charged by upstream's figure, within its bounds."""

import json
from dataclasses import replace
from typing import Any

import pytest

from engine.credits import hold_items, verification
from engine.credits.hold_items import CAPTURED, RELEASED, Hold
from engine.products.product import Product
from engine.transcription import status as job_status
from tests.mutation.desk import NOW, Desk, Service, nowhere, proxy, submit
from tests.support.gateway import Gateway

BY_MINUTES = Product(
    "by_minutes", 1, "Minutes", "minute", 3, 60, "ttt:transcribe", "tttranscribe", 900, 20, "reject",
    "duration", 2,
)  # fmt: skip


class One:
    """A catalogue of one product."""

    def at(self, code: str, version: int) -> Product:
        assert (code, version) == ("by_minutes", 1)
        return BY_MINUTES


def completed(duration: Any) -> tuple[int, dict[str, Any]]:
    result = {"transcription": "said", "duration": duration, "wordCount": 1}
    return 200, {"status": "completed", "result": result}


FAILED = (200, {"status": "failed"})


def asked(desk: Desk, hold: Hold, service: Service, seconds: int) -> dict[str, Any]:
    """The answer to the question how the job goes, `seconds` after the vend."""
    gateway = replace(proxy(service, desk.table), products=One())
    act = nowhere(NOW + seconds)
    body = job_status.status(gateway, desk.user, f"job-{hold.jti}", act).body
    found: dict[str, Any] = json.loads(body)
    return found


def verified(desk: Desk) -> tuple[int, int]:
    found = verification.verify_user(desk.table, "credits", desk.user)
    assert found.findings == []
    return desk.explained()


@pytest.mark.parametrize(
    ("duration", "charged"), [(1, 6), (121, 9), (99_999, 30), (None, 30), ("long", 30)]
)
def test_a_job_is_charged_by_its_duration_and_the_rest_goes_back_at_once(
    gateway: Gateway, duration: Any, charged: int
) -> None:
    desk = Desk(gateway, balance=50)
    hold = desk.hold(product=BY_MINUTES, units=10)
    service = Service(says=completed(duration))
    submit(desk, hold, service)
    told = asked(desk, hold, service, 9)
    assert (told["credit"], told["text"]) == ("captured", "said")
    assert verified(desk) == (50 - charged, 0)
    item = desk.stored(hold)
    assert (item["state"], item["committed"], item["released"]) == (
        CAPTURED, charged, 30 - charged,
    )  # fmt: skip
    end = gateway.entries(desk.user)[-1]
    assert (end.type, end.amount, end.held, end.charged) == ("capture", 30 - charged, -30, charged)
    assert (end.product, end.units) == ("by_minutes@1", 10)


@pytest.mark.parametrize("state", [hold_items.OPEN, hold_items.SPENT])
def test_a_capture_that_proves_wrong_gives_back_what_was_charged(
    gateway: Gateway, state: str
) -> None:
    desk = Desk(gateway, balance=50)
    hold = desk.hold(product=BY_MINUTES, units=10, state=state)
    captured = desk.settle(hold, CAPTURED, charge=9)
    assert (captured.committed, captured.released) == (9, 21)
    assert verified(desk) == (41, 0)
    released = desk.settle(captured, RELEASED)
    assert (released.committed, released.released, released.reconciled) == (0, 30, True)
    assert verified(desk) == (50, 0)


@pytest.mark.parametrize("state", [hold_items.OPEN, hold_items.SPENT])
@pytest.mark.parametrize(("charge", "charged"), [(9, 9), (None, 30), (99, 30)])
def test_a_release_that_proves_wrong_is_charged_again_what_the_job_came_to(
    gateway: Gateway, state: str, charge: int | None, charged: int
) -> None:
    desk = Desk(gateway, balance=50)
    hold = desk.settle(desk.hold(product=BY_MINUTES, units=10, state=state), RELEASED)
    assert (hold.committed, hold.released) == (0, 30)
    assert verified(desk) == (50, 0)
    again = desk.settle(hold, CAPTURED, charge=charge)
    assert (again.committed, again.released) == (charged, 30 - charged)
    assert verified(desk) == (50 - charged, 0)


def test_a_late_text_that_the_account_cannot_pay_is_kept_back(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=30)
    hold = desk.hold(product=BY_MINUTES, units=10)
    service = Service(says=FAILED)
    submit(desk, hold, service)
    assert asked(desk, hold, service, 9)["credit"] == "released"
    desk.edit("ACCOUNT#credits", available=8)
    late = desk.settle(hold_items.again(desk.table, hold), CAPTURED, charge=9)
    assert (late.state, late.committed) == (RELEASED, 0)


def test_verification_finds_a_hold_that_says_another_charge(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=50)
    hold = desk.settle(desk.hold(product=BY_MINUTES, units=10), CAPTURED, charge=9)
    desk.edit(hold_items.hold_sk(hold.name), committed=8)
    (found,) = verification.verify_user(desk.table, "credits", desk.user).findings
    assert "says that 8 were charged, but its entries charge 9" in found.text


def test_a_hold_of_an_earlier_version_says_what_it_was_charged() -> None:
    old = {"state": CAPTURED, "amount": 1}
    assert (hold_items.read(old).committed, hold_items.read(old).released) == (1, 0)
    for state in (RELEASED, hold_items.WRITTEN_OFF):
        hold = hold_items.read({"state": state, "amount": 1})
        assert (hold.committed, hold.released, hold.reserved) == (0, 1, 0)
    hold = hold_items.read({"state": hold_items.OPEN, "amount": 1})
    assert (hold.committed, hold.released, hold.reserved) == (0, 0, 1)
    assert (hold.product, hold.version, hold.units, hold.entry_product) == ("transcript", 1, 1, "")
