"""Phones with the released app against the whole system over HTTP; they wait less than the app does."""

import time
from collections.abc import Mapping
from itertools import count

import requests

from tests.e2e.conftest import App
from tests.support import app_client
from tests.support.app_client import NoNetwork, OlderPhone, Phone, Sent

_names = count(1)
_videos = count(7_400_000_000_000_000_000)
POLLS = 400
PAUSE_S = 0.2


def new_name() -> str:
    """The part of an id behind its dash: 16 hexadecimal digits."""
    return f"{time.time_ns() % (1 << 40):010x}{next(_names):06x}"


def new_video() -> str:
    return f"https://www.tiktok.com/@scout2015/video/{next(_videos)}"


class Line:
    """A phone's way to the gateway, which can be cut."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.session = requests.Session()
        self.session.trust_env = False
        self.lose: str = ""
        """The path whose next answer is lost, after it took effect; with `!` before it, its request."""

    def __call__(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str]
    ) -> Sent:
        if self.lose.startswith("!") and self.lose[1:] in path:
            self.lose = ""
            raise NoNetwork()
        answer = self.session.request(
            method, self.app.run["baseUrl"] + path, data=body, headers=dict(headers), timeout=60,
            allow_redirects=False,
        )  # fmt: skip
        if self.lose and self.lose in path:
            self.lose = ""
            raise NoNetwork()
        return Sent(answer.status_code, answer.text, answer.headers.get("Date", ""))


def phone_of(app: App, balance: int = 0, name: str = "") -> Phone:
    name = name or new_name()
    if balance:
        app.add(f"mobile-{name}", balance)
    return Phone(Line(app), app_client.identity(name), wait)


def user_of(phone: Phone) -> str:
    return phone.user if isinstance(phone, OlderPhone) else phone._headers["x-user-id"]


def older_phone(app: App, balance: int, audience: str = "", clock_off_s: int = 0) -> OlderPhone:
    user = f"older-{new_name()}"
    app.add(user, balance)
    secret = app.run["userJwtSecret"]
    return OlderPhone(
        Line(app), user, secret, pause=wait, audience=audience, clock_off_s=clock_off_s
    )


def wait(_: float) -> None:
    time.sleep(PAUSE_S)


def assert_settled(app: App, phone: Phone, available: int) -> None:
    """The number on the screen is the ledger's, and nothing is held."""
    assert phone.sync(), "the app has no number to show"
    account = app.ledger.account(user_of(phone))
    assert (phone.uses, account.available, account.held) == (available, available, 0)
    app.assert_adds_up(user_of(phone))
