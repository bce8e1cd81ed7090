"""The answer by which the released app knows what it may do: uses, jobs, state of the service, policy.

Jobs are read from the user's last entries: each job begins and ends with one. Those that run are always
told, those that have ended if that happened since the cursor.
"""

from dataclasses import dataclass
from typing import Any, Final

from engine.credits import hold_items, placing
from engine.credits.hold_items import Hold
from engine.ledger.items import Account
from engine.ledger.posting import Ledger
from engine.platform.circuit import Breaker
from engine.platform.ids import digest
from engine.platform.times import iso
from engine.wallet import progress
from engine.wallet.policy import Policy, Version

ENTRIES = 40
MOST_JOBS = 20
OVERLAP_S = 60
"""How far before the cursor a change is told again: an entry has the time of its request's start."""

NEXT_S: Final = {True: 30, False: 300}
"""When the app should ask again, while a job runs and otherwise."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Since when the app wants to know (epoch milliseconds, 0 for ever), and the time of the call."""

    since_ms: int
    now: int


@dataclass(frozen=True, slots=True)
class Changed:
    """A job, and when it changed (epoch seconds)."""

    hold: Hold
    at: int

    def members(self) -> dict[str, Any]:
        return {
            "jobId": progress.job_id_of(self.hold),
            "status": progress.status_of(self.hold),
            "updatedAt": iso(self.at),
        }


def members(
    ledger: Ledger, breaker: Breaker, version: Version, user: str, cursor: Cursor
) -> dict[str, Any]:
    """The answer for `user`. Raises `Busy`."""
    account, now = ledger.account(user), cursor.now
    since = cursor.since_ms // 1000 - OVERLAP_S
    changed = _changed(ledger, user, since) if account.seq else []
    policy, paused_s = version.policy, breaker.refuses_for_s()
    accepting = policy.transcription_submit and not paused_s
    running = any(progress.status_of(job.hold) in progress.RUNNING for job in changed)
    return {
        "ok": True,
        "revision": digest(str(account.seq), str(version.number), str(accepting)),
        "serverTime": iso(now),
        "serverTimeMs": now * 1000,
        "nextSyncAfterSeconds": NEXT_S[running],
        "budgetMode": "NORMAL",
        "policy": _policy_members(policy),
        "service": _service_members(policy, accepting=accepting, paused_s=paused_s, now=now),
        "wallet": _wallet_members(placing.as_the_app_sees(ledger.table, account)),
        "jobs": {"changedSinceCursor": [job.members() for job in changed]},
        "entitlements": {"plan": "free", "adsEnabled": False, "priorityQueue": False},
        "premiumOffer": {
            "enabled": False,
            "successfulPlucts": 0,
            "nextPromptAtSuccessfulPluctCount": None,
        },
    }


def _changed(ledger: Ledger, user: str, since: int) -> list[Changed]:
    """The jobs among the newest entries that run, or have changed at `since` or later; newest first."""
    last_at: dict[str, int] = {}
    for entry in ledger.entries(user, limit=ENTRIES):
        if entry.subject and entry.type in ("spend", "capture", "refund"):
            last_at.setdefault(entry.subject, entry.at)
    found = hold_items.find_many(ledger.table, [(user, jti) for jti in last_at])
    jobs = [Changed(hold, last_at[hold.jti]) for hold in found if hold.claim is not None]
    told = [
        job for job in jobs if job.at >= since or progress.status_of(job.hold) in progress.RUNNING
    ]
    return sorted(told, key=lambda job: (-job.at, job.hold.jti))[:MOST_JOBS]


def _policy_members(policy: Policy) -> dict[str, Any]:
    return {
        "minimumVersionCode": policy.minimum_version_code,
        "recommendedVersionCode": policy.recommended_version_code,
        "hardUpdate": policy.force_update or policy.update_mode == "hard",
        "transcriptionEnabled": policy.transcription_submit,
    }


def _service_members(policy: Policy, *, accepting: bool, paused_s: int, now: int) -> dict[str, Any]:
    message = "Ready" if accepting else policy.message or "New videos are taken again soon."
    return {
        "state": "DEGRADED" if paused_s else "HEALTHY",
        "acceptingJobs": accepting,
        "message": message,
        "updatedAt": iso(now),
    }


def _wallet_members(account: Account) -> dict[str, Any]:
    return {
        "availableUses": account.available,
        "reservedUses": account.held,
        "displayText": f"{account.available} {'use' if account.available == 1 else 'uses'} left",
    }
