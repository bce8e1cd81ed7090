"""Every page in light and dark, narrow and wide: nothing that axe-core calls serious, nothing too wide."""

import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Office
from tests.browser.desk import Desk
from tests.support.sampling import PROVING

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
PAGES = ["", "/users", "/users/looked-at", "/transactions", "/keys", "/subscriptions", "/audit",
         "/nowhere", "/users/nobody-has-this", "/transactions?type=write_off"]  # fmt: skip
LONG = "looked-at-" + "x" * 110


@pytest.fixture(scope="module", autouse=True)
def busy_day(office: Office) -> None:
    office.past.week_of("looked-at")
    office.past.buy(LONG, 1_000_000, int(time.time()), "w" * 200)


def serious(desk: Desk) -> list[str]:
    """What axe-core finds that is serious or critical, with the element."""
    if not desk.driver.execute_script("return Boolean(window.axe)"):
        desk.driver.execute_script(AXE.read_text(encoding="utf-8"))
    script = """const done = arguments[0];
        axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations))"""
    found: list[dict[str, Any]] = desk.driver.execute_async_script(script)
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


LOOKS = list(product((1440, 390), ("light", "dark")))
SHORT = ([(1440, "light"), (390, "dark")], [(390, "light"), (1440, "dark")])
"""Half of `LOOKS`, for every other page: each width and each theme in both."""


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_and_fits(clerk: Desk, path: str) -> None:
    """Loaded once, at one width or the other; then what the window and the system do changes."""
    looks = LOOKS if PROVING else SHORT[PAGES.index(path) % 2]
    clerk.size(looks[0][0])
    clerk.open(path)
    clerk.wait(lambda: clerk.maybe("main h1[tabindex]"))
    for width, theme in looks:
        clerk.size(width)
        clerk.theme(theme)
        clerk.settled()
        assert serious(clerk) == [], (width, theme)
        assert clerk.overflow() <= 0, (width, theme)


def test_the_login_is_accessible_and_fits(nobody: Desk) -> None:
    nobody.size(390)
    nobody.open()
    nobody.log_in("nobody", "wrong")
    nobody.sees("Wrong name or password")
    assert nobody.overflow() <= 0
    assert wrong_in_a_theme(nobody) == {}


def wrong_in_a_theme(desk: Desk) -> dict[str, list[str]]:
    """What axe-core finds in the page as it stands, by theme; it is light before and after."""
    found = {}
    for theme in ("dark", "light"):
        desk.theme(theme)
        if faults := serious(desk):
            found[theme] = faults
    return found


def test_dialogs_and_messages_are_accessible_and_fit(desk: Desk, office: Office) -> None:
    user = office.user(5)
    desk.size(390)
    desk.open(desk.user_path(user))
    desk.press("Add credits")
    desk.press("Review")
    assert wrong_in_a_theme(desk) == {}
    desk.fill("Credits", "3")
    desk.fill("Reason", "x")
    desk.press("Review")
    desk.wait(lambda: desk.maybe("dl.preview"))
    assert wrong_in_a_theme(desk) == {}
    desk.press("Add 3 credits")
    desk.sees("3 credits added.")
    assert desk.overflow() <= 0
    assert wrong_in_a_theme(desk) == {}


def test_an_unknown_outcome_and_the_login_over_it_are_accessible_and_fit(
    desk: Desk, office: Office
) -> None:
    user = office.user(5)
    desk.size(390)
    desk.open(desk.user_path(user))
    desk.press("Undo entry 2")
    desk.answers("failed")
    desk.press("Undo", "dialog")
    desk.sees("The outcome is not known yet")
    assert wrong_in_a_theme(desk) == {}
    desk.press("Close", "dialog footer")
    desk.driver.execute_script('window.dispatchEvent(new Event("online"))')
    desk.sees("Not refreshed since")
    assert wrong_in_a_theme(desk) == {} and desk.overflow() <= 0
    desk.driver.delete_all_cookies()
    desk.answers("normal")
    desk.wait(lambda: desk.maybe("dialog.cover"))
    assert wrong_in_a_theme(desk) == {} and desk.overflow() <= 0


def test_the_longest_id_reason_and_amount_fit_a_phone(desk: Desk) -> None:
    desk.size(390)
    for path in (f"/users/{LONG}", f"/transactions?user={LONG}", f"/users?q={LONG}"):
        desk.open(path)
        desk.wait(lambda: LONG in desk.text)
        desk.settled()
        assert desk.overflow() <= 0, path


def test_the_theme_can_be_chosen_and_is_kept(desk: Desk) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = desk.driver.execute_script(ground)
    desk.choose(".theme select", "dark")
    dark = desk.driver.execute_script(ground)
    assert light != dark
    desk.open("/users")
    desk.wait(lambda: desk.maybe("main h1[tabindex]"))
    assert desk.driver.execute_script(ground) == dark
    desk.choose(".theme select", "auto")


def test_the_policy_blocks_injected_scripts_and_markup(desk: Desk) -> None:
    """Inline code does not run, and no string becomes markup, even where our own code would do it."""
    script = """
        const element = document.createElement('script');
        try { element.textContent = 'window.broken = true'; document.body.append(element); } catch {}
        try { document.body.innerHTML = '<i>x</i>'; return 'markup'; } catch (e) { return e.name; }"""
    assert desk.driver.execute_script(script) == "TypeError"
    assert not desk.driver.execute_script("return window.broken")
    assert any(
        "Content Security Policy" in line or "TrustedHTML" in line for line in desk.console()
    )
