"""Logging in, its limits, and sessions that end, in the browser."""

import time

import pytest

from engine.access import attempts, operators
from engine.access.attempts import Backoff
from engine.access.sessions import COOKIE
from engine.ledger.audit import Audit
from tests.browser.conftest import Office
from tests.browser.desk import Desk
from tests.support.operators import act


@pytest.fixture
def desk(nobody: Desk, office: Office) -> Desk:
    """A browser with an admin who logged in at the page."""
    nobody.start(*office.operator("admin"))
    return nobody


def test_a_login_opens_the_page_that_was_asked_for(nobody: Desk, office: Office) -> None:
    nobody.open("/transactions?type=refund")
    nobody.sees("Log in to open the page that you asked for.")
    nobody.log_in(*office.operator())
    nobody.wait(lambda: nobody.heading == "Transactions")
    assert nobody.path == "/transactions?type=refund"


def test_the_first_operator_of_a_local_run_logs_in(nobody: Desk, office: Office) -> None:
    nobody.start(office.run["dashboardUser"], office.run["dashboardPassword"])
    nobody.sees("Overview", "In the system")


def test_scripts_cannot_read_the_cookie(desk: Desk) -> None:
    assert desk.driver.execute_script("return document.cookie") == ""
    cookie = desk.driver.get_cookie(COOKIE)
    assert cookie is not None
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")


def test_a_wrong_password_is_reported_and_the_name_stays(nobody: Desk, office: Office) -> None:
    name, _ = office.operator()
    nobody.open()
    nobody.log_in(name, "wrong")
    nobody.sees("Wrong name or password.")
    assert nobody.one("input[name=name]").get_attribute("value") == name
    assert nobody.maybe("nav") is None


def test_after_many_failures_the_page_counts_the_seconds_down(nobody: Desk, office: Office) -> None:
    name, password = office.operator()
    six_seconds = Backoff(free=-5, longest_s=6)
    nobody.open()
    nobody.wait(lambda: nobody.maybe("input[name=password]"))
    attempts.take(office.table, attempts.account(name), six_seconds, int(time.time()))
    nobody.log_in(name, password)
    nobody.sees("Too many failed logins. You can try again in")
    assert not nobody.one("button.primary").is_enabled()
    nobody.sees("You can try again now.")
    nobody.type_into("input[name=password]", password)
    nobody.press("Log in")
    nobody.wait(lambda: nobody.heading == "Overview")


def test_a_login_after_an_ended_session_continues_with_what_was_typed(
    nobody: Desk, office: Office
) -> None:
    name, password = office.operator()
    user = office.user(5)
    nobody.start(name, password, nobody.user_path(user))
    nobody.press("Add credits")
    nobody.fill("Credits", "7")
    nobody.fill("Reason", "promised on the phone")
    nobody.press("Review")
    nobody.wait(lambda: nobody.maybe("dl.preview"))
    operators.end_sessions(Audit(office.table, 400), name, act())
    nobody.press("Add 7 credits")
    nobody.sees("no credit moved")
    assert office.balance(user) == 5
    log_in_again(nobody, password, "Your session has ended")
    nobody.press("Add 7 credits")
    nobody.sees(f"The balance of {user} is 12.")
    assert office.balance(user) == 12
    assert office.entries(user)[0].reason == "promised on the phone"
    assert nobody.path == nobody.user_path(user)


def test_a_cookie_that_is_gone_opens_the_login_over_the_page_and_keeps_what_was_typed(
    nobody: Desk, office: Office
) -> None:
    """The API answers 401 `unauthorized`, as it sees no session at all."""
    name, password = office.operator()
    user = office.user(5)
    nobody.start(name, password, nobody.user_path(user))
    nobody.press("Add credits")
    nobody.fill("Credits", "7")
    nobody.fill("Reason", "promised")
    nobody.driver.delete_all_cookies()
    nobody.press("Review")
    log_in_again(nobody, password, "Your session has ended")
    assert nobody.one("dialog input").get_attribute("value") == "7"
    nobody.press("Review")
    nobody.press("Add 7 credits")
    nobody.sees(f"The balance of {user} is 12.")


def test_a_cookie_that_is_gone_does_not_stop_a_page_that_only_reads(
    nobody: Desk, office: Office
) -> None:
    name, password = office.operator()
    nobody.start(name, password, "/users")
    nobody.driver.delete_all_cookies()
    nobody.press("Transactions", "nav")
    log_in_again(nobody, password, "Your session has ended")
    nobody.wait(lambda: nobody.maybe("tbody tr"))
    assert nobody.path == "/transactions"


def test_a_logout_in_another_tab_covers_this_one_and_a_login_there_opens_it(
    nobody: Desk, office: Office
) -> None:
    name, password = office.operator()
    user = office.user(5)
    nobody.start(name, password, nobody.user_path(user))
    nobody.press("Add credits")
    nobody.fill("Credits", "7")
    here = nobody.driver.current_window_handle
    nobody.driver.switch_to.new_window("tab")
    nobody.open("/keys")
    nobody.press("Log out")
    nobody.sees("You are logged out.")
    there = nobody.driver.current_window_handle
    nobody.driver.switch_to.window(here)
    nobody.sees("You logged out in another tab")
    nobody.driver.switch_to.window(there)
    nobody.log_in(name, password)
    nobody.wait(lambda: nobody.maybe("nav"))
    nobody.driver.close()
    nobody.driver.switch_to.window(here)
    nobody.wait(lambda: not nobody.maybe("dialog.cover"))
    assert nobody.one("dialog input").get_attribute("value") == "7"
    nobody.fill("Reason", "promised")
    nobody.press("Review")
    nobody.press("Add 7 credits")
    nobody.sees(f"The balance of {user} is 12.")


def test_a_new_session_of_the_same_operator_refuses_no_write(nobody: Desk, office: Office) -> None:
    """The page has the CSRF token of the session before."""
    name, password = office.operator()
    user = office.user(5)
    nobody.start(name, password, nobody.user_path(user))
    nobody.driver.execute_script(
        "return fetch('/dashboard/session', {method: 'POST', body: JSON.stringify(arguments[0])})",
        {"name": name, "password": password},
    )
    nobody.press("Undo entry 2")
    nobody.press("Undo", "dialog")
    nobody.sees(f"Entry 2 is undone. The balance of {user} is 0.")


def test_a_page_left_open_overnight_says_since_when_and_goes_on_after_a_log_in(
    nobody: Desk, office: Office
) -> None:
    """The network fails first, as on waking; then the session has ended."""
    name, password = office.operator()
    user = office.user(5)
    nobody.start(name, password, nobody.user_path(user))
    nobody.sees("Adds up")
    assert not nobody.maybe(".asof.behind")
    nobody.driver.execute_script(
        "const now = Date.now.bind(Date); Date.now = () => now() + 12 * 3600 * 1000"
    )
    nobody.wait(lambda: "12 hours ago" in " ".join(nobody.texts(".asof.behind")))
    nobody.answers("failed", of="GET")
    nobody.press("Read again")
    nobody.sees("Not refreshed since", "12 hours ago", "Out of date")
    assert "Adds up" not in nobody.text
    office.pay(user, 2)
    nobody.driver.delete_all_cookies()
    nobody.answers("normal")
    nobody.driver.execute_script('window.dispatchEvent(new Event("focus"))')
    log_in_again(nobody, password, "Your session has ended")
    nobody.sees("Adds up", "3 entries explain this balance.")
    assert "Not refreshed since" not in nobody.text and not nobody.maybe(".asof.behind")


def log_in_again(desk: Desk, password: str, title: str) -> None:
    """Logs in at the log-in that covers the page."""
    desk.wait(lambda: title in desk.one("dialog.cover").text)
    desk.type_into("dialog.cover input[name=password]", password)
    desk.press("Log in", "dialog.cover")
    desk.wait(lambda: not desk.maybe("dialog.cover"))


def test_after_a_logout_no_data_is_shown_not_even_by_going_back(desk: Desk, office: Office) -> None:
    user = office.user(5)
    desk.open(desk.user_path(user))
    desk.sees("Bought 5 credits")
    desk.press("Log out")
    desk.sees("You are logged out.")
    assert user not in desk.text
    desk.driver.back()
    desk.driver.forward()
    desk.wait(lambda: desk.maybe("input[name=password]"))
    assert "Bought" not in desk.text


def test_a_viewer_sees_everything_and_no_button_that_writes(nobody: Desk, office: Office) -> None:
    user = office.user(5)
    nobody.start(*office.operator("viewer"), nobody.user_path(user))
    nobody.sees("Bought 5 credits")
    assert not {"Add credits", "Deduct credits"} & set(nobody.texts("button"))
    nobody.open("/keys")
    nobody.sees("Your role does not open this.")
