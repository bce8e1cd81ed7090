"""Fulfilments: the credits are held and the job is started, as one act under the app's request id.

The hold is one as for a vended token, placed under an operation of its own, so a vend and a fulfilment with
the same request id are two requests. Every step goes on from what is there:

1. the hold of the request id, where it stands: the same job again;
2. else, where the deployment says so, the user's text for the same video, or the job that makes it: free;
3. else a new hold, put in one transaction with the pointer of step 2 (`engine.wallet.videos`), so that of two
   fulfilments of a video at once, under different ids, the second finds the first and is free;
4. the job is claimed and handed to the worker, which makes the call to upstream once.

A process that dies between two steps leaves a hold that the same request goes on with, or another one for the
same video, or that the sweeper gives back. A job that failed has given its credits back, and the same request
id buys anew.

Where repeats are charged, each request id is a hold and a job of its own, also at once.
"""

from dataclasses import dataclass, replace
from typing import Any

from engine.credits import placing
from engine.credits.hold_items import CAPTURED, OPEN, Hold
from engine.credits.placing import Vend
from engine.ledger.posting import BesideRefused
from engine.platform.act import Act, by_system
from engine.platform.errors import (
    Busy,
    CircuitOpen,
    InsufficientCredits,
    KeyReused,
    UpstreamFailed,
    UpstreamTimedOut,
)
from engine.platform.table import Write
from engine.platform.times import DAY_S
from engine.transcription import asking, jobs, status, submission
from engine.transcription.gateway import Gateway
from engine.transcription.outcomes import Heard
from engine.wallet import progress, quotes, videos
from engine.wallet.errors import QuoteGone
from engine.wallet.pricing import Products
from engine.wallet.quotes import Quote
from engine.wallet.videos import LastJob

OPERATION = "fulfill"
TRIES = 5
"""Another fulfilment of the same video comes first at most once; more than that is a store in trouble."""

SHOWN_AGAIN = "the text was at hand"
"""The reason of a capture without a job of its own."""


REPLACED = "a fulfilment took the place of an unused token"
"""The reason of the refund of that token's credits."""


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
    for _ in range(TRIES):
        done = _tried(wallet, vend, quote)
        if done is not None:
            return done
    raise Busy()


def is_at_hand(gateway: Gateway, user: str, url: str) -> bool:
    """Whether the user has the text of the video, or a job that makes it. Raises `Busy`."""
    return _serving(gateway, videos.last_job(gateway.ledger.table, user, url)) is not None


def stored(gateway: Gateway, hold: Hold) -> Heard | None:
    """What was heard of the hold's job last, without asking; None before upstream has a job."""
    item = jobs.read(gateway.ledger, hold.job_id) if hold.job_id is not None else None
    return None if item is None or jobs.is_erased(item) else asking.last_heard(gateway, item)


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


def _tried(wallet: Wallet, vend: Vend, quote: Quote) -> Fulfilled | None:
    """What `fulfil` returns, or None where another fulfilment of the video came first meanwhile."""
    gateway = wallet.gateway
    earlier = placing.standing(gateway.ledger, vend)
    if earlier is not None:
        return _going_on(gateway, _same(earlier, vend), quote, vend.act)
    last = videos.last_job(gateway.ledger.table, vend.user, quote.url)
    source = _serving(gateway, last)
    if source is not None and wallet.free_repeats:
        return _joined(gateway, source, quote, vend.act)
    if (paused_s := gateway.breaker.refuses_for_s()) > 0:
        raise CircuitOpen(paused_s)
    try:
        hold = _bought(wallet, vend, last, source)
    except BesideRefused:
        return None
    except InsufficientCredits:
        if not _can_pay_now(gateway, vend, last):
            raise
        return None
    return _going_on(gateway, hold, quote, vend.act)


def _serving(gateway: Gateway, last: LastJob) -> Hold | None:
    """The hold of the user's last job for a video, if its text is kept or is still to be made.

    Raises `Busy`.
    """
    hold = last.hold(gateway.ledger.table)
    if hold is None or hold.state == OPEN:
        return hold
    is_kept = progress.result_of(hold, stored(gateway, hold)) is not None
    return hold if hold.state == CAPTURED and is_kept else None


def _joined(gateway: Gateway, source: Hold, quote: Quote, act: Act) -> Fulfilled:
    """The user's earlier job for the video, which is started if no other call has started it."""
    source = _started(gateway, source, quote, act)
    balance = gateway.ledger.account(source.user).available
    return Fulfilled(source, stored(gateway, source), balance, is_free=True)


def _bought(wallet: Wallet, vend: Vend, last: LastJob, source: Hold | None) -> Hold:
    """The hold of a new request id. Where `source` has the text and repeats are charged, it pays for that.

    Raises what `placing.place` raises.
    """
    gateway, act = wallet.gateway, vend.act
    if source is not None and source.state == CAPTURED and source.job_id is not None:
        hold, _ = placing.place(gateway.ledger, vend, rate_limit=wallet.rate_limit)
        reasoned = replace(act, reason=SHOWN_AGAIN)
        return submission.show_again(gateway, hold, source.job_id, last.url, reasoned)

    until = act.at + (gateway.keep_days + 1) * DAY_S

    def beside(jti: str) -> list[Write]:
        return [last.followed_by(jti, until, at_once=not wallet.free_repeats)]

    hold, _ = placing.place(gateway.ledger, vend, rate_limit=wallet.rate_limit, beside=beside)
    return hold


def _can_pay_now(gateway: Gateway, vend: Vend, seen: LastJob) -> bool:
    """Whether the video is paid for meanwhile, or a token that the app has vended and not used has given up
    its credits: the app vends one whenever it looks at the balance.
    """
    if videos.last_job(gateway.ledger.table, seen.user, seen.url) != seen:
        return True
    act = by_system("wallet", vend.act.request_id, REPLACED, at=vend.act.at)
    return placing.give_up_unused(gateway.ledger, vend.user, vend.price, act)


def _started(gateway: Gateway, hold: Hold, quote: Quote, act: Act) -> Hold:
    """`hold` with its job started, from wherever an earlier call stopped. Raises `Busy`, `OutcomeUnknown`."""
    if hold.is_resolved or hold.answer is not None:
        return hold
    return submission.start_held(gateway, hold, quote.url, act)


def _going_on(gateway: Gateway, hold: Hold, quote: Quote, act: Act) -> Fulfilled:
    """The fulfilment that `hold` pays for, with its job started."""
    return _fulfilled(gateway, _started(gateway, hold, quote, act), act)


def _without_quote(gateway: Gateway, asked: Asked) -> Fulfilled:
    """The earlier fulfilment of the request id, whose quote has passed. Raises `QuoteGone`."""
    hold = placing.standing(gateway.ledger, _vend(asked, ""))
    if hold is None or hold.claim is None or not jobs.is_begun(gateway.ledger, hold):
        raise QuoteGone()
    return _fulfilled(gateway, hold, asked.act)


def _fulfilled(gateway: Gateway, hold: Hold, act: Act) -> Fulfilled:
    replayed = hold.request_id != act.request_id
    return Fulfilled(hold, stored(gateway, hold), hold.balance_after, replayed=replayed)
