"""Store failures at any call: retried within bounds, then completed, or 503 with nothing half done."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from engine.access import keyrings
from engine.access.keyrings import KeyRings
from engine.ledger import posting
from engine.platform import aws_json, table
from engine.platform.aws_json import AwsError, NoAnswer
from tests.support.gateway import Gateway, Reply
from tests.support.histories import MONEY_FUNCTIONS, World
from tests.support.replays import timeless
from tests.support.scripted import COMPLETED, FAILED
from tests.support.streams import fresh
from tests.support.troubles import (
    AWAY,
    IN_REASONS,
    IN_WORDS,
    PatientTime,
    Trouble,
    TroubledClient,
    Wire,
    refused,
)

TROUBLES = [*IN_REASONS, *IN_WORDS, *AWAY]
if os.environ.get("PROVE") != "1":
    TROUBLES = [trouble for trouble in TROUBLES if trouble.is_plain]
FOR_EVER = 10**9
MOST_CALLS = 9
MOST_TRIES = 1000
NO_MONEY = frozenset(
    {
        "rate_from", "rate_used",
        "claim", "claimed_by", "claimed_at", "expires_at", "open_shard", "job_id", "answer",
    }
)  # fmt: skip


class Store(World):
    """A world whose store can be in trouble, and whose ledgers wait in a time of their own."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self.time = PatientTime()
        for found in (gateway.function(name).ledger for name in MONEY_FUNCTIONS):
            found._clock, found._sleep = self.time.clock, self.time.sleep
            found.table._sleep = self.time.sleep
        self.real = gateway.function("tokens").ledger.table._client

    @contextmanager
    def troubled(self, trouble: Trouble, first: int, count: int) -> Iterator[TroubledClient]:
        client = TroubledClient(self.real, trouble, first, count)
        self.time.naps.clear()
        self._connect(client)
        try:
            yield client
        finally:
            self._connect(self.real)

    def _connect(self, client: Any) -> None:
        for name in MONEY_FUNCTIONS:
            self.gateway.function(name).ledger.table._client = client

    def money(self, user: str) -> tuple[int, int]:
        account = self.gateway.ledger.account(user)
        return account.available, account.held

    def stored_of(self, user: str) -> list[Any]:
        """What is stored of the user's money and tokens; nothing of rate limits and audit."""
        found = self.table.ascending(f"A#{user}", "!", "~", consistent=True)
        return [money_of(item) for item in found if not item["sk"].startswith("RATE#")]


def money_of(item: dict[str, Any]) -> dict[str, Any]:
    """What of `item` is money; a refusal is counted in the rate window, and a hold may be claimed."""
    return {name: value for name, value in item.items() if name not in NO_MONEY}


@pytest.fixture(scope="module")
def store(endpoint: str) -> Iterator[Store]:
    found = Store(Gateway(endpoint, RATE_LIMIT="100000"))
    yield found
    found.close()


Act = Callable[[], Reply]


def vend(store: Store, user: str) -> Act:
    return lambda: store.vend(user, {"clientRequestId": "k"})


def vend_at_once(store: Store, user: str) -> Act:
    return lambda: store.vend_at_once(user, {"clientRequestId": "k"})


def add(store: Store, user: str) -> Act:
    return lambda: store.add({"userId": user, "amount": 2, "clientRequestId": "k"})


def pay(store: Store, user: str) -> Act:
    return lambda: store.pay({"userId": user, "amount": 2, "transactionId": f"pi-{user}"})


def transcribe(store: Store, user: str) -> Act:
    token = store.vend(user, {}).json["token"]
    return lambda: store.transcribe(token)


def ended(state: str) -> Callable[[Store, str], Act]:
    """A status call that settles the hold of a job in `state`."""

    def settle(store: Store, user: str) -> Act:
        store.transcribe(store.vend(user, {}).json["token"])
        job = next(reversed(store.upstream.jobs))
        store.upstream.jobs[job] = state
        return lambda: store.status(user, job)

    settle.__name__ = f"settle_{state}"
    return settle


@dataclass(frozen=True)
class Move:
    """What is done by a user with three credits, and the (available, held) that it may end in."""

    prepare: Callable[[Store, str], Act]
    done: tuple[int, int]
    undone: tuple[int, int] = (3, 0)
    statuses: frozenset[int] = frozenset({200})
    """What it answers in the end. A transcription whose claim's answer was lost is under way for
    ever after, until the sweeper gives the credit back.
    """


MOVES = [
    Move(vend, (2, 1)),
    Move(vend_at_once, (2, 0)),
    Move(add, (5, 0)),
    Move(pay, (5, 0)),
    Move(transcribe, (2, 1), (2, 1), frozenset({202})),
    Move(ended(COMPLETED), (2, 0), (2, 1)),
    Move(ended(FAILED), (3, 0), (2, 1)),
]
by_name = pytest.mark.parametrize("move", MOVES, ids=lambda move: move.prepare.__name__)


def scene(store: Store, move: Move) -> tuple[str, Act]:
    user = fresh("user")
    assert store.add({"userId": user, "amount": 3}).status == 200
    return user, move.prepare(store, user)


def assert_come_again(reply: Reply) -> None:
    assert reply.status == 503, reply.text
    assert int(reply.headers["retry-after"]) >= 1
    assert reply.json["retryAfterSeconds"] == int(reply.headers["retry-after"])
    assert reply.code in ("busy", "outcome_unknown")


@by_name
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_a_failure_of_one_call_is_settled_by_the_retry(
    store: Store, move: Move, trouble: Trouble
) -> None:
    at = 0
    while True:
        user, act = scene(store, move)
        with store.troubled(trouble, at, 1) as client:
            first = act()
        if first.status not in move.statuses:
            assert_come_again(first)
            assert client.met and not trouble.transactions_only
        store.now += 1  # What was asked of upstream in one second is not asked again in it.
        retried = act()
        assert retried.status in move.statuses, retried.text
        assert store.money(user) == move.done
        store.gateway.assert_explained(user)
        if first.status == 200:
            assert timeless(retried.text) == timeless(first.text)
        if not client.met:
            break
        at += 1
    assert at <= MOST_CALLS


@by_name
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_a_lasting_failure_is_503_in_bounded_time_with_nothing_half_done(
    store: Store, move: Move, trouble: Trouble
) -> None:
    at = 0
    while True:
        user, act = scene(store, move)
        before = store.stored_of(user)
        with store.troubled(trouble, at, FOR_EVER) as client:
            reply = act()
        if not client.met:
            assert reply.status in move.statuses
            break
        assert client.made <= MOST_TRIES
        assert sum(store.time.naps) <= posting.PATIENCE_S + posting.BACKOFF_CAP_S
        if reply.status not in move.statuses:
            assert_come_again(reply)
        assert store.money(user) in (move.done, move.undone)
        store.gateway.assert_explained(user)
        if store.money(user) != move.done:
            assert store.stored_of(user) == before
        at += 1
    assert at <= MOST_CALLS


@pytest.mark.parametrize("trouble", IN_REASONS, ids=lambda trouble: trouble.name)
def test_a_cancelled_move_waits_longer_each_time_with_full_jitter(
    store: Store, trouble: Trouble
) -> None:
    _, act = scene(store, MOVES[0])
    with store.troubled(trouble, 0, FOR_EVER) as client:
        assert_come_again(act())
    naps = store.time.naps
    bounds = [
        min(posting.BACKOFF_CAP_S, posting.BACKOFF_S * 2**tries)
        for tries in range(1, len(naps) + 1)
    ]
    assert all(0 <= nap <= bound for nap, bound in zip(naps, bounds, strict=True))
    assert len(set(naps)) == len(naps)
    assert posting.PATIENCE_S <= sum(naps) <= posting.PATIENCE_S + posting.BACKOFF_CAP_S
    assert client.met == len(naps) + 1


class Overtaken:
    """A client before whose first transaction another vend is made; that transaction takes `took_s`."""

    def __init__(self, store: Store, user: str, took_s: float) -> None:
        self._store, self._user, self._took_s = store, user, took_s
        self.reads: list[float] = []

    def get_item(self, **request: Any) -> Any:
        self.reads.append(self._store.time.now)
        return self._store.real.get_item(**request)

    def transact_write_items(self, **request: Any) -> Any:
        self._store._connect(self._store.real)
        assert self._store.vend(self._user, {"clientRequestId": "other"}).status == 200
        self._store._connect(self)
        self._store.time.now += self._took_s
        self.transact_write_items = self._store.real.transact_write_items  # type: ignore[method-assign]
        return self.transact_write_items(**request)


@pytest.mark.parametrize(("took_s", "pauses"), [(0.1, 0), (1.5, 1)])
def test_after_a_refused_try_that_took_long_a_caller_waits_as_long_and_reads_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, took_s: float, pauses: int
) -> None:
    """A store that answers slowly has many callers. Without them, what the refusal says is enough."""
    monkeypatch.setattr(posting.random, "uniform", lambda _, longest: longest)
    user, act = scene(store, MOVES[0])
    client = Overtaken(store, user, took_s)
    store.time.naps.clear()
    store._connect(client)
    try:
        assert act().status == 200
    finally:
        store._connect(store.real)
    assert store.time.naps == [posting.SPREAD * took_s] * pauses
    assert len(client.reads) == 1 + pauses
    assert store.money(user) == (1, 2)


def test_a_single_write_that_keeps_conflicting_gives_up(store: Store) -> None:
    """The claim of a transcription is a write by itself; the client leaves its conflicts to the table."""
    user, act = scene(store, MOVES[4])
    conflict = Trouble("conflict", lambda _: refused(table.CONFLICT))
    with store.troubled(conflict, 0, FOR_EVER) as client:
        assert_come_again(act())
    assert client.met == table.CONFLICT_TRIES
    assert all(0 <= nap <= table.CONFLICT_PAUSE_S for nap in store.time.naps)
    assert act().status == 202
    assert store.money(user) == (2, 1)


CLAIM = 2
"""The call of a user's first transcription that claims the hold; two before it count it."""


def test_a_claim_with_a_lost_answer_is_recognised_and_the_job_started(
    store: Store,
) -> None:
    user, act = scene(store, MOVES[4])
    lost = next(trouble for trouble in AWAY if trouble.name == "slow, but it did it")
    jobs = len(store.upstream.started)
    with store.troubled(lost, CLAIM, 1):
        first = act()
    assert first.status == 202
    assert act().text == first.text
    assert len(store.upstream.started) == jobs + 1
    assert store.money(user) == (2, 1)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> PatientTime:
    """The time in which the client waits between its own tries."""
    time = PatientTime()
    monkeypatch.setattr(aws_json.Client, "sleep", time.sleep)
    return time


@contextmanager
def wired(store: Store, operation: str, answers: list[tuple[int, str]]) -> Iterator[Wire]:
    """A new client, as its retry quota is its own, with `answers` on the wire."""
    store._connect(table.connect())
    wire = Wire(store.gateway.function("tokens").ledger.table._client, operation, answers)
    try:
        yield wire
    finally:
        store._connect(store.real)


@pytest.mark.parametrize(
    ("status", "code"), [(500, "InternalServerError"), (400, "ThrottlingException")], ids=str
)
def test_the_client_sends_a_move_three_times_under_one_token(
    store: Store, unhurried: PatientTime, status: int, code: str
) -> None:
    user, act = scene(store, MOVES[0])
    with wired(store, "TransactWriteItems", [(status, code)] * 2) as wire:
        assert act().status == 200
    assert len(wire.bodies) == 3
    assert len({body["ClientRequestToken"] for body in wire.bodies}) == 1
    assert len(unhurried.naps) == 2
    assert store.money(user) == (2, 1)


@pytest.mark.parametrize(
    ("operation", "calls"), [("TransactWriteItems", 3), ("GetItem", 3)], ids=str
)
def test_the_client_gives_up_after_three(
    store: Store, unhurried: PatientTime, operation: str, calls: int
) -> None:
    user, act = scene(store, MOVES[0])
    with wired(store, operation, [(500, "InternalServerError")] * 100) as wire:
        assert_come_again(act())
    assert len(wire.bodies) == calls
    assert sum(unhurried.naps) <= 1 + 2
    assert store.money(user) == (3, 0)
    assert act().status == 200
    assert store.money(user) == (2, 1)


def test_the_clients_wait_no_longer_than_the_app() -> None:
    """Three tries of a slow store end within the 30 s that API Gateway waits."""
    for limits in (table.LIMITS, keyrings.LIMITS):
        assert limits.attempts * (limits.connect_s + limits.read_s) <= 10


class Parameters:
    """A parameter store that fails while `trouble` is set, and counts its calls."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.trouble: Exception | None = None
        self.calls = 0

    def get_parameters(self, **request: Any) -> Any:
        self.calls += 1
        if self.trouble is not None:
            raise self.trouble
        return self._client.get_parameters(**request)


SSM_TROUBLES: list[AwsError] = [
    refused("ThrottlingException"),
    refused("InternalServerError", 500),
    NoAnswer("unreachable", is_unknown=False),
    NoAnswer("timeout"),
]


@pytest.mark.parametrize("trouble", SSM_TROUBLES, ids=lambda trouble: type(trouble).__name__)
def test_without_secrets_a_cold_start_refuses_and_a_warm_one_serves(
    endpoint: str, trouble: Exception
) -> None:
    gateway, time = Gateway(endpoint, RATE_LIMIT="100000"), PatientTime()
    user, headers = gateway.user(balance=3)
    module: Any = gateway.function("tokens")
    parameters = Parameters(module.rings._client)
    prefix = module.settings.secrets_prefix
    names = (keyrings.ENGINE_JWT_SECRET, keyrings.VEND_JWT_SECRET)
    module.rings = KeyRings(parameters, prefix, names, clock=time.clock)  # type: ignore[arg-type]
    parameters.trouble = trouble
    assert_come_again(gateway.vend(headers, "k"))
    assert gateway.balance(user) == 3
    parameters.trouble = None
    assert_come_again(gateway.vend(headers, "k"))
    time.now += keyrings.FIRST_RETRY_S
    assert gateway.vend(headers, "k").status == 200
    time.now += keyrings.KEEP_S
    parameters.trouble, parameters.calls = trouble, 0
    replies = [gateway.vend(headers, f"warm-{n}") for n in range(2)]
    assert [reply.status for reply in replies] == [200, 200]
    assert parameters.calls == 1
    parameters.trouble = None
    time.now += keyrings.RETRY_S
    assert gateway.vend(headers, "k").status == 200
    assert parameters.calls == 2
    assert gateway.balance(user) == 0
