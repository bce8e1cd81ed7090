"""Every page at every width, on paper, and with text that runs from right to left."""

import time
from itertools import pairwise

import pytest

from tests.browser.conftest import Office
from tests.browser.desk import Desk
from tools import web

WIDTHS = (360, 390, 480, 600, 768, 833, 900, 960, 1024, 1100, 1152, 1280, 1440, 1920)
LONG = "laid-out-" + "x" * 111
WORDS = "Transcription was wrong and the customer asked for an explanation twice"
ARABIC = "خطأ في النسخ (1)"
PAGES = ["", "/users?q=laid-out", f"/users/{LONG}", f"/transactions?user={LONG}", "/keys",
         "/subscriptions", "/audit"]  # fmt: skip

FAULTS = """
    const faults = [], width = document.documentElement.clientWidth;
    const where = e => `${e.tagName}.${e.className} "${(e.innerText || '').slice(0, 40)}"`;
    const seen = e => e.checkVisibility() && !e.closest('.sr, .plot, .skip, thead');
    if (document.documentElement.scrollWidth > width) faults.push('the page is too wide');
    for (const e of document.querySelectorAll('main *')) {
      if (!seen(e)) continue;
      const box = e.getBoundingClientRect();
      if (box.width && (box.right > width + 1 || box.left < -1)) faults.push(`outside: ${where(e)}`);
      const isCut = getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1;
      if (isCut && !['INPUT', 'SELECT'].includes(e.tagName)) faults.push(`cut off: ${where(e)}`);
      const frame = e.closest('.figure, .scroll, dialog')?.getBoundingClientRect();
      if (frame && box.width && box.right > frame.right + 1) faults.push(`leaves its box: ${where(e)}`);
    }
    const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      if (!seen(text.parentElement) || text.parentElement.closest('.id, code, h1')) continue;
      for (const word of text.data.matchAll(/[\\p{L}\\p{N},.]{2,20}/gu)) {
        const range = document.createRange();
        range.setStart(text, word.index);
        range.setEnd(text, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map(rect => Math.round(rect.top)));
        if (lines.size > 1) faults.push(`broken word: ${word[0]} in ${where(text.parentElement)}`);
      }
    }
    return [...new Set(faults)]"""
"""What is wrong with the layout of the page as it is shown."""


@pytest.fixture(scope="module", autouse=True)
def crowded(office: Office) -> None:
    """The longest id, the largest amounts, long and short words."""
    now = int(time.time())
    for number in range(5):
        office.past.buy(LONG, 1_000_000, now - 60 * number, WORDS)
    office.past.give_back(office.past.vend(LONG, now - 5), now)
    office.past.vend(LONG, now)
    office.past.buy("laid-out-rtl", 3, now, ARABIC)
    office.subscriber()


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_cut_off_or_broken_at_any_width(desk: Desk, path: str) -> None:
    desk.open(path)
    desk.wait(lambda: desk.maybe("main h1[tabindex]"))
    desk.settled()
    found = {}
    for width in WIDTHS:
        desk.size(width)
        if faults := desk.driver.execute_script(FAULTS):
            found[width] = faults[:4]
    assert found == {}


def test_a_subscription_is_laid_out_at_every_width(desk: Desk, office: Office) -> None:
    test_nothing_is_cut_off_or_broken_at_any_width(desk, f"/subscriptions/{office.subscriber()}")


def test_a_printed_page_is_light_and_has_the_figures_without_the_controls(desk: Desk) -> None:
    desk.theme("dark")
    desk.open(f"/users/{LONG}")
    desk.sees("Adds up")
    desk.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        visible = (
            "return [...document.querySelectorAll(arguments[0])].some(e => e.checkVisibility())"
        )
        assert not desk.driver.execute_script(visible, "nav, main button, .toasts")
        assert desk.driver.execute_script(visible, ".story") and "5,000,000" in desk.text
        paper = "return getComputedStyle(document.body).backgroundColor"
        assert desk.driver.execute_script(paper) == "rgb(245, 247, 246)"
        assert desk.driver.execute_script(FAULTS) == []
    finally:
        desk.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_text_from_right_to_left_keeps_its_own_direction(desk: Desk) -> None:
    desk.open("/users/laid-out-rtl")
    desk.sees("Bought 3 credits", ARABIC)
    script = """
        const quote = [...document.querySelectorAll('.why')].find(e => e.innerText.includes('(1)'));
        return [quote.querySelector('bdi').matches(':dir(rtl)'), quote.matches(':dir(ltr)')]"""
    assert desk.driver.execute_script(script) == [True, True]
    desk.press("Add credits")
    desk.fill("Reason", ARABIC)
    field = desk.one(f"#{desk.field('Reason')}")
    assert desk.driver.execute_script("return arguments[0].matches(':dir(rtl)')", field)


@pytest.mark.parametrize("step", ["moment", "hour", "day"])
def test_a_time_axis_has_labels_at_every_span(desk: Desk, step: str) -> None:
    """From a second to decades, and never more than there is room for."""
    source = (
        (web.SOURCE / "ticks.js").read_text(encoding="utf-8").replace("export function", "function")
    )
    script = f"""{source}
        const from = Date.UTC(2026, 1, 27, 21, 59, 30) / 1000;
        return arguments[1].map(span => marks(from, from + span, 6, arguments[0]).map(mark => mark.text))"""
    spans = [1, 20, 90, 3600, 9000, 86_400, 200_000, 8 * 86_400, 40 * 86_400, 400 * 86_400, 10**9]
    labels = desk.driver.execute_script(script, step, spans)
    for texts in labels:
        assert 1 <= len(texts) <= 7
        assert all(one != other for one, other in pairwise(texts)), texts
