"""What a customer quotes leads to the credit, its job and its cause; the audit tells one operator's acts."""

import time
from dataclasses import dataclass

import pytest
from selenium.webdriver.common.keys import Keys

from engine.readmodels import feed
from tests.browser.conftest import Office
from tests.browser.desk import Desk
from tests.browser.test_lists import in_view
from tests.browser.test_looks import serious, wrong_in_a_theme

DAY_S = 86_400
CAUSE = "Video not found. It may have been deleted. [code: download_not_found]"
IN_WORDS = "The video does not exist, or was deleted"


@dataclass(frozen=True)
class Case:
    """A failed job of two months ago, with entries before and after it."""

    user: str
    job: str
    own: str
    video: str
    seq: int


@pytest.fixture(scope="module")
def case(office: Office) -> Case:
    past, now = office.past, int(time.time())
    user, job = f"Old.Customer-{now}", f"up-{now}"
    video = f"https://www.tiktok.com/@someone/video/7{now}00000000"
    for number in range(30):
        past.buy(user, 1, now - 60 * DAY_S + number)
    hold = past.begin(user, video, job, now - 59 * DAY_S)
    past.fail(hold, now - 59 * DAY_S + 90, CAUSE)
    for number in range(250):
        past.buy(user, 1, now - 3600 + number)
    deadline = time.monotonic() + 60
    while not list(feed.of_subject(office.table, "credits", hold.jti, user)):
        assert time.monotonic() < deadline, "the read models do not have the hold"
        time.sleep(0.2)
    return Case(user, job, f"job-{hold.jti}", video, hold.seq)


def _is_in_search(desk: Desk) -> bool:
    return desk.driver.switch_to.active_element.get_attribute("id") == "find"


def search(desk: Desk, text: str) -> None:
    """By the keyboard alone, from whatever page is open."""
    desk.wait(lambda: _is_in_search(desk) or desk.keys("/"), "the focus in the search box")
    desk.keys(text, Keys.ENTER)


@pytest.mark.parametrize("name", ["job", "own", "video"])
def test_a_search_opens_the_story_at_the_entry_however_old(
    desk: Desk, case: Case, name: str
) -> None:
    desk.wait(lambda: desk.maybe("#find"))
    search(desk, getattr(case, name))
    desk.wait(lambda: in_view(desk, case.seq), f"entry {case.seq}")
    assert desk.path == f"/users/{case.user}?entry={case.seq}"


def test_the_story_says_which_video_which_job_and_why_it_failed(desk: Desk, case: Case) -> None:
    desk.open(f"/users/{case.user}?entry={case.seq + 1}")
    desk.wait(lambda: in_view(desk, case.seq + 1))
    desk.sees(IN_WORDS, case.job, case.own, CAUSE)
    link = desk.one(f"#entry-{case.seq} .job a")
    assert link.get_attribute("href") == case.video
    assert serious(desk) == []


def test_a_part_of_a_user_id_in_any_case_lists_who_has_it(desk: Desk, case: Case) -> None:
    search(desk, case.user[4:].upper())
    desk.wait(lambda: desk.texts("a.result b") == [case.user])
    desk.keys(Keys.ARROW_DOWN)
    desk.wait(lambda: desk.focused().startswith(f"A {case.user}"))
    desk.keys(Keys.ESCAPE)
    desk.wait(lambda: desk.driver.switch_to.active_element.get_attribute("id") == "find")
    desk.keys(Keys.ARROW_DOWN, Keys.ENTER)
    desk.wait(lambda: desk.heading == case.user)


def test_a_search_that_finds_nothing_says_what_was_searched(desk: Desk) -> None:
    search(desk, "nobody-ever-quoted-this")
    desk.sees("Nothing was found", "ids of users", "entries")


def test_what_was_found_is_accessible_and_fits_every_width(desk: Desk, case: Case) -> None:
    desk.size(360)
    desk.open(f"/search?q={case.user[4:]}&deep=true")
    desk.wait(lambda: desk.maybe("a.result"))
    desk.settled()
    for width in (360, 390, 768, 1024, 1280, 1920):
        desk.size(width)
        assert desk.overflow() <= 0, width
        if width in (390, 1280):
            assert wrong_in_a_theme(desk) == {}, width


def test_a_read_that_fails_says_so_and_is_tried_again(desk: Desk, case: Case) -> None:
    desk.answers("failed", of="GET /admin/search")
    search(desk, case.job)
    desk.sees("The gateway did not answer")
    desk.answers("normal")
    desk.press("Try again")
    desk.wait(lambda: in_view(desk, case.seq))


def test_the_audit_lists_everything_that_one_operator_did(nobody: Desk, office: Office) -> None:
    name, password = office.operator("admin")
    user = office.user(3)
    nobody.start(name, password, f"/users/{user}")
    nobody.press("Add credits")
    nobody.fill("Credits", "4")
    nobody.fill("Reason", "a gift")
    nobody.press("Review")
    nobody.press("Add 4 credits")
    nobody.wait(lambda: office.balance(user) == 7)
    nobody.open("/audit")
    nobody.fill("By", name)
    nobody.press("Filter")
    nobody.wait(lambda: nobody.path.startswith(f"/audit?actor=operator%3A{name}"))
    nobody.wait(lambda: all(name in row for row in nobody.texts("tbody tr") or [""]))
    nobody.wait(lambda: "added credits" in " ".join(nobody.texts("tbody tr")))
    rows = nobody.texts("tbody tr")
    assert any("+4" in row and user in row for row in rows)
