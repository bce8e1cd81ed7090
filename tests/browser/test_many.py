"""Very many users: pages come as fast at the end as at the beginning."""

import time

import pytest

from tests.browser.crowd import COUNT
from tests.browser.desk import Desk

pytestmark = pytest.mark.usefixtures("many")
HUNDRED = "many-0077"
"""The beginning of the ids of a hundred users."""


def page(desk: Desk, path: str, first: str) -> float:
    """Seconds until the page shows the user `first` at its top."""
    started = time.monotonic()
    desk.open(path)
    desk.wait(lambda: desk.texts("tbody a.id")[:1] == [first], first)
    return time.monotonic() - started


def test_any_page_of_a_hundred_thousand_users_is_reached_and_says_how_long_it_took(
    desk: Desk,
) -> None:
    took = {}
    for number in (0, COUNT // 2, COUNT - 1000):
        cursor = f"many-{number:06d}"
        path = f"/users?cursor={cursor}"
        took[number] = page(desk, path, f"many-{number + 1:06d}")
        assert len(desk.all("tbody tr")) == 50
    took[-1] = page(desk, f"/users?q={HUNDRED}", f"{HUNDRED}00")
    assert len(desk.all("tbody tr")) == 50
    desk.press("Next")
    desk.wait(lambda: desk.texts("tbody a.id")[:1] == [f"{HUNDRED}50"])
    print({number: round(seconds, 2) for number, seconds in took.items()})


FILES = """return ['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))
    .filter(entry => entry.name.includes('/dashboard'))
    .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
"""The size of all files of the page that is shown, as they are sent."""


def test_the_first_view_is_light_and_says_how_long_it_took(desk: Desk) -> None:
    """The first load warms functions and browser."""
    took = []
    for _ in range(4):
        started = time.monotonic()
        desk.open()
        desk.wait(lambda: desk.all(".figures-grid dd") and desk.all(".chart canvas"))
        took.append(round(time.monotonic() - started, 2))
    size = desk.driver.execute_script(FILES)
    print(f"first view: {took} s, {size:,} bytes of files")
    assert 30_000 < size < 80_000


def test_paging_shows_everybody_once(desk: Desk) -> None:
    desk.open(f"/users?q={HUNDRED}")
    seen: list[str] = []
    for expected in (f"{HUNDRED}00", f"{HUNDRED}50"):
        desk.wait(lambda expected=expected: desk.texts("tbody a.id")[:1] == [expected])
        seen += desk.texts("tbody a.id")
        if expected.endswith("00"):
            desk.press("Next")
    assert seen == [f"many-{number:06d}" for number in range(7700, 7800)]
