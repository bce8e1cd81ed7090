"""The projector: every entry counts once in every read model, whatever the stream delivers."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.meter import Meter
from engine.ledger import audit
from engine.platform.table import marshal
from engine.readmodels import figures, folds
from engine.readmodels.audit_users import AuditUsers
from engine.readmodels.batches import CHUNK
from engine.readmodels.folds import fold
from engine.readmodels.writes import audit_record
from tests.support.gateway import Gateway
from tests.support.stage import Records, Stage, grown, sequence_number
from tests.support.streams import (
    AnswersLost,
    Book,
    Client,
    Context,
    Refusing,
    SmallPages,
    fresh,
    record,
    records,
    stored_entries,
)

SAMPLE = Path("events/stream_entries.json")


@pytest.fixture
def stage(gateway: Gateway) -> Iterator[Stage]:
    stage = Stage(gateway)
    yield stage
    stage.module.projector = stage.whole


def test_the_sample_event_is_projected(stage: Stage) -> None:
    batch = json.loads(SAMPLE.read_text())["Records"]
    assert stage.deliver(batch) is None
    found = figures.get_summary(stage.table, "credits", "user_sample")
    assert found is not None
    assert (found.seq, found.stats.available, found.stats.held) == (2, 4, 1)


def test_every_move_of_the_gateway_is_in_the_read_models(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    stage = Stage(gateway)
    user, headers = gateway.user(balance=4)
    token = gateway.vend(headers).json["token"]
    gateway.call("POST", "/validate-token", {"token": token, "consume": True})
    gateway.vend(headers)
    entries = stored_entries(stage.table, user)
    assert stage.deliver(records(entries)) is None
    totals = figures.totals(stage.table, "credits")
    assert (totals.users, totals.available, totals.held) == (1, 2, 1)
    assert (totals.issued, totals.spent, totals.holds_captured) == (4, 1, 1)
    vends = [entry for entry in entries if entry.type == "spend"]
    assert audit.of_user(stage.table, user, limit=10) == []
    shown = AuditUsers(400, vends[-1].at).of_user(stage.table, user, audit.HIGHEST, None)
    kept = [item for _, item in shown if item is not None]
    assert sorted(kept, key=lambda item: int(item["seq"])) == [audit_record(e, 400) for e in vends]
    (notice,) = figures.notices(stage.table, user, limit=10)
    assert (notice["available"], notice["threshold"], notice["seq"]) == (2, 3, vends[-1].seq)


def test_an_audit_record_names_its_actor_and_expires() -> None:
    book = Book("ann", at=1_800_014_400)
    entry = book.post("admin_add", 5)
    assert audit_record(entry, 400) == {
        "pk": "AUDIT#ann",
        "sk": f"2027-01-15T12:00:00.000Z#{entry.hash[:22]}",
        "audit_day": "2027-01-15",
        "action": "admin_add",
        "ok": True,
        "code": "",
        "user": "ann",
        "actor": "user:tester",
        "reason": "because",
        "request_id": "r-1",
        "address": "",
        "user_agent": "",
        "origin_id": entry.origin_id,
        "at": 1_800_014_400,
        "ttl": 1_800_014_400 + 400 * 86_400,
        "unit": "credits",
        "seq": 1,
    }


def test_only_vends_and_admin_acts_are_audited(stage: Stage) -> None:
    book = stage.book("audited")
    book.grant(9)
    vended, given_back = book.vend(), book.vend()
    book.end(vended, "capture")
    refund = book.end(given_back, "refund")
    book.post("spend", -1, subject=given_back.subject, reverses=refund.seq)
    book.post("admin_deduct", -1)
    stage.deliver(records(book.entries))
    kept = audit.of_user(stage.table, book.user, limit=10)
    assert sorted((item["seq"], item["action"]) for item in kept) == [
        (2, "vend"),
        (3, "vend"),
        (7, "admin_deduct"),
    ]


def test_the_figures_of_products_cost_no_further_write_unit(stage: Stage) -> None:
    meter = Meter()
    meter.watch(stage.whole.table._client)
    taken = []
    for product in ("", "summary@1"):
        book = stage.book("credits")
        book.grant(10)
        stage.kept(book)
        assert stage.deliver(records(book.entries)) is None
        book.post("spend", -3, 3, product=product, units=3 if product else 0)
        stage.kept(book)
        batch = records(book.entries[-1:])
        units = meter.units(lambda batch=batch: stage.deliver(batch))
        taken.append(sum(one.write for one in units))
    assert taken[0] == taken[1]
    day = figures.days(stage.table, "credits", "2000-01-01", "2999-12-31")
    assert sum(one.products["summary"].holds_placed for one in day.values() if one.products) == 1


def test_records_delivered_again_do_nothing(stage: Stage) -> None:
    book = grown(stage.book("again"), 12)
    batch = records(book.entries)
    for again in (batch, batch, batch[:5], batch[4:9], [*batch, *batch], batch[::-1]):
        assert stage.deliver(again) is None
        stage.assert_projected(book)


def test_an_account_that_starts_within_a_batch_keeps_its_order(stage: Stage) -> None:
    books = [grown(stage.book("mixed"), count) for count in (9, 1, 14)]
    batches = [records(book.entries) for book in books]
    mixed: Records = []
    dice = random.Random(7)
    while any(batches):
        mixed.append(dice.choice([batch for batch in batches if batch]).pop(0))
    stage.deliver(mixed[:11])
    stage.deliver(mixed[11:])
    stage.assert_projected(*books)


@pytest.mark.parametrize("delivered", [slice(0, 5), slice(7, 8), slice(69, 70), slice(30, 40)])
def test_lost_records_are_read_from_the_ledger(stage: Stage, delivered: slice) -> None:
    book = grown(stage.book("healed"), 70)
    stage.kept(book)
    batch = records(book.entries)
    assert stage.deliver(batch[delivered]) is None
    found = figures.get_summary(stage.table, "healed", book.user)
    assert found is not None and found.seq == book.entries[delivered][-1].seq
    stage.through(SmallPages(stage.gateway.dynamodb))
    assert stage.deliver(batch[-1:]) is None
    mine = fold(book.entries)
    assert mine is not None
    assert figures.get_summary(stage.table, "healed", book.user) == folds.summary_of(
        book.user, "healed", mine
    )


def test_a_transaction_stays_far_below_its_limit_of_writes(stage: Stage) -> None:
    """`CHUNK` entries of as many days and hours, each audited and each a notice's crossing or back."""
    sizes: list[int] = []

    class Counting(Client):
        def transact_write_items(self, **request: Any) -> Any:
            sizes.append(len(request["TransactItems"]))
            return self._inner.transact_write_items(**request)

    book = stage.book("credits")
    book.at -= 86_400 * 100
    for _ in range(CHUNK * 2):
        book.at += 86_400
        book.post("admin_add", 3)
        book.at += 86_400
        book.post("admin_deduct", -1)
        book.post("admin_deduct", -2)
    stage.through(Counting(stage.gateway.dynamodb), now=lambda: 0.0)
    stage.deliver(records(book.entries))
    assert len(sizes) == 6
    assert max(sizes) <= 2 + 5 * CHUNK < 100


def test_concurrent_projectors_count_an_entry_once(stage: Stage) -> None:
    books = [grown(stage.book("crowded"), 30) for _ in range(2)]
    stage.kept(*books)
    batches = [records(book.entries)[n : n + 10] for book in books for n in range(0, 30, 5)] * 3
    random.Random(3).shuffle(batches)
    with ThreadPoolExecutor(8) as pool:
        failed = list(pool.map(stage.deliver, batches))
    assert set(failed) == {None}
    stage.assert_projected(*books)


def test_one_accounts_failure_does_not_stop_the_others(stage: Stage) -> None:
    before, failing, after = (grown(stage.book("failing", name), 4) for name in ("a", "x", "b"))
    a, x, b = (records(book.entries) for book in (before, failing, after))
    batch = [*a[:2], *x[:1], *b, *x[1:], *a[2:]]
    poison = record({"pk": "A#y", "sk": "E#failing#seven"})
    time = stage.through(Refusing(stage.gateway.dynamodb, "ThrottlingException", failing.user))
    assert stage.deliver([*batch, poison]) == sequence_number(x[0]), "the first of what failed"
    assert 2 <= time.now < 3, "bounded"
    stage.assert_projected(before, after)
    stage.module.projector = stage.whole
    assert stage.deliver(batch[2:]) is None
    stage.assert_projected(before, failing, after)


@pytest.mark.parametrize(
    "code", ["TransactionConflict", "ThrottlingException", "InternalServerError"]
)
def test_conflicts_and_throttling_are_retried(stage: Stage, code: str) -> None:
    book = grown(stage.book("bumpy"), 40)
    stage.through(Refusing(stage.gateway.dynamodb, code, count=6))
    assert stage.deliver(records(book.entries)) is None
    found = figures.get_summary(stage.table, "bumpy", book.user)
    assert found is not None and found.seq == 40


def test_a_transaction_whose_answer_was_lost_counts_once(stage: Stage) -> None:
    book = grown(stage.book("lost-answers"), 60)
    stage.through(AnswersLost(stage.gateway.dynamodb, 3))
    assert stage.deliver(records(book.entries)) is None
    stage.assert_projected(book)


def test_an_unreadable_record_is_reported_and_stops_nothing(stage: Stage) -> None:
    book = grown(stage.book("poisoned"), 6)
    batch = records(book.entries)
    for poison in (
        {"pk": "A#x", "sk": "E#poisoned#seven"},
        {"pk": "no account", "sk": f"E#poisoned#{1:012d}"},
        {"pk": "A#x", "sk": "E#poisoned#1"},
    ):
        bad = record(poison)
        assert stage.deliver([*batch[:3], bad, *batch[3:]]) == sequence_number(bad)
        stage.assert_projected(book)
    broken = record(book.entries[0].item())
    broken["dynamodb"] = {"SequenceNumber": "77"}
    assert stage.deliver([broken]) == "77"


@pytest.mark.parametrize("broken", [None, {"N": "x"}, {"extra": {"S": "of a later version"}}, {}])
def test_an_image_that_is_not_an_entry_is_replaced_by_the_ledgers(
    stage: Stage, broken: Any
) -> None:
    book = grown(stage.book("images"), 6)
    stage.kept(book)
    batch = records(book.entries)
    image = batch[3]["dynamodb"]["NewImage"]
    batch[3]["dynamodb"]["NewImage"] = (
        None if broken is None else {**image, **broken} if broken else {}
    )
    assert stage.deliver(batch) is None
    found = figures.get_summary(stage.table, "images", book.user)
    assert found is not None and found.seq == 6


def test_an_image_with_another_key_is_ignored(stage: Stage) -> None:
    book = grown(stage.book("swapped"), 3)
    stage.kept(book)
    batch = records(book.entries)
    batch[1]["dynamodb"]["NewImage"] = batch[2]["dynamodb"]["NewImage"]
    assert stage.deliver(batch) is None
    stage.assert_projected(book)


def test_an_account_stalls_at_an_entry_of_another_version(stage: Stage) -> None:
    """Nothing of what follows is projected before a code that reads it is there."""
    book, other = grown(stage.book("versions"), 6), grown(stage.book("versions"), 2)
    stage.kept(book)
    foreign = book.entries[3].item() | {"channel": "of a later version"}
    stage.gateway.dynamodb.put_item(TableName=stage.table.name, Item=marshal(foreign))
    batch = [*records(book.entries[:3]), record(foreign), *records(book.entries[4:])]
    assert stage.deliver([*batch, *records(other.entries)]) == sequence_number(batch[3])
    found = figures.get_summary(stage.table, "versions", book.user)
    assert found is not None and found.seq == 3
    assert figures.get_summary(stage.table, "versions", other.user) is not None
    stage.kept(book)
    assert stage.deliver(batch[5:]) is None
    stage.assert_projected(book, other)


def test_an_announced_but_missing_entry_is_reported(stage: Stage) -> None:
    book = grown(stage.book("missing"), 4)
    batch = records(book.entries)
    assert stage.deliver(batch[2:]) == sequence_number(batch[2])
    assert figures.get_summary(stage.table, "missing", book.user) is None


def test_records_of_other_items_are_ignored(stage: Stage) -> None:
    book = grown(stage.book("others"), 2)
    hold = record({"pk": "A#x", "sk": "H#x", "state": "open"})
    edited = record(book.entries[0].item(), name="MODIFY")
    assert stage.deliver([hold, edited, *records(book.entries)]) is None
    stage.assert_projected(book)
    assert stage.deliver([]) is None


def test_no_account_is_started_with_too_little_time(stage: Stage) -> None:
    book = grown(stage.book("late"), 2)
    batch = records(book.entries)
    assert stage.deliver(batch, Context(left_ms=3_000)) == sequence_number(batch[0])
    assert figures.get_summary(stage.table, "late", book.user) is None


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seeds=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 16)), min_size=1, max_size=3),
    data=st.data(),
)
def test_any_delivery_of_any_history_ends_in_its_fold(
    stage: Stage, seeds: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Batches split anywhere, delivered twice, in other orders, some never; then each account's last."""
    unit = fresh("any")
    books = [Book(fresh("u"), unit) for _ in seeds]
    for book, (seed, count) in zip(books, seeds, strict=True):
        book.random_moves(seed, count)
    stage.kept(*books)
    stream = [r for book in books for r in records(book.entries)]
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(stream) - 1)), max_size=5)))
    batches = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    deliveries = data.draw(st.lists(st.sampled_from(batches), max_size=8))
    stage.through(AnswersLost(stage.gateway.dynamodb, data.draw(st.integers(0, 2))))
    for batch in deliveries:
        assert stage.deliver(batch) is None
        total = figures.totals(stage.table, unit)
        summaries = figures.list_summaries(stage.table, unit, "", None, 10).summaries
        assert total.available == sum(summary.stats.available for summary in summaries)
        assert total.issued == total.spent + total.available + total.held
    assert stage.deliver([record(book.entries[-1].item()) for book in books]) is None
    stage.assert_projected(*books)
