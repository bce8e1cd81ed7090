"""A real browser at a real local run. `make test-browser` installs Chromium where it is missing."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

import jwt
import pytest
import requests
from selenium import webdriver

from engine.access import operators
from engine.ledger.audit import Audit
from engine.ledger.items import CREDITS, Entry, account_sk
from engine.ledger.posting import Ledger
from engine.platform.table import Table
from engine.readmodels import figures, folds
from engine.subscriptions.plans import UNIT
from local.engine import json_client
from local.harness import local_run
from tests.browser import crowd
from tests.browser.desk import PATIENCE_S, Desk, chrome
from tests.browser.past import Past
from tests.support.operators import CHEAP, act

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
collect_ignore_glob = [] if CHROMIUM and DRIVER else ["test_*.py"]

_numbers = count(1)


@dataclass(frozen=True)
class Office:
    """The local run, with the acts of operators and users that a test needs."""

    run: dict[str, str]
    table: Table
    moved: set[str] = field(default_factory=set)
    """Users whose credits were moved since a page was opened."""

    @classmethod
    def of(cls, run: dict[str, str]) -> Self:
        client = json_client("dynamodb", run["engineUrl"])
        return cls(run, Table(client, run["tableName"]))

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.table)

    @property
    def past(self) -> Past:
        return Past(self.ledger, self.moved)

    @property
    def base(self) -> str:
        return self.run["baseUrl"]

    def operator(self, role: str = "operator") -> tuple[str, str]:
        """A new operator's name and password."""
        name = f"{role}{next(_numbers)}"
        return name, operators.create(Audit(self.table, 400), name, role, act(), cost=CHEAP)

    def session(self, role: str) -> tuple[str, str]:
        """The cookie of a new operator's session: its name and its value."""
        name, password = self.operator(role)
        began = self._posted("/dashboard/session", {"name": name, "password": password})
        cookie, _, value = began.headers["set-cookie"].partition(";")[0].partition("=")
        return cookie, value

    def user(self, balance: int = 0, name: str = "") -> str:
        user = name or f"user-{next(_numbers)}"
        self.post("/user/create", {"userId": user})
        if balance:
            self.pay(user, balance)
        return user

    def subscriber(self) -> str:
        """A new subscriber with a key."""
        user = f"subscriber-{next(_numbers)}"
        secret = self.run["subscriptionJwtSecret"]
        claims = {"uid": user, "email": "sub@example.com", "exp": int(time.time()) + 600}
        token = jwt.encode(claims, secret, algorithm="HS256")
        self.post("/api/key", {}, {"authorization": f"Bearer {token}"})
        self.projected(user, UNIT)
        return user

    def catch_up(self) -> None:
        """Waits until the lists have what was moved, as a page that is opened shows what they have."""
        while self.moved:
            self.projected(self.moved.pop())

    def projected(self, user: str, unit: str = CREDITS) -> None:
        """Waits until the lists have every entry of the user."""
        seq = Ledger(self.table, unit).account(user).seq
        deadline = time.monotonic() + 60
        while (found := figures.get_summary(self.table, unit, user)) is None or found.seq < seq:
            assert time.monotonic() < deadline, f"the read models do not have {user}"
            time.sleep(0.05)

    def pay(self, user: str, amount: int, reason: str = "") -> None:
        headers = {"x-webhook-secret": self.run["webhookSecret"]}
        self.post("/add-credits", {"userId": user, "amount": amount, "reason": reason}, headers)
        self.moved.add(user)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        return self._posted(path, body, headers).json()

    def _posted(
        self, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> requests.Response:
        answer = requests.post(self.base + path, data=json.dumps(body), headers=headers, timeout=60)
        assert answer.status_code < 300, answer.text
        return answer

    def balance(self, user: str) -> int:
        return self.ledger.account(user).available

    def highest_balance(self) -> int:
        """Of all users that there are, whichever test made them."""
        accounts = self.table.scan("sk = :sk", {":sk": account_sk(self.ledger.unit)})
        return max(int(account["available"]) for account in accounts)

    def await_lists(self, user: str) -> None:
        """Waits until the lists have all entries of the user: an open page does not read them again."""
        last = self.entries(user)[0].seq
        ends_at = time.monotonic() + PATIENCE_S
        generation = figures.generations(self.table, consistent=True).current
        place = folds.summary_pk(self.ledger.unit, generation, user), user
        while (self.table.get(*place) or {}).get("projected_seq", 0) < last:
            assert time.monotonic() < ends_at, f"{user} is not in the lists"
            time.sleep(0.05)

    def entries(self, user: str) -> list[Entry]:
        """Newest first."""
        return self.ledger.entries(user, limit=100)


@pytest.fixture(scope="session")
def office() -> Iterator[Office]:
    with local_run(RATE_LIMIT="1000000", QUIET="1") as run:
        yield Office.of(run)


@pytest.fixture(scope="session")
def many(office: Office) -> None:
    """A crowd of users beside those that tests make."""
    crowd.seed(office.run)


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    started = chrome(str(CHROMIUM), str(DRIVER))
    yield started
    started.quit()


@pytest.fixture
def nobody(driver: webdriver.Chrome, office: Office) -> Iterator[Desk]:
    """A browser without a log-in."""
    desk = Desk(driver, office.base)
    desk.size(1440)
    desk.theme("light")
    desk.forget()
    yield desk
    assert desk.console() == []


@pytest.fixture
def desk(nobody: Desk, office: Office) -> Desk:
    """A browser with an admin logged in; how one logs in is what `test_login` looks at."""
    nobody.resume(*office.session("admin"))
    nobody.before_opening = office.catch_up
    return nobody


@pytest.fixture(scope="module")
def admin(driver: webdriver.Chrome, office: Office) -> Desk:
    """One log-in for all tests of a module."""
    desk = Desk(driver, office.base)
    desk.start(*office.operator("admin"))
    desk.before_opening = office.catch_up
    return desk


@pytest.fixture
def clerk(admin: Desk) -> Iterator[Desk]:
    """The log-in of the module, at an ordinary size."""
    admin.size(1440)
    admin.theme("light")
    yield admin
    assert admin.console() == []
