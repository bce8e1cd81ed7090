"""Every page: what it shows, its filters and deep links, and that text from outside stays text."""

import base64
import time
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import Office
from tests.browser.desk import Desk

SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"
IMAGE = "<img src=x onerror=alert(1)>"
FORMULA = '=HYPERLINK("http://x.example","pay")'


def test_the_overview_follows_what_happens_without_a_reload(desk: Desk, office: Office) -> None:
    desk.sees("In the system", "Live,")
    desk.driver.execute_script("window.same = true")
    before = figure(desk, "Sold and given")
    office.user(1000)
    desk.wait(lambda: figure(desk, "Sold and given") == before + 1000)
    assert desk.driver.execute_script("return window.same")
    assert len(desk.all("figure.chart canvas")) == 4


def figure(desk: Desk, label: str) -> int:
    (text,) = [t for t in desk.texts(".figure") if t.startswith(f"{label}\n")]
    return int(text.split("\n")[1].replace(",", ""))


@pytest.mark.parametrize("name", ["24 hours", "30 days", "90 days"])
def test_a_range_is_part_of_the_address(desk: Desk, name: str) -> None:
    desk.press(name)
    desk.settled()
    address = desk.path
    desk.open(address)
    pressed = desk.wait(lambda: desk.texts("[aria-pressed=true]"))
    assert pressed == [name]
    desk.one("figure:first-child summary").click()
    rows = {"24 hours": 24, "30 days": 30, "90 days": 90}[name]
    desk.wait(lambda: len(desk.all("figure:first-child tbody tr")) == rows)


def test_users_are_found_by_the_beginning_of_their_id(desk: Desk, office: Office) -> None:
    for name in ("find-me.1", "find-me.2", "find-not"):
        office.user(1, name)
    desk.open("/users")
    desk.type_into("#q", "find-me")
    desk.wait(lambda: desk.texts("tbody a.id") == ["find-me.1", "find-me.2"])
    assert desk.path == "/users?q=find-me"
    desk.press("find-me.2")
    desk.wait(lambda: desk.heading == "find-me.2")
    desk.driver.back()
    desk.wait(lambda: desk.texts("tbody a.id") == ["find-me.1", "find-me.2"])
    desk.type_into("#q", "find-nobody")
    desk.sees("No user id begins with “find-nobody”")
    desk.type_into("#q", "<b>")
    desk.sees("This cannot be the beginning of a user id")


def test_users_are_ordered_by_balance(desk: Desk, office: Office) -> None:
    richer, rich = office.user(), office.user()
    highest = office.highest_balance()
    office.past.buy(rich, highest + 1, int(time.time()))
    office.past.buy(richer, highest + 2, int(time.time()))
    office.await_lists(rich)
    office.await_lists(richer)
    desk.open("/users?sort=balance")
    desk.wait(lambda: desk.texts("tbody a.id")[:2] == [richer, rich])
    balances = [int(t.replace(",", "")) for t in desk.texts("tbody td.strong")]
    assert balances == sorted(balances, reverse=True)


def test_a_story_shows_who_why_from_where_and_what_an_entry_reverses(
    desk: Desk, office: Office
) -> None:
    user, past, now = office.user(), office.past, int(time.time())
    past.buy(user, 10, now - 4000, "M-Pesa QK7")
    past.deliver(past.vend(user, now - 3000), now - 2900)
    past.give_back(past.vend(user, now - 2000), now - 1000)
    past.vend(user, now - 10)
    desk.open(desk.user_path(user))
    desk.sees(
        "Adds up", "7 entries explain this balance.",
        "Bought 10 credits", "“M-Pesa QK7”", "the payment provider", "from 198.51.100.7",
        "1 credit held for a token", "captured", "released",
        "Released: 1 credit returned from the hold", "“the token was not used”", "system (sweeper)",
        "Token not used",
    )  # fmt: skip
    figures = {t.split("\n")[0]: t.split("\n")[1] for t in desk.texts(".figure")}
    assert (figures["Available"], figures["Held"]) == ("8", "1")


def test_times_are_local_and_utc_is_a_hover_away(desk: Desk, office: Office) -> None:
    user = office.user()
    office.past.buy(user, 1, 1_790_000_000)
    desk.open(desk.user_path(user))
    moment = desk.one(".story time[datetime^='2026-09-21']")
    assert moment.get_attribute("title") == "2026-09-21 14:13:20 UTC"
    assert "5:13:20" in moment.text or "17:13:20" in moment.text


def test_a_ledger_that_was_tampered_with_is_reported_at_the_top(desk: Desk, office: Office) -> None:
    from engine.ledger.items import account_pk, entry_sk
    from engine.platform.table import Update

    user = office.user(5)
    edit = Update(account_pk(user), entry_sk("credits", 2), "SET #reason = :r", "",
                  {"#reason": "reason"}, {":r": "forged"})  # fmt: skip
    office.table.write(edit)
    desk.open(desk.user_path(user))
    desk.sees(
        "Does not add up", "Do not adjust this balance before the fault is understood.", "Entry 2"
    )


def test_every_filter_of_transactions_is_a_deep_link(desk: Desk, office: Office) -> None:
    user = office.user(5, "filtered")
    office.pay(user, 50, "second")
    desk.open("/transactions")
    desk.sees("Bought 50 credits")
    desk.fill("User", user)
    desk.choose("select[name=type]", "add_webhook")
    desk.fill("By", "webhook:payment")
    desk.fill("Amount from", "40")
    desk.fill("Amount to", "60")
    desk.press("Filter")
    desk.wait(lambda: len(desk.all("tbody tr")) == 1)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    assert desk.path == (
        f"/transactions?user={user}&type=add_webhook&actor=webhook%3Apayment"
        "&minAmount=40&maxAmount=60"
    )
    desk.open(desk.path + f"&day={day}")
    desk.wait(lambda: len(desk.all("tbody tr")) == 1)
    assert desk.one("select[name=type]").get_attribute("value") == "add_webhook"
    for name in ("fromDay", "toDay"):
        assert desk.one(f"input[name={name}]").get_attribute("value") == day
    desk.open(f"/transactions?user={user}&day=2020-01-01")
    desk.sees("Nothing matches these filters")
    desk.press("Show everything")
    desk.sees("Bought 50 credits")
    assert desk.path == "/transactions"


def test_transactions_are_paged_forward_and_back(desk: Desk, office: Office) -> None:
    user = office.user()
    for number in range(1, 61):
        office.past.buy(user, number, 1_790_000_000 + number)
    desk.open(f"/transactions?user={user}")
    desk.wait(lambda: len(desk.all("tbody tr")) == 50)
    desk.press("Next")
    desk.wait(lambda: len(desk.all("tbody tr")) == 11)
    assert "cursor=" in desk.path
    desk.press("Previous")
    desk.wait(lambda: len(desk.all("tbody tr")) == 50)


def test_the_audit_shows_refusals_and_logins_by_day_and_by_name(
    nobody: Desk, office: Office
) -> None:
    name, password = office.operator()
    nobody.start(name, password, "/audit")
    nobody.sees("logged in")
    nobody.open(f"/audit?user=operator%3A{name}")
    nobody.wait(lambda: len(nobody.all("tbody tr")) == 2)
    nobody.sees("logged in")
    nobody.open("/audit?day=2020-01-01")
    nobody.sees("No record on 2020-01-01")


@pytest.mark.parametrize("path", ["/nowhere", "/keys/x", "/users/nobody-has-this"])
def test_an_unknown_address_says_so(desk: Desk, path: str) -> None:
    desk.open(path)
    desk.wait(lambda: "There is no such" in desk.text or "No page has this address" in desk.text)


def test_text_from_outside_stays_text_everywhere(desk: Desk, office: Office) -> None:
    user = office.user()
    office.pay(user, 3, SCRIPT)
    for path in (desk.user_path(user), f"/transactions?user={user}"):
        desk.open(path)
        desk.sees(SCRIPT)
    desk.open(desk.user_path(IMAGE))
    desk.sees("There is no such user", IMAGE)
    for path in ("/users?q=", "/transactions?user=", "/transactions?type=", "/audit?user="):
        desk.open(path + "%3Cimg%20src=x%20onerror=alert(1)%3E")
        desk.settled()
    desk.open("/keys")
    desk.press("New key")
    desk.fill("Purpose", SCRIPT)
    desk.press("Create the key")
    desk.press("I have copied it")
    desk.sees(SCRIPT)
    assert not desk.all("img, iframe, main script")


def test_a_csv_has_all_lines_and_no_formula(desk: Desk, office: Office, tmp_path: Path) -> None:
    user = office.user()
    office.pay(user, 3, FORMULA)
    office.pay(user, 4, 'two\nlines, "quoted"')
    desk.open(f"/transactions?user={user}")
    desk.sees(FORMULA)
    desk.driver.execute_script("""
        window.made = null;
        URL.createObjectURL = blob => { window.made = blob; return '#'; };""")
    desk.press("Download CSV")
    desk.sees("3 transactions are in the file.")
    script = """const done = arguments[0];
        window.made.arrayBuffer().then(b => done(btoa(String.fromCharCode(...new Uint8Array(b)))))"""
    content = base64.b64decode(desk.driver.execute_async_script(script)).decode("utf-8-sig")
    assert content.startswith("id,timestamp,userId,type,amount")
    assert f',"\'{FORMULA.replace(chr(34), chr(34) * 2)}",' in content
    assert f",{FORMULA[:5]}" not in content


def test_a_balance_is_changed_with_the_keyboard_alone(desk: Desk, office: Office) -> None:
    user = office.user(5)
    desk.open(desk.user_path(user))
    desk.sees("Bought 5 credits")
    tab_to(desk, "Add credits")
    desk.keys(Keys.ENTER)
    desk.wait(lambda: desk.maybe("dialog[open]"))
    assert focus(desk) == "INPUT"
    desk.keys("8", Keys.TAB, "by keyboard", Keys.ENTER)
    desk.sees("Add these credits?")
    tab_to(desk, "Add 8 credits")
    desk.keys(Keys.ENTER)
    desk.sees(f"The balance of {user} is 13.")
    assert office.balance(user) == 13
    tab_to(desk, "Deduct credits")
    desk.keys(Keys.ENTER)
    desk.wait(lambda: desk.maybe("dialog[open]"))
    desk.keys(Keys.ESCAPE)
    desk.wait(lambda: not desk.maybe("dialog[open]"))
    assert named_focus(desk) == "Deduct credits", "the focus returns to where it was"


def focus(desk: Desk) -> str:
    return str(desk.driver.execute_script("return document.activeElement.tagName"))


def named_focus(desk: Desk) -> str:
    return str(desk.driver.execute_script("return document.activeElement.innerText.trim()"))


def tab_to(desk: Desk, name: str) -> None:
    for _ in range(60):
        if named_focus(desk) == name:
            return
        desk.keys(Keys.TAB)
    raise AssertionError(f"Tab does not reach {name}")


def test_focus_goes_to_the_heading_of_a_new_page(desk: Desk) -> None:
    desk.press("Transactions", "nav")
    desk.wait(lambda: focus(desk) == "H1" and named_focus(desk) == "Transactions")
