"""What upstream's word on a job means for its credit: the text and the charge, or the credit back.

- `completed` with its text: captured.
- `failed`: released.
- 404, a job that upstream does not know (its jobs live in memory, so a restart forgets them): released
  once it has been unknown for `FORGOTTEN_AFTER_S`.
- anything else: the job goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.credits import holds
from engine.credits.hold_items import CAPTURED, RELEASED, Hold
from engine.ledger.posting import Ledger
from engine.platform.act import Act

FORGOTTEN_AFTER_S = 120
"""How long upstream must not know a job before it counts as forgotten."""

REASONS: Final[Mapping[str, str]] = {
    CAPTURED: "transcription completed",
    RELEASED: "transcription failed",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What upstream said of a job last; `members` is None where it has said nothing yet."""

    members: Mapping[str, Any] | None
    missing_since: int | None = None

    def outcome(self, now: int) -> tuple[str, str] | None:
        """The end that the job has come to and why, None while it may go on."""
        if self.missing_since is not None and now - self.missing_since >= FORGOTTEN_AFTER_S:
            return RELEASED, "upstream has forgotten the job"
        end = end_of(self.members or {})
        return None if end is None else (end, REASONS[end])


def end_of(members: Mapping[str, Any]) -> str | None:
    """The outcome that upstream's members tell. A completed job is one that brings its text."""
    match members.get("status"):
        case "failed":
            return RELEASED
        case "completed" if text_of(members) is not None:
            return CAPTURED
    return None


def text_of(members: Mapping[str, Any]) -> str | None:
    """The transcript, which may be empty; None where there is none."""
    result = members.get("result")
    text = result.get("transcription") if isinstance(result, dict) else None
    return text if isinstance(text, str) else None


def settled(ledger: Ledger, hold: Hold, heard: Heard, act: Act) -> Hold:
    """The hold after what was heard of its job. Raises `Busy`, `OutcomeUnknown`."""
    found = heard.outcome(act.at)
    if found is None:
        return hold
    outcome, why = found
    return holds.settle(ledger, hold, outcome, replace(act, reason=why))
