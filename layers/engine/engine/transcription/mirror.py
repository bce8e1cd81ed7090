"""Upstream's answers for the app: its members as they are, what it left out added behind them.

No member is renamed, dropped, reordered or overridden; only upstream's own addresses inside texts are
replaced by the gateway's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from engine.transcription.outcomes import text_of

JOB_LINKS = frozenset({"statusUrl", "statusPollUrl"})
JOB_PATH = re.compile(r"/(?:ttt/)?(?:status|poll)/([A-Za-z0-9._-]+)")


@dataclass(frozen=True, slots=True)
class Job:
    """An accepted job: upstream's id, the video's address, and when it was submitted (ISO 8601)."""

    id: str
    url: str
    submitted_at: str


def submitted(
    members: Mapping[str, Any], job: Job, *, upstream: str, public: str
) -> dict[str, Any]:
    """The answer to an accepted job; `upstream` and `public` are origins."""
    added = {
        "ok": True,
        "jobId": job.id,
        "request_id": job.id,
        "status": "queued",
        "url": job.url,
        "submittedAt": job.submitted_at,
        "estimatedTime": members.get("estimatedProcessingTime"),
        "statusUrl": f"{public}/ttt/status/{job.id}",
    }
    return without_addresses({**added, **members}, members, upstream, public)


def status(
    members: Mapping[str, Any], *, job_id: str, credit: str, upstream: str, public: str
) -> dict[str, Any]:
    """The answer to a status call; `credit` is what became of the credit."""
    result = members.get("result")
    result = result if isinstance(result, dict) else {}
    text = text_of(members)
    added = {
        "ok": members.get("status") != "failed",
        "jobId": job_id,
        "status": "processing",
        "progress": _whole(members.get("percent", members.get("progress"))),
        "transcript": text,
        "text": text,
        "confidence": result.get("confidence"),
        "language": result.get("language"),
        "duration": _whole(result.get("duration")),
        "credit": credit,
    }
    return without_addresses({**added, **members}, members, upstream, public)


def without_addresses(
    answer: Mapping[str, Any], members: Mapping[str, Any], upstream: str, public: str
) -> dict[str, Any]:
    """Upstream's members first and in order, the added ones behind; its addresses replaced."""
    ordered = {name: answer[name] for name in (*members, *answer)}
    host = urlsplit(upstream).netloc
    cleaned: dict[str, Any] = _cleaned(ordered, host, public)
    return cleaned


def _cleaned(value: Any, host: str, public: str) -> Any:
    if isinstance(value, dict):
        return {
            name: _job_link(member, public) or _cleaned(member, host, public)
            if name in JOB_LINKS
            else _cleaned(member, host, public)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_cleaned(member, host, public) for member in value]
    if not isinstance(value, str):
        return value
    if value.startswith("/") or host in value:
        link = _job_link(value, public)
        if link is not None:
            return link
    return re.sub(r"(?:https?://)?" + re.escape(host), public, value)


def _job_link(value: Any, public: str) -> str | None:
    """Our address of the job that a link leads to, whatever name upstream gives itself."""
    if not isinstance(value, str) or not value.startswith(("/", "http")):
        return None
    match = JOB_PATH.fullmatch(_path_of(value))
    return f"{public}/ttt/status/{match[1]}" if match else None


def _path_of(text: str) -> str:
    try:
        return urlsplit(text).path
    except ValueError:
        return ""


def _whole(number: Any) -> int | None:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return int(number)
