"""The dashboard at `https://x.example/pluct`, behind a proxy that removes the path."""

from pathlib import Path

from engine.access.sessions import PATH_COOKIE
from local.harness import local_run
from tests.browser.conftest import CHROMIUM, DRIVER, Office
from tests.browser.desk import Desk, chrome
from tests.browser.front import VIEWER, Front, front

HOST, PATH = "x.example", "/pluct"
BASE = f"https://{HOST}{PATH}"
ADDRESSES = """return [
    ...performance.getEntriesByType('resource').map(entry => entry.name),
    ...[...document.querySelectorAll('a[href]')].map(link => link.href)]"""


def test_the_dashboard_works_under_a_base_path(tmp_path: Path) -> None:
    """From the landing page through a log-in, the links, a page opened anew and a write to the log-out."""
    with (
        local_run(
            COLD="1", QUIET="1", PUBLIC_BASE=BASE, TRUSTED_PROXIES="1", REQUIRE_FRONT="true"
        ) as run,
        front(run["baseUrl"], HOST, PATH, tmp_path) as before,
    ):
        rules = f"--host-resolver-rules=MAP {HOST}:443 127.0.0.1:{before.server_port}"
        driver = chrome(str(CHROMIUM), str(DRIVER), rules, "--ignore-certificate-errors")
        try:
            work_a_day(Desk(driver, BASE), Office.of(run), before)
        finally:
            driver.quit()


def work_a_day(desk: Desk, office: Office, before: Front) -> None:
    user = office.user(5)
    desk.driver.get(f"{BASE}/")
    desk.one("a[href$='/dashboard']").click()
    desk.log_in(*office.operator("admin"))
    desk.wait(lambda: desk.heading == "Overview")
    cookie = desk.driver.get_cookie(PATH_COOKIE)
    assert cookie is not None
    assert (cookie["path"], cookie["secure"], cookie["httpOnly"]) == (PATH, True, True)
    desk.press("Users", "nav")
    desk.press(user)
    desk.wait(lambda: desk.path == desk.user_path(user))
    desk.open(desk.user_path(user))
    desk.press("Undo entry 2")
    desk.press("Undo", "dialog")
    desk.sees(f"Entry 2 is undone. The balance of {user} is 0.")
    desk.open("/audit")
    desk.sees(VIEWER)
    addresses = desk.driver.execute_script(ADDRESSES)
    assert [address for address in addresses if not address.startswith(f"{BASE}/")] == []
    assert any(path.startswith(f"{PATH}/dashboard/assets/") for path in before.seen)
    desk.press("Log out")
    desk.sees("You are logged out.")
    assert desk.driver.get_cookie(PATH_COOKIE) is None
    assert [path for path in before.seen if not path.startswith(f"{PATH}/")] == []
    assert desk.console() == []
