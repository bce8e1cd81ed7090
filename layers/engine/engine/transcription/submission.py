"""The call that starts a job: a vended token starts one, and the same call again gets the first answer.

The token's hold is claimed by a conditional write, then the job is put under our own id, then upstream is
called; a call for another video is refused. This function calls upstream itself and waits for as long as the
app can. A call that could not be sent, and every call while upstream is known to be slow, is handed to the
worker, which waits for ten minutes. A call that was sent is not sent again, as upstream would start a second
job.
"""

import contextlib
from dataclasses import replace

from engine.access.tokens import VendedToken
from engine.credits import hold_items, holds
from engine.credits.hold_items import RELEASED, Hold
from engine.credits.holds import Claim
from engine.metadata import links
from engine.platform.act import Act
from engine.platform.errors import (
    Busy,
    CircuitOpen,
    KeyReused,
    OutcomeUnknown,
    TokenAlreadyUsed,
    Unauthorized,
    UpstreamFailed,
)
from engine.platform.ids import digest
from engine.platform.logs import logger
from engine.platform.table import Cancelled, ConditionFailed
from engine.platform.times import DAY_S
from engine.transcription import answers, jobs, request_records, settling, starting
from engine.transcription.answers import Mirrored
from engine.transcription.gateway import Gateway
from engine.transcription.handover import NotHandedOver
from engine.transcription.request_records import Request
from engine.transcription.starting import Unanswered
from engine.transcription.upstream import NotSent

SWEEP_AFTER_S = 300
"""How long after its claim the sweeper looks at a job. One that the first version of `transcript` pays for is
looked at when its token would be if it was unused, 920 s after the vend: that moves nothing in the index.
"""
CLAIM_TRIES = 3
"""A record of a request id is replaced at most once by a call; another try is for a writer in between."""

LOOK_EVERY_S = (0.05, 0.1, 0.2)
"""Between looks at what the worker has done; the last interval repeats."""


def submit(
    gateway: Gateway, token: VendedToken, url: str, act: Act, *, key: str | None = None
) -> Mirrored:
    """Start the job that `token` paid for, once for the token, and once for the request id `key`.

    Raises `InvalidUrl`, `Unauthorized`, `TokenAlreadyUsed`, `KeyReused`; `CircuitOpen`,
    `UpstreamRefused` and `UpstreamFailed` (the credit was given back); `Busy`, `OutcomeUnknown`.
    """
    post = links.parse(url)
    hold = _claim(gateway, token, post.url, key, act)
    known = answers.first_answer(hold)
    if known is not None:
        return known
    if hold.claimed_by != act.request_id:
        return answers.still_running(hold, post.url, gateway.public, replayed=True)
    return _begin(gateway, hold, post.url, act)


def start_held(gateway: Gateway, hold: Hold, url: str, act: Act) -> Hold:
    """Start the job of a hold that the gateway itself has placed, by the worker, or here if the worker's
    queue takes no message. Every call goes on from where an earlier one stopped, and upstream is called
    once. The hold as it then is: released if the call has failed by then.

    Raises `InvalidUrl`, `Busy`, `OutcomeUnknown`.
    """
    post = links.parse(url)
    try:
        hold = _claim(gateway, hold.token, post.url, None, act)
    except Unauthorized:  # Released a moment ago, so that the same request buys anew.
        raise Busy() from None
    if hold.is_resolved or hold.answer is not None or _handed_over(gateway, hold, act):
        return hold
    try:
        starting.start(gateway, hold, post.url, act)
    except NotSent:
        answers.give_back(gateway.ledger, hold, act, answers.failed("unreachable"))
    except (Unanswered, UpstreamFailed):
        logger.info("not started at once", extra={"jti": hold.jti})
    return hold_items.again(gateway.ledger.table, hold)


def show_again(gateway: Gateway, hold: Hold, job_id: str, url: str, act: Act) -> Hold:
    """Let `hold`, which the gateway itself has placed, pay for the text of a job of the same user that has
    ended: captured, with the text kept for as long as if it had been made now.

    Raises `InvalidUrl`, `Busy`, `OutcomeUnknown`.
    """
    hold = _claim(gateway, hold.token, links.parse(url).url, None, act)
    keep_s = gateway.keep_days * DAY_S
    with contextlib.suppress(Cancelled):  # Named before, or kept for longer.
        gateway.ledger.transact_patiently([jobs.kept_until(job_id, act.at + keep_s)])
    with contextlib.suppress(Cancelled):
        gateway.ledger.transact_patiently([holds.name_job(hold, job_id)])
    hold = hold_items.again(gateway.ledger.table, hold)
    if hold.job_id != job_id:
        return hold
    heard = jobs.heard_in(jobs.read(gateway.ledger, job_id))
    return settling.settled(gateway, hold, heard, act)[0]


def _handed_over(gateway: Gateway, hold: Hold, act: Act) -> bool:
    """Whether the call is the worker's from here on. The queue's answer can be lost after it took the
    message, so the caller makes the call itself only where it is elected to, as the worker would be.
    """
    try:
        gateway.handover.send(hold.user, hold.jti)
    except NotHandedOver:
        return not holds.elect(gateway.ledger, hold, act.at)
    return True


def _begin(gateway: Gateway, hold: Hold, url: str, act: Act) -> Mirrored:
    """Call upstream, here or by the worker."""
    give_up_at = gateway.monotonic() + gateway.timeout_s
    try:
        gateway.breaker.admit()
    except CircuitOpen as paused:
        raise answers.give_back(gateway.ledger, hold, act, paused) from None
    elected = False
    if gateway.breaker.is_slow():
        if _handed_over(gateway, hold, act):
            return _awaited(gateway, hold, url, give_up_at)
        elected = True
    try:
        return starting.start(gateway, hold, url, act)
    except NotSent:
        if not elected and _handed_over(gateway, hold, act):
            return _awaited(gateway, hold, url, give_up_at)
        error = answers.failed("unreachable")
        raise answers.give_back(gateway.ledger, hold, act, error) from None
    except Unanswered:
        return answers.still_running(hold, url, gateway.public)


def _awaited(gateway: Gateway, hold: Hold, url: str, give_up_at: float) -> Mirrored:
    """What the worker has been answered, or that its call is still under way."""
    looks = iter(LOOK_EVERY_S)
    pause_s = next(looks)
    while gateway.monotonic() + pause_s < give_up_at:
        gateway.sleep(pause_s)
        pause_s = next(looks, pause_s)
        found = hold_items.find(gateway.ledger.table, hold.user, hold.jti)
        known = answers.outcome_of(found) if found is not None else None
        if known is not None:
            return replace(known, replayed=False)
    return answers.still_running(hold, url, gateway.public)


def _claim(gateway: Gateway, token: VendedToken, url: str, key: str | None, act: Act) -> Hold:
    """The hold of `token`, claimed for `url` by this call or by an earlier one that was the same; or the
    hold that an earlier call with the same request id claimed for it, unless its credit went back.
    """
    text = digest("transcribe", url)
    until, is_first = act.at + SWEEP_AFTER_S, not token.product
    made = Claim(text, act.request_id, act.at, look_at=until, stays=is_first)
    request = Request(token.user, key, token.jti, text, act.at) if key is not None else None
    hold = _claimed(gateway, token, made, request)
    if hold.job_id is None:
        jobs.begin(gateway.ledger, hold, url, gateway.public)
    return hold


def _claimed(gateway: Gateway, token: VendedToken, made: Claim, request: Request | None) -> Hold:
    replaced: str | None = None
    for _ in range(CLAIM_TRIES):
        try:
            return _first_claim(gateway, token, made, request, replaced)
        except (ConditionFailed, Cancelled):
            hold, replaced = _earlier(gateway, token, made.text, request)
            if hold is not None:
                return hold
        except OutcomeUnknown:
            found = hold_items.find(gateway.ledger.table, token.user, token.jti)
            if found is None or (found.claim, found.claimed_by) != (made.text, made.by):
                raise
            return found
    raise Busy()


def _first_claim(
    gateway: Gateway, token: VendedToken, made: Claim, request: Request | None, replaced: str | None
) -> Hold:
    """The hold of `token`, claimed now. A request id is recorded in the same transaction, so that of two
    calls with it only one claims a hold. Raises `ConditionFailed` or `Cancelled` if a condition refused it.
    """
    claiming = holds.claim(token.user, token.jti, made)
    if request is None:
        return hold_items.read(gateway.ledger.table.write(claiming))
    gateway.ledger.transact_patiently([claiming, request_records.put(request, replaced)])
    return _found(gateway, token)


def _earlier(
    gateway: Gateway, token: VendedToken, claim: str, request: Request | None
) -> tuple[Hold | None, str | None]:
    """The hold that an earlier call claimed; or none, and the jti in a record that may be replaced,
    because the credit that paid for its call went back. The store may name one of several refusals
    alone, so what is stored is read; the token's own refusal comes first.
    """
    table = gateway.ledger.table
    hold = _found(gateway, token)
    if hold.claim == claim:
        return hold, None
    if hold.claim is not None:
        raise TokenAlreadyUsed()
    if hold.is_resolved:
        raise Unauthorized("released")
    record = request_records.find(table, request) if request is not None else None
    if record is None:
        return None, None
    paid = hold_items.find(table, token.user, record["jti"])
    if paid is None or paid.state == RELEASED:
        return None, str(record["jti"])
    if record["fingerprint"] != claim:
        raise KeyReused()
    return paid, None


def _found(gateway: Gateway, token: VendedToken) -> Hold:
    hold = hold_items.find(gateway.ledger.table, token.user, token.jti)
    if hold is None:
        raise Unauthorized("unknown")
    return hold
