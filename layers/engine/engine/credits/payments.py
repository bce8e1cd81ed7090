"""Credits from API keys' holders and payment providers, each payment once."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.ledger import idempotency
from engine.ledger.idempotency import (
    Payment,
    PaymentOnce,
    Request,
    RequestOnce,
    facts_of,
)
from engine.ledger.items import Entry, Move
from engine.ledger.posting import AlreadyDone, BesideRefused, Ledger
from engine.platform.act import Act
from engine.platform.errors import KeyReused
from engine.platform.table import Item, Write
from engine.web.forms import DEFAULT_PROVIDER
from engine.web.request_ids import fingerprint


@dataclass(frozen=True, slots=True)
class Grant:
    """Credits for `user`. `payment_id` is unique at `provider`; `key` is the client's request id; each is
    None if it was not sent.
    """

    user: str
    amount: int
    type: str
    provider: str
    payment_id: str | None
    key: str | None
    fingerprint: str
    act: Act


@dataclass(frozen=True, slots=True)
class Granted:
    """The facts of the first answer, which a repeat returns."""

    new_balance: int
    request_id: str
    at: int
    reason: str
    replayed: bool


def grant(ledger: Ledger, asked: Grant, *, beside: Sequence[Write] = ()) -> Granted:
    """Add the credits once, creating a missing account; what it owes is paid first. `beside` is written
    in the same transaction and must have no condition.

    A payment counts once for its provider and id, whatever route reports it and in whatever unit. Raises
    `KeyReused`, `Busy` or `OutcomeUnknown`.
    """
    if asked.payment_id is None:
        return _by_request(ledger, asked, beside)
    return _by_payment(ledger, asked, asked.payment_id, beside)


def _by_request(ledger: Ledger, asked: Grant, beside: Sequence[Write]) -> Granted:
    facts = facts_of(asked.act)
    once = RequestOnce(ledger, _request(asked), facts)
    move = Move(asked.user, asked.type, asked.amount, 0, asked.act, pays_owed=True)
    try:
        posted = ledger.post(move, once, also=lambda _: list(beside))
    except AlreadyDone as done:
        item = idempotency.replayed(done.item, asked.fingerprint)
        return _granted(item, asked.act.request_id)
    return _granted({"balance_after": posted.entry.available_after, "facts": facts}, "")


def _by_payment(ledger: Ledger, asked: Grant, payment_id: str, beside: Sequence[Write]) -> Granted:
    facts = facts_of(asked.act)
    print_ = fingerprint({"user": asked.user, "amount": asked.amount})
    payment = Payment(asked.provider, payment_id, asked.user, print_)
    request = RequestOnce(ledger, _request(asked), facts)

    def also(entry: Entry) -> list[Write]:
        record = request.write_beside_payment(entry) if asked.key is not None else []
        return [*record, *beside]

    move = Move(
        asked.user, asked.type, asked.amount, 0, asked.act, _subject(payment), pays_owed=True
    )
    try:
        posted = ledger.post(move, PaymentOnce(ledger, payment, facts), also=also)
    except AlreadyDone as done:
        if not idempotency.is_of(done.item, payment, ledger.unit):
            raise KeyReused() from None
        return _granted(done.item, asked.act.request_id)
    except BesideRefused:
        raise KeyReused() from None
    return _granted({"balance_after": posted.entry.available_after, "facts": facts}, "")


def _request(asked: Grant) -> Request:
    return Request(asked.user, asked.type, asked.key, asked.fingerprint, asked.act)


def _subject(payment: Payment) -> str:
    """The payment as its entry names it."""
    if payment.provider == DEFAULT_PROVIDER:
        return payment.id
    return f"{payment.provider}:{payment.id}"


def _granted(item: Item, own_request_id: str) -> Granted:
    facts = item["facts"]
    replayed = own_request_id != "" and facts["request_id"] != own_request_id
    return Granted(
        item["balance_after"], facts["request_id"], facts["at"], facts["reason"], replayed
    )
