"""One user's credits, holds and jobs below the routes, and somebody who comes in between two writes."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.credits import hold_items, holds, payments, placing
from engine.credits.hold_items import OPEN, Hold
from engine.credits.payments import Grant, Granted
from engine.credits.placing import Vend
from engine.ledger.items import account_pk
from engine.ledger.posting import Ledger, Posted
from engine.platform.act import Act
from engine.platform.errors import Busy
from engine.platform.table import Item, Table, Update, Write
from engine.products.product import TRANSCRIPT, Product
from engine.transcription import submission
from engine.transcription.answers import Mirrored
from engine.transcription.gateway import Gateway as Proxy
from engine.transcription.gateway import Questions
from engine.transcription.upstream import NotSent, Unknown, UpstreamAnswer
from tests.support.gateway import Gateway
from tests.support.proxy import proxy as made_proxy

NOW = 1_800_000_000
VIDEO = "https://www.tiktok.com/@someone/video/7300000000000000001"
OTHER_VIDEO = "https://www.tiktok.com/@someone/video/7300000000000000002"
_numbers = itertools.count(1)


def fresh(name: str) -> str:
    """An id that no other test uses."""
    return f"{name}-of-{next(_numbers)}"


def nowhere(at: int = NOW) -> Act:
    return Act("system:test", fresh("request"), "", "", "test", at=at)


def brisk(table: Table) -> Ledger:
    """A ledger that gives up after ten tries, at once."""
    return Ledger(table, clock=itertools.count().__next__, sleep=lambda _: None)


def nothing() -> None:
    """Nobody comes in between."""


class Interrupted(Table):
    """The same table; `action` happens once, just before write number `at` (from 1) reaches it."""

    def __init__(self, table: Table, action: Callable[[], object], at: int = 1) -> None:
        super().__init__(table._client, table.name, sleep=lambda _: None)
        self._action = action
        self._at = at
        self.made = 0
        """How many writes were made, refused ones too."""

    def write(self, write: Write) -> Item:
        self._count()
        return super().write(write)

    def transact(self, writes: Sequence[Write]) -> None:
        self._count()
        super().transact(writes)

    def _count(self) -> None:
        self.made += 1
        if self.made > 50:
            raise Busy("The call does not come to an end.")
        if self.made == self._at:
            self._action()


class Desk:
    """A new user with `balance` credits, and what can be done with them."""

    def __init__(self, gateway: Gateway, balance: int = 0) -> None:
        self.gateway = gateway
        self.table = gateway.ledger.table
        self.ledger = brisk(self.table)
        self.user = fresh("desk")
        if balance:
            self.grant(balance)

    def interrupted(self, action: Callable[[], object]) -> Interrupted:
        return Interrupted(self.table, action)

    def grant(
        self,
        amount: int,
        key: str = "",
        *,
        payment_id: str | None = None,
        table: Table | None = None,
        now: int = NOW,
        fingerprint: str = "print",
        origin: Act | None = None,
    ) -> Granted:
        by = replace(origin or nowhere(), at=now)
        asked = Grant(
            self.user, amount, "api_add", "shop", payment_id, key or None, fingerprint, by
        )
        return payments.grant(brisk(table or self.table), asked)

    def vend(
        self,
        key: str = "",
        *,
        state: str = OPEN,
        table: Table | None = None,
        now: int = NOW,
        rate_limit: int = 1000,
        fingerprint: str = "print",
        product: Product = TRANSCRIPT,
        units: int = 1,
    ) -> tuple[Hold, Posted | None]:
        vend = Vend(self.user, "vend", key or fresh("key"), fingerprint, state, "kid", nowhere(now))
        vend = replace(vend, product=product, units=units)
        return placing.place(brisk(table or self.table), vend, rate_limit=rate_limit)

    def hold(
        self,
        key: str = "",
        *,
        state: str = OPEN,
        now: int = NOW,
        product: Product = TRANSCRIPT,
        units: int = 1,
    ) -> Hold:
        hold, posted = self.vend(key, state=state, now=now, product=product, units=units)
        assert posted is not None
        return hold

    def settle(
        self,
        hold: Hold,
        outcome: str,
        *,
        table: Table | None = None,
        now: int = NOW,
        charge: int | None = None,
    ) -> Hold:
        ledger = brisk(table or self.table)
        return holds.settle(ledger, hold, outcome, nowhere(now), charge=charge)

    def item(self, sk: str) -> Item:
        found = self.table.get(account_pk(self.user), sk)
        assert found is not None
        return found

    def stored(self, hold: Hold) -> Item:
        return self.item(hold_items.hold_sk(hold.name))

    def edit(self, sk: str, **values: Any) -> None:
        """Change attributes from outside, without any entry."""
        names = {f"#{name}": name for name in values}
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
        new: Mapping[str, Any] = {f":{name}": value for name, value in values.items()}
        self.table.write(Update(account_pk(self.user), sk, change, "", names, new))

    def figures(self) -> tuple[int, int]:
        """What is available and what is held."""
        account = self.ledger.account(self.user)
        return account.available, account.held

    def explained(self) -> tuple[int, int]:
        """The figures, which the entries add up to."""
        self.gateway.assert_explained(self.user)
        return self.figures()

    def types(self) -> list[str]:
        return [entry.type for entry in self.gateway.entries(self.user)]


@dataclass
class Service:
    """An upstream that takes jobs under `job_id` and says of all of them `says`.

    `meanwhile` happens while it is asked.
    """

    job_id: str = field(default_factory=lambda: fresh("upstreams"))
    says: tuple[int, dict[str, Any]] | None = (200, {"status": "processing"})
    meanwhile: Callable[[], object] = nothing
    slow: bool = False
    """It takes jobs, and nobody hears of it."""
    base: str = "http://upstream.test"
    started: int = 0
    asked: int = 0

    def transcribe(self, *_: object) -> UpstreamAnswer:
        self.started += 1
        self.meanwhile()
        if self.slow:
            raise Unknown("timeout")
        return UpstreamAnswer(202, {"id": self.job_id}, None)

    def status(self, *_: object) -> UpstreamAnswer:
        self.asked += 1
        self.meanwhile()
        if self.says is None:
            raise NotSent()
        return UpstreamAnswer(*self.says, None)


def submit(
    desk: Desk,
    hold: Hold,
    service: Service,
    *,
    url: str = VIDEO,
    table: Table | None = None,
    now: int = NOW,
) -> Mirrored:
    """Start the job that `hold` pays for."""
    gateway = proxy(service, table or desk.table)
    return submission.submit(gateway, hold.token, url, nowhere(now))


def proxy(service: Service, table: Table, questions: Questions | None = None) -> Proxy:
    return made_proxy(brisk(table), service, "secret", "http://public.test", questions)
