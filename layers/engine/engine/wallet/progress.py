"""How a job goes, in the members and words that the released app parses strictly.

The app takes a job for done when a text is there, for failed when `status` contains `failed_refunded`, and
polls on for 45 minutes otherwise. Its parser refuses the whole answer for a number with a fraction where it
wants a whole one, so every member is built here.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from engine.credits.hold_items import CAPTURED, RELEASED, WRITTEN_OFF, Hold
from engine.platform.times import iso
from engine.transcription import jobs, outcomes
from engine.transcription.outcomes import Heard

RESERVED: Final = "reserved"
QUEUED: Final = "queued"
PROCESSING: Final = "processing"
JOINED: Final = "joined"
COMPLETED: Final = "completed"
FAILED: Final = "failed_refunded"
RUNNING: Final = frozenset({RESERVED, QUEUED, PROCESSING, JOINED})

NO_SPEECH: Final = "[no speech]"
"""The text of a video in which the service heard nothing: without any text the app polls on to the end."""

FAILED_TEXT: Final = "This video could not be transcribed. Your credit was refunded."


def status_of(hold: Hold) -> str:
    """How the job stands that `hold` pays for."""
    if hold.state in (CAPTURED, WRITTEN_OFF):
        return COMPLETED
    if hold.state == RELEASED:
        return FAILED
    if hold.claim is None:
        return RESERVED
    return PROCESSING if hold.job_id is not None else QUEUED


def job_id_of(hold: Hold) -> str:
    """The job's id for apps: our own, which is known before upstream has given one."""
    return jobs.own_id(hold.jti)


def result_of(hold: Hold, heard: Heard | None) -> dict[str, Any] | None:
    """The text and what is known about it, once it is paid for; None before."""
    if status_of(hold) != COMPLETED or heard is None or heard.members is None:
        return None
    given = heard.members.get("result")
    given = given if isinstance(given, Mapping) else {}
    text = outcomes.text_of(heard.members)
    if text is None:
        return None
    text = text if text.strip() else NO_SPEECH
    return {
        "transcription": text,
        "transcript": text,
        "text": text,
        "confidence": _number(given.get("confidence")),
        "language": _text(given.get("language")),
        "duration": _number(given.get("duration")),
        "wordCount": _whole(given.get("wordCount")) or len(text.split()),
        "speakerCount": _whole(given.get("speakerCount")) or 0,
        "audioQuality": _text(given.get("audioQuality")),
        "processingTime": _whole(given.get("processingTime")) or 0,
    }


def settlement_of(hold: Hold) -> dict[str, int] | None:
    """What became of the credits that were reserved; None while the job runs."""
    status = status_of(hold)
    if status in RUNNING:
        return None
    settled = hold.committed if status == COMPLETED else 0
    return {
        "reservedUnits": hold.amount,
        "settledUnits": settled,
        "refundedUnits": hold.amount - settled,
    }


def members(hold: Hold, heard: Heard | None, request_id: str) -> dict[str, Any]:
    """The answer of `GET /v1/jobs/{id}`."""
    status, result = status_of(hold), result_of(hold, heard)
    said = (heard.members if heard is not None else None) or {}
    failed = status == FAILED
    duration = None if result is None else _whole(result["duration"])
    return {
        "ok": not failed,
        "jobId": job_id_of(hold),
        "status": status,
        "progress": 100 if status == COMPLETED else min(99, _whole(_progress(said)) or 0),
        "transcript": None if result is None else result["transcript"],
        "text": None if result is None else result["text"],
        "confidence": None if result is None else result["confidence"],
        "language": None if result is None else result["language"],
        "duration": duration,
        "result": result,
        "settlement": settlement_of(hold),
        "error": FAILED_TEXT if failed else None,
        "message": FAILED_TEXT if failed else None,
        "submittedAt": iso(hold.claimed_at or hold.issued_at),
        "requestId": request_id,
    }


def _progress(said: Mapping[str, Any]) -> Any:
    return said.get("percent", said.get("progress"))


def _number(value: Any) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _whole(value: Any) -> int | None:
    """`value` without its fraction, if it fits the app's 32 bits and is not negative."""
    number = _number(value)
    return int(number) if number is not None and 0 <= number < 1 << 31 else None


def _text(value: Any) -> str | None:
    return value[:40] if isinstance(value, str) else None
