"""Credits coming in: from an API key's holder and from payment providers, each payment once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.ledger import once as requests_once
from engine.ledger.items import Entry, Move
from engine.ledger.once import PaymentOnce, RequestOnce
from engine.ledger.posting import AlreadyDone, BesideRefused, Ledger
from engine.platform.act import Act
from engine.platform.errors import KeyReused
from engine.platform.table import Write
from engine.web.idempotency import fingerprint


@dataclass(frozen=True, slots=True)
class Grant:
    """Credits for `user`; `payment_id` is the provider's id of the payment, if it sent one, and
    `key` the client's id of the request, if it sent one.
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
    """What the first answer said: a repeat says the same."""

    new_balance: int
    request_id: str
    at: int
    reason: str
    replayed: bool


def grant(ledger: Ledger, asked: Grant, *, beside: Sequence[Write] = ()) -> Granted:
    """Add the credits once; the account is created if there is none. `beside` goes into the same
    transaction and must have no condition.

    Raises `KeyReused`, `Busy` or `OutcomeUnknown`.
    """
    act = asked.act
    facts = {"request_id": act.request_id, "at": act.at, "reason": act.reason}
    request = _request_once(ledger, asked, facts)
    move = Move(asked.user, asked.type, asked.amount, 0, act, subject=asked.payment_id or "")
    once: PaymentOnce | RequestOnce = request
    fingerprint_ = asked.fingerprint
    also: Callable[[Entry], list[Write]] = _nothing
    if asked.payment_id is not None:
        fingerprint_ = fingerprint({"user": asked.user, "amount": asked.amount})
        once = PaymentOnce(
            ledger.table,
            provider=asked.provider,
            payment_id=asked.payment_id,
            fingerprint=fingerprint_,
            facts=facts,
        )
        if asked.key is not None:
            also = requests_once.beside_payment(request)
    try:
        posted = ledger.post(move, once, also=lambda entry: [*also(entry), *beside])
    except AlreadyDone as done:
        return _granted(requests_once.replayed(done.item, fingerprint_), act.request_id)
    except BesideRefused:
        raise KeyReused() from None
    return _granted({"balance_after": posted.entry.available_after, "facts": facts}, "")


def _request_once(ledger: Ledger, asked: Grant, facts: dict[str, Any]) -> RequestOnce:
    return RequestOnce(
        ledger.table,
        user=asked.user,
        operation=asked.type,
        key=asked.key or asked.act.request_id,
        fingerprint=asked.fingerprint,
        now=asked.act.at,
        facts=facts,
    )


def _nothing(entry: Entry) -> list[Write]:
    return []


def _granted(item: dict[str, Any], own_request_id: str) -> Granted:
    facts = item["facts"]
    replayed = own_request_id != "" and facts["request_id"] != own_request_id
    return Granted(
        item["balance_after"], facts["request_id"], facts["at"], facts["reason"], replayed
    )
