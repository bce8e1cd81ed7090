"""A write whose first answer is lost, and that the SDK repeats: the caller knows that it was its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.access import attempts
from engine.credits import holds
from engine.credits.hold_items import OPEN
from engine.platform.aws_json import NoAnswer
from engine.platform.circuit import HALF_OPEN, Circuit
from engine.platform.errors import CircuitOpen, OutcomeUnknown, RateLimited
from engine.platform.table import ConditionFailed, Put, Table, Update
from engine.transcription.handover import NotHandedOver
from engine.transcription.upstream import NotSent
from engine.web import rate_limits
from tests.mutation.desk import NOW, Desk, Service, fresh, proxy
from tests.support.gateway import Gateway
from tests.support.studio import Studio, opened


class Lossy:
    """A client whose first write with `names` in its change takes effect and loses its answer. With `again`
    the SDK repeats it and answers the outcome of that, else the caller gets none.
    """

    def __init__(self, real: Any, names: str = "", *, again: bool = True) -> None:
        self._real = real
        self._names = names
        self._again = again
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name not in ("update_item", "put_item"):
            return real

        def call(**request: Any) -> Any:
            if self.lost or self._names not in request.get("UpdateExpression", "SET"):
                return real(**request)
            self.lost += 1
            real(**request)
            if not self._again:
                raise NoAnswer("timeout")
            return real(**request)

        return call


def lossy(table: Table, names: str = "", *, again: bool = True) -> Table:
    return Table(Lossy(table._client, names, again=again), table.name, sleep=lambda _: None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    module_studio.pass_(0)
    return module_studio


@contextmanager
def losing(studio: Studio, function: str, names: str) -> Iterator[Lossy]:
    """The function's client loses the answer to its next write that has `names` in its change."""
    table = studio.gateway.function(function).ledger.table  # type: ignore[attr-defined]
    real = table._client
    table._client = client = Lossy(real, names)
    try:
        yield client
    finally:
        table._client = real
        assert client.lost == 1


again = pytest.mark.parametrize("again", [True, False], ids=["repeated by the SDK", "unheard"])


@again
def test_a_marked_write_that_took_effect_is_no_refusal(gateway: Gateway, again: bool) -> None:
    table, pk = gateway.ledger.table, fresh("item")
    made = lossy(table, again=again).write(
        Put({"pk": pk, "sk": "x", "n": 1}, "attribute_not_exists(pk)", mark="made_by")
    )
    assert (made["n"], "made_by" in made) == (1, True)
    change = Update(
        pk, "x", "SET n = :two", "n = :one", values={":one": 1, ":two": 2}, mark="made_by"
    )
    assert lossy(table, again=again).write(change)["n"] == 2
    with pytest.raises(ConditionFailed):
        table.write(change)


@again
def test_a_write_that_another_writer_refused_stays_refused(gateway: Gateway, again: bool) -> None:
    """The mark of another write, also one of the same kind, is not taken for the own."""
    table, pk = gateway.ledger.table, fresh("item")
    first = Put({"pk": pk, "sk": "x", "n": 1}, "attribute_not_exists(pk)", mark="made_by")
    table.write(first)
    with pytest.raises(ConditionFailed if again else OutcomeUnknown):
        (lossy(table) if again else Unheard(table)).write(first)


class Unheard(Table):
    """No write arrives at the store, and none is answered."""

    def __init__(self, table: Table) -> None:
        super().__init__(table._client, table.name, sleep=lambda _: None)

    def _write(self, write: Any) -> Any:
        raise OutcomeUnknown()


@given(writers=st.lists(st.booleans(), min_size=2, max_size=6))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_of_any_number_of_writers_exactly_one_is_elected(
    gateway: Gateway, writers: list[bool]
) -> None:
    """Each may lose the answer to its write, and have it repeated."""
    desk = Desk(gateway, balance=1)
    hold = desk.hold()
    tables = [lossy(desk.table) if loses else desk.table for loses in writers]
    elected = [holds.elect(proxy(Service(), table).ledger, hold, NOW) for table in tables]
    assert elected == [True] + [False] * (len(writers) - 1)


def test_the_worker_makes_the_call_though_the_answer_of_its_election_was_lost(
    studio: Studio,
) -> None:
    user, _, vended = studio.vend()
    upstream = studio.gateway.function("transcription").upstream  # type: ignore[attr-defined]
    with studio.handing_over() as worker, losing(studio, "transcription_worker", "performed_at"):
        real = upstream.transcribe
        upstream.transcribe = away
        reply = studio.submit(vended)
        upstream.transcribe = real
        assert worker.work(worker.messages[0]) == []
    assert (reply.status, reply.json["status"]) == (202, "queued")
    assert len(studio.upstream.calls("transcribe")) == 1
    assert studio.credits(user) == (0, 1)


def away(*_: object) -> None:
    raise NotSent()


@pytest.mark.parametrize("message", ["taken", "lost"])
@pytest.mark.parametrize("slow", [True, False], ids=["slow", "unsent"])
def test_one_hold_starts_one_job_though_the_queues_answer_was_lost(
    studio: Studio, message: str, slow: bool
) -> None:
    user, _, vended = studio.vend()
    module: Any = studio.gateway.function("transcription")
    if slow:
        module.circuit.slowed()
    real = module.upstream.transcribe
    with studio.handing_over() as worker:
        worker.at_once = False

        def send(user: str, jti: str) -> None:
            worker.messages.append(f'{{"user":"{user}","jti":"{jti}"}}')
            if message == "taken":
                assert worker.work(worker.messages[-1]) == []
            raise NotHandedOver()

        worker.send = send  # type: ignore[method-assign]
        if not slow:
            module.upstream.transcribe = away
        reply = studio.submit(vended)
        module.upstream.transcribe = real
        assert [worker.work(text) for text in worker.messages] == [[]]
    started = 0 if message == "lost" and not slow else 1
    assert len(studio.upstream.calls("transcribe")) == started
    assert reply.status == (202 if started else 502)
    assert studio.credits(user) == ((0, 1) if started else (1, 0))
    if started:
        assert reply.json["jobId"] == studio.hold(user).job_id
        assert studio.hold(user).state == OPEN


def test_a_probe_of_the_circuit_is_made_by_the_caller_that_was_elected(gateway: Gateway) -> None:
    times = [NOW]
    table, name = gateway.ledger.table, fresh("service")
    circuit = Circuit(lossy(table, "trials"), name, lambda: times[0])
    opened_ = Circuit(table, name, lambda: NOW)
    for _ in range(5):
        opened_.failed()
    times[0] += 61
    circuit.admit()
    assert circuit.look().state == HALF_OPEN
    with pytest.raises(CircuitOpen):
        Circuit(table, name, lambda: NOW + 61).admit()


def test_a_call_is_counted_once_and_gets_the_last_place_that_it_took(gateway: Gateway) -> None:
    table, subject = gateway.ledger.table, fresh("IP#")
    used = [rate_limits.take(lossy(table), subject, "read", 3, NOW).used for _ in range(3)]
    assert used == [1, 2, 3]
    with pytest.raises(RateLimited):
        rate_limits.take(lossy(table), subject, "read", 3, NOW)


def test_an_attempt_to_log_in_is_not_refused_by_itself(gateway: Gateway) -> None:
    table, policy = gateway.ledger.table, attempts.ACCOUNT
    subject = attempts.account(fresh("operator"))
    attempts.take(lossy(table), subject, policy, NOW)
    item = table.get(subject, attempts.SK)
    assert item is not None
    assert item["failures"] == 1
