"""An operator at a real browser: what they see and do."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

PATIENCE_S = 20.0
EXPECTED = re.compile(r"status of 4\d\d|status of 503|ERR_INTERNET_DISCONNECTED")
"""A refused call appears in the console; tests look at what the page makes of it."""


ANSWERS = """
    const [how, of] = arguments;
    window.realFetch ??= window.fetch;
    window.release?.();
    window.fetch = async (path, options = {}) => {
      if (how === 'normal' || !`${options.method} ${path}`.includes(of)) return realFetch(path, options);
      if (how === 'failed') throw new TypeError('not sent');
      if (how === 'held') {
        await new Promise((go, stop) => {
          const before = window.release;
          window.release = () => { before?.(); go(); };
          options.signal?.addEventListener('abort', () => stop(options.signal.reason));
        });
        return realFetch(path, options);
      }
      await realFetch(path, options);
      throw new TypeError('the answer was lost');
    };"""


class NotSeen(AssertionError):
    """The page did not show what was waited for."""


class Desk:
    """`base` is the gateway's origin; each wait is for something to be seen, never for a fixed time."""

    def __init__(self, driver: webdriver.Chrome, base: str) -> None:
        self.driver = driver
        self.base = base
        self.before_opening: Callable[[], None] = lambda: None

    def open(self, path: str = "") -> None:
        self.before_opening()
        self.driver.get(f"{self.base}/dashboard{path}")

    def user_path(self, user: str) -> str:
        return f"/users/{quote(user, safe='')}"

    def log_in(self, name: str, password: str) -> None:
        self.wait(lambda: self.maybe("input[name=password]"))
        self.type_into("input[name=name]", name)
        self.type_into("input[name=password]", password)
        self.press("Log in")

    def start(self, name: str, password: str, path: str = "") -> None:
        """Logged in and at `path`, whatever page was open before."""
        self.forget()
        self.open(path)
        self.log_in(name, password)
        self.wait(lambda: self.maybe("main h1[tabindex]"))

    def resume(self, name: str, value: str) -> None:
        """At the first page, with the cookie of a session that was begun elsewhere."""
        if not self.driver.current_url.startswith(self.base):
            self.open()  # The driver sets a cookie for the page that it shows.
        attributes = {"path": "/", "secure": True, "httpOnly": True, "sameSite": "Strict"}
        self.driver.add_cookie({"name": name, "value": value, **attributes})
        self.open()
        self.wait(lambda: self.maybe("main h1[tabindex]"))

    def forget(self) -> None:
        """No cookie, no write with an unknown outcome."""
        self.driver.delete_all_cookies()
        if self.driver.current_url.startswith(self.base):
            self.driver.execute_script("localStorage.removeItem('pluct-writes')")

    # What is there
    @property
    def text(self) -> str:
        return str(self.driver.execute_script("return document.body.innerText"))

    @property
    def heading(self) -> str:
        found = self.maybe("main h1")
        return found.text if found else ""

    @property
    def path(self) -> str:
        return str(self.driver.current_url).removeprefix(f"{self.base}/dashboard")

    def maybe(self, selector: str) -> WebElement | None:
        found = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return found[0] if found else None

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.wait(lambda: self.maybe(selector), selector)

    def texts(self, selector: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)"
        return [str(text) for text in self.driver.execute_script(script, selector)]

    # What one does
    def press(self, label: str, within: str = "body") -> None:
        """Clicks the button or link named `label`."""
        self.wait(lambda: self._press(label, within), f"a button named {label}")

    def _press(self, label: str, within: str) -> bool:
        script = """
            const named = e => (e.getAttribute('aria-label') || e.innerText).trim();
            const seen = e => e.checkVisibility() && !e.disabled && e.ariaDisabled !== 'true';
            return [...document.querySelectorAll(arguments[0])]
              .flatMap(root => [...root.querySelectorAll('button, a, summary')])
              .find(e => seen(e) && named(e) === arguments[1])"""
        found: WebElement | None = self.driver.execute_script(script, within, label)
        if found is None:
            return False
        found.click()
        return True

    def type_into(self, selector: str, text: str) -> None:
        field = self.one(selector)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE)
        field.send_keys(text)

    def fill(self, label: str, text: str) -> None:
        """Writes into the field with this label."""
        self.type_into(f"#{self.field(label)}", text)

    def field(self, label: str) -> str:
        script = """return [...document.querySelectorAll('label')]
            .find(e => e.innerText.trim() === arguments[0] && e.checkVisibility())?.htmlFor"""
        return str(self.wait(lambda: self.driver.execute_script(script, label), f"a field {label}"))

    def choose(self, selector: str, value: str) -> None:
        script = """arguments[0].value = arguments[1];
            arguments[0].dispatchEvent(new Event('change', {bubbles: true}))"""
        self.driver.execute_script(script, self.one(selector), value)

    def keys(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def answers(self, how: str, *, of: str = "") -> None:
        """What becomes of the page's calls whose method and path contain `of`, until the next load:
        `lost` (carried out, the answer never arrives), `failed` (not even sent), `held` (sent once
        `answers` is called again), `normal`.
        """
        self.driver.execute_script(ANSWERS, how, of)

    def focused(self) -> str:
        """The tag and the text of the focused element."""
        script = "const e = document.activeElement; return `${e.tagName} ${e.innerText}`.trim()"
        return str(self.driver.execute_script(script))

    # Waiting
    def wait(self, condition: Callable[[], Any], what: str = "") -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                found = condition()
            except (IndexError, StaleElementReferenceException, WebDriverException):
                found = None
            if found:
                return found
            time.sleep(0.05)
        raise NotSeen(f"not seen: {what or condition}; the page says:\n{self.text[:3000]}")

    def sees(self, *texts: str) -> None:
        for text in texts:
            self.wait(lambda text=text: text in self.text, repr(text))

    def settled(self) -> None:
        """All that the page asked for has been answered."""
        self.wait(lambda: not self.maybe(".skeleton, [aria-busy=true]"), "the end of loading")

    # The browser
    def console(self) -> list[str]:
        """The browser's errors and warnings since the last call, except refused calls."""
        found = [str(line["message"]) for line in self.driver.get_log("browser")]
        return [line for line in found if not EXPECTED.search(line)]

    def size(self, width: int, height: int = 900) -> None:
        given = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", given)

    def theme(self, theme: str) -> None:
        """`light` or `dark`, as the operating system sets it."""
        wanted = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)

    def overflow(self) -> int:
        """Pixels that the page is wider than the window."""
        script = (
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return int(self.driver.execute_script(script))

    @contextmanager
    def offline(self) -> Iterator[None]:
        self.driver.execute_cdp_cmd("Network.enable", {})
        self._network(offline=True)
        try:
            yield
        finally:
            self._network(offline=False)

    def _network(self, *, offline: bool) -> None:
        limits = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", {"offline": offline, **limits}
        )


def chrome(binary: str, driver: str, *more: str) -> webdriver.Chrome:
    """A browser without a window, in English and UTC+2, so that locale and UTC differ.

    `more` are further options of its command line.
    """
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--lang=en-GB",
        "--disable-extensions", "--disable-background-networking", "--no-first-run",
        "--window-size=1440,900", "--hide-scrollbars", *more,
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    started.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Africa/Kampala"})
    return started
