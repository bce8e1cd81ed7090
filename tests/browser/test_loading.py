"""Pages are loaded when they are opened: before the click where possible, and with a retry where it fails."""

from selenium.webdriver import ActionChains

from tests.browser.desk import Desk

FETCHED = """return performance.getEntriesByType('resource').map(e => e.name)
    .filter(name => name.includes('/assets/') && name.includes('.js'))
    .map(name => name.split('/').at(-1).split('.')[0])"""


def fetched(desk: Desk) -> list[str]:
    return [str(name) for name in desk.driver.execute_script(FETCHED)]


def test_a_page_is_fetched_once_when_its_link_is_pointed_at(desk: Desk) -> None:
    desk.settled()
    assert "overview" in fetched(desk) and "users" not in fetched(desk)
    link = desk.wait(lambda: desk.maybe("nav a[href$='/users']"))
    ActionChains(desk.driver).move_to_element(link).perform()
    desk.wait(lambda: "users" in fetched(desk))
    assert desk.heading == "Overview"
    desk.press("Users", "nav")
    desk.wait(lambda: desk.heading == "Users" and desk.focused() == "H1 Users")
    desk.press("Overview", "nav")
    desk.wait(lambda: desk.heading == "Overview")
    desk.press("Users", "nav")
    desk.wait(lambda: desk.heading == "Users")
    assert fetched(desk).count("users") == 1


def test_a_page_whose_file_does_not_arrive_says_so_and_is_tried_again(desk: Desk) -> None:
    desk.settled()
    desk.driver.execute_cdp_cmd("Network.enable", {})
    desk.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/assets/audit.*"]})
    try:
        desk.press("Audit", "nav")
        desk.sees("This page could not be loaded.", "Nothing was changed.")
        assert desk.heading == "Audit" and desk.focused() == "H1 Audit"
        desk.press("Users", "nav")
        desk.wait(lambda: desk.heading == "Users" and desk.maybe("#q"))
        desk.press("Audit", "nav")
        desk.sees("This page could not be loaded.")
    finally:
        desk.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    desk.press("Try again")
    desk.sees("Refusals, tokens, log-ins, and what operators did.")
    assert all("ERR_BLOCKED_BY_CLIENT" in line for line in desk.console())
