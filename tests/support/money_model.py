"""What the gateway should do with money, in plain dictionaries: statuses, balances, entries, holds.

It knows nothing of DynamoDB: each method is one call of a client or one event, happens at once, and
answers what the caller must see.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, SPENT, Hold

DAY_S = 86_400
REPLAY_S = 2 * DAY_S
JOB_S = 4 * DAY_S
TEXT_S = 30 * DAY_S
RENEWED_S = 400 * DAY_S
TOKEN_S = 900
UNUSED_S = 920
LOOK_S = 300
LOST_S = 900
GIVE_UP_S = 3600
FORGOTTEN_S = 120
REDEEMED = "redeemed by "


@dataclass(frozen=True)
class Booking:
    """An entry that must be there: what it moves, what it is about, and what it resolves."""

    type: str
    amount: int
    held: int
    subject: str = ""
    reverses: int | None = None


@dataclass
class Book:
    available: int = 0
    held: int = 0
    bookings: list[Booking] = field(default_factory=list)


@dataclass
class Answered:
    """What was answered to a request id, and to which payload."""

    payload: Any
    text: str


@dataclass(eq=False)
class Sold:
    """One vended token and what became of its credit. Times in epoch seconds."""

    user: str
    place: tuple[str, str, str]
    """User, operation and key: where its record lies."""
    jti: str
    token: str
    state: str
    issued_at: int
    until: int | None
    """When its record passes; None while the hold can still be resolved."""
    due: int | None
    """When the sweeper looks at it, None if never."""
    last: int
    """The seq of the entry that the next step reverses."""
    reconciled: bool = False
    claim: str | None = None
    claimed_at: int = 0
    job: str | None = None
    answer: tuple[int, str] | None = None
    refused: int | None = None
    """What the call that started no job was answered."""
    own_known: bool = False
    """Whether the job is known by our own id."""
    gone: bool = False
    """Its record was replaced by a newer one, or deleted when its time had passed."""

    @property
    def transcribing(self) -> bool:
        return self.claim is not None and not self.claim.startswith(REDEEMED)


@dataclass
class Job:
    """What was heard of a job: its state, and since when upstream does not know it."""

    sold: Sold
    until: int
    asked_at: int = 0
    heard: str | None = None
    missing_since: int | None = None
    is_fresh: bool = False
    """Whether the last call that heard of it asked upstream itself."""

    @property
    def has_ended(self) -> bool:
        return self.heard in ("completed", "failed")


class Money:
    """Everything that anybody is owed at `now`."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.books: dict[str, Book] = {}
        self.payments: dict[str, Answered] = {}
        self.requests: dict[tuple[str, str, str], Answered] = {}
        self.sales: dict[tuple[str, str, str], Sold] = {}
        """What each request id bought last."""
        self.firsts: dict[tuple[str, str, str], Sold] = {}
        """What it bought first: the record of the request id."""
        self.sold: list[Sold] = []
        self.jobs: dict[str, Job] = {}
        self.issued = 0

    def book(self, user: str) -> Book:
        return self.books.get(user, Book())

    def post(self, user: str, booking: Booking) -> int:
        """The seq of the new entry."""
        book = self.books.setdefault(user, Book())
        book.available += booking.amount
        book.held += booking.held
        book.bookings.append(booking)
        return len(book.bookings)

    def earlier(self, place: tuple[str, str, str]) -> Answered | None:
        """What was answered to a grant's request id, which is remembered for ever."""
        return self.requests.get(place)

    def remember(self, place: tuple[str, str, str], payload: Any, text: str) -> None:
        self.requests[place] = Answered(payload, text)

    def erase(self, user: str) -> None:
        """What the jobs of the user that have ended say is gone, and with it the jobs for their owner."""
        for sold in self.sold:
            if sold.user == user and sold.transcribing and sold.due is None:
                sold.own_known = False
                if sold.job in self.jobs and self.jobs[sold.job].heard is not None:
                    del self.jobs[sold.job]

    def grant(self, user: str, amount: int, type_: str, payment: str = "") -> None:
        self.issued += amount
        self.post(user, Booking(type_, amount, 0, payment))

    def sale(self, place: tuple[str, str, str]) -> Sold | None:
        """The sale that a vend under the same request id repeats."""
        found = self.sales.get(place)
        if found is None or self._passed(found) or self._passed(self.firsts[place]):
            return None
        if found.state == OPEN and found.claim is None and self.now >= found.issued_at + TOKEN_S:
            self.settle(found, RELEASED)
        return None if found.state == RELEASED else found

    def _passed(self, sold: Sold) -> bool:
        return sold.gone or (sold.until is not None and sold.until < self.now)

    def sell(self, place: tuple[str, str, str], state: str, jti: str, token: str) -> Sold:
        """A new sale; a first one whose time had passed is replaced, and else kept on record."""
        user = place[0]
        first = self.firsts.get(place)
        is_renewed = first is not None and not self._passed(first)
        if first is not None and is_renewed:
            first.until = self.now + RENEWED_S
        elif first is not None:
            first.gone = True
        booking = Booking("spend", -1, 1 if state == OPEN else 0, jti)
        seq = self.post(user, booking)
        held = state == OPEN
        sold = Sold(
            user, place, jti, token, state, self.now,
            until=None if held else self.now + REPLAY_S,
            due=self.now + UNUSED_S if held else None,
            last=seq,
        )  # fmt: skip
        self.sales[place] = sold
        if not is_renewed:
            self.firsts[place] = sold
        self.sold.append(sold)
        return sold

    def refusal_of(self, sold: Sold) -> str | None:
        """Why its token is not good, None if it is."""
        if self.now >= sold.issued_at + TOKEN_S:
            return "expired"
        if sold.gone:
            return "unknown"
        return "released" if sold.state == RELEASED else None

    def redeem(self, sold: Sold, key: str) -> str | None:
        """Why the token cannot be redeemed; None where it was, or had been under the same key."""
        refusal, claim = self.refusal_of(sold), REDEEMED + key
        if refusal is not None or sold.claim == claim:
            return refusal
        if sold.claim is not None or sold.state not in (OPEN, SPENT):
            return "already used"
        if sold.state == OPEN:
            self.settle(sold, CAPTURED)
        sold.claim = claim
        return None

    def claim(self, sold: Sold, url: str) -> None:
        """A transcription of `url` is about to be submitted: from now on its end is looked after."""
        sold.claim, sold.claimed_at = url, self.now
        sold.due, sold.until = sold.due or self.now + LOOK_S, None
        sold.own_known = True

    def accept(self, sold: Sold, job_id: str, answer: tuple[int, str]) -> None:
        sold.job, sold.answer = job_id, answer
        self.jobs[job_id] = Job(sold, self.now + JOB_S)

    def hear(self, job: Job, job_id: str, states: dict[str, str], *, reachable: bool) -> bool:
        """What upstream says of the job, asked at most once a second and not after its end; False where
        it did not answer.
        """
        job.is_fresh = False
        if job.has_ended or job.asked_at >= self.now:
            return True
        job.asked_at = self.now
        if not reachable:
            return False
        job.is_fresh = True
        if job_id in states:
            job.heard, job.missing_since = states[job_id], None
            if job.has_ended:
                job.until = self.now + TEXT_S
        elif job.missing_since is None:
            job.missing_since = self.now
        return True

    def outcome(self, job: Job) -> str | None:
        """The end that a job has come to, as far as was heard."""
        if job.missing_since is not None:
            is_over = job.is_fresh and self.now - job.missing_since >= FORGOTTEN_S
            return RELEASED if is_over else None
        return {"completed": CAPTURED, "failed": RELEASED}.get(str(job.heard))

    def settle_by_word(self, sold: Sold, outcome: str) -> None:
        """As upstream's word of the job's end: a failure is not told against what is resolved."""
        if outcome == CAPTURED or sold.state in (OPEN, SPENT):
            self.settle(sold, outcome, keep_s=TEXT_S if outcome == CAPTURED else REPLAY_S)

    def settle(self, sold: Sold, outcome: str, keep_s: int = REPLAY_S) -> None:
        """The first outcome resolves a sale, one contradiction is met by a compensating entry."""
        move = self._move(sold, outcome)
        if move is None:
            return
        state, booking = move
        sold.reconciled |= sold.state in (CAPTURED, RELEASED)
        sold.state, sold.last = state, self.post(sold.user, booking)
        sold.until, sold.due = self.now + keep_s, None

    def _move(self, sold: Sold, outcome: str) -> tuple[str, Booking] | None:
        open_ = -1 if sold.state == OPEN else 0
        contradicts = sold.state in (CAPTURED, RELEASED) and not sold.reconciled
        match sold.state, outcome:
            case (("open" | "spent"), "captured"):
                return CAPTURED, Booking("capture", 0, open_, sold.jti, sold.last)
            case (("open" | "spent"), "released"):
                return RELEASED, Booking("refund", 1, open_, sold.jti, sold.last)
            case "captured", "released" if contradicts:
                return RELEASED, Booking("refund", 1, 0, sold.jti, sold.last)
            case "released", "captured" if contradicts and self.book(sold.user).available:
                return CAPTURED, Booking("spend", -1, 0, sold.jti, sold.last)
        return None

    def settle_as_seen(self, sold: Sold, seen: Hold, outcome: str) -> None:
        """As `settle`, by somebody who saw the hold as `seen`: what moved meanwhile stays."""
        if seen.state == sold.state and (seen.claim is None) == (sold.claim is None):
            self.settle(sold, outcome)

    def sweep(self, states: dict[str, str], *, reachable: bool) -> dict[str, int]:
        """What one sweep counts; `states` is what upstream says of its jobs."""
        counts = {"lookedAt": 0, "captured": 0, "released": 0, "waiting": 0}
        for sold in self.sold:
            due = sold.due is not None and sold.due < self.now and not sold.gone
            if not due or sold.state not in (OPEN, SPENT):
                continue
            verdict = self._verdict(sold, states, reachable)
            counts["lookedAt"] += 1
            counts[verdict] += 1
            if verdict == "waiting":
                sold.due = self.now + LOOK_S
            else:
                self.settle_by_word(sold, verdict)
        return counts

    def reorder(self, user: str, first: int, stored: list[Booking]) -> None:
        """A sweep takes what is due in any order: from `first` on, the order is that of the store."""
        book = self.books[user]
        assert Counter(book.bookings[first:]) == Counter(stored[first:])
        book.bookings[first:] = stored[first:]
        seqs = {b.subject: seq for seq, b in enumerate(stored, 1) if seq > first}
        for sold in self.sold:
            sold.last = seqs.get(sold.jti, sold.last)

    def _verdict(self, sold: Sold, states: dict[str, str], reachable: bool) -> str:
        if sold.claim is None:
            return RELEASED
        age_s = self.now - sold.claimed_at
        if sold.job is None:
            return RELEASED if age_s >= LOST_S else "waiting"
        job = self.jobs.get(sold.job)
        outcome = None
        if job is not None and self.hear(job, sold.job, states, reachable=reachable):
            outcome = self.outcome(job)
        return outcome or (RELEASED if age_s >= GIVE_UP_S else "waiting")

    def expire(self) -> None:
        """The store deletes what has passed its time."""
        for sold in self.sold:
            sold.gone |= sold.until is not None and sold.until < self.now
            sold.own_known &= sold.claimed_at + JOB_S + TEXT_S >= self.now
        passed = [job_id for job_id, job in self.jobs.items() if job.until < self.now]
        for job_id in passed:
            del self.jobs[job_id]

    def spent(self) -> int:
        """The credits that were taken for good."""
        return sum(sold.state in (CAPTURED, SPENT) for sold in self.sold)
