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
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.credits.hold_items import CAPTURED, RELEASED

FORGOTTEN_AFTER_S = 120
UNCLEAR_AFTER_S = 300

COMPLETED_WORDS: Final = frozenset(
    {
        "complete", "completed", "delivered", "done", "finished", "ok", "processed", "ready", "success",
        "succeeded", "successful", "transcribed",
    }
)  # fmt: skip
RUNNING_WORDS: Final = frozenset(
    {
        "accepted", "active", "analyzing", "audioextraction", "converting", "created", "downloading",
        "enqueued", "extracting", "fetching", "inprogress", "initializing", "inqueue", "loading", "new",
        "pending", "preparing", "processing", "queued", "received", "requestsubmitted", "retrying",
        "running", "scheduled", "started", "starting", "submitted", "summarization", "summarizing",
        "transcribing", "transcription", "uploading", "waiting", "working",
    }
)  # fmt: skip
FAILED_WORDS: Final = frozenset(
    {
        "abandoned", "badrequest", "blocked", "dead", "declined", "deleted", "denied", "discarded",
        "dropped", "evicted", "fatal", "forbidden", "gone", "halted", "invalid", "killed", "lost",
        "missing", "notfound", "refunded", "refused", "removed", "revoked", "skipped", "stopped",
        "timedout", "timeout", "unavailable", "unknownjob", "unprocessable", "unsuccessful", "unsupported",
    }
)  # fmt: skip
FAILED_STEMS: Final = (
    "abort", "cancel", "crash", "error", "exception", "expire", "fail", "interrupt", "reject", "terminat",
)  # fmt: skip
"""How words begin that say failed, in whatever form of the word."""

REASONS: Final[Mapping[str, str]] = {
    CAPTURED: "transcription completed",
    RELEASED: "transcription failed",
}
TEXT_MEMBERS: Final = ("transcription", "transcript", "text")
"""The members that a client takes for the text, at the top and in `result`."""

CAUSE_LENGTH: Final = 300

PARTS_OF_TEXT: Final = frozenset(
    {
        *TEXT_MEMBERS, "captions", "chunks", "lines", "paragraphs", "segments", "sentences", "srt",
        "subtitles", "summary", "utterances", "vtt", "words",
    }
)  # fmt: skip
"""Members, at any depth, that are withheld while the text is not paid for."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What upstream said of a job last; `members` is None where it has said nothing yet."""

    members: Mapping[str, Any] | None
    missing_since: int | None = None
    unclear_since: int | None = None
    is_fresh: bool = False
    """Whether this call has asked, rather than read what an earlier call was told."""

    @property
    def says_running(self) -> bool:
        """Whether upstream has just said that the job runs."""
        is_doubted = self.missing_since is not None or self.unclear_since is not None
        return self.is_fresh and not is_doubted and end_of(self.members or {}) is None

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
    if _says_failed(members):
        return RELEASED
    if _word(members) in COMPLETED_WORDS and text_of(members) is not None:
        return CAPTURED
    return None


def is_unclear(members: Mapping[str, Any]) -> bool:
    """Whether upstream's members name neither an end nor progress."""
    return end_of(members) is None and _word(members) not in RUNNING_WORDS


def text_of(members: Mapping[str, Any]) -> str | None:
    """The transcript; None where there is none. It is empty only where `result.transcription` is."""
    result = members.get("result")
    result = result if isinstance(result, dict) else {}
    found = [place.get(name) for place in (result, members) for name in TEXT_MEMBERS]
    texts = [text for text in found if isinstance(text, str)]
    silent = texts[0] if isinstance(found[0], str) else None
    return next((text for text in texts if text.strip()), silent)


def figures_of(members: Mapping[str, Any]) -> dict[str, Any]:
    """What upstream says that a completed job came to: seconds, words, characters of the text."""
    result = members.get("result")
    result = result if isinstance(result, dict) else {}
    return {
        "duration": result.get("duration"),
        "words": result.get("wordCount"),
        "characters": len(text_of(members) or ""),
    }


def cause_of(members: Mapping[str, Any]) -> str:
    """Why a job has failed, in upstream's words, at most `CAUSE_LENGTH` characters; empty where it says
    nothing.
    """
    error = members.get("error")
    nested = error.get("message") if isinstance(error, Mapping) else None
    said = (members.get("message"), error) if _is_code(error) else (error, members.get("message"))
    texts = (text for text in (nested, *said, members.get("note")) if isinstance(text, str))
    shown = (" ".join(text.split())[:CAUSE_LENGTH] for text in texts)
    return next((text for text in shown if text), "")


def _is_code(error: Any) -> bool:
    """Whether it is a word for programs, such as `invalid_url`."""
    return isinstance(error, str) and re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", error) is not None


def without_text(members: Mapping[str, Any]) -> dict[str, Any]:
    """`members` as the owner of a job sees them whose text is not paid for."""
    kept: dict[str, Any] = _withheld(members)
    if "result" in kept and not isinstance(kept["result"], dict):
        kept["result"] = None
    return kept


def _withheld(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: None if _is_text(name, member) else _withheld(member)
            for name, member in value.items()
        }
    return [_withheld(member) for member in value] if isinstance(value, list) else value


def _is_text(name: str, value: Any) -> bool:
    """Whether a member may bring the transcript or parts of it, and is not empty."""
    is_filled = (
        value.strip() if isinstance(value, str) else value and isinstance(value, dict | list)
    )
    return name.lower() in PARTS_OF_TEXT and bool(is_filled)


def _word(members: Mapping[str, Any]) -> str:
    """The status in one form: lower case, without separators; empty where there is none."""
    return "".join(_parts(members))


def _parts(members: Mapping[str, Any]) -> list[str]:
    """The parts of the status in lower case; full-width letters are read as plain ones."""
    status = members.get("status")
    text = unicodedata.normalize("NFKC", status) if isinstance(status, str) else ""
    return re.findall(r"[a-z0-9]+", text.lower())


def _says_failed(members: Mapping[str, Any]) -> bool:
    """Also `download_failed`, `failed_refunded` and their like, by one of their parts."""
    parts = _parts(members)
    return any(
        word in FAILED_WORDS or word.startswith(FAILED_STEMS) for word in ("".join(parts), *parts)
    )
