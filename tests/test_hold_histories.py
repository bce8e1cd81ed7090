"""Random histories of holds of any size through the real handlers, against a model in plain figures.

After every step the balance, held and owed credits are what the model says, verification finds nothing,
and what the user was charged for good is what was committed. `PROVE=1` in the environment plays more of them.
"""

import itertools
import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jwt
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)  # fmt: skip

from engine.credits import hold_items, hold_parts, holds, verification
from engine.credits.hold_items import CAPTURED, RELEASED
from engine.platform.act import Act
from engine.products.catalogue import Catalogue
from tests.support.gateway import Gateway, Reply
from tests.support.streams import Context, fresh

PROVING = os.environ.get("PROVE") == "1"
HISTORIES, STEPS = (200, 50) if PROVING else (30, 25)
BEGINNING = 1_900_000_000
LIFETIME_S, GRACE_S = 600, 100
PRICE, MOST_UNITS = 5, 20
START = 100
MOST_JOBS = 3
OVERAGES = ("reject", "cap", "owed")
UPSTREAM = Act("system:upstream", "r-upstream", "", "", "the job ended", at=0)
FACTS = {
    "version": 0, "label": "Steps", "creditsPerUnit": PRICE, "mostUnits": MOST_UNITS, "scope": "steps:run",
    "audience": "steps", "lifetimeSeconds": LIFETIME_S, "graceSeconds": GRACE_S, "reason": "a product",
}  # fmt: skip
_starts = itertools.count(1)

recent = st.integers(0, 3)
sizes = st.sampled_from((1, 5, 10, 24, 40, 105))
amounts = st.sampled_from((1, 10, 60, 200))


@dataclass
class Held:
    """A back end's hold as it should be."""

    id: str
    overage: str
    reserved: int
    ends_at: int
    state: str = "open"
    committed: int = 0
    released: int = 0
    is_over: bool = False
    """Whether a late commit was the last one."""


@dataclass
class Job:
    """A vended token of a product that is settled by its duration."""

    jti: str
    amount: int
    units: int
    state: str = "open"
    committed: int = 0
    released: int = 0
    reconciled: bool = False


class Refused(Exception):
    """The model refuses, with this code."""


class Model:
    """What the account should say. Each method is one request, and raises `Refused`."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.available = self.owed = 0
        self.holds: list[Held] = []
        self.jobs: list[Job] = []

    @property
    def held(self) -> int:
        jobs = sum(job.amount for job in self.jobs if job.state == "open")
        return jobs + sum(hold.reserved for hold in self.holds)

    @property
    def committed(self) -> int:
        return sum(one.committed for one in (*self.holds, *self.jobs))

    def grant(self, amount: int) -> None:
        paid = min(self.owed, amount)
        self.owed -= paid
        self.available += amount - paid

    def take(self, amount: int) -> None:
        if amount > self.available:
            raise Refused("insufficient_credits")
        self.available -= amount

    def place(self, overage: str, amount: int) -> Held:
        if amount > PRICE * MOST_UNITS:
            raise Refused("units_over_limit")
        self.take(amount)
        self.holds.append(Held(fresh("hold"), overage, amount, self.now + LIFETIME_S))
        return self.holds[-1]

    def expire(self) -> None:
        for hold in self.holds:
            self.expire_one(hold)

    def expire_one(self, hold: Held) -> None:
        if hold.state == "open" and self.now >= hold.ends_at + GRACE_S:
            self._give_back(hold, "expired")

    def _give_back(self, hold: Held, state: str) -> None:
        self.available += hold.reserved
        hold.state, hold.released, hold.reserved = state, hold.reserved, 0

    def commit(self, hold: Held, amount: int, *, final: bool) -> None:
        self.expire_one(hold)
        if hold.state == "expired" and not hold.is_over:
            self._commit_late(hold, amount, final=final)
            return
        if hold.state != "open":
            raise Refused("hold_closed")
        taken = min(amount, hold.reserved)
        if amount > taken and hold.overage == "reject":
            raise Refused("exceeds_hold")
        beyond = amount - taken if hold.overage == "owed" else 0
        hold.reserved -= taken
        hold.committed += taken + beyond
        self._charge(beyond, may_owe=True)
        if final:
            self._give_back(hold, "committed")

    def _commit_late(self, hold: Held, amount: int, *, final: bool) -> None:
        if hold.overage == "reject":
            raise Refused("hold_expired")
        most = amount if hold.overage == "owed" else min(amount, hold.released)
        charged = self._charge(most, may_owe=hold.overage == "owed")
        hold.committed += charged
        hold.released = max(0, hold.released - charged)
        hold.is_over = final

    def _charge(self, amount: int, *, may_owe: bool) -> int:
        taken = min(amount, self.available)
        self.available -= taken
        if not may_owe:
            return taken
        self.owed += amount - taken
        return amount

    def extend(self, hold: Held, amount: int, seconds: int) -> None:
        self._require_open(hold)
        if amount and hold.reserved + hold.committed + amount > PRICE * MOST_UNITS:
            raise Refused("units_over_limit")
        self.take(amount)
        hold.reserved += amount
        hold.ends_at = max(hold.ends_at, self.now + seconds)

    def release(self, hold: Held) -> None:
        self._require_open(hold)
        self._give_back(hold, "released")

    def _require_open(self, hold: Held) -> None:
        self.expire_one(hold)
        if hold.state == "expired":
            raise Refused("hold_expired")
        if hold.state != "open":
            raise Refused("hold_closed")

    def vend(self, jti: str, units: int) -> None:
        self.jobs.append(Job(jti, units * PRICE, units))

    def settle(self, job: Job, outcome: str, charge: int) -> None:
        """The first outcome resolves a job, one contradiction is met, for as many credits as there are."""
        contradicts = job.state in (CAPTURED, RELEASED)
        if job.state == outcome or (contradicts and job.reconciled):
            return
        if job.state == "open":
            job.committed = min(charge, job.amount) if outcome == CAPTURED else 0
            job.released = job.amount - job.committed
            self.available += job.released
        elif outcome == RELEASED:
            self.available += job.committed
            job.released, job.committed = job.released + job.committed, 0
        else:
            again = min(charge, job.released)
            if again > self.available:
                return
            self.available -= again
            job.committed, job.released = again, job.released - again
        job.reconciled |= contradicts
        job.state = outcome


class HoldHistories(RuleBasedStateMachine):
    """One user of a shop and its back end."""

    gateway: ClassVar[Gateway]
    key: ClassVar[dict[str, str]]
    met: ClassVar[Counter[str]] = Counter()
    """What happened in all histories: refusals, and states of holds and jobs at their ends."""

    def __init__(self) -> None:
        super().__init__()
        self.gateway.now = BEGINNING + next(_starts) * 1_000_000
        self.user, _ = self.gateway.user(START)
        self.model = Model(self.now)
        self.model.grant(START)
        self.asked: list[tuple[str, dict[str, Any], Reply]] = []
        """What was asked with success, and its first answer."""

    @property
    def now(self) -> int:
        return int(self.gateway.clock())

    def teardown(self) -> None:
        self.met.update(f"{hold.overage} {hold.state}" for hold in self.model.holds)
        self.met.update(f"job {job.state}" for job in self.model.jobs)
        self.met["late"] += sum(
            hold.state == "expired" and hold.committed > 0 for hold in self.model.holds
        )
        self.pass_time(10 * LIFETIME_S)
        self.sweep()
        for job in self.model.jobs:
            self.upstream_says_of(job, RELEASED, 0)
        self.gateway.now = None

    def _post(self, path: str, body: dict[str, Any]) -> Reply:
        return self.gateway.call("POST", path, body, headers=self.key)

    def _asked(self, path: str, body: dict[str, Any], refusal: str | None) -> Reply:
        reply = self._post(path, body)
        if refusal is not None:
            assert reply.code == refusal, reply.text
            self.met[refusal] += 1
        else:
            assert reply.status == 200, reply.text
            assert "idempotency-replayed" not in reply.headers
            self.asked.append((path, body, reply))
        return reply

    def _hold(self, back: int) -> Held:
        return self.model.holds[-1 - back % len(self.model.holds)]

    @initialize()
    def one_of_each(self) -> None:
        for overage in OVERAGES:
            self.place(overage, 24)
        self._commit_too_much()
        self.vend(4)

    def _commit_too_much(self) -> None:
        """Random steps meet this refusal too seldom to be sure of it."""
        hold = next(hold for hold in self.model.holds if hold.overage == "reject")
        refusal = refusal_of(lambda: self.model.commit(hold, 200, final=False))
        self._ask(hold, "commit", {"amount": 200, "final": False}, refusal)

    @rule(amount=st.sampled_from((1, 20, 70)))
    def grant(self, amount: int) -> None:
        self.gateway.add(self.user, amount)
        self.model.grant(amount)

    @rule(overage=st.sampled_from(OVERAGES), amount=sizes)
    def place(self, overage: str, amount: int) -> None:
        hold_id, refusal = fresh("hold"), None
        try:
            made = self.model.place(overage, amount)
            made.id = hold_id
        except Refused as refused:
            refusal = str(refused)
        how = {"units": amount // PRICE} if amount % PRICE == 0 else {"amount": amount}
        body = {"userId": self.user, "holdId": hold_id, "product": f"steps_{overage}", **how}
        self._asked("/v1/holds", body, refusal)

    def _ask(self, hold: Held, operation: str, body: dict[str, Any], refusal: str | None) -> None:
        body = {"clientRequestId": fresh("key"), **body}
        reply = self._asked(f"/v1/holds/{hold.id}/{operation}", body, refusal)
        if refusal is None:
            self._assert_told(reply, hold)

    def _assert_told(self, reply: Reply, hold: Held) -> None:
        names = ("state", "reserved", "committed", "released", "available", "owed")
        assert [reply.json[name] for name in names] == [
            hold.state, hold.reserved, hold.committed, hold.released, self.model.available, self.model.owed,
        ]  # fmt: skip

    @precondition(lambda self: self.model.holds)
    @rule(back=recent, amount=amounts, final=st.sampled_from((False, False, False, True)))
    def commit(self, back: int, amount: int, final: bool) -> None:
        hold = self._hold(back)
        refusal = refusal_of(lambda: self.model.commit(hold, amount, final=final))
        self._ask(hold, "commit", {"amount": amount, "final": final}, refusal)

    @precondition(lambda self: any(hold.state == "open" for hold in self.model.holds))
    @rule(amount=amounts, final=st.booleans())
    def commit_after_the_end(self, amount: int, final: bool) -> None:
        """At the first moment when the hold's time and its grace are over."""
        hold = next(hold for hold in self.model.holds if hold.state == "open")
        self.pass_time(max(0, hold.ends_at + GRACE_S - self.now))
        refusal = refusal_of(lambda: self.model.commit(hold, amount, final=final))
        self._ask(hold, "commit", {"amount": amount, "final": final}, refusal)

    @precondition(lambda self: self.model.holds)
    @rule(back=recent, amount=st.sampled_from((0, 1, 10)), seconds=st.sampled_from((1, 600)))
    def extend(self, back: int, amount: int, seconds: int) -> None:
        hold = self._hold(back)
        more = {"amount": amount} if amount else {}
        refusal = refusal_of(lambda: self.model.extend(hold, amount, seconds))
        self._ask(hold, "extend", {"expiresInSeconds": seconds, **more}, refusal)

    @precondition(lambda self: self.model.holds)
    @rule(back=recent)
    def release(self, back: int) -> None:
        hold = self._hold(back)
        self._ask(hold, "release", {}, refusal_of(lambda: self.model.release(hold)))

    @precondition(lambda self: self.model.holds)
    @rule(back=recent)
    def read(self, back: int) -> None:
        hold = self._hold(back)
        self.model.expire_one(hold)
        self._assert_told(self.gateway.call("GET", f"/v1/holds/{hold.id}", headers=self.key), hold)

    @precondition(lambda self: self.asked)
    @rule(back=st.integers(0, 9))
    def repeat(self, back: int) -> None:
        """Whatever happened since, a repeat gets the first answer and changes nothing."""
        path, body, first = self.asked[-1 - back % len(self.asked)]
        again = self._post(path, body)
        assert (again.status, again.text) == (200, first.text)
        assert again.headers["idempotency-replayed"] == "true"

    @precondition(lambda self: len(self.model.jobs) < MOST_JOBS)
    @rule(units=st.sampled_from((1, 4, 20)))
    def vend(self, units: int) -> None:
        refusal = refusal_of(lambda: self.model.take(units * PRICE))
        reply = self.gateway.call(
            "POST",
            "/v1/vend-token",
            {"product": "minutes", "units": units},
            headers=self.gateway.user_headers(self.user),
        )
        assert (reply.status, refusal) in ((200, None), (402, "insufficient_credits")), reply.text
        if refusal is None:
            claims = jwt.decode(reply.json["token"], options={"verify_signature": False})
            self.model.vend(claims["jti"], units)

    @precondition(lambda self: self.model.jobs)
    @rule(
        back=recent,
        outcome=st.sampled_from((CAPTURED, CAPTURED, RELEASED)),
        seconds=st.sampled_from((0, 59, 61, 4000)),
    )
    def upstream_says(self, back: int, outcome: str, seconds: int) -> None:
        job = self.model.jobs[-1 - back % len(self.model.jobs)]
        self.upstream_says_of(job, outcome, seconds)

    def upstream_says_of(self, job: Job, outcome: str, seconds: int) -> None:
        """A job of so many seconds is charged by begun minutes, at least two and at most what was held."""
        ledger = self.gateway.ledger
        hold = hold_items.find(ledger.table, self.user, job.jti)
        assert hold is not None
        product = Catalogue(ledger.table).at(hold.product, hold.version)
        charge = product.settled({"duration": seconds}, hold.units)
        minutes = min(max(-(-seconds // 60), 2), max(job.units, 1))
        assert charge == PRICE * min(minutes, job.units)
        self.model.settle(job, outcome, charge)
        after = holds.settle(ledger, hold, outcome, replace(UPSTREAM, at=self.now), charge=charge)
        assert (after.state, after.committed, after.released) == (
            job.state, job.committed, job.released,
        )  # fmt: skip

    @rule(seconds=st.sampled_from((1, 300, 599, 600, 699, 700)))
    def pass_time(self, seconds: int) -> None:
        self.gateway.now = self.model.now = self.now + seconds

    @rule()
    def sweep(self) -> None:
        """A hold whose time is over in this second may be found, as one that was extended: its place in the
        index is that of its first end. Later ones must be. Unused tokens go back as well.
        """
        self.pass_time(1)
        sweeper: Any = self.gateway.function("sweeper")
        sweeper.clock = self.gateway.clock
        sweeper.lambda_handler({}, Context())
        for job in self.model.jobs:
            hold = hold_items.find(self.gateway.ledger.table, self.user, job.jti)
            assert hold is not None
            if job.state == "open" and hold.state == RELEASED:
                assert self.now >= hold.ends_at + GRACE_S
                self.model.settle(job, RELEASED, 0)
        open_ids = self._open_ids()
        for held in self.model.holds:
            if self.now > held.ends_at + GRACE_S or held.id not in open_ids:
                self.model.expire_one(held)

    def _open_ids(self) -> set[str | None]:
        table = self.gateway.ledger.table
        names = self.gateway.ledger.account(self.user).open_holds
        return {hold.hold_id for hold in hold_items.find_many_of_backends(table, names)}

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        ledger, model = self.gateway.ledger, self.model
        account = ledger.account(self.user)
        self.met["owing"] += account.owed > 0
        assert (account.available, account.held, account.owed) == (
            model.available, model.held, model.owed,
        )  # fmt: skip
        assert min(account.available, account.held, account.owed) >= 0
        found = verification.verify_user(ledger.table, "credits", self.user)
        assert found.findings == []
        entries = self.gateway.entries(self.user)
        figures = [sum(getattr(e, name) for e in entries) for name in ("amount", "held", "owed")]
        assert figures == [account.available, account.held, account.owed]
        charged = sum(entry.charged for entry in entries if entry.subject)
        assert charged == model.committed
        assert len(account.open_holds) == sum(hold.state == "open" for hold in model.holds)


def refusal_of(act: Any) -> str | None:
    """The code with which the model refuses `act`, None where it does it."""
    try:
        act()
    except Refused as refused:
        return str(refused)
    return None


@pytest.fixture
def _shop(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With holds that begin a new list of requests after every second one."""
    monkeypatch.setattr(hold_parts, "PAGE", 2)
    gateway = Gateway(endpoint, RATE_LIMIT="100000", OPEN_HOLDS="100")
    gateway.now = BEGINNING
    for overage in OVERAGES:
        body = FACTS | {"code": f"steps_{overage}", "overage": overage, "unit": "call"}
        reply = gateway.call("POST", "/admin/products", body, headers=gateway.admin)
        assert reply.status in (200, 201), reply.text
    body = FACTS | {
        "code": "minutes", "overage": "reject", "unit": "minute", "settledBy": "duration", "leastUnits": 2,
    }  # fmt: skip
    assert gateway.call("POST", "/admin/products", body, headers=gateway.admin).status in (200, 201)
    body = {"description": "back end", "scopes": ["holds:write"]}
    made = gateway.call("POST", "/admin/generate-key", body, headers=gateway.admin).json
    HoldHistories.gateway, HoldHistories.key = gateway, {"x-api-key": made["key"]}


@pytest.mark.usefixtures("_shop")
def test_no_history_of_holds_loses_or_makes_a_credit() -> None:
    run_state_machine_as_test(
        HoldHistories,
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
    met = HoldHistories.met
    refusals = {
        "hold_closed",
        "hold_expired",
        "exceeds_hold",
        "insufficient_credits",
        "units_over_limit",
    }
    assert met.keys() >= refusals, met
    assert met["late"] and met["owing"] and met["job captured"] and met["job released"]
