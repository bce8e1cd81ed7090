"""Answers that are lost, late or refused: what the dashboard says, and what the ledger then has."""

from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import Office
from tests.browser.desk import Desk

UNKNOWN = "The outcome is not known yet"
ALIVE = 'window.dispatchEvent(new Event("online"))'
"""What a browser dispatches when its network is back: the page reads again."""


def review(desk: Desk, user: str, amount: str = "10", reason: str = "x") -> None:
    """The confirmation of adding credits."""
    desk.open(desk.user_path(user))
    desk.press("Add credits")
    desk.fill("Credits", amount)
    desk.fill("Reason", reason)
    desk.press("Review")
    desk.wait(lambda: desk.maybe("dl.preview"))


def test_a_lost_answer_then_escape_then_the_same_again_adds_credits_once(
    desk: Desk, office: Office
) -> None:
    user = office.user(5)
    review(desk, user)
    desk.answers("lost")
    desk.press("Add 10 credits")
    desk.sees(UNKNOWN)
    assert office.balance(user) == 15
    desk.keys(Keys.ESCAPE)
    desk.wait(lambda: not desk.maybe("dialog[open]"))
    desk.sees(UNKNOWN, "Out of date")
    assert "Adds up" not in desk.text
    desk.press("Add credits")
    desk.wait(lambda: UNKNOWN in desk.one("dialog[open]").text)
    assert not desk.maybe("dialog[open] input"), "no second change before the first is known"
    desk.answers("normal")
    desk.press("Look it up", "dialog[open]")
    desk.sees("this took effect, once.")
    desk.wait(lambda: not desk.maybe("dialog[open]") and "Adds up" in desk.text)
    assert (office.balance(user), len(office.entries(user))) == (15, 3)
    assert UNKNOWN not in desk.text


def test_a_write_that_did_not_arrive_keeps_its_key_over_a_reload(
    desk: Desk, office: Office
) -> None:
    user = office.user(5)
    review(desk, user)
    desk.answers("failed", of="POST")
    desk.press("Add 10 credits")
    desk.sees("It can still arrive until")
    keys = "return Object.values(JSON.parse(localStorage['pluct-writes'])).map(write => write.key)"
    before = desk.driver.execute_script(keys)
    desk.open("/transactions")
    desk.sees(UNKNOWN, "At ")
    assert desk.driver.execute_script(keys) == before and len(before) == 1
    desk.press("Send again")
    desk.sees("this took effect, once.")
    assert (office.balance(user), len(office.entries(user))) == (15, 3)
    assert desk.driver.execute_script(keys) == []


def test_a_subscription_write_with_a_lost_answer_is_looked_up_too(
    desk: Desk, office: Office
) -> None:
    subscriber = office.subscriber()
    desk.open(f"/subscriptions/{subscriber}")
    desk.press("Add or deduct")
    desk.fill("Amount in dollars", "2.50")
    desk.fill("Reason", "Paid by bank transfer")
    desk.answers("lost", of="POST")
    desk.press("Send", "dialog")
    desk.sees("this took effect, once.", "$2.50 added by an operator")
    desk.wait(lambda: not desk.maybe("dialog[open]"))


def test_figures_that_could_not_be_read_again_say_since_when_and_recover(
    desk: Desk, office: Office
) -> None:
    user = office.user(5)
    desk.open(desk.user_path(user))
    desk.sees("Adds up", "Checked at")
    desk.answers("failed", of="GET")
    desk.driver.execute_script(ALIVE)
    desk.sees("Not refreshed since", "Out of date", "It is tried again by itself.")
    assert "Adds up" not in desk.text
    office.pay(user, 2)
    desk.answers("normal")
    desk.sees("Adds up", "3 entries explain this balance.")
    assert "Not refreshed since" not in desk.text


def test_an_overview_without_answers_says_since_when_and_recovers(desk: Desk) -> None:
    desk.sees("Live,")
    desk.answers("failed", of="GET")
    desk.driver.execute_script(ALIVE)
    desk.wait(lambda: desk.texts(".live.behind")[0].startswith("Not refreshed since"))
    desk.wait(lambda: "as of" in desk.one(".state").text)
    desk.answers("normal")
    desk.sees("Live,")


def test_a_read_that_gets_no_answer_ends_and_is_tried_again(desk: Desk, office: Office) -> None:
    user = office.user(5)
    desk.open(desk.user_path(user))
    desk.sees("Adds up")
    desk.driver.execute_script("""
        const real = AbortSignal.timeout.bind(AbortSignal);
        AbortSignal.timeout = () => real(300);""")
    desk.answers("held", of="GET")
    desk.driver.execute_script(ALIVE)
    desk.sees("Not refreshed since", "The gateway did not answer.")


def test_a_definite_refusal_offers_no_way_to_send_it_again(desk: Desk, office: Office) -> None:
    user = office.user(5)
    desk.open(desk.user_path(user))
    desk.press("Deduct credits")
    desk.fill("Credits", "5")
    desk.fill("Reason", "x")
    desk.press("Review")
    desk.wait(lambda: desk.maybe("dl.preview"))
    office.past.vend(user, 1_800_000_000)
    desk.press("Deduct 5 credits")
    desk.sees("The balance is 4 now", "Nothing was changed. No credit moved.")
    assert desk.texts("dialog[open] footer button") == ["Back"]
    desk.wait(lambda: desk.focused() == "BUTTON Back")


def test_a_slow_answer_shows_progress_and_keeps_dialog_and_focus(
    desk: Desk, office: Office
) -> None:
    user = office.user(5)
    review(desk, user)
    desk.answers("held", of="POST")
    desk.press("Add 10 credits")
    desk.sees("Sending…", "Waiting for the gateway for")
    assert desk.focused() == "BUTTON Sending…"
    desk.keys(Keys.ESCAPE)
    desk.keys(Keys.ESCAPE)
    assert desk.maybe("dialog[open] progress")
    desk.answers("normal")
    desk.sees(f"The balance of {user} is 15.")
    assert office.balance(user) == 15


def test_the_focus_follows_the_steps_of_a_dialog_and_comes_back(desk: Desk, office: Office) -> None:
    user = office.user(5)
    review(desk, user)
    desk.wait(lambda: desk.focused() == "BUTTON Add 10 credits")
    desk.press("Back")
    desk.wait(lambda: desk.focused() == "INPUT")
    desk.keys(Keys.ENTER)
    desk.wait(lambda: desk.focused() == "BUTTON Add 10 credits")
    desk.keys(Keys.ENTER)
    desk.sees(f"The balance of {user} is 15.")
    desk.wait(lambda: desk.focused() == "BUTTON Add credits")


def test_escape_closes_the_menu_of_a_narrow_page(desk: Desk) -> None:
    desk.size(390)
    desk.press("Menu")
    desk.wait(lambda: desk.maybe(".side.open"))
    desk.keys(Keys.TAB, Keys.ESCAPE)
    desk.wait(lambda: not desk.maybe(".side.open"))
    assert desk.focused() == "BUTTON Menu"
