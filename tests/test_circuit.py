"""The circuit breaker of the transcription service: when it opens, who makes trials, when it closes."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.platform.circuit import (
    FAILURES_TO_OPEN,
    LOOK_S,
    OPEN_S,
    SLOW_S,
    TRIAL_S,
    TRIALS_TO_CLOSE,
    AlwaysClosed,
    Circuit,
)
from engine.platform.errors import Busy, CircuitOpen
from engine.platform.table import Item, Table
from tests.support.gateway import Gateway

_services = itertools.count(1)


class Clock:
    def __init__(self) -> None:
        self.now = 1_900_000_000

    def __call__(self) -> float:
        return self.now


class Line:
    """Several instances before one service."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.clock = Clock()
        self.service = f"service-{next(_services)}"

    def instance(self, table: Table | None = None) -> Circuit:
        return Circuit(table or self.table, self.service, self.clock)

    def opened(self) -> Circuit:
        """An instance that saw the service fail often enough."""
        circuit = self.instance()
        for _ in range(FAILURES_TO_OPEN):
            circuit.failed()
        return circuit

    def stored(self) -> Item | None:
        return self.table.get("CIRCUIT", self.service)


@pytest.fixture
def line(gateway: Gateway) -> Line:
    return Line(gateway.ledger.table)


def is_let_in(circuit: Circuit) -> bool:
    try:
        circuit.admit()
    except CircuitOpen:
        return False
    return True


def test_fewer_failures_neither_open_the_circuit_nor_write(line: Line) -> None:
    circuit = line.instance()
    for _ in range(3):
        for _ in range(FAILURES_TO_OPEN - 1):
            circuit.failed()
        circuit.succeeded()
    assert is_let_in(circuit)
    assert line.stored() is None


def test_failures_in_a_row_open_it_for_every_instance(line: Line) -> None:
    line.opened()
    with pytest.raises(CircuitOpen) as refused:
        line.instance().admit()
    assert refused.value.headers["Retry-After"] == str(OPEN_S)
    assert refused.value.members["retryAfterSeconds"] == OPEN_S


def test_other_instances_see_the_change_within_seconds(line: Line) -> None:
    other = line.instance()
    assert is_let_in(other)
    line.opened()
    assert is_let_in(other)
    line.clock.now += LOOK_S
    assert not is_let_in(other)


def test_after_the_open_time_one_trial_is_admitted(line: Line) -> None:
    line.opened()
    line.clock.now += OPEN_S
    instances = [line.instance() for _ in range(16)]
    for instance in instances:
        instance.look()
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(is_let_in, instances))[-2:] == [False, True]


def test_successful_trials_close_the_circuit(line: Line) -> None:
    circuit = line.opened()
    line.clock.now += OPEN_S
    for _ in range(TRIALS_TO_CLOSE):
        assert is_let_in(circuit)
        assert not is_let_in(line.instance())
        circuit.succeeded()
    assert circuit.look().state == "closed"
    assert all(is_let_in(line.instance()) for _ in range(3))


def test_a_failed_trial_opens_the_circuit_again(line: Line) -> None:
    circuit = line.opened()
    line.clock.now += OPEN_S
    assert is_let_in(circuit)
    circuit.succeeded()
    assert is_let_in(circuit)
    circuit.failed()
    assert not is_let_in(line.instance())
    line.clock.now += OPEN_S
    assert is_let_in(line.instance())


def test_a_trial_without_a_result_is_followed_by_another(line: Line) -> None:
    line.opened()
    line.clock.now += OPEN_S
    assert is_let_in(line.instance())
    line.clock.now += TRIAL_S - 1
    assert not is_let_in(line.instance())
    line.clock.now += 1
    assert is_let_in(line.instance())


def test_a_service_that_timed_out_is_slow_for_a_while(line: Line) -> None:
    line.instance().slowed()
    other = line.instance()
    assert other.is_slow() and is_let_in(other)
    line.clock.now += SLOW_S
    assert not other.is_slow()


class AwayTable(Table):
    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        raise Busy()


def test_calls_pass_while_the_table_does_not_answer(line: Line) -> None:
    line.opened()
    assert is_let_in(line.instance(AwayTable(line.table._client, line.table.name)))


def test_without_a_breaker_every_call_passes() -> None:
    none = AlwaysClosed()
    for _ in range(FAILURES_TO_OPEN):
        none.failed()
    none.slowed()
    none.admit()
    assert not none.is_slow()
