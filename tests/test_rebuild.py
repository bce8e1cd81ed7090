"""A rebuild makes every read model from the ledger while readers and projectors run."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from engine.ledger import audit
from engine.ledger.items import account_pk, entry_sk
from engine.platform.table import Put, Table, Update, marshal
from engine.readmodels import figures, folds, open_hours, rebuild
from engine.readmodels.figures import CONTROL_PK, GENERATION_SK
from engine.readmodels.projection import Projector, Stalled
from engine.readmodels.rebuild import Comparison, Overtaken
from tests.support.gateway import Gateway
from tests.support.streams import Book, Client, Refusing, SmallPages, Time, at_once, fresh, records

NOW = 1_800_100_000


class Office:
    """A table of its own with a few accounts, all of them projected; hours that are over are settled."""

    def __init__(self, endpoint: str, layout: int) -> None:
        self.gateway = Gateway(endpoint)
        self.table = self.gateway.ledger.table
        self.layout = layout
        if layout < figures.LAYOUT:  # As an earlier version leaves it after a rebuild.
            self.set(CONTROL_PK, GENERATION_SK, "current", 1)
            self.set(CONTROL_PK, GENERATION_SK, "layout", layout)
        self.projector = self.through(self.table)
        self.books = [
            Book(fresh("u"), unit, at=NOW - 90_000) for unit in ("credits",) * 3 + ("usd_micros",)
        ]
        for number, book in enumerate(self.books):
            book.grant(5)
            book.random_moves(number, 9)
            self.keep(book)
            self.deliver(book)
        for unit in ("credits", "usd_micros"):
            open_hours.settle(self.table, unit, 1, NOW)

    def through(self, table: Table) -> Projector:
        time = Time()
        return Projector(
            table,
            low_balance=3,
            audit_days=400,
            now=lambda: NOW,
            clock=time.clock,
            sleep=time.sleep,
        )

    def keep(self, book: Book) -> None:
        book.store(self.gateway.dynamodb, self.table.name)

    def deliver(self, book: Book) -> str | None:
        return self.projector.batch(records(book.entries), lambda: 60.0).failed_from

    def set(self, pk: str, sk: str, name: str, value: Any) -> None:
        change = "SET #name = :value"
        self.table.write(Update(pk, sk, change, "", {"#name": name}, {":value": value}))

    def delete(self, pk: str, sk: str) -> None:
        self.gateway.dynamodb.delete_item(
            TableName=self.table.name, Key=marshal({"pk": pk, "sk": sk})
        )

    def compare(self, table: Table | None = None) -> Comparison:
        return rebuild.compare(table or self.table, audit_days=400, now=NOW, sleep=lambda _: None)

    def generation(self) -> int:
        return figures.generations(self.table).current

    def generations(self) -> tuple[int, int | None]:
        """The one in use and the one that is being built."""
        found = figures.generations(self.table)
        return found.current, found.building

    def summary_key(self, book: Book) -> tuple[str, str]:
        return folds.summary_pk(book.unit, self.generation(), book.user), book.user

    def stats_key(self, book: Book, sk: str) -> tuple[str, str]:
        shard = folds.stats_shard(book.user)
        return folds.stats_pk(book.unit, self.generation(), shard), sk


@pytest.fixture(params=[figures.FIRST_LAYOUT, figures.OPEN_HOURS, figures.LAYOUT])
def office(endpoint: str, request: pytest.FixtureRequest) -> Office:
    """In the layouts of earlier versions, and in this version's."""
    return Office(endpoint, request.param)


def assert_clean(found: Comparison) -> None:
    assert (found.differences, found.unsettled) == ([], [])


def test_projected_models_equal_the_ledger(office: Office) -> None:
    found = office.compare()
    assert_clean(found)
    assert (found.accounts, found.entries) == (4, sum(len(book.entries) for book in office.books))
    assert_clean(office.compare(Table(SmallPages(office.gateway.dynamodb), office.table.name)))  # type: ignore[arg-type]


def test_a_changed_figure_is_shown_with_both_values(office: Office) -> None:
    book = office.books[0]
    day = folds.day_sk(folds.day_of(book.entries[0].at))
    before = {}
    for pk, sk in (office.stats_key(book, "TOTAL"), office.stats_key(book, day)):
        item = office.table.get(pk, sk)
        assert item is not None
        before[f"{pk} {sk}"] = open_hours.partition(office.table, pk, [(sk, sk)])[sk]["granted"]
        office.set(pk, sk, "granted", item["granted"] + 7)
    assert {one.key: (one.stored, one.expected) for one in office.compare().differences} == {
        key: ({"granted": value + 7}, {"granted": value}) for key, value in before.items()
    }


def tamper_summary(office: Office, book: Book) -> None:
    office.set(*office.summary_key(book), "spent", 99)


def tamper_seq(office: Office, book: Book) -> None:
    office.set(*office.summary_key(book), "projected_seq", 3)


def tamper_high_seq(office: Office, book: Book) -> None:
    office.set(*office.summary_key(book), "projected_seq", 300)


def lose_summary(office: Office, book: Book) -> None:
    office.delete(*office.summary_key(book))


def lose_total(office: Office, book: Book) -> None:
    office.delete(*office.stats_key(book, "TOTAL"))


def stray_summary(office: Office, book: Book) -> None:
    pk = folds.users_pk("credits", office.generation(), 0)
    office.set(pk, "nobody", "available", 5)


def stray_day(office: Office, book: Book) -> None:
    office.set(*office.stats_key(book, "DAY#2020-01-01"), "spent", 5)


def behind(office: Office, book: Book) -> None:
    book.grant(5)
    office.keep(book)


def lose_audit(office: Office, book: Book) -> None:
    record = audit.of_user(office.table, book.user, limit=1)[0]
    office.delete(record["pk"], record["sk"])


def tamper_audit(office: Office, book: Book) -> None:
    record = audit.of_user(office.table, book.user, limit=1)[0]
    office.set(record["pk"], record["sk"], "actor", "somebody else")


def tamper_rank(office: Office, book: Book) -> None:
    if office.layout < figures.KEYS_ALONE:
        office.set(*office.summary_key(book), "by_balance", f"{99:015d}#{book.user}")
    else:
        office.set(*office.summary_key(book), "expires_at", folds.rank(99, book.user))


def tamper_tie(office: Office, book: Book) -> None:
    """The balance of the rank is right."""
    office.set(*office.summary_key(book), "expires_at", folds.rank(book.account.available, "x"))
    pk, _ = office.summary_key(book)
    office.set(*office.summary_key(book), "open_shard", folds.ranks_of(pk))


def tamper_age(office: Office, book: Book) -> None:
    office.set(*office.summary_key(book), "by_start", f"{99:011d}#{book.user}")


def unlist(office: Office, book: Book) -> None:
    name = "users_shard" if office.layout < figures.KEYS_ALONE else "open_shard"
    office.set(*office.summary_key(book), name, "elsewhere")


def tamper_hour(office: Office, book: Book) -> None:
    hour = folds.hour_sk(folds.hour_of(book.entries[-1].at))
    office.set(*office.stats_key(book, hour), "spent", 50)


def lose_copy(office: Office, book: Book) -> None:
    copy = folds.feed_item(book.entries[0])
    office.delete(copy["pk"], copy["sk"])


def tamper_copy(office: Office, book: Book) -> None:
    copy = folds.feed_item(book.entries[0])
    office.set(copy["pk"], copy["sk"], "reason", "another one")


REPAIRED = [
    tamper_summary, tamper_seq, tamper_high_seq, lose_summary, lose_total, stray_summary, stray_day, behind,
    lose_audit, tamper_audit, tamper_rank, tamper_tie, tamper_age, unlist, tamper_hour, lose_copy,
    tamper_copy,
]  # fmt: skip


@pytest.mark.parametrize("damage", REPAIRED, ids=lambda damage: damage.__name__)
def test_damage_is_found_and_a_rebuild_repairs_it(
    office: Office, damage: Callable[[Office, Book], None]
) -> None:
    damage(office, office.books[1])
    found = office.compare()
    assert found.differences
    done = rebuild.write(office.projector, now=NOW, sleep=at_once)
    assert (done.generation, done.accounts, done.standing) == (2, 4, [])
    assert_clean(office.compare())
    for book in office.books:
        assert office.deliver(book) is None
    assert_clean(office.compare())


@pytest.mark.parametrize("damage", ["lost", "another's", "nobody's"])
def test_a_start_that_is_lost_or_strays_is_found(endpoint: str, damage: str) -> None:
    office = Office(endpoint, figures.LAYOUT)
    book = office.books[1]
    right = folds.start_item(book.user, "credits", 1, book.entries[0].at)
    wrong = folds.start_item(book.user, "credits", 1, NOW)
    nobody = folds.start_item("nobody", "credits", 1, NOW)
    if damage == "lost":
        office.delete(right["pk"], right["sk"])
    else:
        office.table.write(Put(wrong if damage == "another's" else nobody, ""))
    (found,) = office.compare().differences
    expected = {"lost": right, "another's": wrong, "nobody's": nobody}[damage]
    assert found.key == f"{expected['pk']} {expected['sk']}"
    assert (found.expected if damage == "lost" else found.stored) == expected
    rebuild.write(office.projector, now=NOW, sleep=at_once)
    assert_clean(office.compare())
    kept = office.table.get(expected["pk"], expected["sk"])
    assert kept is None or kept["ttl"] == NOW + 86_400


def test_an_audit_record_without_an_entry_is_found_and_stays(office: Office) -> None:
    """A rebuild deletes nothing; the comparison goes on to name it."""
    book = office.books[0]
    real = audit.of_user(office.table, book.user, limit=1)[0]
    forged = real | {"sk": "2027-01-01T00:00:00.000Z#forged"}
    office.gateway.dynamodb.put_item(TableName=office.table.name, Item=marshal(forged))
    (found,) = office.compare().differences
    assert (found.key, found.expected) == (f"AUDIT#{book.user} {forged['sk']}", None)


def test_items_of_the_old_generation_expire_after_a_day(office: Office) -> None:
    book = office.books[0]
    old = [office.summary_key(book), office.stats_key(book, "TOTAL")]
    rebuild.write(office.projector, now=NOW, sleep=at_once)
    for pk, sk in old:
        item = office.table.get(pk, sk)
        assert item is not None and item["ttl"] == NOW + 86_400
    open_hours.settle(office.table, "credits", 2, NOW)
    for pk, sk in (office.summary_key(book), office.stats_key(book, "TOTAL")):
        item = office.table.get(pk, sk)
        assert item is not None and "ttl" not in item


def test_entries_made_during_a_rebuild_count_once(office: Office) -> None:
    """In an account that it has passed, in one that it has not, and in one that it does not know."""
    new = Book(fresh("u"), "credits", at=NOW)
    new.grant(3)

    class Meanwhile(Projector):
        def project(self, user: str, unit: str, generation: int, **options: Any) -> Any:
            made = super().project(user, unit, generation, **options)
            for book in (*office.books[:3], new):
                book.vend() if book.account.available else book.grant(1)
                office.keep(book)
                assert office.deliver(book) is None
            return made

    late = Meanwhile(office.table, low_balance=3, audit_days=400, now=lambda: NOW)
    rebuild.write(late, now=NOW, sleep=at_once)
    assert_clean(office.compare())
    assert figures.totals(office.table, "credits").users == 4


def test_readers_see_the_old_generation_until_the_new_one_is_complete(office: Office) -> None:
    expected = figures.totals(office.table, "credits")

    class Looking(Client):
        def transact_write_items(self, **request: Any) -> Any:
            answer = self._inner.transact_write_items(**request)
            assert figures.totals(office.table, "credits") == expected
            assert len(figures.list_summaries(office.table, "credits", "", None, 9).summaries) == 3
            return answer

    looking = Table(Looking(office.gateway.dynamodb), office.table.name)  # type: ignore[arg-type]
    rebuild.write(office.through(looking), now=NOW, sleep=at_once)
    assert figures.totals(office.table, "credits") == expected


def test_an_interrupted_rebuild_changes_nothing_and_the_next_one_completes(
    office: Office,
) -> None:
    refusing = Table(
        Refusing(office.gateway.dynamodb, "ThrottlingException", office.books[2].user),  # type: ignore[arg-type]
        office.table.name,
    )
    with pytest.raises(Stalled):
        rebuild.write(office.through(refusing), now=NOW, sleep=at_once)
    assert office.generations() == (1, 2)
    for book in office.books:
        book.grant(2)
        office.keep(book)
        assert office.deliver(book) is None
    assert_clean(office.compare())
    assert rebuild.write(office.projector, now=NOW, sleep=at_once).generation == 3
    assert office.generations() == (3, None)
    assert_clean(office.compare())


def test_of_two_rebuilds_the_later_one_wins(office: Office) -> None:
    class Overtaking(Projector):
        begun = False

        def project(self, user: str, unit: str, generation: int, **options: Any) -> Any:
            if not self.begun:
                self.begun = True
                rebuild.write(office.projector, now=NOW, sleep=at_once)
            return super().project(user, unit, generation, **options)

    with pytest.raises(Overtaken):
        rebuild.write(
            Overtaking(office.table, low_balance=3, audit_days=400), now=NOW, sleep=at_once
        )
    assert office.generations() == (3, None)
    assert_clean(office.compare())


def test_a_copy_without_an_entry_is_found_and_stays(office: Office) -> None:
    copy = folds.feed_item(office.books[0].entries[0])
    forged = copy | {"sk": copy["sk"].replace("#", "#forged-", 1)}
    office.gateway.dynamodb.put_item(TableName=office.table.name, Item=marshal(forged))
    (found,) = office.compare().differences
    assert found.key == copy["pk"]
    assert found.stored["copies"] == found.expected["copies"] + 1


def test_an_hour_is_counted_and_compared_only_while_it_is_kept(office: Office) -> None:
    book = Book(fresh("u"), "credits", at=NOW - folds.HOURS_KEPT_S - 3600)
    book.grant(4)
    office.keep(book)
    office.deliver(book)
    pk, old = office.stats_key(book, folds.hour_sk(folds.hour_of(book.at)))
    assert office.table.get(pk, old) is None
    hour = folds.hour_of(office.books[0].entries[0].at)
    kept = office.table.get(*office.stats_key(office.books[0], folds.hour_sk(hour)))
    assert kept is not None
    assert kept["ttl"] == folds.hour_start(hour) + folds.HOURS_KEPT_S
    assert_clean(office.compare())


def test_an_account_with_an_edited_entry_stalls_and_is_named(office: Office) -> None:
    book = office.books[0]
    office.set(account_pk(book.user), entry_sk("credits", 5), "amount", 70)
    done = rebuild.write(office.projector, now=NOW, sleep=at_once)
    assert [reason.partition(":")[0] for reason in done.standing] == [f"{book.user} from 5 on"]
    found = figures.get_summary(office.table, "credits", book.user)
    assert found is not None and found.seq == 4
    difference, *copies = office.compare().differences
    assert difference.key.endswith("projected_seq")
    assert {one.key.partition("#")[0] for one in copies} == {"FEED"}, (
        "copies of what was not edited"
    )
    assert (difference.stored, difference.expected) == (4, len(book.entries))


@pytest.mark.parametrize("at", [5, 11])
def test_an_unreadable_entry_is_named_and_the_others_are_compared(office: Office, at: int) -> None:
    """An item without any member of an entry, in the place of one and on top of the account."""
    book, other = office.books[:2]
    key = {"pk": account_pk(book.user), "sk": entry_sk("credits", at)}
    office.delete(key["pk"], key["sk"])
    office.gateway.dynamodb.put_item(TableName=office.table.name, Item=marshal(key))
    office.set(*office.summary_key(other), "spent", 99)
    last = max(at, len(book.entries))
    done = rebuild.write(office.projector, now=NOW, sleep=at_once)
    assert [reason.partition(":")[0] for reason in done.standing] == [f"{book.user} from {at} on"]
    office.set(*office.summary_key(other), "spent", 99)
    found = office.compare().differences
    shown = {one.key: (one.stored, one.expected) for one in found if "FEED" not in one.key}
    summary = " ".join(office.summary_key(book))
    assert shown.pop(f"{summary} projected_seq") == (at - 1, last)
    assert list(shown) == [" ".join(office.summary_key(other))]


def test_an_item_without_an_entrys_key_is_ignored(office: Office) -> None:
    key = {"pk": account_pk(office.books[0].user), "sk": entry_sk("credits", 5) + "x"}
    office.gateway.dynamodb.put_item(TableName=office.table.name, Item=marshal(key))
    found = office.compare()
    assert_clean(found)
    assert found.entries == sum(len(book.entries) for book in office.books)


def test_notices_of_the_last_day_are_made_again_and_older_ones_not(office: Office) -> None:
    book = Book(fresh("u"), "credits", at=NOW - 100_000)
    book.grant(4)
    book.post("admin_deduct", -2)
    book.at = NOW - 50
    book.post("admin_add", 2)
    book.post("admin_deduct", -3)
    office.keep(book)
    rebuild.write(office.projector, now=NOW, sleep=at_once)
    assert [item["seq"] for item in figures.notices(office.table, book.user, limit=9)] == [4]


def test_comparing_while_projecting_raises_no_false_alarm(office: Office) -> None:
    stop = threading.Event()
    moving = Book(fresh("u"), "credits", at=NOW)

    def move() -> None:
        while not stop.wait(0.01):
            moving.grant(1)
            office.keep(moving)
            office.deliver(moving)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        found = office.compare()
    finally:
        stop.set()
        thread.join()
    assert found.differences == []
    today = folds.day_sk(folds.day_of(NOW))
    hour = folds.hour_sk(folds.hour_of(NOW))
    stats = folds.stats_pk("credits", 1, folds.stats_shard(moving.user))
    assert found.unsettled == sorted(
        [
            folds.feed_item(moving.entries[-1])["pk"],
            *(f"{stats} {sk}" for sk in (today, hour, "TOTAL")),
        ]
    )
    assert_clean(office.compare())
