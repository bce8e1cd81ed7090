"""What the transcription service says of a job over time: all that it is known to say, and worse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

RUNNING_WORDS = ("queued", "processing", "TRANSCRIBING", "warming_up")


@dataclass(frozen=True)
class Shown:
    """One answer to a question for a job; `text_in` is the member that holds the text, such as
    `result.transcription`, empty for none.
    """

    status: Any = "processing"
    text_in: str = ""
    http_status: int = 200
    is_broken: bool = False
    is_slow: bool = False
    others: Mapping[str, Any] = field(default_factory=dict)

    def members(self, text: str) -> dict[str, Any]:
        """The answer's members, for a job with `text`."""
        members: dict[str, Any] = {"status": self.status, "percent": 50, **self.others}
        outer, _, inner = self.text_in.partition(".")
        if inner:
            members[outer] = {inner: text, "confidence": 0.95, "duration": 31.5}
        elif outer:
            members[outer] = text
        return members


Said = Callable[[float, float, int], Shown]
"""From seconds since the job began, how long it lasts, and how often it was asked for, the answer."""


@dataclass(frozen=True)
class Life:
    """How a job goes. `ending` is what its webhook says, empty where it sends none; `lost_s` is about how
    long it is unknown at some time; `repeats` makes its text long.
    """

    name: str
    weight: int
    said: Said
    ending: str = ""
    lost_s: float | None = None
    repeats: int = 1

    def shown(self, age_s: float, lasts_s: float, asked: int) -> Shown:
        return self.said(age_s, lasts_s, asked)


COMPLETED: Final = Shown("completed", "result.transcription")
FAILED: Final = Shown("failed", others={"error": "download failed [code: download_blocked]"})


def _ends(end: Shown) -> Said:
    def said(age_s: float, lasts_s: float, asked: int) -> Shown:
        return end if age_s >= lasts_s else Shown(RUNNING_WORDS[asked % len(RUNNING_WORDS)])

    return said


def _changes(first: Shown, then: Shown, after_s: float) -> Said:
    """Ends as `first`, and says `then` from `after_s` later on."""

    def said(age_s: float, lasts_s: float, asked: int) -> Shown:
        if age_s >= lasts_s + after_s:
            return then
        return first if age_s >= lasts_s else Shown()

    return said


def _from_the_start(shown: Shown, then: Shown) -> Said:
    def said(age_s: float, lasts_s: float, asked: int) -> Shown:
        return then if age_s >= lasts_s else shown

    return said


def _words(*words: str) -> Said:
    """Ends in one of `words`, by the number of seconds that the job lasts."""

    def said(age_s: float, lasts_s: float, asked: int) -> Shown:
        return Shown(words[int(lasts_s) % len(words)]) if age_s >= lasts_s else Shown()

    return said


def _finished(age_s: float, lasts_s: float, asked: int) -> Shown:
    words = ("done", "SUCCESS", "finished", "succeeded", "Complete")
    if age_s < lasts_s:
        return Shown()
    return Shown(words[int(lasts_s) % len(words)], "result.transcription")


_ALL: Final = (
    Life("completes", 40, _ends(COMPLETED), "completed"),
    Life("completes in another word", 4, _finished, "completed"),
    Life("completes without a text", 3, _ends(Shown("completed")), "completed"),
    Life("completes, text elsewhere", 3, _ends(Shown("completed", "text"))),
    Life("completes with a huge text", 3, _ends(COMPLETED), "completed", None, 9000),
    Life("completes, beyond the limit", 2, _ends(COMPLETED), "completed", None, 20000),
    Life("fails", 10, _ends(FAILED), "failed"),
    Life("fails in another word", 8, _words("cancelled", "expired", "error", "deleted", "FAILED"),
         "failed"),
    Life("an unknown word", 3, _words("paused", "zombie", "")),
    Life("odd types", 2, _ends(Shown(7, others={"result": [1], "percent": "x"}))),
    Life("never ends", 3, _ends(Shown())),
    Life("shows parts, completes", 4, _from_the_start(Shown("processing", "text"), COMPLETED),
         "completed"),
    Life("shows parts, fails", 3, _from_the_start(Shown("processing", "text"), FAILED), "failed"),
    Life("fails and shows its text", 2, _ends(Shown("failed", "result.transcription")), "failed"),
    Life("completes, then fails", 3, _changes(COMPLETED, FAILED, 20), "completed"),
    Life("fails, then completes", 3, _changes(FAILED, COMPLETED, 40), "failed"),
    Life("404 for a moment", 4, _ends(COMPLETED), "completed", 5),
    Life("404 for a while", 5, _ends(COMPLETED), "completed", 180),
    Life("404 for ever", 4, _ends(COMPLETED), "completed", 1e9),
    Life("answers 410 at the end", 2, _ends(Shown(http_status=410))),
    Life("answers 500 at the end", 2, _ends(Shown(http_status=500))),
    Life("500, then completes", 4, _changes(Shown(http_status=500), COMPLETED, 200), "completed"),
    Life("rubbish, then completes", 2, _changes(Shown(is_broken=True), COMPLETED, 90), "completed"),
    Life("rubbish for ever", 2, _ends(Shown(is_broken=True))),
    Life("drips for ever", 2, _ends(Shown(is_slow=True))),
)  # fmt: skip
LIVES: Final = {life.name: life for life in _ALL}
