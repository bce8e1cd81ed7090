"""A screenshot of every page, from narrow to wide, light and dark.

`PYTHONPATH=layers/engine python -m tests.browser.screens RUN_FILE FOLDER`
"""

import base64
import json
import shutil
import sys
import time
from pathlib import Path

from engine.ledger.posting import Ledger
from engine.platform.table import Table
from local.engine import json_client
from tests.browser.desk import Desk, chrome
from tests.browser.past import Past

WIDTHS = (360, 390, 768, 1024, 1280, 1920)
THEMES = ("light", "dark")
PAGES = {
    "overview": "?range=7d", "users": "/users", "transactions": "/transactions", "keys": "/keys",
    "products": "/products", "product": "/products/transcript",
    "payments": "/payments", "decided": "/payments?state=decided", "requests": "/requests",
    "bulk": "/adjustments", "policy": "/policy", "notices": "/notices?user=amina-0712",
    "operators": "/operators", "search": "/search?q=amina",
    "subscriptions": "/subscriptions", "audit": "/audit", "user": "/users/amina-0712",
    "not-found": "/nowhere", "nobody": "/users/nobody-here", "no-result": "/transactions?type=write_off",
}  # fmt: skip


def seed(run: dict[str, str]) -> None:
    """A past for a handful of users, once."""
    client = json_client("dynamodb", run["engineUrl"])
    past = Past(Ledger(Table(client, run["tableName"])))
    if past.ledger.account("amina-0712").exists:
        return
    for name in ("amina-0712", "brian.k", "chen-wei", "dede_9", "esther:tz", "farouk"):
        past.week_of(name, days=6, tokens=6)
    now = int(time.time())
    past.arrive("UD17SCREEN", 65_000, now - 600, account="PL7K2M9")
    past.ask("brian.k", "UD17SCREEN Confirmed. Ksh650.00 paid to PLUCT.", now - 300)


def picture(desk: Desk, path: Path) -> None:
    """The whole page, not only what the window shows."""
    page = desk.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    path.write_bytes(base64.b64decode(page["data"]))


def main(run_file: str, folder: str) -> None:
    """Pictures into `folder`."""
    run = json.loads(Path(run_file).read_text())
    seed(run)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    driver = chrome(str(shutil.which("chromium")), str(shutil.which("chromedriver")))
    desk = Desk(driver, run["baseUrl"])
    try:
        desk.open()
        desk.wait(lambda: desk.maybe("input[name=password]"))
        for theme in THEMES:
            for width in WIDTHS:
                desk.theme(theme)
                desk.size(width)
                picture(desk, target / f"login-{width}-{theme}.png")
        desk.log_in(run["dashboardUser"], run["dashboardPassword"])
        desk.wait(lambda: desk.maybe("main h1[tabindex]"))
        for name, path in PAGES.items():
            desk.open(path)
            desk.wait(lambda: desk.maybe("main h1[tabindex]"))
            desk.settled()
            for theme in THEMES:
                for width in WIDTHS:
                    desk.theme(theme)
                    desk.size(width)
                    picture(desk, target / f"{name}-{width}-{theme}.png")
                    if desk.overflow() > 0:
                        print(f"{name} at {width}: {desk.overflow()} px too wide")
        print("\n".join(desk.console()))
    finally:
        driver.quit()


if __name__ == "__main__":
    main(*sys.argv[1:])
