"""The ten questions of `docs/desk.md`, each answered by its steps over sixty days of many users."""

import time
from dataclasses import dataclass

import pytest
from selenium.webdriver.common.keys import Keys

from engine.readmodels import feed
from tests.browser.conftest import Office
from tests.browser.desk import Desk
from tests.browser.test_find import CAUSE, IN_WORDS, search
from tests.browser.test_lists import in_view

pytestmark = pytest.mark.usefixtures("many")  # Ten thousand other users.
DAY_S = 86_400


@dataclass(frozen=True)
class Quoted:
    """What the customers of the walk quote."""

    user: str
    other: str
    receipt: str
    job: str
    video: str
    shared: str
    failed: int
    bought: int


@pytest.fixture(scope="module")
def quoted(office: Office) -> Quoted:
    """Sixty days of a user whose oldest job failed, who has an open job, and whose first video another user
    has asked for as well.
    """
    past, now = office.past, int(time.time())
    user, other = f"walker-{now}", f"neighbour-{now}"
    past.week_of(user, days=60, tokens=2)
    past.buy(other, 5, now - 59 * DAY_S)
    shared = f"https://www.tiktok.com/@someone/video/75{now}00000000"
    video = f"https://www.tiktok.com/@someone/video/76{now}00000000"
    failed = past.begin(user, shared, f"up-a{now}", now - 3 * DAY_S)
    past.fail(failed, now - 3 * DAY_S + 90, CAUSE)
    past.fail(past.begin(other, shared, f"up-b{now}", now - 2 * DAY_S), now - 2 * DAY_S, CAUSE)
    past.buy(user, 9, now - 7200, "the payment of the walk")
    (bought,) = office.ledger.entries(user, limit=1)
    past.begin(user, video, f"up-c{now}", now - 60)
    deadline = time.monotonic() + 60
    while not list(feed.of_subject(office.table, "credits", failed.jti, user)):
        assert time.monotonic() < deadline, "the read models do not have the hold"
        time.sleep(0.2)
    return Quoted(
        user, other, bought.subject.rpartition(":")[2], f"up-a{now}", video, shared, failed.seq,
        bought.seq,
    )  # fmt: skip


def test_which_payment(desk: Desk, quoted: Quoted) -> None:
    search(desk, quoted.receipt)
    desk.wait(lambda: desk.maybe("a.result"))
    desk.keys(Keys.ARROW_DOWN, Keys.ENTER)
    desk.wait(lambda: in_view(desk, quoted.bought))
    desk.sees("Bought 9 credits")


def test_which_job(desk: Desk, quoted: Quoted) -> None:
    search(desk, quoted.video)
    desk.wait(lambda: "?entry=" in desk.path)
    desk.sees("up-c", quoted.video.removeprefix("https://www."))


def test_who_did_it(desk: Desk, quoted: Quoted) -> None:
    search(desk, f"{quoted.user}:{quoted.bought}")
    desk.wait(lambda: in_view(desk, quoted.bought))
    assert "the payment provider" in desk.one(f"#entry-{quoted.bought} summary").text


def test_why_it_failed(desk: Desk, quoted: Quoted) -> None:
    search(desk, quoted.job)
    desk.wait(lambda: in_view(desk, quoted.failed))
    desk.sees(IN_WORDS)


def test_when_it_ends_how_much_is_owed_and_that_it_adds_up(desk: Desk, quoted: Quoted) -> None:
    search(desk, quoted.user)
    desk.sees("Goes back by", "at the latest", "Owed", "Adds up")
    desk.sees("this balance", "Open holds")


def test_who_else_is_hit(desk: Desk, quoted: Quoted) -> None:
    search(desk, quoted.shared)
    desk.wait(lambda: len(desk.all("a.result")) == 2)
    assert {quoted.user, quoted.other} <= set(desk.texts("a.result .id.quiet"))


def test_undo_it(desk: Desk, office: Office, quoted: Quoted) -> None:
    office.past.buy(quoted.other, 3, int(time.time()), "by mistake")
    (entry,) = office.ledger.entries(quoted.other, limit=1)
    search(desk, f"{quoted.other}:{entry.seq}")
    desk.press(f"Undo entry {entry.seq}")
    desk.fill("Reason", "by mistake")
    desk.press("Undo", "dialog")
    desk.wait(lambda: office.ledger.entries(quoted.other, limit=1)[0].reverses == entry.seq)
