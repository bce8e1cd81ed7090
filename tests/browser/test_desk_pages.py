"""The policy for apps, operators, notices, bulk adjustments, and how a user's credits are used."""

import time
from itertools import count
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from engine.subscriptions import outbox
from engine.subscriptions.outbox import Attempt
from tests.browser.conftest import Office
from tests.browser.desk import Desk
from tests.browser.looking import faults

_numbers = count(1)


def put(desk: Desk, selector: str, text: str) -> None:
    """Text with several lines into a field, as pasting does."""
    script = """arguments[0].value = arguments[1];
        arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"""
    desk.driver.execute_script(script, desk.one(selector), text)


def row(desk: Desk, name: str) -> str:
    return next((text for text in desk.texts("tbody tr") if name in text), "")


def test_the_policy_is_changed_with_a_preview_and_its_history_says_what(clerk: Desk) -> None:
    clerk.open("/policy")
    clerk.sees("On a phone", "New videos", "No message is shown.")
    before = clerk.one("#now .unit").text
    clerk.press("Change")
    clerk.fill("Lowest version code", "x")
    clerk.press("Save", "dialog")
    clerk.sees("A whole number from 1", "A reason is required.")
    clerk.fill("Lowest version code", "4")
    clerk.fill("Recommended version code", "9")
    clerk.sees("Not above the newest version code.")
    clerk.fill("Newest version code", "9")
    clerk.fill("Message", "We are back at six.")
    clerk.sees("What changes", "Below version 4", "refused")
    assert faults(clerk) == {}
    clerk.fill("Reason", "a fault in version 3")
    clerk.answers("lost", of="POST /admin/app-policy")
    clerk.press("Save", "dialog")
    clerk.sees("this took effect, once.")
    clerk.wait(lambda: not clerk.maybe("dialog[open]"))
    clerk.answers("normal")
    clerk.wait(lambda: clerk.one("#now .unit").text != before)
    clerk.sees("a fault in version 3", "We are back at six.")
    assert faults(clerk) == {}


def test_operators_are_created_changed_and_shut_out(clerk: Desk, office: Office) -> None:
    name = f"ann{next(_numbers)}"
    clerk.open("/operators")
    clerk.press("New operator")
    clerk.fill("Name", "Ann!")
    clerk.keys(Keys.ENTER)
    clerk.sees("2 to 32 small letters", "A reason is required.")
    clerk.fill("Name", name)
    clerk.fill("Reason", "new on the desk")
    clerk.keys(Keys.ENTER)
    clerk.sees("The password, shown once")
    assert len(clerk.one(".secret code").text) >= 24
    assert faults(clerk) == {}
    clerk.press("I have copied it")
    clerk.wait(lambda: "viewer" in row(clerk, name))
    clerk.press(f"Role of {name}")
    clerk.choose("dialog select", "operator")
    clerk.fill("Reason", "trained")
    clerk.press("Change the role", "dialog")
    clerk.wait(lambda: "operator" in row(clerk, name).split("\n", 1)[-1])
    clerk.press(f"Disable {name}")
    clerk.fill("Reason", "left")
    clerk.press("Disable", "dialog")
    clerk.wait(lambda: "disabled" in row(clerk, name))
    assert faults(clerk) == {}
    clerk.press(f"Password of {name}")
    clerk.fill("Reason", "forgotten")
    clerk.answers("lost", of="password")
    clerk.press("Set a new password", "dialog")
    clerk.sees("this took effect, once.", "The password was not shown: set another one.")
    clerk.answers("normal")
    own = row(clerk, "you")
    assert "Role" not in own and "Log out" in own


@pytest.fixture
def notices(office: Office) -> tuple[str, list[str]]:
    """A user with a notice that failed, one that was delivered and one that waits."""
    user, now = office.user(), int(time.time())
    names = []
    for number, outcome in enumerate(("503", "204", "")):
        write = outbox.notice(user, "credits.low", str(number), {"userId": user}, now - 600)
        office.table.write(write)
        item: Any = write.item
        names.append(str(item["sk"]))
        if not outcome:
            continue
        item = {**item, "round": len(outbox.DELAYS_S)} if outcome == "503" else item
        assert outbox.claim(office.table, item, now)
        attempt = Attempt(outcome, is_final=outcome == "204")
        assert outbox.record_attempt(office.table, item, attempt, now)
    return user, names


def test_failed_notices_are_sent_again(
    clerk: Desk, office: Office, notices: tuple[str, list[str]]
) -> None:
    user, (failed, delivered, waiting) = notices
    clerk.open("/notices")
    clerk.wait(lambda: row(clerk, failed))
    assert "503 after 1 attempt" in row(clerk, failed) and not row(clerk, delivered)
    assert faults(clerk) == {}
    clerk.open(f"/notices?user={user}")
    clerk.wait(lambda: len(clerk.all("tbody tr")) == 3)
    assert "next try" in row(clerk, waiting) and "delivered" in row(clerk, delivered)
    clerk.one(f"input[aria-label='Choose {failed}']").click()
    clerk.press("Send 1 again")
    clerk.press("The receiver was down")
    assert faults(clerk) == {}
    clerk.press("Send again", "dialog")
    clerk.sees("1 will be sent within a minute.")
    item = outbox.find(office.table, user, failed)
    assert item is not None and item["state"] in ("pending", "delivered", "failed")
    clerk.open("/notices?state=delivered")
    clerk.wait(lambda: row(clerk, delivered))


LISTS = {
    "/audit": "timestamp,actor,action,userId,ok,code,reason,amount",
    "/products": "code,version,label,unit,creditsPerUnit",
    "/keys": "id,hint,description,scopes,createdAt",
    "/operators": "name,role,disabled,lastLoginAt,createdAt",
    "/notices": "id,userId,type,timestamp,state",
}


def test_every_list_is_downloaded_with_all_its_rows(clerk: Desk, office: Office) -> None:
    user = office.user(9)
    office.past.vend(user, int(time.time()))
    for path, heads in LISTS.items():
        clerk.open(path)
        lines = downloaded(clerk)
        assert lines[0].startswith(heads)
        assert len(lines) > (path not in ("/keys", "/notices")), path
    clerk.open(clerk.user_path(user))
    lines = downloaded(clerk)
    assert lines[0].startswith("jti,holdId,caller,state,amount,reserved") and len(lines) == 2
    assert ",open,1,1,0,0,transcript," in lines[1]


def downloaded(desk: Desk) -> list[str]:
    """The lines of the file that the page's button makes."""
    desk.settled()
    desk.driver.execute_script(
        "window.made = null; URL.createObjectURL = blob => { window.made = blob; return '#'; };"
    )
    desk.press("Download CSV")
    desk.wait(lambda: desk.driver.execute_script("return window.made !== null"))
    script = "const done = arguments[0]; window.made.text().then(done)"
    return str(desk.driver.execute_async_script(script)).strip("\ufeff\r\n").split("\r\n")


def test_lists_of_notices_and_operators_say_that_they_are_empty_or_did_not_arrive(
    clerk: Desk,
) -> None:
    clerk.open("/notices?user=told-nothing")
    clerk.sees("There is no notice about told-nothing", "Notices are kept for 30 days.")
    assert faults(clerk) == {}
    for name in ("Operators", "Notices"):
        clerk.answers("failed", of=f"/admin/{name.lower()}")
        clerk.press(name, "nav")
        clerk.sees("Try again")
        clerk.answers("normal")
        clerk.press("Try again")
        clerk.wait(lambda: "Try again" not in clerk.text)


def test_the_dialog_of_an_operator_is_left_and_sent_by_keys(clerk: Desk, office: Office) -> None:
    name, _ = office.operator("viewer")
    clerk.open("/operators")
    clerk.press(f"Role of {name}")
    clerk.wait(lambda: clerk.maybe("dialog"))
    clerk.keys(Keys.ESCAPE)
    clerk.wait(lambda: not clerk.maybe("dialog"))
    assert clerk.one("button:focus").get_attribute("aria-label") == f"Role of {name}"
    clerk.keys(Keys.ENTER)
    clerk.wait(lambda: clerk.maybe("dialog"))
    clerk.fill("Reason", "trained")
    clerk.keys(Keys.ENTER)
    clerk.sees("This is the role already.")
    clerk.choose("dialog select", "admin")
    clerk.one("dialog input").send_keys(Keys.ENTER)
    clerk.wait(lambda: "admin" in row(clerk, name))


def test_a_sheet_is_checked_previewed_run_in_steps_and_survives_a_lost_answer(
    clerk: Desk, office: Office
) -> None:
    users = [office.user(5) for _ in range(25)]
    clerk.open("/adjustments")
    clerk.press("Check the sheet")
    clerk.sees("Paste a sheet, or choose a file.")
    put(clerk, "textarea", f"user,amount,reason\n{users[0]},ten,Goodwill\n")
    clerk.press("Check the sheet")
    clerk.sees("Nothing can be run before these rows are right", "with a minus to deduct")
    assert faults(clerk) == {}
    clerk.press("Another sheet")
    lines = [f"{user},{amount},=Goodwill" for user in users[:24] for amount in (3,)]
    lines.append(f"{users[24]},-9,too much")
    put(clerk, "textarea", "user,amount,reason\n" + "\n".join(lines))
    clerk.press("Check the sheet")
    clerk.sees("will be refused", "the balance is too small")
    assert [office.balance(user) for user in users] == [5] * 25, "a preview changes nothing"
    clerk.press("Run 25 rows")
    clerk.sees("Change of all balances", "+72")
    assert faults(clerk) == {}
    clerk.answers("lost", of="dryRun=false")
    clerk.press("Run", "dialog")
    clerk.sees("The answer to the last rows was lost.", "Look them up")
    clerk.answers("normal")
    clerk.open("/adjustments")
    clerk.press("Look them up")
    clerk.press("Go on with 5 rows")
    clerk.press("Run", "dialog")
    clerk.sees("Every row has its outcome.", "done before", "refused")
    assert faults(clerk) == {}
    assert [office.balance(user) for user in users] == [8] * 24 + [5]
    assert office.entries(users[0])[0].reason == "=Goodwill"
    clerk.driver.execute_script("""
        window.made = null;
        URL.createObjectURL = blob => { window.made = blob; return '#'; };""")
    clerk.press("Download the report")
    script = "const done = arguments[0]; window.made.text().then(done)"
    report = clerk.driver.execute_async_script(script)
    assert report.count("\r\n") == 26 and f",{users[24]},-9,too much,refused," in report
    assert "'=Goodwill" in report and ",=Goodwill" not in report
    clerk.press("Another sheet")
    clerk.wait(lambda: clerk.maybe("textarea"))


def test_a_users_grants_and_rate_and_a_keys_use_are_shown(clerk: Desk, office: Office) -> None:
    user = office.user(40)
    office.past.week_of(user, days=4, tokens=4)
    now = int(time.time())
    for day in range(3):
        office.past.deliver(office.past.vend(user, now - day * 86_400 - 60), now - day * 86_400)
    clerk.open(clerk.user_path(user))
    clerk.sees("Grants", "Bought", "At the present rate", "the balance lasts", "Use by day")
    clerk.press("Payments of this user")
    clerk.sees("No payment is like that")
    clerk.open("/keys")
    clerk.press("New key")
    clerk.fill("Purpose", "seen in use")
    clerk.press("Create the key")
    clerk.wait(lambda: clerk.maybe(".secret code"))
    key = clerk.one(".secret code").text
    clerk.press("I have copied it")
    body = {"userId": user, "amount": 7, "transactionId": f"T{now}", "provider": "till"}
    office.post("/v1/credits/add", body, {"x-api-key": key})
    office.await_lists(user)
    clerk.press("seen in use")
    clerk.sees("Outcomes", "Added through the API", user)
    assert faults(clerk) == {}
