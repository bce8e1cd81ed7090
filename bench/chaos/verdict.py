"""What became of every user and job once all rules have had their time, and what of it is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.chaos.phones import Phone
from bench.chaos.provider import TEXT, Job, Provider
from engine.credits import hold_items
from engine.credits.hold_items import CAPTURED, RELEASED, WRITTEN_OFF, Hold
from engine.credits.verification import verify_all
from engine.ledger.items import Entry
from engine.ledger.posting import Ledger
from engine.transcription.jobs import own_id

ENTRIES = 1000
VISITS = 40
"""An owner asks again where upstream does not answer: the circuit is paused for a minute at a time."""
ENDS = frozenset({"capture", "refund"})
PAID_FOR = (CAPTURED, WRITTEN_OFF)
GRANTS = frozenset({"api_add", "add_webhook"})


@dataclass
class Verdict:
    """The figures, and the violations in words."""

    violations: list[str] = field(default_factory=list)
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    """By what the service did with the job, how often it ended in which way."""
    entries: Counter[str] = field(default_factory=Counter)
    vends: int = 0
    jobs: int = 0
    longest_held_s: int = 0
    gifts: int = 0
    compensations: int = 0
    """Entries that correct an outcome which proved wrong."""
    empty_texts: int = 0

    def wrong(self, text: str) -> None:
        self.violations.append(text)


def holds_of(ledger: Ledger, user: str) -> list[Hold]:
    """All holds of `user`."""
    items = ledger.table.ascending(f"A#{user}", "H#", "H#~", consistent=True)
    return [hold_items.read(item) for item in items]


def judge(ledger: Ledger, provider: Provider, phones: Sequence[Phone]) -> Verdict:
    """Check every promise. Every owner reads every job once more, so it changes what is stored."""
    verdict = Verdict()
    started = {job.request_id: job for job in provider.jobs.values()}
    for phone in phones:
        for hold in holds_of(ledger, phone.user):
            if hold.claim is not None:
                _visit(phone, hold, started, verdict)
        found = holds_of(ledger, phone.user)
        _judge_holds(phone, found, started, provider, verdict)
        _judge_account(ledger, phone, found, verdict)
    for request_id, times in provider.reached.items():
        if times > 1:
            verdict.wrong(f"{request_id} was started {times} times")
    for checked in verify_all(ledger.table):
        for finding in checked.findings:
            verdict.wrong(f"ledger of {checked.user}: {finding.text}")
    return verdict


def _visit(phone: Phone, hold: Hold, started: dict[str, Job], verdict: Verdict) -> None:
    """The owner comes back for the job, long after."""
    for _ in range(VISITS):
        reply = phone.read(own_id(hold.jti))
        if 0 < reply.status < 500:
            break
    job = started.get(own_id(hold.jti))
    has_text = bool(TEXT.search(reply.text))
    if hold.state in PAID_FOR and not has_text:
        is_empty = job is not None and reply.status == 200 and reply.json.get("text") == ""
        verdict.empty_texts += is_empty
        if not is_empty:
            verdict.wrong(
                f"{phone.user} paid for {hold.jti} ({_story(job)}), and reads {reply.status} "
                f"{reply.text[:200]}"
            )


def _judge_holds(
    phone: Phone,
    found: Sequence[Hold],
    started: dict[str, Job],
    provider: Provider,
    verdict: Verdict,
) -> None:
    own = {own_id(hold.jti): hold for hold in found}
    for job_id in phone.shown.texts:
        if provider.jobs[job_id].request_id not in own:
            verdict.wrong(f"{phone.user} was shown {job_id}, the text of another user")
    for request_id, hold in own.items():
        job = started.get(request_id)
        is_shown = job is not None and job.id in phone.shown.texts
        verdict.vends += 1
        verdict.gifts += hold.state == WRITTEN_OFF
        _count(hold, job, provider, is_shown, verdict)
        wrong = _wrong_with(hold, is_shown)
        if wrong:
            verdict.wrong(f"{phone.user} ({phone.habits.name}) {wrong} {hold.jti} ({_story(job)})")


def _wrong_with(hold: Hold, is_shown: bool) -> str:
    if not hold.is_resolved:
        return "has a credit held for ever by"
    if is_shown and hold.state == RELEASED:
        return "has the text and the credit of"
    return ""


def _count(
    hold: Hold, job: Job | None, provider: Provider, is_shown: bool, verdict: Verdict
) -> None:
    request_id = own_id(hold.jti)
    if hold.claim is None:
        kind = "token not used"
    elif job is not None and provider.submissions[request_id].startswith("accepted"):
        kind = job.life.name
    else:
        kind = f"submission {provider.submissions.get(request_id, 'not made')}"
    verdict.jobs += hold.claim is not None
    end = f"{hold.state}, {'text' if is_shown else 'no text'}"
    verdict.outcomes.setdefault(kind, Counter())[end] += 1


def _judge_account(ledger: Ledger, phone: Phone, found: Sequence[Hold], verdict: Verdict) -> None:
    """The balance that follows from what the app was shown."""
    account = ledger.account(phone.user)
    entries = list(_entries(ledger, phone.user))
    verdict.entries.update(entry.type for entry in entries)
    granted = sum(entry.amount for entry in entries if entry.type in GRANTS)
    charged = sum(hold.state == CAPTURED for hold in found)
    if granted != phone.shown.granted:
        verdict.wrong(f"{phone.user} paid for {phone.shown.granted} credits and got {granted}")
    if (account.available, account.held) != (granted - charged, 0):
        verdict.wrong(
            f"{phone.user} has {account.available} and {account.held} held of {granted}, and "
            f"{charged} charged"
        )
    for entry in entries:
        if entry.reverses is not None:
            verdict.compensations += entries[entry.reverses - 1].type in ENDS
            spent = entries[entry.reverses - 1]
            if spent.type == "spend" and entry.type in ENDS:
                verdict.longest_held_s = max(verdict.longest_held_s, entry.at - spent.at)


def _entries(ledger: Ledger, user: str) -> Iterator[Entry]:
    found = ledger.entries(user, limit=ENTRIES)
    return reversed(found)


def _story(job: Job | None) -> str:
    return f"{job.id}: {job.submission}, {job.life.name}" if job else "no job"
