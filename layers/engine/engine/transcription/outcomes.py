"""What upstream's answers about a job mean for its credit: the text and the charge, or the credit back.

- a word that says completed, with the text: captured;
- a word that says failed, in any of the ways below, also those that upstream does not send today: released;
- a word that says running: the job goes on;
- 404, a job that upstream does not know (its jobs live in memory, so a restart forgets them): released
  when it is unknown at two questions at least `FORGOTTEN_AFTER_S` apart and was not known in between;
- anything else, such as completed without a text or a word of no known meaning: released when
  `UNCLEAR_AFTER_S` have passed since the first such answer and no running word came in between.

The last two count only for a call that has asked upstream itself: an answer that is stored may be old.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.credits.hold_items import CAPTURED, RELEASED

FORGOTTEN_AFTER_S = 120
UNCLEAR_AFTER_S = 300

COMPLETED_WORDS: Final = frozenset(
    {"completed", "complete", "done", "finished", "ready", "success", "succeeded", "successful"}
)
RUNNING_WORDS: Final = frozenset(
    {
        "accepted", "created", "downloading", "in_progress", "initializing", "new", "pending",
        "preparing", "processing", "queued", "received", "request_submitted", "retrying", "running",
        "scheduled", "started", "starting", "submitted", "summarizing", "transcribing", "uploading",
        "waiting", "working",
    }
)  # fmt: skip
FAILED_WORDS: Final = frozenset(
    {
        "abandoned", "abort", "aborted", "blocked", "cancel", "canceled", "cancelled", "crashed",
        "dead", "declined", "deleted", "denied", "discarded", "dropped", "errored", "error", "expired",
        "fail", "failed", "failure", "fatal", "forbidden", "gone", "invalid", "killed", "lost", "missing",
        "not_found", "refunded", "refused", "rejected", "removed", "revoked", "stopped", "terminated",
        "timed_out", "timedout", "timeout", "unavailable", "unknown_job", "unprocessable", "unsupported",
    }
)  # fmt: skip

REASONS: Final[Mapping[str, str]] = {
    CAPTURED: "transcription completed",
    RELEASED: "transcription failed",
}
TEXT_MEMBERS: Final = ("transcription", "transcript", "text")
"""The members that a client takes for the text, at the top and in `result`."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What upstream said of a job last; `members` is None where it has said nothing yet."""

    members: Mapping[str, Any] | None
    missing_since: int | None = None
    unclear_since: int | None = None
    is_fresh: bool = False
    """Whether this call has asked, rather than read what an earlier call was told."""

    def outcome(self, now: int) -> tuple[str, str] | None:
        """The end that the job has come to and why, None while it may go on."""
        if self.missing_since is not None:
            gone = self.is_fresh and now - self.missing_since >= FORGOTTEN_AFTER_S
            return (RELEASED, "upstream has forgotten the job") if gone else None
        end = end_of(self.members or {})
        if end is not None:
            return end, REASONS[end]
        unclear = self.is_fresh and self.unclear_since is not None
        if unclear and now - (self.unclear_since or 0) >= UNCLEAR_AFTER_S:
            return RELEASED, "upstream named no end of the job"
        return None


def end_of(members: Mapping[str, Any]) -> str | None:
    """The outcome that upstream's members tell. A completed job is one that brings its text."""
    word = _word(members)
    if _says_failed(word):
        return RELEASED
    if word in COMPLETED_WORDS and text_of(members) is not None:
        return CAPTURED
    return None


def is_unclear(members: Mapping[str, Any]) -> bool:
    """Whether upstream's members name neither an end nor progress."""
    return end_of(members) is None and _word(members) not in RUNNING_WORDS


def text_of(members: Mapping[str, Any]) -> str | None:
    """The transcript, which may be empty; None where there is none."""
    result = members.get("result")
    text = result.get("transcription") if isinstance(result, dict) else None
    return text if isinstance(text, str) else None


def figures_of(members: Mapping[str, Any]) -> dict[str, Any]:
    """What upstream says that a completed job came to: seconds, words, characters of the text."""
    result = members.get("result")
    result = result if isinstance(result, dict) else {}
    return {
        "duration": result.get("duration"),
        "words": result.get("wordCount"),
        "characters": len(text_of(members) or ""),
    }


def without_text(members: Mapping[str, Any]) -> dict[str, Any]:
    """`members` as the owner of a job sees them whose text is not paid for."""
    kept = {name: _withheld(name, value) for name, value in members.items()}
    result = members.get("result")
    if isinstance(result, dict):
        kept["result"] = {name: _withheld(name, value) for name, value in result.items()}
    return kept


def _withheld(name: str, value: Any) -> Any:
    return None if name in TEXT_MEMBERS and isinstance(value, str) and value.strip() else value


def _word(members: Mapping[str, Any]) -> str:
    """The status in one form: lower case, its parts joined by `_`; empty where there is none."""
    status = members.get("status")
    return "_".join(_parts(status)) if isinstance(status, str) else ""


def _parts(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _says_failed(word: str) -> bool:
    """Also `download_failed`, `failed_refunded` and their like, by one of their parts."""
    return word in FAILED_WORDS or not FAILED_WORDS.isdisjoint(word.split("_"))
