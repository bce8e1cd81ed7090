"""What the app is answered to the call that starts a job, the first time and every time after it.

The answer is kept with the hold, in the transaction that moves it: an accepted job with upstream's
answer, a refusal with what the app was told. So the same call again gets the first answer, from any
instance, while that answer holds; a refused one has its credit back, and its token is dead.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.credits import holds
from engine.credits.hold_items import RELEASED, Hold
from engine.credits.holds import Beside
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import EngineError, TokenAlreadyUsed, UpstreamFailed, UpstreamRefused
from engine.platform.times import iso
from engine.transcription import jobs, outcomes
from engine.web.http import dump

PASSING = frozenset({408, 409, 423, 425, 429})
"""Refusals of upstream that are about the moment rather than the video."""

RELEASED_GUIDANCE = "Your credit was given back. Vend anew and try again."


@dataclass(frozen=True, slots=True)
class Mirrored:
    """An answer for the app: upstream's status and members, plus ours."""

    status: int
    body: str
    replayed: bool = False

    def kept(self) -> dict[str, Any]:
        """The answer as it is kept with the hold: packed, so that the transaction that resolves the hold
        writes at most a kilobyte of it.
        """
        return {"status": self.status, "packed": zlib.compress(self.body.encode())}


def first_answer(hold: Hold) -> Mirrored | None:
    """What the first call was answered, None while that is open.

    Once its credit went back the answer no longer holds. Raises `UpstreamRefused` where upstream refused
    the video for good, and else `TokenAlreadyUsed`, by which the app buys a new token.
    """
    kept = hold.answer or {}
    if hold.state == RELEASED:
        if "refusal" in kept and is_for_good(kept["status"]):
            raise _refusal(kept["status"], json.loads(kept["refusal"]))
        raise returned(TokenAlreadyUsed("This authorization was used, and its credit given back."))
    if "packed" in kept:
        return Mirrored(kept["status"], zlib.decompress(kept["packed"]).decode(), replayed=True)
    if "body" in kept:  # Kept by earlier versions.
        return Mirrored(kept["status"], kept["body"], replayed=True)
    return None


def outcome_of(hold: Hold) -> Mirrored | None:
    """What the worker's call has led to, None while that is open. Raises the refusal that was kept."""
    kept = hold.answer or {}
    if "refusal" in kept:
        raise _refusal(kept["status"], json.loads(kept["refusal"]))
    return first_answer(hold)


def is_for_good(status: int) -> bool:
    """Whether upstream's refusal is about the video, so that another try would be refused as well."""
    return 400 <= status < 500 and status not in PASSING


def still_running(hold: Hold, url: str, public: str, *, replayed: bool = False) -> Mirrored:
    """The call is under way, and the job can be read under our own id."""
    job_id = jobs.own_id(hold.jti)
    members = {
        "ok": True,
        "jobId": job_id,
        "request_id": job_id,
        "status": "processing",
        "url": url,
        "submittedAt": iso(hold.issued_at),
        "estimatedTime": None,
        "statusUrl": f"{public}/ttt/status/{job_id}",
    }
    return Mirrored(202, dump(members), replayed=replayed)


def failed(reason: str) -> UpstreamFailed:
    """Upstream was of no use; `reason` is a word for programs."""
    return UpstreamFailed(details={"reason": reason})


def returned(error: EngineError) -> EngineError:
    """`error`, which also says that the credit went back."""
    error.members["credit"] = "released"
    error.guidance = RELEASED_GUIDANCE
    return error


def give_back(ledger: Ledger, hold: Hold, act: Act, error: EngineError) -> EngineError:
    """Release the credit of a job that was not started, or that nobody can ask for, and keep the
    refusal with it; the error to raise. Raises `Busy` or `OutcomeUnknown`.
    """
    error = returned(error)
    why = error.details.get("reason", error.code)
    facts = {
        "code": error.code,
        "details": error.details,
        "members": error.members,
        "headers": error.headers,
    }
    refusal = Beside(answer={"status": error.status, "refusal": dump(facts)})
    act = replace(act, reason=f"not started: {why}")
    jobs.keep_cause(ledger, hold, outcomes.cause_of(error.members) or act.reason, act.at)
    holds.settle(ledger, hold, RELEASED, act, beside=refusal)
    return error


def _refusal(status: int, facts: Mapping[str, Any]) -> EngineError:
    """The error that `give_back` kept."""
    error: EngineError = UpstreamFailed(details=facts["details"])
    if facts["code"] == UpstreamRefused.code:
        error = UpstreamRefused(status, facts["members"], facts["headers"])
    return returned(error)
