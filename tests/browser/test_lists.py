"""Stories, lists and charts: links that arrive at an entry, ranges, exact amounts, scales."""

import time

import pytest

from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.subscriptions import provider_keys, transitions
from engine.subscriptions.plans import UNIT
from tests.browser.conftest import Office
from tests.browser.desk import Desk

DAY_S = 86_400
LAST = 215
"""More entries than a user's page reads at first."""


@pytest.fixture(scope="module")
def busy(office: Office) -> str:
    """A user with `LAST` entries, the first 20 two days old."""
    now = int(time.time())
    user = f"busy-{now}"
    for number in range(1, LAST + 1):
        age_s = 2 * DAY_S if number <= 20 else 3600
        office.past.buy(user, number, now - age_s + number, f"payment {number}")
    return user


def in_view(desk: Desk, seq: int) -> bool:
    """Whether the entry is on screen and has the focus."""
    script = """const line = document.getElementById(`entry-${arguments[0]}`);
        const box = line?.getBoundingClientRect();
        return !!line && line === document.activeElement && box.top >= 0 && box.bottom <= innerHeight"""
    return bool(desk.driver.execute_script(script, seq))


@pytest.mark.parametrize("seq", [190, 100, 5])
def test_a_link_arrives_at_its_entry_however_old(desk: Desk, busy: str, seq: int) -> None:
    desk.open(f"/transactions?user={busy}&minAmount={seq}&maxAmount={seq}")
    desk.press(f"Bought {seq} credits")
    desk.wait(lambda: in_view(desk, seq), f"entry {seq}")
    assert desk.path == f"/users/{busy}?entry={seq}"


def test_a_story_opened_at_an_old_entry_goes_on_in_both_directions(desk: Desk, busy: str) -> None:
    desk.open(f"/users/{busy}?entry=5")
    desk.wait(lambda: in_view(desk, 5))
    assert not desk.maybe(f"#entry-{LAST}")
    desk.press("Show newer")
    desk.wait(lambda: desk.maybe("#entry-65"))
    desk.press("Go to the newest entry")
    desk.wait(lambda: desk.maybe(f"#entry-{LAST}"))


def test_links_of_holds_and_outcomes_arrive_at_the_entry(desk: Desk, office: Office) -> None:
    user, past, now = office.user(), office.past, int(time.time())
    for number in range(60):
        past.buy(user, 1, now - 4000 + number)
    past.deliver(past.vend(user, now - 3000), now - 2900)
    hold = past.vend(user, now - 10)
    desk.open(desk.user_path(user))
    desk.sees("captured")
    desk.press(f"entry\N{NO-BREAK SPACE}{hold.seq}", "#open + *")
    desk.wait(lambda: in_view(desk, hold.seq))
    desk.press("captured", ".story")
    desk.wait(lambda: in_view(desk, hold.seq - 1))


def test_an_audited_act_leads_to_its_entry(desk: Desk, office: Office) -> None:
    user, now = office.user(3), int(time.time())
    hold = office.past.vend(user, now)
    desk.open(f"/audit?user={user}")
    desk.press("asked for a token")
    desk.wait(lambda: in_view(desk, hold.seq))


def test_transactions_of_a_range_of_days_with_the_amounts_named(desk: Desk, busy: str) -> None:
    old, today = (
        time.strftime("%Y-%m-%d", time.gmtime(time.time() - age)) for age in (2 * DAY_S, 0)
    )
    desk.open(f"/transactions?user={busy}&fromDay={old}&toDay={old}")
    desk.wait(lambda: len(desk.all("tbody tr")) == 20)
    desk.fill("Amount from", "15")
    desk.press("Filter")
    desk.wait(lambda: len(desk.all("tbody tr")) == 6)
    desk.open(f"/transactions?user={busy}&fromDay={old}&toDay={today}&maxAmount=21")
    desk.wait(lambda: len(desk.all("tbody tr")) == 21)
    assert desk.field("From day (UTC)") and desk.field("To day (UTC)")


def test_a_user_filter_takes_the_beginning_of_an_id_as_the_search_does(
    desk: Desk, office: Office
) -> None:
    office.user(1, "matching-one")
    desk.open("/users?q=matching-one")
    desk.wait(lambda: desk.texts("tbody a.id") == ["matching-one"])
    for page, rows in (("/transactions", 2), ("/audit", 0)):
        desk.open(page)
        desk.fill("User" if rows else "About", "matching-o")
        desk.press("Filter")
        desk.wait(lambda page=page: desk.path.startswith(f"{page}?user=matching-one"))
        desk.wait(lambda rows=rows: len(desk.all("tbody tr")) == rows)


def test_a_list_that_arrives_leaves_what_is_being_typed(desk: Desk) -> None:
    desk.answers("held", of="GET /admin")
    desk.press("Transactions", "nav")
    desk.fill("User", "somebody")
    desk.answers("normal")
    desk.wait(lambda: desk.maybe("tbody tr, .empty"))
    assert desk.one("input[name=user]").get_attribute("value") == "somebody"


def test_a_name_alone_filters_by_the_operator(desk: Desk, office: Office) -> None:
    name, password = office.operator()
    desk.start(name, password, desk.user_path(office.user(1)))
    desk.press("Undo entry 2")
    desk.press("Undo", "dialog")
    desk.sees("is undone")
    desk.open("/transactions")
    desk.fill("By", name)
    desk.press("Filter")
    desk.wait(lambda: len(desk.all("tbody tr")) == 1)
    assert f"actor=operator%3A{name}" in desk.path


def test_the_audit_takes_a_range_of_days_and_an_outcome(nobody: Desk, office: Office) -> None:
    name, password = office.operator()
    nobody.start(name, password)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    nobody.open(f"/audit?user=operator:{name}&fromDay=2020-01-01&toDay={day}")
    nobody.wait(lambda: len(nobody.all("tbody tr")) == 1)
    nobody.open(f"/audit?user=operator:{name}&outcome=refused")
    nobody.sees("No record about")
    nobody.open(f"/audit?fromDay={day}&toDay={day}&outcome=done")
    nobody.sees("logged in")


def test_times_name_their_zone_and_have_seconds(desk: Desk, busy: str) -> None:
    desk.open(f"/transactions?user={busy}")
    desk.sees("When (GMT+3)")
    assert desk.texts("tbody td.when time")[0].count(":") == 2
    desk.open(f"/users/{busy}")
    desk.wait(lambda: all("GMT+3" in text for text in desk.texts(".story summary")[:1] or ["?"]))


def test_a_large_grant_does_not_flatten_the_chart(desk: Desk, office: Office) -> None:
    user, now = office.user(), int(time.time())
    for number in range(8):
        office.past.buy(user, 2, now - 9000 + number * 600)
    desk.open(desk.user_path(user))
    desk.sees("Balance in credits")
    assert "logarithmic" not in desk.texts(".chart h3")[0]
    office.past.buy(user, 1_000_000, now - 60)
    desk.open(desk.user_path(user))
    desk.wait(lambda: "Balance in credits, logarithmic scale" in desk.texts(".chart h3"))
    desk.press("Even scale")
    desk.wait(lambda: desk.texts(".chart h3") == ["Balance in credits"])


def test_a_chart_is_zoomed_with_its_buttons_and_shows_the_span(desk: Desk, busy: str) -> None:
    desk.open(f"/users/{busy}")
    desk.press("Zoom in: Balance")
    desk.wait(lambda: " \N{EN DASH} " in desk.texts(".chart .when")[0])
    desk.press("Whole span")
    desk.wait(lambda: desk.texts(".chart .when") == [""])


def test_the_ledger_of_a_subscription_explains_exact_amounts_and_names_the_actor(
    desk: Desk, office: Office
) -> None:
    user = office.subscriber()
    ledger = Ledger(office.table, UNIT)
    key = provider_keys.find(office.table, user, 1)
    assert key is not None
    now = int(time.time())
    act = Act("system:monitor", "used", "", "", "", at=now)
    transitions.charge(ledger, key, 600_001, act)
    desk.open(f"/subscriptions/{user}")
    desk.sees(
        "Allowance of the plan granted: $10.00", "held for a key", "$0.600001 used with a key",
        "the user", "the system (monitor)", "\N{MINUS SIGN}$0.600001",
    )  # fmt: skip
