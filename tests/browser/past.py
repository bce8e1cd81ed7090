"""Makes a past: users with purchases, tokens and refunds on earlier days, through the real ledger."""

import random
import time
from itertools import count
from typing import Any

from engine.credits import hold_items, holds, payments, placing
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, Hold
from engine.credits.payments import Grant
from engine.credits.placing import Vend
from engine.ledger.audit import Audit
from engine.ledger.posting import Ledger
from engine.payments import settlement
from engine.payments.book import Book
from engine.payments.notices import Notices
from engine.payments.packs import Catalogue
from engine.payments.settlement import Proof
from engine.platform.act import Act
from engine.subscriptions.plans import UNIT as DOLLARS
from engine.transcription import jobs
from engine.wallet import credit_requests

DAY_S = 86_400
PHONE = "Pluct/4.2.0 (Android 15; Pixel 8)"
_numbers = count(1)


class Past:
    """What happened to users before the test; times in epoch seconds."""

    def __init__(self, ledger: Ledger, moved: set[str] | None = None) -> None:
        """`moved` takes the users whose credits were moved."""
        self.ledger = ledger
        self.moved = set[str]() if moved is None else moved
        self.random = random.Random(4)

    def act(self, actor: str, at: int, reason: str = "") -> Act:
        return Act(actor, f"past-{next(_numbers)}", "198.51.100.7", PHONE, reason, at=at)

    def buy(self, user: str, amount: int, at: int, reason: str = "M-Pesa payment") -> None:
        number = next(_numbers)
        act = self.act("webhook:payment", at, reason)
        payment = f"QK{number:06d}"
        self.moved.add(user)
        grant = Grant(user, amount, "add_webhook", "webhook", payment, None, str(number), act)
        payments.grant(self.ledger, grant)

    def vend(self, user: str, at: int) -> Hold:
        self.moved.add(user)
        key = f"past-{next(_numbers)}"
        vend = Vend(user, "vend", key, key, OPEN, "past", self.act(f"user:{user}", at))
        return placing.place(self.ledger, vend, rate_limit=1_000_000)[0]

    def begin(self, user: str, video: str, upstream_id: str, at: int) -> Hold:
        """A token and the job that it started; upstream's id of the job is `upstream_id`."""
        hold = self.vend(user, at)
        claim = holds.Claim("past", "past", at, look_at=at + DAY_S * 1000)
        claimed = hold_items.read(self.ledger.table.write(holds.claim(user, hold.jti, claim)))
        jobs.begin(self.ledger, claimed, video, "https://gateway.example")
        jobs.name(self.ledger, hold, upstream_id, at)
        self.ledger.table.write(holds.name_job(hold, upstream_id))
        return hold_items.again(self.ledger.table, hold)

    def fail(self, hold: Hold, at: int, cause: str) -> None:
        jobs.keep_cause(self.ledger, hold, cause, at)
        act = self.act("system:status", at, "transcription failed")
        self.moved.add(hold.user)
        holds.settle(self.ledger, hold, RELEASED, act)

    def deliver(self, hold: Hold, at: int) -> None:
        act = self.act("system:status", at, "transcription ended")
        self.moved.add(hold.user)
        holds.settle(self.ledger, hold, CAPTURED, act)

    def give_back(self, hold: Hold, at: int) -> None:
        act = self.act("system:sweeper", at, "the token was not used")
        self.moved.add(hold.user)
        holds.settle(self.ledger, hold, RELEASED, act)

    def ask(self, user: str, text: str, at: int) -> str:
        """The user reports a payment; the id of the request."""
        made = credit_requests.ask(self.ledger, user, text, self.act(f"user:{user}", at))
        return str(made.item["id"])

    def arrive(self, receipt: str, minor: int, at: int, account: str = "", **more: Any) -> None:
        """A payment to the short code that names no purchase: it waits in the inbox."""
        proof = Proof("mpesa", receipt, minor, "KES", is_live=False, paid_at=at, account=account,
                      receipt=receipt, payer="***149", **more)  # fmt: skip
        settlement.settle(self.book, lambda: proof, self.act("system:mpesa", at))

    @property
    def book(self) -> Book:
        table = self.ledger.table
        return Book(
            table, self.ledger, Ledger(table, DOLLARS), Catalogue(table), Audit(table, 400), Notices(),
            is_live=False,
        )  # fmt: skip

    def week_of(self, user: str, *, days: int = 7, tokens: int = 3) -> None:
        """Purchases and tokens over the last days, mostly delivered, some given back."""
        now = int(time.time())
        self.buy(user, 10 + self.random.randrange(20), now - days * DAY_S)
        moments = sorted(
            now - day * DAY_S + self.random.randrange(80_000)
            for day in range(days, 0, -1)
            for _ in range(self.random.randrange(tokens + 1))
        )
        for at in moments:
            if self.ledger.account(user).available < 2:
                self.buy(user, 10, at)
            hold = self.vend(user, at)
            end = self.deliver if self.random.random() < 0.8 else self.give_back
            end(hold, at + 30 + self.random.randrange(600))
