"""Rate limits: exact for any number of callers, in windows of a minute that start with a call."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.platform import snapshots
from engine.platform.errors import RateLimited
from engine.platform.table import Item, Put, Table, Write
from engine.web.rate_limits import WINDOW_S, Lots, Window, policy_headers, take
from tests.mutation.desk import Interrupted
from tests.support.gateway import Gateway
from tests.support.properties import PROPERTY
from tests.test_lost_answers import lossy

NOW = 1_800_000_000


@pytest.fixture(scope="module")
def table(gateway: Gateway) -> Table:
    return gateway.ledger.table


def allowed(table: Table, subject: str, limit: int, now: int) -> bool:
    try:
        take(table, subject, "read", limit, now)
    except RateLimited:
        return False
    return True


def from_20_threads(table: Table, subject: str, limit: int, now: int) -> Counter[bool]:
    with ThreadPoolExecutor(20) as pool:
        return Counter(pool.map(lambda _: allowed(table, subject, limit, now), range(60)))


def test_a_window_begins_with_a_call_and_counts_down(table: Table) -> None:
    windows = [take(table, "A#one", "read", 3, NOW + second) for second in (0, 20, 59)]
    assert windows == [Window(NOW, 1, 3, 60), Window(NOW, 2, 3, 40), Window(NOW, 3, 3, 1)]
    with pytest.raises(RateLimited) as refused:
        take(table, "A#one", "read", 3, NOW + 59)
    assert refused.value.headers == {
        "RateLimit-Policy": '"default";q=3;w=60',
        "RateLimit": '"default";r=0;t=1',
        "Retry-After": "1",
    }
    assert refused.value.members == {"retryAfterSeconds": 1}
    assert take(table, "A#one", "read", 3, NOW + 60) == Window(NOW + 60, 1, 3, 60)


def test_the_limit_is_exact_from_20_threads_at_the_begin_of_a_window(table: Table) -> None:
    assert from_20_threads(table, "A#begin", 25, NOW) == {True: 25, False: 35}


def test_the_limit_is_exact_from_20_threads_at_the_end_of_a_window(table: Table) -> None:
    """All see the same window to be over, and one of them begins the next."""
    for _ in range(25):
        take(table, "A#end", "read", 25, NOW)
    assert from_20_threads(table, "A#end", 25, NOW + WINDOW_S - 1) == {False: 60}
    assert from_20_threads(table, "A#end", 25, NOW + WINDOW_S) == {True: 25, False: 35}


def test_a_refused_call_is_not_counted(table: Table) -> None:
    take(table, "A#refused", "read", 1, NOW)
    for _ in range(5):
        assert not allowed(table, "A#refused", 1, NOW + 1)
    kept = table.get("A#refused", "RATE#read")
    assert kept is not None
    assert (kept["rate_from"], kept["rate_used"]) == (NOW, 1)


def test_subjects_and_classes_are_counted_apart(table: Table) -> None:
    for subject in ("A#apart", "A#apart2", "IP#203.0.113.7"):
        for route_class in ("read", "submit"):
            assert take(table, subject, route_class, 1, NOW).used == 1


def test_a_lowered_limit_applies_at_once(table: Table) -> None:
    for _ in range(5):
        take(table, "A#lowered", "read", 5, NOW)
    assert not allowed(table, "A#lowered", 2, NOW)
    assert allowed(table, "A#lowered", 6, NOW)


class Counted(Table):
    """Fails where a call needs more writes than a handful."""

    def __init__(self, table: Table) -> None:
        super().__init__(table._client, table.name)
        self.writes = 0

    def write(self, write: Write) -> Item:
        self.writes += 1
        assert self.writes < 10, "the call does not come to an end"
        return super().write(write)


@pytest.mark.parametrize("behind_s", [1, 30, 59])
def test_a_machine_whose_clock_is_behind_refuses_without_looping(
    table: Table, behind_s: int
) -> None:
    """Clocks of two machines differ; the window is the one that was begun."""
    subject = f"A#behind-{behind_s}"
    for _ in range(2):
        take(table, subject, "read", 2, NOW)
    assert not allowed(Counted(table), subject, 2, NOW - behind_s)


def test_a_window_from_the_far_future_is_replaced(table: Table) -> None:
    """One machine's clock was wrong by an hour: the call is let through or refused, in a few writes."""
    take(table, "A#future", "read", 1, NOW + 3600)
    counted = Counted(table)
    allowed(counted, "A#future", 1, NOW)
    assert counted.writes <= 3


def test_a_call_needs_one_write_and_a_new_window_two(table: Table) -> None:
    counted = Counted(table)
    take(counted, "A#cheap", "read", 9, NOW)
    assert counted.writes == 2
    take(counted, "A#cheap", "read", 9, NOW + 1)
    assert counted.writes == 3


def by_lots(lots: Lots, table: Table, subject: str, limit: int, now: int = NOW) -> bool:
    try:
        lots.take(table, subject, "status", limit, now)
    except RateLimited:
        return False
    return True


def test_a_lot_of_calls_needs_one_write(table: Table) -> None:
    lots, counted = Lots(), Counted(table)
    assert all(by_lots(lots, counted, "A#lot", 100) for _ in range(10))
    assert counted.writes == 1
    assert all(by_lots(lots, counted, "A#lot", 100) for _ in range(10))
    assert counted.writes == 2
    kept = table.get("A#lot", "RATE#status")
    assert kept is not None and kept["rate_used"] == 20


@pytest.mark.parametrize("limit", [1, 2, 9, 10, 19, 20, 40])
@pytest.mark.parametrize("processes", [1, 3, 40])
def test_lots_never_let_more_through_than_the_limit_nor_refuse_before_four_fifths(
    table: Table, limit: int, processes: int
) -> None:
    subject = f"A#lots-{limit}-{processes}"
    fleet = [Lots() for _ in range(processes)]
    answers = [by_lots(fleet[n % processes], table, subject, limit) for n in range(3 * limit)]
    first_refused = answers.index(False)
    assert limit - 2 * (limit // 10) <= first_refused
    assert sum(answers) <= limit
    if processes == 1:
        assert sum(answers) == limit


def test_lots_of_20_threads_are_exact(table: Table) -> None:
    lots = Lots()
    with ThreadPoolExecutor(20) as pool:
        passed = list(pool.map(lambda _: by_lots(lots, table, "A#threads", 50), range(120)))
    assert passed.count(True) == 50


def test_a_new_window_begins_with_a_new_lot(table: Table) -> None:
    lots = Lots()
    assert [by_lots(lots, table, "A#again", 2) for _ in range(3)] == [True, True, False]
    later = NOW + WINDOW_S
    assert [by_lots(lots, table, "A#again", 2, later) for _ in range(3)] == [True, True, False]


def test_a_process_restored_from_a_snapshot_has_no_lots(table: Table) -> None:
    lots = Lots()
    by_lots(lots, table, "A#restored", 10)
    snapshots.restored()
    by_lots(lots, table, "A#restored", 10)
    kept = table.get("A#restored", "RATE#status")
    assert kept is not None and kept["rate_used"] == 2


def test_counting_items_expire(table: Table) -> None:
    take(table, "A#ttl", "read", 1, NOW)
    kept = table.get("A#ttl", "RATE#read")
    assert kept is not None and kept["ttl"] > NOW + WINDOW_S


@PROPERTY
@given(st.lists(st.integers(0, 40), max_size=40), st.integers(1, 5))
def test_no_minute_that_begins_with_a_window_holds_more_than_the_limit(
    gaps: list[int], limit: int
) -> None:
    window, now, taken = Window(0, 0, limit), NOW, Counter[int]()
    for gap in gaps:
        now += gap
        following = window.counted(now)
        assert following.start <= now < following.start + WINDOW_S
        assert following.resets_in_s == following.start + WINDOW_S - now
        if following.used <= limit:
            window = following
            taken[window.start] += 1
    assert all(count <= limit for count in taken.values())


def test_a_clock_that_is_behind_starts_no_new_window() -> None:
    """Else two machines with clocks a second apart would let a user pass again and again."""
    assert Window(NOW, 5, 5).counted(NOW - 1).used == 6


def test_headers_never_show_a_negative_remainder() -> None:
    assert policy_headers(Window(NOW, 9, 5, 7)) == {
        "RateLimit-Policy": '"default";q=5;w=60',
        "RateLimit": '"default";r=0;t=7',
    }


ANONYMOUS = [
    ("POST", "/v1/devices", {}),
    ("POST", "/v1/devices/token", {"userId": "nobody", "refreshSecret": "x"}),
    ("POST", "/user/create", {"userId": "u{number}"}),
    ("POST", "/vend-token", {"userId": "u{number}"}),
    ("POST", "/validate-token", {"token": "x"}),
    ("GET", "/user/u{number}/balance", None),
    ("GET", "/meta", None),
    ("GET", "/health/services", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ANONYMOUS, ids=lambda value: str(value)[:20])
def test_an_address_is_limited_on_every_anonymous_route_whatever_user_it_names(
    endpoint: str, method: str, path: str, body: dict[str, str] | None
) -> None:
    gateway = Gateway(endpoint, RATE_LIMIT="1", TIKTOK_BASE="http://127.0.0.1:9")
    gateway.now = 1_800_000_000

    def asked(number: int, address: str) -> int:
        named = {k: v.format(number=number) for k, v in body.items()} if body is not None else None
        query = {"url": f"https://www.tiktok.com/@a/video/72000000000000{number:05d}"}
        return gateway.call(
            method, path.format(number=number), named, query=query, address=address
        ).status

    statuses = [asked(number, "198.51.100.1") for number in range(11)]
    assert statuses.index(429) <= 10 and statuses[-1] == 429
    assert asked(99, "198.51.100.2") != 429


@pytest.mark.parametrize(
    ("start", "stored"),
    [
        (NOW - WINDOW_S, (NOW, 10)),
        (NOW - WINDOW_S + 1, (NOW - WINDOW_S + 1, 15)),
        (NOW + WINDOW_S - 1, (NOW + WINDOW_S - 1, 15)),
        (NOW + WINDOW_S, (NOW, 10)),
    ],
)
def test_a_first_lot_begins_a_window_where_the_stored_one_is_over(
    table: Table, start: int, stored: tuple[int, int]
) -> None:
    subject = f"A#first-{start}"
    put_window(table, subject, start)
    assert by_lots(Lots(), table, subject, 100)
    assert window_of(table, subject) == stored


@pytest.mark.parametrize(
    ("start", "stored"),
    [
        (NOW - WINDOW_S, (NOW, 1)),
        (NOW - WINDOW_S + 1, (NOW - WINDOW_S + 1, 15)),
        (NOW + WINDOW_S - 1, (NOW + WINDOW_S - 1, 15)),
        (NOW + WINDOW_S, (NOW + WINDOW_S, 6)),
    ],
)
def test_a_further_lot_is_not_taken_in_a_window_that_another_clock_began(
    table: Table, start: int, stored: tuple[int, int]
) -> None:
    subject, lots = f"A#further-{start}", Lots()
    assert all(by_lots(lots, table, subject, 100) for _ in range(10))
    put_window(table, subject, start)
    assert by_lots(lots, table, subject, 100)
    assert window_of(table, subject) == stored


def test_a_lot_whose_answer_was_lost_is_counted_once(table: Table) -> None:
    subject, lots = "A#lost", Lots()
    for _ in range(2):
        assert all(by_lots(lots, lossy(table), subject, 100) for _ in range(10))
    assert window_of(table, subject) == (NOW, 20)


def put_window(table: Table, subject: str, start: int) -> None:
    item = {"pk": subject, "sk": "RATE#status", "rate_from": start, "rate_used": 5}
    table.write(Put(item | {"counted_by": "another", "ttl": NOW + 3600}, ""))


def window_of(table: Table, subject: str) -> tuple[int, int]:
    kept = table.get(subject, "RATE#status")
    assert kept is not None
    return kept["rate_from"], kept["rate_used"]


def beside(lots: Lots, table: Table, subject: str, limit: int, now: int = NOW) -> bool:
    try:
        lots.take_beside(table, subject, "status", "submit_used", limit, now)
    except RateLimited:
        return False
    return True


def counts_of(table: Table, subject: str) -> tuple[int, int, int]:
    """The start of the window, the calls of its class, and those beside."""
    kept = table.get(subject, "RATE#status")
    assert kept is not None
    return kept["rate_from"], kept["rate_used"], kept.get("submit_used", 0)


def test_the_call_that_begins_a_window_takes_the_first_lot_in_its_own_write(table: Table) -> None:
    lots, counted = Lots(), Counted(table)
    assert beside(lots, counted, "A#ahead", 100)
    assert all(by_lots(lots, counted, "A#ahead", 100) for _ in range(10))
    assert counted.writes == 1
    assert counts_of(table, "A#ahead") == (NOW, 10, 1)
    assert beside(lots, counted, "A#ahead", 100, NOW + 59)
    assert (counted.writes, counts_of(table, "A#ahead")) == (2, (NOW, 10, 2))
    kept = table.get("A#ahead", "RATE#status")
    assert kept is not None and kept["ttl"] > NOW + WINDOW_S


@pytest.mark.parametrize("processes", [1, 3, 20])
@pytest.mark.parametrize("limit", [1, 9, 25])
def test_calls_beside_are_counted_exactly_over_processes(
    table: Table, limit: int, processes: int
) -> None:
    """Each by itself; those of the class have their own limit."""
    subject = f"A#beside-{limit}-{processes}"
    fleet = [Lots() for _ in range(processes)]
    passed = [beside(fleet[n % processes], table, subject, limit) for n in range(2 * limit)]
    assert passed == [True] * limit + [False] * limit
    polls = [by_lots(fleet[n % processes], table, subject, limit) for n in range(3 * limit)]
    assert limit - 2 * (limit // 10) <= sum(polls) <= limit
    assert polls.index(False) >= limit - 2 * (limit // 10)
    assert beside(Lots(), table, subject, limit, NOW + WINDOW_S)


def test_calls_beside_of_20_threads_are_exact(table: Table) -> None:
    fleet = [Lots() for _ in range(4)]
    with ThreadPoolExecutor(20) as pool:
        passed = list(pool.map(lambda n: beside(fleet[n % 4], table, "A#many", 25), range(60)))
    assert passed.count(True) == 25
    assert counts_of(table, "A#many")[2] == 25


def test_a_refused_call_beside_says_when_the_window_ends_and_is_not_counted(table: Table) -> None:
    lots = Lots()
    assert beside(lots, table, "A#full", 1)
    with pytest.raises(RateLimited) as refused:
        lots.take_beside(table, "A#full", "status", "submit_used", 1, NOW + 20)
    assert refused.value.headers == {
        "RateLimit-Policy": '"default";q=1;w=60',
        "RateLimit": '"default";r=0;t=40',
        "Retry-After": "40",
    }
    assert counts_of(table, "A#full") == (NOW, 1, 1)


@pytest.mark.parametrize(
    ("start", "stored"),
    [
        (NOW - WINDOW_S, (NOW, 10, 1)),
        (NOW - WINDOW_S + 1, (NOW - WINDOW_S + 1, 5, 1)),
        (NOW + WINDOW_S - 1, (NOW + WINDOW_S - 1, 5, 1)),
        (NOW + WINDOW_S, (NOW, 10, 1)),
    ],
)
@pytest.mark.parametrize("is_known", [False, True])
def test_a_call_beside_begins_a_window_where_the_stored_one_is_over(
    table: Table, start: int, stored: tuple[int, int, int], is_known: bool
) -> None:
    """Also where this process knows of another window, and where the window has counted no such call."""
    subject, lots = f"A#begun-{start}-{is_known}", Lots()
    if is_known:
        assert by_lots(lots, table, subject, 100)
    put_window(table, subject, start)
    counted = Counted(table)
    assert beside(lots, counted, subject, 100)
    assert counts_of(table, subject) == stored
    assert counted.writes <= 2


def test_a_call_beside_whose_answer_was_lost_is_counted_once(table: Table) -> None:
    subject, lots = "A#lost-beside", Lots()
    assert beside(lots, lossy(table), subject, 100)
    assert beside(lots, lossy(table), subject, 100)
    assert counts_of(table, subject) == (NOW, 10, 2)


def test_a_lowered_limit_applies_at_once_to_calls_beside(table: Table) -> None:
    lots = Lots()
    assert all(beside(lots, table, "A#lower", 5) for _ in range(5))
    assert not beside(lots, table, "A#lower", 2)
    assert beside(lots, table, "A#lower", 6)


def test_a_process_restored_from_a_snapshot_has_no_lot_ahead(table: Table) -> None:
    lots = Lots()
    beside(lots, table, "A#thawed", 10)
    snapshots.restored()
    by_lots(lots, table, "A#thawed", 10)
    assert counts_of(table, "A#thawed") == (NOW, 2, 1)


@pytest.mark.parametrize("is_over", [False, True])
@pytest.mark.parametrize("limit", [2, 3])
def test_a_window_that_another_call_began_meanwhile_is_counted_in(
    table: Table, is_over: bool, limit: int
) -> None:
    subject = f"A#meanwhile-{is_over}-{limit}"
    if is_over:
        assert allowed(table, subject, limit, NOW - WINDOW_S)

    def others() -> None:
        assert all(allowed(table, subject, limit, NOW) for _ in range(2))

    assert allowed(Interrupted(table, others, at=2), subject, limit, NOW) == (limit == 3)
    kept = table.get(subject, "RATE#read")
    assert kept is not None and (kept["rate_from"], kept["rate_used"]) == (NOW, limit)


@pytest.mark.parametrize("is_over", [False, True])
def test_a_window_that_another_call_beside_began_meanwhile_is_counted_in(
    table: Table, is_over: bool
) -> None:
    subject = f"A#beside-meanwhile-{is_over}"
    if is_over:
        assert beside(Lots(), table, subject, 100, NOW - WINDOW_S)

    def others() -> None:
        assert all(beside(Lots(), table, subject, 100) for _ in range(2))

    assert beside(Lots(), Interrupted(table, others), subject, 100)
    assert counts_of(table, subject) == (NOW, 10, 3)
