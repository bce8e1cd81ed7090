"""Settling the hold of a job by what upstream said of it, also where other calls settle it too."""

from dataclasses import replace

from engine.credits import holds
from engine.credits.hold_items import CAPTURED, RELEASED, Hold
from engine.credits.holds import Beside
from engine.platform.act import Act
from engine.platform.errors import Busy
from engine.platform.times import DAY_S
from engine.transcription import jobs, outcomes
from engine.transcription.gateway import Gateway
from engine.transcription.outcomes import Heard

TRIES = 5
"""A hold has at most two transitions left, so that more than that is a store in trouble."""


def settled(gateway: Gateway, hold: Hold, heard: Heard, act: Act) -> tuple[Hold, Heard]:
    """The hold after what was heard of its job, and what was heard as it then stands.

    A call that another one was faster than reads again what is stored and settles by that. Only a
    delivery contradicts an outcome: a failure is not told against a hold that is resolved. Raises
    `Busy`, `OutcomeUnknown`.
    """
    for _ in range(TRIES):
        found = heard.outcome(act.at)
        if found is None:
            return hold, _stored(gateway, hold) if hold.state == CAPTURED else heard
        outcome, why = found
        if outcome == hold.state or (outcome == RELEASED and hold.is_resolved):
            return hold, heard
        is_capture = outcome == CAPTURED
        if not is_capture:
            cause = (
                outcomes.cause_of(heard.members or {}) if why == outcomes.REASONS[RELEASED] else ""
            )
            jobs.keep_cause(gateway.ledger, hold, cause or why, act.at)
        kept = Beside(keep_s=gateway.keep_days * DAY_S if is_capture else 0)
        charge = _charge(gateway, hold, heard) if is_capture else None
        reasoned = replace(act, reason=why)
        after = holds.settle(gateway.ledger, hold, outcome, reasoned, beside=kept, charge=charge)
        if after.state in (outcome, hold.state):
            return after, heard
        hold, heard = after, _stored(gateway, hold)
    raise Busy()


def _charge(gateway: Gateway, hold: Hold, heard: Heard) -> int:
    """The credits that the job comes to, by the version of the product that was vended."""
    product = gateway.products.at(hold.product, hold.version)
    return product.settled(outcomes.figures_of(heard.members or {}), hold.units)


def _stored(gateway: Gateway, hold: Hold) -> Heard:
    """What was heard last of the job that the hold paid for, as it is stored now."""
    return jobs.heard_in(jobs.read(gateway.ledger, str(hold.job_id)))
