"""Fulfilments: the credits are held and the job is started, as one act under the app's request id.

The hold is one as for a vended token, placed under an operation of its own, so a vend and a fulfilment with
the same request id are two requests. Nothing else is stored, and every step goes on from what is there:

1. the hold of the request id, where it stands: the same job again;
2. else, where the deployment says so, the user's text for the same video, or the job that makes it: free;
3. else a new hold;
4. the job is claimed and handed to the worker, which makes the call to upstream once.

A process that dies between two steps leaves a hold that the same request goes on with, or that the sweeper
gives back. A job that failed has given its credits back, and the same request id buys anew.
"""

from dataclasses import dataclass, replace
from typing import Any

from engine.credits import placing
from engine.credits.hold_items import CAPTURED, OPEN, Hold
from engine.credits.placing import Vend
from engine.platform.act import Act
from engine.platform.errors import CircuitOpen, KeyReused, UpstreamFailed, UpstreamTimedOut
from engine.transcription import jobs, status, submission
from engine.transcription.gateway import Gateway
from engine.transcription.outcomes import Heard
from engine.wallet import progress, quotes, videos
from engine.wallet.errors import QuoteGone
from engine.wallet.pricing import Products
from engine.wallet.quotes import Quote

OPERATION = "fulfill"
SHOWN_AGAIN = "the text was at hand"
"""The reason of a capture without a job of its own."""


@dataclass(frozen=True, slots=True)
class Wallet:
    """What fulfilments need: the way to upstream, and the rules of the deployment."""

    gateway: Gateway
    products: Products
    rate_limit: int
    free_repeats: bool
    """Whether a further transcription of a video is free for a user who has its text."""


@dataclass(frozen=True, slots=True)
class Fulfilled:
    """The job of a fulfilment. `is_free`: it is the user's earlier job, and nothing was reserved.
    `balance_after` is what can be spent after the hold; where nothing was reserved, what can be spent now.
    """

    hold: Hold
    heard: Heard | None
    balance_after: int
    is_free: bool = False
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A fulfilment that is asked for: the quote, and the app's request id."""

    user: str
    quote_id: str
    key: str
    act: Act


def fulfil(wallet: Wallet, asked: Asked) -> Fulfilled:
    """Hold the credits of the quote and start its job, once for the request id.

    Raises `QuoteGone`, `KeyReused`, `InsufficientCredits`, `RateLimited`, `CircuitOpen` (all without any
    change), `Busy`, `OutcomeUnknown` (the same request goes on).
    """
    gateway, act = wallet.gateway, asked.act
    table, products = gateway.ledger.table, wallet.products
    quote = quotes.find(table, products, asked.user, asked.quote_id, act.at)
    if quote is None:
        return _without_quote(gateway, asked)
    vend = _vend(asked, quote.fingerprint)
    vend = replace(vend, product=quote.priced.product, units=quote.priced.units)
    earlier = placing.standing(gateway.ledger, vend)
    if earlier is not None:
        return _going_on(gateway, _same(earlier, vend), quote, act)
    source = text_at_hand(gateway, asked.user, quote.url)
    if source is not None and wallet.free_repeats:
        balance = gateway.ledger.account(asked.user).available
        return Fulfilled(source, stored(gateway, source), balance, is_free=True)
    if (paused_s := gateway.breaker.refuses_for_s()) > 0:
        raise CircuitOpen(paused_s)
    hold, _ = placing.place(gateway.ledger, vend, rate_limit=wallet.rate_limit)
    if source is not None and source.state == CAPTURED and source.job_id is not None:
        reasoned = replace(act, reason=SHOWN_AGAIN)
        hold = submission.show_again(gateway, hold, source.job_id, quote.url, reasoned)
    return _going_on(gateway, hold, quote, act)


def text_at_hand(gateway: Gateway, user: str, url: str) -> Hold | None:
    """The hold of the user's last job for the video, if its text is kept or it still runs. Raises `Busy`."""
    hold = videos.last_hold(gateway.ledger.table, user, url)
    if hold is None or hold.claim is None:
        return None
    if hold.state == OPEN:
        return hold
    is_kept = progress.result_of(hold, stored(gateway, hold)) is not None
    return hold if hold.state == CAPTURED and is_kept else None


def is_at_hand(gateway: Gateway, user: str, url: str) -> bool:
    """Whether the user has the text of the video, or a job that makes it. Raises `Busy`."""
    return text_at_hand(gateway, user, url) is not None


def stored(gateway: Gateway, hold: Hold) -> Heard | None:
    """What was heard of the hold's job last, as it is stored; None before upstream has a job."""
    item = jobs.read(gateway.ledger, hold.job_id) if hold.job_id is not None else None
    return None if item is None or jobs.is_erased(item) else jobs.heard_in(item)


def job(gateway: Gateway, user: str, job_id: str, act: Act) -> tuple[Hold, Heard | None]:
    """How the user's job goes, asked upstream at most once a second; an end settles its hold.

    While upstream gives no answer, the job is as it was. Raises `JobNotFound`, `Busy`.
    """
    try:
        return status.seen(gateway, user, job_id, act)
    except (CircuitOpen, UpstreamFailed, UpstreamTimedOut):
        hold, _ = jobs.known(gateway.ledger, user, job_id)
        return hold, stored(gateway, hold)


def members(done: Fulfilled, request_id: str) -> dict[str, Any]:
    """The answer; `status`, `settlement` and `result` are of now, all else is of the first answer."""
    hold = done.hold
    word = progress.status_of(hold)
    settlement = progress.settlement_of(hold)
    if done.is_free:
        word = progress.JOINED if word in progress.RUNNING else word
        settlement = {"reservedUnits": 0, "settledUnits": 0, "refundedUnits": 0}
    return {
        "ok": True,
        "jobId": progress.job_id_of(hold),
        "status": word,
        "reservedUnits": 0 if done.is_free else hold.amount,
        "balanceAfterReservation": done.balance_after,
        "products": [hold.product],
        "settlement": settlement,
        "result": progress.result_of(hold, done.heard),
        "requestId": request_id,
    }


def _vend(asked: Asked, fingerprint: str) -> Vend:
    """The hold that is asked for; no token is signed for it, so it names no key."""
    return Vend(asked.user, OPERATION, asked.key, fingerprint, OPEN, "", asked.act)


def _same(hold: Hold, vend: Vend) -> Hold:
    """`hold` if it was bought for the same payload. Raises `KeyReused`."""
    if hold.fingerprint != vend.fingerprint:
        raise KeyReused()
    return hold


def _going_on(gateway: Gateway, hold: Hold, quote: Quote, act: Act) -> Fulfilled:
    """The fulfilment that `hold` pays for, with its job started."""
    if not hold.is_resolved and hold.answer is None:
        keep_days = gateway.keep_days
        videos.note(gateway.ledger.table, hold, quote.url, act.at, keep_days=keep_days)
        hold = submission.start_held(gateway, hold, quote.url, act)
    return _fulfilled(gateway, hold, act)


def _without_quote(gateway: Gateway, asked: Asked) -> Fulfilled:
    """The earlier fulfilment of the request id, whose quote has passed. Raises `QuoteGone`."""
    hold = placing.standing(gateway.ledger, _vend(asked, ""))
    if hold is None or hold.claim is None:
        raise QuoteGone()
    return _fulfilled(gateway, hold, asked.act)


def _fulfilled(gateway: Gateway, hold: Hold, act: Act) -> Fulfilled:
    replayed = hold.request_id != act.request_id
    return Fulfilled(hold, stored(gateway, hold), hold.balance_after, replayed=replayed)
