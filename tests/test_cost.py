"""The measured units of a journey are those that `bench.cost` uses; and the
tables that it prints are those of `docs/scale.md`.
"""

import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from bench import cost, quantities, throughput_limits
from bench.meter import Meter, Units
from engine.credits import hold_items
from engine.platform import table
from engine.readmodels import folds
from engine.transcription import sweeping
from tests.support import streams
from tests.support.streams import Book, Context
from tests.support.studio import Studio, opened
from tests.support.template import ROOT, resources

SCALE = (ROOT / "docs/scale.md").read_text(encoding="utf-8")


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    found, connect = Meter(), table.connect
    monkeypatch.setattr(table, "connect", lambda: found.watch(connect()))
    return found


@pytest.fixture
def studio(meter: Meter, endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as found:
        yield found


class Walk:
    """One journey, step by step, with the units of each step by its name."""

    def __init__(self, studio: Studio, meter: Meter) -> None:
        self.studio, self.meter = studio, meter
        self.taken: dict[str, list[Units]] = {}

    def step(self, name: str, act: Callable[[], Any]) -> Any:
        answers: list[Any] = []
        self.taken[name] = self.meter.units(lambda: answers.append(act()))
        return answers[0]

    def project(self, user: str, *, all: bool = False) -> None:
        """Projects the user's newest entry, or all entries."""
        gateway: Any = self.studio.gateway
        entries = streams.stored_entries(gateway.ledger.table, user)
        batch = streams.event(streams.records(entries if all else entries[-1:]))
        assert gateway.function("projector").lambda_handler(batch, Context()) == {
            "batchItemFailures": []
        }

    def run(self, **members: Any) -> dict[str, quantities.Taken]:
        """An account that has vended before, with warm functions; `members` of the submission."""
        studio, gateway = self.studio, self.studio.gateway
        user, headers = gateway.user(5)
        gateway.vend(headers)
        self.project(user, all=True)
        token = self.step("vend", lambda: gateway.vend(headers, "second")).json["token"]
        self.step("project the spend", lambda: self.project(user))
        ticket = {"authorization": f"Bearer {token}"}
        job = self.step("submit", lambda: studio.submit(ticket, **members)).json["jobId"]
        studio.upstream.forward(1)
        running = self.step("status, running", lambda: studio.status(ticket, job))
        assert running.json["credit"] == "held"
        again = self.step("status, nothing new", lambda: studio.status(ticket, job))
        assert again.json == running.json
        studio.upstream.forward(60)
        ended = self.step("status, ended", lambda: studio.status(ticket, job))
        assert ended.json["credit"] == "captured"
        self.step("project the capture", lambda: self.project(user))
        return {name: quantities.taken(units) for name, units in self.taken.items()}


def test_the_measured_units_of_a_journey_are_those_of_the_cost_tables(
    studio: Studio, meter: Meter
) -> None:
    """Writes are exact; reads are those of the local engine. The vend needs none, as its process has just
    served the account.
    """
    found = Walk(studio, meter).run()
    assert {name: step.write for name, step in found.items()} == {
        name: step.write for name, step in quantities.STEPS.items()
    }
    assert found["vend"].read == 0
    assert {n: s.read for n, s in found.items() if n != "vend"} == {
        n: s.read for n, s in quantities.STEPS.items() if n != "vend"
    }
    assert {n: s.indexes for n, s in found.items()} == {
        n: s.indexes for n, s in quantities.STEPS.items()
    }


def test_a_request_id_of_the_submission_costs_three_write_units_more(
    studio: Studio, meter: Meter
) -> None:
    found = Walk(studio, meter).run(clientRequestId="one")
    writes = {name: step.write - quantities.STEPS[name].write for name, step in found.items()}
    assert writes == {**dict.fromkeys(found, 0), "submit": 3}


def test_the_measured_units_of_a_batch_are_those_of_the_cost_tables(
    studio: Studio, meter: Meter
) -> None:
    """Accounts that have vended before; as many in each shard of the statistics."""
    gateway: Any = studio.gateway
    projector = gateway.function("projector").lambda_handler
    books = [Book(f"batch-{number}", "credits") for number in range(2 * quantities.BATCH)]
    shards = itertools.cycle(range(folds.STATS_SHARDS))
    chosen = [_taken_from(books, next(shards)) for _ in range(quantities.BATCH)]

    def deliver(name: str) -> quantities.Taken:
        batch = streams.event(streams.records(book.entries[-1] for book in chosen))
        units = meter.units(lambda: projector(batch, Context()))
        found = quantities.taken(units)
        assert found.write / quantities.BATCH == quantities.IN_A_BATCH[name].write
        assert found.read / quantities.BATCH <= quantities.IN_A_BATCH[name].read
        return found

    for book in chosen:
        book.grant(5)
        book.end(book.vend(), "capture")
    for first in range(0, quantities.BATCH, 10):
        entries = [entry for book in chosen[first : first + 10] for entry in book.entries]
        projector(streams.event(streams.records(entries)), Context())
    vended = {book.user: book.vend() for book in chosen}
    deliver("project the spend")
    for book in chosen:
        book.end(vended[book.user], "capture")
    deliver("project the capture")


def _taken_from(books: list[Book], shard: int) -> Book:
    found = next(book for book in books if folds.stats_shard(book.user) == shard)
    books.remove(found)
    return found


def test_the_stored_bytes_of_a_journey_are_within_the_assumed_size(
    studio: Studio, meter: Meter
) -> None:
    """Counts entries and their copies in the feed, and the job's record, which have no `ttl`."""
    walk = Walk(studio, meter)
    walk.run()
    gateway = studio.gateway
    items = gateway.dynamodb.scan(TableName=gateway.table_name)["Items"]
    spends = [i for i in items if i.get("type") == {"S": "spend"}]
    captures = [i for i in items if i.get("type") == {"S": "capture"}]
    assert not [item for item in spends + captures if "ttl" in item]
    largest = sum(max(map(size, group)) + 100 for group in (spends, captures))
    jobs = [i for i in items if i["pk"]["S"].startswith("J#") and "ttl" not in i]
    assert sorted(i["sk"]["S"] for i in jobs) == ["JOB", "PAST"]
    records = sum(size(job) + 100 for job in jobs)
    assert 2 * largest + records <= quantities.STORED_BYTES < 2 * (2 * largest + records)


def size(item: dict[str, dict[str, str]]) -> int:
    """The size as DynamoDB counts it: names and values in UTF-8, at most 21 bytes for a number."""
    return sum(len(n) + len(next(iter(v.values())).encode()) for n, v in item.items())


def block(name: str) -> str:
    """The table of `docs/scale.md` between the markers `name`."""
    start, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    assert SCALE.count(start) == SCALE.count(end) == 1
    return SCALE.partition(start)[2].partition(end)[0]


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("units", cost.units_table), ("batch", cost.batch_table),
        ("costs", cost.costs_table), ("fixed", cost.fixed_table),
        ("snapshots", cost.snapshots_table), ("prices", cost.prices_table),
        ("limits", throughput_limits.table), ("rates", throughput_limits.rates_table),
    ],
)  # fmt: skip
def test_the_document_contains_the_output_of_the_command(
    name: str, printed: Callable[[], str]
) -> None:
    assert block(name) == printed()


def test_lines_add_up_to_the_total() -> None:
    lines = cost.costs()
    assert sum(line.dollars for line in lines) == cost.total()
    assert all(isinstance(line.dollars, Decimal) for line in lines)
    assert f"{cost.total():.2f}" in cost.costs_table()


def test_every_price_has_its_source_and_date() -> None:
    for price in cost.PRICES.values():
        assert price.seen_at
        assert price.dated or "not dated" in price.note


def test_the_limits_use_the_shards_of_the_code() -> None:
    """They are the constants that the functions use."""
    shards = {limit.name: limit.shards for limit in throughput_limits.LIMITS}
    assert shards["index `open-holds`: holds"] == hold_items.SHARDS
    assert shards["index `open-holds`: balances"] == folds.USER_SHARDS
    assert shards["statistics: open hours"] == folds.STATS_SHARDS
    assert shards["feed of a day"] == folds.FEED_SHARDS


def test_every_unit_of_the_index_of_open_holds_is_counted_in_one_limit() -> None:
    """Each of its partitions belongs to holds, to the jobs of one video, or to balances."""
    units = sum(
        x.units for x in throughput_limits.LIMITS if x.name.startswith("index `open-holds`")
    )
    assert units == quantities.on_index("open-holds", quantities.STEPS)


def test_the_document_has_the_time_of_the_sweeper() -> None:
    """Its schedule and its timeout are in the template, its reserve in the code."""
    (event,) = resources("AWS::Serverless::Function")["SweeperFunction"]["Events"].values()
    assert event["Properties"]["Schedule"] == "rate(1 minute)"
    (properties,) = [resources("AWS::Serverless::Function")["SweeperFunction"]]
    works_s = int(properties["Timeout"] - sweeping.RESERVE_S)
    assert f"{works_s} s a run, each minute one" in SCALE
