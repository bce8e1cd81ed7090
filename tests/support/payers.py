"""Payments as providers prove them, settled in a book over a real table, without any provider's protocol."""

import itertools
from dataclasses import dataclass, replace
from typing import Any

from engine.payments import rows, settlement
from engine.payments.book import Book
from engine.payments.clawback import Losses
from engine.payments.rows import Row
from engine.payments.settlement import Proof, Settled
from engine.platform.act import Act
from tests.support.gateway import Gateway
from tests.support.shop import begin, edit_pack

AT = 1_900_000_000
ACT = Act("webhook:stripe", "request-of-the-test", "", "", "payment", at=AT)
_numbers = itertools.count(1)


@dataclass
class Bought:
    """A user with an intent, and the proof that pays it."""

    gateway: Gateway
    user: str
    headers: dict[str, str]
    intent: dict[str, Any]
    proof: Proof

    @property
    def book(self) -> Book:
        return book_of(self.gateway)

    def settle(self, **changed: Any) -> Settled:
        proof = replace(self.proof, **changed)
        return settlement.settle(self.book, lambda: proof, ACT)

    def lose(self, refunded: int = 0, disputed: int = 0) -> Row:
        """The payment is proved again, with what went back of it in all."""
        return self.settle(losses=Losses(refunded, disputed)).row

    def row(self) -> Row:
        found = rows.find(self.book.table, self.proof.provider, self.proof.payment)
        assert found is not None
        return found

    def account(self) -> tuple[int, int]:
        """What is available, and what is owed."""
        account = self.gateway.ledger.account(self.user)
        return account.available, account.owed

    def status(self) -> str:
        path = f"/v1/payments/{self.intent['intentId']}"
        return str(self.gateway.call("GET", path, headers=self.headers).json["status"])


def book_of(gateway: Gateway) -> Book:
    book: Book = gateway.function("payments").books
    return book


def selling(endpoint: str, **settings: str) -> Gateway:
    """A gateway with packs: `p250` of 250 credits, and `d5` of five dollars for a subscription."""
    gateway = Gateway(endpoint, RATE_LIMIT="1000000", **settings)
    assert edit_pack(gateway, "p250").status == 200
    dollars = {"credits": 0, "dollars": "5", "prices": {"USD": 499}}
    assert edit_pack(gateway, "d5", **dollars).status == 200
    return gateway


def bought(gateway: Gateway, pack: str = "p250", **changed: Any) -> Bought:
    """A new user's open intent, and a proof that pays its price."""
    user, headers = gateway.user()
    intent = begin(gateway, headers, pack, **changed).json
    number = next(_numbers)
    proof = Proof(
        "stripe",
        f"pi_{number}_{user}",
        intent["amountMinor"],
        intent["currency"],
        is_live=False,
        paid_at=AT,
        intent=intent["intentId"],
        receipt=f"ch_{number}",
        payer="***149",
    )
    return Bought(gateway, user, headers, intent, proof)


def net_of(gateway: Gateway, subject: str, user: str, unit: str = "credits") -> int:
    """What the entries about a payment have given to the account, less what they took or made it owe."""
    ledger = book_of(gateway).ledger(unit)
    found = [one for one in ledger.entries(user, limit=1000) if one.subject == subject]
    return sum(entry.amount - entry.owed for entry in found)
