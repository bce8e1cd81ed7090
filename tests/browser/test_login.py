"""Logging in, its limits, and sessions that end, as an operator meets them."""

import time

from engine.access import attempts, operators
from engine.access.attempts import Backoff
from engine.access.sessions import COOKIE
from tests.browser.conftest import Office
from tests.browser.desk import Desk


def test_a_login_opens_the_page_that_was_asked_for(nobody: Desk, office: Office) -> None:
    nobody.open("/transactions?type=refund")
    nobody.sees("Log in to go on to the page that you asked for.")
    nobody.log_in(*office.operator())
    nobody.wait(lambda: nobody.heading == "Transactions")
    assert nobody.path == "/transactions?type=refund"


def test_the_first_operator_of_a_local_run_logs_in(nobody: Desk, office: Office) -> None:
    nobody.start(office.run["dashboardUser"], office.run["dashboardPassword"])
    nobody.sees("Overview", "In the system")


def test_the_cookie_is_out_of_reach_of_scripts(desk: Desk) -> None:
    assert desk.driver.execute_script("return document.cookie") == ""
    cookie = desk.driver.get_cookie(COOKIE)
    assert cookie is not None
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")


def test_a_wrong_password_is_said_and_the_name_stays(nobody: Desk, office: Office) -> None:
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


def test_a_session_that_ended_brings_one_back_with_all_that_was_typed(
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
    operators.end_sessions(office.table, name)
    nobody.press("Add 7 credits")
    nobody.sees("Your session has ended", "no credit moved")
    assert office.balance(user) == 5
    nobody.type_into("dialog[open] input[name=password]", password)
    nobody.press("Log in")
    nobody.press("Add 7 credits")
    nobody.sees(f"The balance of {user} is 12.")
    assert office.balance(user) == 12
    assert office.entries(user)[0].reason == "promised on the phone"
    assert nobody.path == nobody.user_path(user)


def test_logging_out_leaves_nothing_in_sight_and_back_does_not_help(
    desk: Desk, office: Office
) -> None:
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


def test_a_viewer_sees_all_and_is_offered_no_write(nobody: Desk, office: Office) -> None:
    user = office.user(5)
    nobody.start(*office.operator("viewer"), nobody.user_path(user))
    nobody.sees("Bought 5 credits")
    assert not {"Add credits", "Take credits off"} & set(nobody.texts("button"))
    nobody.open("/keys")
    nobody.sees("Your role does not open this.")
