"""Every page in light and dark, narrow and wide: nothing that axe-core calls serious, nothing too wide."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Office
from tests.browser.desk import Desk

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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_and_fits(desk: Desk, path: str, theme: str) -> None:
    desk.theme(theme)
    for width in (1440, 390):
        desk.size(width)
        desk.open(path)
        desk.wait(lambda: desk.maybe("main h1[tabindex]"))
        desk.settled()
        assert serious(desk) == []
        assert desk.overflow() <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_login_is_accessible_and_fits(nobody: Desk, theme: str) -> None:
    nobody.theme(theme)
    nobody.size(390)
    nobody.open()
    nobody.log_in("nobody", "wrong")
    nobody.sees("Wrong name or password")
    assert serious(nobody) == []
    assert nobody.overflow() <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_dialogs_and_messages_are_accessible_and_fit(
    desk: Desk, office: Office, theme: str
) -> None:
    user = office.user(5)
    desk.theme(theme)
    desk.size(390)
    desk.open(desk.user_path(user))
    desk.press("Add credits")
    desk.press("Review")
    assert serious(desk) == []
    desk.fill("Credits", "3")
    desk.fill("Reason", "x")
    desk.press("Review")
    desk.wait(lambda: desk.maybe("dl.preview"))
    assert serious(desk) == []
    desk.press("Add 3 credits")
    desk.sees("3 credits added.")
    assert serious(desk) == []
    assert desk.overflow() <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_unknown_outcome_and_the_login_over_it_are_accessible_and_fit(
    desk: Desk, office: Office, theme: str
) -> None:
    user = office.user(5)
    desk.theme(theme)
    desk.size(390)
    desk.open(desk.user_path(user))
    desk.press("Undo entry 2")
    desk.answers("failed")
    desk.press("Undo", "dialog")
    desk.sees("The outcome is not known yet")
    assert serious(desk) == []
    desk.press("Close", "dialog footer")
    desk.driver.execute_script('window.dispatchEvent(new Event("online"))')
    desk.sees("Not refreshed since")
    assert serious(desk) == [] and desk.overflow() <= 0
    desk.driver.delete_all_cookies()
    desk.answers("normal")
    desk.wait(lambda: desk.maybe("dialog.cover"))
    assert serious(desk) == [] and desk.overflow() <= 0


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
