"""Jobs of the transcription stand-in: phases, results, and the cache.

Shapes: "TTTranscribe, the transcription service" in the project's notes on wire
formats, and the service's public repository (iamalbertly/TTTranscribe).
"""

import hashlib
import math
import uuid
from dataclasses import dataclass, field
from typing import Any

from .clock import iso_millis

CACHE_SECONDS = 48 * 3600
MAX_TEXT_CHARACTERS = 10_000
MODEL = "openai-whisper-base"
POLL_INTERVAL_SECONDS = 3

DOWNLOAD_ERRORS = {
    "download_auth": "This video needs a login or is private.",
    "download_blocked": "TikTok's bot protection blocked the download.",
    "download_network": "Network error while downloading the video.",
    "download_not_found": "Video not found. It may have been deleted.",
    "download_unknown": "The video could not be downloaded.",
}
"""The documented failure codes; the text of a failed job ends in ``[code: ...]``."""

_VOCABULARY = """
today show water light river morning story simple little market garden coffee street
music winter summer friend kitchen window paper silver orange mountain bridge dinner
butter ticket travel pocket yellow answer question number letter people moment corner
season village harbor island forest candle mirror basket ladder hammer needle pepper
ginger lemon tomato onion salad bread cheese honey sugar spoon bottle glass table chair
"""
_WORDS = _VOCABULARY.split()


@dataclass(frozen=True)
class Phase:
    """A stage of a job; ``starts`` is the share of the job's time that precedes it."""

    name: str
    status: str
    step: str
    progress: int
    note: str
    starts: float


_RUNNING = (
    Phase("REQUEST_SUBMITTED", "queued", "queued", 0, "queued", 0.0),
    Phase("DOWNLOADING", "processing", "audio_extraction", 15, "Downloading audio", 0.1),
    Phase("TRANSCRIBING", "processing", "transcription", 35, "Transcribing audio", 0.4),
    Phase("SUMMARIZING", "processing", "summarization", 75, "Generating summary", 0.8),
)
COMPLETED = Phase("COMPLETED", "completed", "completed", 100, "Transcription completed", 1.0)
FAILED = Phase("FAILED", "failed", "failed", 0, "", 0.4)
_STUCK_AT = _RUNNING[2]

PHASES = {phase.name: phase for phase in (*_RUNNING, COMPLETED, FAILED)}


@dataclass(frozen=True)
class Transcript:
    """The result of a job; ``duration_s`` is the length of the audio."""

    url: str
    text: str
    duration_s: float


@dataclass
class Job:
    """An accepted request. With ``code`` it fails, with ``stuck`` it never ends.

    ``announced`` is set when the job ends, before its webhook is sent.
    """

    url: str
    request_id: object
    submitted_at: float
    seconds: float
    transcript: Transcript
    cached: bool = False
    code: str | None = None
    stuck: bool = False
    forced: Phase | None = None
    announced: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def ends_at(self) -> float:
        """When the job ends, in Unix seconds; infinity if it is stuck."""
        if self.stuck:
            return math.inf
        return self.submitted_at + self.seconds * (FAILED if self.code else COMPLETED).starts

    def phase(self, now: float) -> Phase:
        """The stage at ``now``."""
        if self.forced is not None:
            return self.forced
        if now >= self.ends_at:
            return FAILED if self.code else COMPLETED
        share = (now - self.submitted_at) / self.seconds
        phase = [phase for phase in _RUNNING if phase.starts <= share][-1]
        if self.stuck and phase.progress > _STUCK_AT.progress:
            return _STUCK_AT
        return phase

    @property
    def error(self) -> str:
        """The text of the failure, which ends in the code."""
        code = self.code or "download_unknown"
        return f"{DOWNLOAD_ERRORS[code]} [code: {code}]"

    def usage(self, now: float) -> dict[str, Any]:
        """The ``usage`` of the webhook, by how the job has ended."""
        failed = self.phase(now) is FAILED
        return {
            "audioDurationSeconds": 0 if failed else js_number(self.transcript.duration_s),
            "transcriptCharacters": 0 if failed else len(self.transcript.text),
            "modelUsed": MODEL,
            "processingTimeSeconds": 0 if self.cached else self.processing_seconds(now),
        }

    def processing_seconds(self, now: float) -> int:
        """Whole seconds from submission to end, rounded as JavaScript does."""
        return math.floor(min(now, self.ends_at) - self.submitted_at + 0.5)


class Cache:
    """Transcripts for 48 hours, by the 32-bit hash of the URL that the real service uses.

    Two URLs can have the same hash; the second is then answered with the text of the
    first, as by the real service.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[float, Transcript]] = {}
        self.hits = 0
        self.misses = 0

    def get(self, url: str, now: float) -> Transcript | None:
        """The cached transcript of the URL, if it is not older than 48 hours."""
        expires_at, transcript = self._kept.get(url_hash(url), (0.0, None))
        found = transcript if now < expires_at else None
        self.hits += found is not None
        self.misses += found is None
        return found

    def put(self, transcript: Transcript, now: float) -> None:
        """Cache a transcript by its URL."""
        self._kept[url_hash(transcript.url)] = (now + CACHE_SECONDS, transcript)

    def as_json(self) -> dict[str, Any]:
        """The ``cache`` member of upstream's ``/health``."""
        asked = self.hits + self.misses
        return {
            "size": len(self._kept),
            "hitRate": round(self.hits / asked, 2) if asked else 0,
            "hitCount": self.hits,
            "missCount": self.misses,
        }


def without_query(url: str) -> str:
    """The URL as the real service stores it: no query, fragment or trailing slash."""
    return url.partition("#")[0].partition("?")[0].rstrip("/")


def url_hash(url: str) -> int:
    """The cache key of the real service: 31 * h + code unit in 32 signed bits, sign dropped."""
    value = 0
    for unit in url:
        value = (value * 31 + ord(unit)) & 0xFFFFFFFF
    return value if value < 0x80000000 else 0x100000000 - value


def transcribe(url: str, words: int | None = None) -> Transcript:
    """The transcript of a URL, derived from the URL alone and different for each.

    ``words`` sets its length; text is limited to 10,000 characters as by the real service.
    """
    key = hashlib.sha256(url.encode()).digest()
    count = words or 48 + key[0] % 96
    picks = hashlib.shake_256(key).digest(count)
    text = _sentences([_WORDS[pick % len(_WORDS)] for pick in picks])
    return Transcript(url, text[:MAX_TEXT_CHARACTERS], 8 + int.from_bytes(key[:2]) % 8000 / 100)


def _sentences(words: list[str]) -> str:
    groups = [words[start : start + 9] for start in range(0, len(words), 9)]
    return " ".join(" ".join(group).capitalize() + "." for group in groups)


def js_number(value: float) -> float | int:
    """A number that Python's JSON writes as JavaScript does: 45.0 as ``45``."""
    return int(value) if value.is_integer() else value


def status_body(job: Job, now: float, base_url: str) -> dict[str, Any]:
    """The answer of ``GET /status/{id}``; members without a value are left out, never null."""
    phase = job.phase(now)
    note = job.error if phase is FAILED else phase.note
    if phase is COMPLETED and job.cached:
        note = "Retrieved from cache"
    return {
        "id": job.id,
        "request_id": job.id,
        "status": phase.status,
        "phase": phase.name,
        "note": note,
        "percent": phase.progress,
        "progress": phase.progress,
        "message": note,
        "submittedAt": iso_millis(job.submitted_at),
        "currentStep": phase.step,
        **_members_of_phase(job, phase, now),
        "statusUrl": f"{base_url}/status/{job.id}",
        "pollIntervalSeconds": POLL_INTERVAL_SECONDS,
        "server": _server(job, phase, now),
    }


def _members_of_phase(job: Job, phase: Phase, now: float) -> dict[str, Any]:
    if phase is FAILED:
        return {"error": job.error}
    if phase is not COMPLETED:
        return {"estimatedCompletion": iso_millis(now + max(5.0, min(job.ends_at - now, 600.0)))}
    return {
        "completedAt": iso_millis(min(now, job.ends_at)),
        "cacheHit": job.cached,
        "estimatedCost": _cost(job),
        "result": _result(job, now),
        "metadata": {
            "title": "TikTok Video",
            "author": "unknown",
            "description": "Transcribed TikTok video",
            "url": job.url,
        },
    }


def _cost(job: Job) -> dict[str, Any]:
    charged = "Charged by audio duration and characters."
    return {
        "audioDurationSeconds": js_number(job.transcript.duration_s),
        "estimatedCharacters": len(job.transcript.text),
        "isCacheFree": job.cached,
        "billingNote": "Served from cache, no charge." if job.cached else charged,
    }


def _result(job: Job, now: float) -> dict[str, Any]:
    return {
        "transcription": job.transcript.text,
        "confidence": 0.95,
        "language": "en",
        "duration": js_number(job.transcript.duration_s),
        "wordCount": len(job.transcript.text.split(" ")),
        "speakerCount": 1,
        "audioQuality": "high",
        "processingTime": job.processing_seconds(now),
    }


def _server(job: Job, phase: Phase, now: float) -> dict[str, Any]:
    started_at = min(now, job.submitted_at + phase.starts * job.seconds)
    return {
        "requestId": job.id,
        "phaseStartTime": int(started_at * 1000),
        "phaseElapsedTime": int((now - started_at) * 1000),
        "createdAt": iso_millis(job.submitted_at),
        "updatedAt": iso_millis(started_at),
    }
