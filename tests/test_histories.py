"""Random histories of several users through the real handlers, against a model in plain dictionaries.

After every step the whole table is read and every invariant of the ledger is checked, and every answer
and balance is what the model says. `PROVE=1` in the environment runs longer and other histories.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import jwt
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)  # fmt: skip

from engine.admin import erasure
from engine.credits import hold_items, holds
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, SPENT
from engine.credits.verification import verify_all
from engine.ledger.audit import Audit
from engine.ledger.items import Entry
from engine.platform.act import Act
from engine.transcription.jobs import OWN_JOB
from engine.transcription.status import CREDIT_WORDS
from engine.transcription.upstream import NotSent, Unknown
from tests.support.gateway import Gateway, Reply
from tests.support.histories import BEGINNING, World
from tests.support.invariants import Snapshot, assert_read_models
from tests.support.money_model import GIVE_UP_S, TOKEN_S, Answered, Booking, Money, Sold
from tests.support.scripted import (
    ACCEPT,
    AWAY,
    COMPLETED,
    FAIL,
    FAILED,
    GARBLE,
    LOSE,
    PLANS,
    REFUSE,
    RUNNING,
    TAKEN,
)  # fmt: skip

PROVING = os.environ.get("PROVE") == "1"
HISTORIES, STEPS = (200, 60) if PROVING else (60, 30)
USERS = ("ann", "bob", "cy")
KEYS = ("k1", "k2", None)
PAYMENTS = ("pi_1", "pi_2", "pi_3", None)
WAITS_S = (1, 20, 61, 290, 301, 601, 901, 961, 3600, 86_400, 3 * 86_400)
WEBHOOK = Act("system:upstream", "upstream-says", "", "", "the job ended", at=0)
DESK = Act("admin:desk", "r-desk", "192.0.2.9", "desk", "asked by letter", at=0)
TIMED = {"token", "serviceToken", "pollingToken", "expiresIn", "expiresAt"}
REFUSED = {REFUSE: 422, FAIL: 502, AWAY: 502, GARBLE: 502, TAKEN: 502}

users = st.sampled_from(USERS)
keys = st.sampled_from(KEYS)
amounts = st.integers(1, 3)
notes = st.sampled_from(("", "", "other"))
recent = st.integers(0, 5)
"""Which of what was sold, counted from the newest."""


class Histories(RuleBasedStateMachine):
    """One history: a world, the money in it, and what of its stream was projected."""

    gateway: ClassVar[Gateway]
    played: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.gateway)
        self.money = Money(BEGINNING)
        self.stream: list[Entry] = []
        self.projected = 0
        self.claims: dict[str, str] = {}
        self.seen: dict[str, hold_items.Hold] = {}
        self.unnamed = 0
        self.snapshot = Snapshot(self.world.table)
        self.played["histories"] += 1

    def teardown(self) -> None:
        failed = sys.exc_info()[0] is not None
        try:
            if not failed:
                self._end()
        finally:
            self.world.close()

    def _end(self) -> None:
        """Everything ends, everything is projected, and every way of reading says the same."""
        self._settle_the_rest()
        self.deliver(10**6, 10**6)
        assert_read_models(self.world.table, low_balance=3)
        for user in USERS:
            self._assert_balance(user)
        assert [v for v in verify_all(self.world.table) if not v.ok] == []

    def _settle_the_rest(self) -> None:
        """Once upstream answers and a job's time is over, a sweep leaves nothing open."""
        self.world.upstream.trouble = None
        self.pass_time(GIVE_UP_S + 1)
        self.sweep(1)
        self.everything_is_as_the_model_says()
        assert all(sold.gone or sold.due is None for sold in self.money.sold)
        assert all(book.held == 0 for book in self.money.books.values())

    def _name(self, key: str | None) -> tuple[dict[str, str], str]:
        """The body's member for `key`, and the name under which the model keeps the request."""
        if key is not None:
            return {"clientRequestId": key}, key
        self.unnamed += 1
        return {}, f"unnamed-{self.unnamed}"

    def _nth(self, back: int) -> Sold:
        return self.money.sold[-1 - back % len(self.money.sold)]

    @rule(user=users, amount=amounts, key=keys)
    def grant_by_api(self, user: str, amount: int, key: str | None) -> None:
        member, name = self._name(key)
        reply = self.world.add({"userId": user, "amount": amount, **member})
        self._granted(reply, user, amount, "api_add", name)

    @rule(user=users, amount=amounts, payment=st.sampled_from(PAYMENTS), key=keys)
    def grant_by_webhook(
        self, user: str, amount: int, payment: str | None, key: str | None
    ) -> None:
        member, name = self._name(key)
        body = {"userId": user, "amount": amount, **member}
        if payment is None:
            self._granted(self.world.pay(body), user, amount, "add_webhook", name)
        else:
            reply = self.world.pay({**body, "transactionId": payment})
            self._paid(reply, (user, "add_webhook", name), amount, payment)

    @rule(user=users)
    def erase_personal_data(self, user: str) -> None:
        """No figure, no answer and no hold is another one for it."""
        if self.money.book(user).bookings:
            erasure.erase(Audit(self.world.table, 30), user, replace(DESK, at=self.world.now))
            self.money.erase(user)

    def _granted(self, reply: Reply, user: str, amount: int, type_: str, name: str) -> None:
        place = (user, type_, name)
        earlier = self.money.earlier(place)
        if earlier is not None:
            self._assert_repeated(reply, earlier, (amount, None))
        else:
            self.money.grant(user, amount, type_)
            self._assert_new(reply, user)
            self.money.remember(place, (amount, None), reply.text)

    def _paid(self, reply: Reply, place: tuple[str, str, str], amount: int, payment: str) -> None:
        """The payment's id decides; a request id beside it must not be that of another payload."""
        user, earlier = place[0], self.money.payments.get(payment)
        if earlier is not None:
            self._assert_repeated(reply, earlier, (user, amount))
        elif self.money.earlier(place) is not None:
            assert (reply.status, reply.code) == (422, "idempotency_key_reused")
        else:
            self.money.grant(user, amount, "add_webhook", payment)
            self._assert_new(reply, user)
            self.money.payments[payment] = Answered((user, amount), reply.text)
            self.money.remember(place, (amount, payment), reply.text)

    def _assert_new(self, reply: Reply, user: str) -> None:
        assert (reply.status, reply.json["newBalance"]) == (200, self.money.book(user).available)
        assert "idempotency-replayed" not in reply.headers

    def _assert_repeated(self, reply: Reply, earlier: Answered, payload: Any) -> None:
        if earlier.payload != payload:
            assert (reply.status, reply.code) == (422, "idempotency_key_reused")
            return
        assert (reply.status, reply.text) == (200, earlier.text)
        assert reply.headers["idempotency-replayed"] == "true"

    @rule(user=users, key=keys, note=notes)
    def vend(self, user: str, key: str | None, note: str) -> None:
        member, name = self._name(key)
        reply = self.world.vend(user, {"note": note, **member})
        self._vended(reply, (user, "vend", name), OPEN, note, short=402)

    @rule(user=users, key=keys, note=notes)
    def vend_at_once(self, user: str, key: str | None, note: str) -> None:
        member, name = self._name(key)
        reply = self.world.vend_at_once(user, {"note": note, **member})
        self._vended(reply, (user, "vend-legacy", name), SPENT, note, short=403)

    def _vended(
        self, reply: Reply, place: tuple[str, str, str], state: str, note: str, short: int
    ) -> None:
        sold, book = self.money.sale(place), self.money.book(place[0])
        if sold is not None:
            self._assert_sold_again(reply, sold, self.money.requests[place], note)
        elif not book.available:
            assert (reply.status, reply.code) == (short, "insufficient_credits")
            assert reply.json["details"]["balance"] == 0
        else:
            assert reply.status == 200, reply.text
            token = reply.json["token"]
            jti = jwt.decode(token, options={"verify_signature": False})["jti"]
            assert jti not in {sold.jti for sold in self.money.sold}
            self.money.sell(place, state, jti, token)
            self.money.remember(place, note, reply.text)
            assert reply.json["balanceAfter"] == self.money.book(place[0]).available

    def _assert_sold_again(self, reply: Reply, sold: Sold, first: Answered, note: str) -> None:
        """The first answer, but for what is left of the token's time; one that was used and has run out
        is issued anew.
        """
        if first.payload != note:
            assert (reply.status, reply.code) == (422, "idempotency_key_reused")
            return
        left_s = sold.issued_at + TOKEN_S - self.money.now
        changed = {"expiresIn"} if left_s > 0 or sold.claim is None else TIMED
        said, told = reply.json, json.loads(first.text)
        assert said["expiresIn"] == (max(0, left_s) if "token" not in changed else TOKEN_S)
        assert without(said, changed) == without(told, changed)
        claims = jwt.decode(said["token"], options={"verify_signature": False})
        assert (claims["jti"], reply.headers["idempotency-replayed"]) == (sold.jti, "true")

    @precondition(lambda self: self.money.sold)
    @rule(back=recent, consume=st.booleans(), key=keys)
    def redeem(self, back: int, consume: bool, key: str | None) -> None:
        sold = self._nth(back)
        used = sold.claim is not None
        member, name = self._name(key)
        said = self.world.validate(sold.token, consume=consume, **member)
        refusal = self.money.redeem(sold, name) if consume else self.money.refusal_of(sold)
        assert said["valid"] == (refusal is None), (said, refusal)
        if refusal is not None:
            assert said["reason"] == refusal
        else:
            assert said["used"] == (used or consume)

    @precondition(lambda self: self.money.sold)
    @rule(back=recent, video=st.sampled_from((1, 1, 2)), plan=st.sampled_from((ACCEPT, *PLANS)))
    def transcribe(self, back: int, video: int, plan: str) -> None:
        sold, url = self._nth(back), f"video-{video}"
        self.world.upstream.plan = plan = self._plan(plan)
        calls = len(self.world.upstream.started)
        reply = self.world.transcribe(sold.token, video)
        refusal = self._transcription_refused(sold, url)
        if refusal is not None:
            assert (reply.status, reply.code) == refusal, reply.text
        elif sold.claim is not None:
            self._assert_same_transcription(reply, sold)
        else:
            self.money.claim(sold, url)
            self._assert_submitted(reply, sold, plan)
            calls += plan != AWAY
        assert len(self.world.upstream.started) == calls

    def _plan(self, plan: str) -> str:
        """`TAKEN` needs a job that is known."""
        if plan == TAKEN and not self.money.jobs:
            return ACCEPT
        self.world.upstream.taken_id = next(iter(self.money.jobs), "")
        return plan

    def _transcription_refused(self, sold: Sold, url: str) -> tuple[int, str] | None:
        refusal = self.money.refusal_of(sold)
        if refusal in ("expired", "unknown"):
            return 401, "unauthorized"
        if sold.claim is None:
            return None if sold.state in (OPEN, SPENT) else (401, "unauthorized")
        return None if sold.claim == url else (403, "token_already_used")

    def _assert_same_transcription(self, reply: Reply, sold: Sold) -> None:
        """The same call again: the first answer, or how it stands; nothing is started."""
        if sold.answer is not None and sold.state != RELEASED:
            assert (reply.status, reply.text) == sold.answer
            assert reply.headers["idempotency-replayed"] == "true"
        elif sold.state == RELEASED:
            told = sold.refused if sold.refused == REFUSED[REFUSE] else 403
            assert (reply.status, reply.json["credit"]) == (told, "released")
        else:
            assert (reply.status, reply.json["jobId"]) == (202, own_job(sold))

    def _assert_submitted(self, reply: Reply, sold: Sold, plan: str) -> None:
        if plan == ACCEPT:
            job_id = f"up-{len(self.world.upstream.started)}"
            assert (reply.status, reply.json["jobId"]) == (202, job_id)
            self.money.accept(sold, job_id, (reply.status, reply.text))
        elif plan == LOSE:
            assert (reply.status, reply.json["jobId"]) == (202, own_job(sold))
        else:
            sold.refused = REFUSED[plan]
            assert (reply.status, reply.json["credit"]) == (sold.refused, "released")
            self.money.settle(sold, RELEASED)

    @precondition(lambda self: self.world.upstream.jobs)
    @rule(back=recent, state=st.sampled_from((COMPLETED, COMPLETED, FAILED, RUNNING, None)))
    def upstream_goes_on(self, back: int, state: str | None) -> None:
        """A job ends, changes its mind, or is forgotten."""
        jobs = self.world.upstream.jobs
        job_id = list(jobs)[-1 - back % len(jobs)]
        if state is None:
            del jobs[job_id]
        else:
            jobs[job_id] = state

    @rule(trouble=st.sampled_from((None, None, NotSent, lambda: Unknown("timeout"))))
    def upstream_comes_and_goes(self, trouble: Any) -> None:
        self.world.upstream.trouble = trouble

    @precondition(lambda self: any(sold.transcribing for sold in self.money.sold))
    @rule(back=recent, own=st.booleans(), reader=st.sampled_from((None, None, *USERS)))
    def read_status(self, back: int, own: bool, reader: str | None) -> None:
        known = [sold for sold in self.money.sold if sold.transcribing]
        sold = known[-1 - back % len(known)]
        reader = reader or sold.user
        job_id = own_job(sold) if own or sold.job is None else sold.job
        reply = self.world.status(reader, job_id)
        own = own or sold.job is None
        readable = sold.own_known if own else job_id in self.money.jobs
        if sold.gone or reader != sold.user or not readable:
            assert (reply.status, reply.code) == (404, "job_not_found")
        else:
            self._assert_status(reply, sold)

    def _assert_status(self, reply: Reply, sold: Sold) -> None:
        upstream = self.world.upstream
        if sold.job is None or sold.job not in self.money.jobs:
            running = sold.state in (OPEN, SPENT)
            assert reply.json["status"] == ("processing" if running else "failed")
        else:
            job, reachable = self.money.jobs[sold.job], upstream.trouble is None
            if not self.money.hear(job, sold.job, upstream.jobs, reachable=reachable):
                assert reply.status == (502 if upstream.trouble is NotSent else 504)
                return
            outcome = self.money.outcome(job)
            if outcome is not None:
                self.money.settle_by_word(sold, outcome)
            assert reply.status == (200 if job.missing_since is None else 404)
        assert reply.json["credit"] == CREDIT_WORDS[sold.state]
        assert sold.state == CAPTURED or not reply.json.get("text")

    @rule(times=st.sampled_from((1, 1, 2)))
    def sweep(self, times: int) -> None:
        upstream = self.world.upstream
        before = {user: len(book.bookings) for user, book in self.money.books.items()}
        for _ in range(times):
            expected = self.money.sweep(upstream.jobs, reachable=upstream.trouble is None)
            assert self.world.sweep() == expected
        for user, entries in Snapshot(self.world.table).entries.items():
            self.money.reorder(user, before[user], [booking(entry) for entry in entries])

    @rule(seconds=st.sampled_from(WAITS_S))
    def pass_time(self, seconds: int) -> None:
        self.world.now += seconds
        self.money.now = self.world.now

    @precondition(lambda self: any(s.transcribing and not s.gone for s in self.money.sold))
    @rule(back=recent, outcome=st.sampled_from((CAPTURED, RELEASED)), late=st.booleans())
    def upstream_calls_back(self, back: int, outcome: str, late: bool) -> None:
        """As a webhook would: twice, contradicting itself, or by someone who read the hold long ago."""
        known = [sold for sold in self.money.sold if sold.transcribing and not sold.gone]
        sold = known[-1 - back % len(known)]
        hold = self.world.hold(sold.user, sold.jti)
        seen = self.seen.setdefault(sold.jti, hold) if late else hold
        ledger = self.world.gateway.ledger
        left = holds.settle(ledger, seen, outcome, replace(WEBHOOK, at=self.world.now))
        self.money.settle_as_seen(sold, seen, outcome)
        if next_is_none(seen, outcome):
            assert left == seen
        else:
            assert left.state == sold.state

    @rule(take=st.integers(0, 9), again=st.integers(0, 4))
    def deliver(self, take: int, again: int) -> None:
        """The next entries of the stream reach the projector, behind some that came before."""
        first, last = max(0, self.projected - again), self.projected + take
        self.projected = min(last, len(self.stream))
        self.world.project(self.stream[first:last])

    @rule()
    def the_store_deletes_what_has_passed(self) -> None:
        self.world.expire(self.snapshot.items)
        self.money.expire()

    @rule(user=users)
    def read_balance(self, user: str) -> None:
        self._assert_balance(user)

    def _assert_balance(self, user: str) -> None:
        said, book = self.world.balance(user), self.money.book(user)
        assert (said["balance"], said["availableCredits"]) == (book.available,) * 2
        assert (said["heldCredits"], said["pendingJobs"]) == (book.held,) * 2

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        self.played["steps"] += 1
        self.snapshot = Snapshot(self.world.table)
        self.snapshot.assert_sound()
        assert self.snapshot.accounts.keys() == self.money.books.keys()
        for user, book in self.money.books.items():
            entries = self.snapshot.entries[user]
            assert [booking(entry) for entry in entries] == book.bookings
            assert (entries[-1].available_after, entries[-1].held_after) == (
                book.available,
                book.held,
            )
        self._assert_money_adds_up()
        self._assert_claimed_once()
        self._follow_the_stream()

    def _assert_money_adds_up(self) -> None:
        assert self.money.issued == self.money.spent() + self.snapshot.outstanding()

    def _assert_claimed_once(self) -> None:
        """Whoever claimed a token first keeps it."""
        for item in (item for items in self.snapshot.holds.values() for item in items):
            if "claim" in item:
                assert self.claims.setdefault(item["jti"], item["claim"]) == item["claim"]

    def _follow_the_stream(self) -> None:
        known = Counter(entry.user for entry in self.stream)
        for user, entries in self.snapshot.entries.items():
            self.stream += entries[known[user] :]


def without(answer: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """`answer` but for members called one of `names`, also those of `data`."""
    return {
        name: without(value, names) if isinstance(value, dict) else value
        for name, value in answer.items()
        if name not in names
    }


def own_job(sold: Sold) -> str:
    return OWN_JOB + sold.jti


def booking(entry: Entry) -> Booking:
    return Booking(entry.type, entry.amount, entry.held, entry.subject, entry.reverses)


def next_is_none(hold: hold_items.Hold, outcome: str) -> bool:
    return holds.next_step(hold, outcome) is None


@pytest.fixture
def played(endpoint: str, capsys: pytest.CaptureFixture[str]) -> Iterator[Counter[str]]:
    """What was played; told at the end of a long run."""
    Histories.gateway = Gateway(endpoint, RATE_LIMIT="100000")
    Histories.played.clear()
    yield Histories.played
    if PROVING:
        with capsys.disabled():
            print(
                f"\nhistories: {Histories.played['histories']}, steps: {Histories.played['steps']}"
            )


def test_no_history_loses_or_makes_a_credit(played: Counter[str]) -> None:

    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            derandomize=not PROVING,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert played["histories"] >= HISTORIES
