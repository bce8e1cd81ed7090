"""Kept answers: one instance asks for all, freshness ends at random, stale answers bridge an outage."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.ledger.posting import Ledger
from engine.metadata.cache import FRESH_S, PARTIAL_S, REFUSED_S, SK, STALE_S, Cache, Watch
from engine.metadata.errors import PostNotFound, TiktokFailed
from engine.platform.errors import Busy, RateLimited
from engine.platform.table import Item, Put, Table, Update
from tests.support import deployed
from tests.support.gateway import Gateway, Reply
from tests.support.loglines import caught
from tests.support.tiktok import HIDDEN, VISIBLE, TiktokStandin, address, forget, serving
from tests.test_metadata_links import ID, POSTS

VIDEO = VISIBLE[0]
KEY = f"TIKTOK#{VIDEO.id}"
NOW = 1_800_000_000
ONCE = {"oembed": 1, "page": 1}
FINAL, OUTAGES = frozenset({"post_not_found"}), frozenset({"tiktok_failed"})


@pytest.fixture(scope="module")
def running() -> Iterator[TiktokStandin]:
    with serving(filler_kb=0) as standin:
        yield standin


@pytest.fixture
def tiktok(running: TiktokStandin) -> TiktokStandin:
    running.reset()
    return running


@pytest.fixture(scope="module")
def shared(endpoint: str, running: TiktokStandin) -> Gateway:
    return Gateway(endpoint, TIKTOK_BASE=running.base, RATE_LIMIT="100000")


@pytest.fixture
def meta(shared: Gateway, tiktok: TiktokStandin) -> Gateway:
    """A gateway that has kept nothing yet, and whose clock stands still."""
    forget(shared)
    shared.now = NOW
    return shared


@pytest.fixture
def table(gateway: Gateway) -> Table:
    return gateway.ledger.table


def ask(gateway: Gateway, url: str = address(VIDEO)) -> Reply:
    return gateway.call("GET", "/meta", query={"url": url})


def item(gateway: Gateway, key: str = KEY) -> dict[str, Any]:
    found = gateway.ledger.table.get(key, SK)
    assert found is not None
    return found


def test_the_second_call_is_answered_from_the_table_with_its_age(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    first = ask(meta).json
    meta.now = NOW + 1234
    second = ask(meta).json
    assert (first["cached"], first["age"]) == (False, 0)
    assert (second["cached"], second["age"], second["stale"]) == (True, 1234, False)
    assert {**second, "cached": False, "age": 0} == first
    assert tiktok.counts == ONCE


def test_an_answer_is_fresh_for_a_random_time_of_one_to_six_hours(
    meta: Gateway,
) -> None:
    times = set()
    for post in VISIBLE:
        ask(meta, address(post))
        kept = item(meta, f"TIKTOK#{post.id}")
        times.add(kept["fresh_until"] - NOW)
        assert kept["ttl"] == kept["fresh_until"] + STALE_S
        assert "lease_until" not in kept
    assert all(FRESH_S[0] <= seconds <= FRESH_S[1] for seconds in times)
    assert len(times) > 6
    assert (FRESH_S, REFUSED_S) == ((3600, 21600), (60, 300))


def test_a_partial_answer_is_asked_for_again_sooner(meta: Gateway, tiktok: TiktokStandin) -> None:
    tiktok.page_is("waf")
    ask(meta)
    assert PARTIAL_S[0] <= item(meta)["fresh_until"] - NOW <= PARTIAL_S[1]


def test_an_expired_answer_is_asked_for_again_though_it_is_still_stored(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    ask(meta)
    meta.now = item(meta)["fresh_until"]
    again = ask(meta).json
    assert (again["cached"], again["age"]) == (False, 0)
    assert tiktok.counts == {"oembed": 2, "page": 2}


def test_a_refusal_is_cached_for_minutes(meta: Gateway, tiktok: TiktokStandin) -> None:
    post = HIDDEN[0]
    refused = [ask(meta, address(post)) for _ in range(3)]
    assert {reply.code for reply in refused} == {"post_not_found"}
    assert tiktok.counts == ONCE
    kept = item(meta, f"TIKTOK#{post.id}")
    assert REFUSED_S[0] <= kept["fresh_until"] - NOW <= REFUSED_S[1]
    meta.now = kept["fresh_until"]
    ask(meta, address(post))
    assert tiktok.counts == {"oembed": 2, "page": 2}


def test_an_outage_is_kept_for_minutes_and_says_when_to_retry(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    tiktok.down()
    first = ask(meta)
    asked = tiktok.count()
    second = ask(meta)
    assert (first.status, second.status, tiktok.count()) == (502, 502, asked)
    left_s = item(meta)["fresh_until"] - NOW
    assert int(second.headers["retry-after"]) == second.json["retryAfterSeconds"] == left_s


def test_while_tiktok_is_down_a_stale_answer_is_served_and_tiktok_is_not_asked(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    fresh = ask(meta).json
    tiktok.reset()
    tiktok.down()
    meta.now = NOW + FRESH_S[1]
    stale = ask(meta).json
    asked = tiktok.count()
    assert (stale["cached"], stale["stale"], stale["age"]) == (True, True, FRESH_S[1])
    assert (stale["title"], stale["duration"]) == (fresh["title"], fresh["duration"])
    again = ask(meta).json
    assert (again["stale"], tiktok.count()) == (True, asked)
    tiktok.reset()
    meta.now = NOW + FRESH_S[1] + REFUSED_S[1]
    mended = ask(meta).json
    assert (mended["cached"], mended["stale"], mended["age"]) == (False, False, 0)


def test_an_answer_that_is_too_old_is_not_served_even_in_an_outage(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    ask(meta)
    tiktok.down()
    meta.now = NOW + STALE_S
    assert ask(meta).code == "tiktok_failed"


def test_a_post_that_was_removed_is_no_longer_served(meta: Gateway, tiktok: TiktokStandin) -> None:
    ask(meta)
    tiktok.faults(
        ("page", {"kind": "page", "as": "status", "code": 10217}),
        ("oembed", {"kind": "oembed", "as": "error"}),
    )
    meta.now = NOW + FRESH_S[1]
    assert ask(meta).code == "post_removed"


def test_a_hundred_first_calls_at_once_to_four_instances_ask_tiktok_once(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    tiktok.faults(("page", {"kind": "delay", "seconds": 0.5}))
    instances = [instance(meta) for _ in range(4)]
    barrier = threading.Barrier(100)

    def call(number: int) -> dict[str, Any]:
        barrier.wait()
        return instances[number % 4](f"https://vm.tiktok.com/{VIDEO.code}/")

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(call, range(100)))
    assert [answer["statusCode"] for answer in answers] == [200] * 100
    assert tiktok.counts == {"short": 1, **ONCE}


def instance(gateway: Gateway) -> Callable[[str], dict[str, Any]]:
    """The function in another instance."""
    module = deployed.load("metadata", gateway.environment)

    def call(url: str) -> dict[str, Any]:
        event = {
            "version": "2.0", "routeKey": "GET /meta", "rawPath": "/meta", "headers": {},
            "queryStringParameters": {"url": url},
            "requestContext": {
                "requestId": "1", "http": {"method": "GET", "path": "/meta", "sourceIp": "203.0.113.9"},
                "stage": "$default",
            },
        }  # fmt: skip
        answer: dict[str, Any] = module.lambda_handler(event, None)
        return answer

    return call


def fetch(
    table: Table, key: str, ask_now: Callable[..., Any], now: int = NOW, limit_s: float = 1
) -> Any:
    return Cache(table, FINAL, OUTAGES).fetch(key, ask_now, Watch(now, 5), limit_s)


def never(_: Any) -> dict[str, Any]:
    raise AssertionError("TikTok was asked")


def lease(table: Table, key: str, until: int, **members: Any) -> None:
    table.write(
        Put({"pk": key, "sk": SK, "lease_until": until, "lease_by": "other", **members}, "")
    )


def test_a_lease_that_ends_without_an_answer_can_be_claimed(table: Table) -> None:
    lease(table, "TIKTOK#lost", NOW + 1)
    started = time.monotonic()
    kept = fetch(table, "TIKTOK#lost", lambda _: {"id": "1"})
    assert (kept.members, kept.cached) == ({"id": "1"}, False)
    assert 0.9 <= time.monotonic() - started < 4


class Lagging(Table):
    """A table whose eventually consistent reads do not show the latest writes."""

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        return super().get(pk, sk) if consistent else None


def test_an_answer_that_a_read_did_not_show_is_not_asked_for_again(gateway: Gateway) -> None:
    table = Lagging(gateway.dynamodb, gateway.table_name)
    brought = {"members": {"id": "1"}, "fetched_at": NOW - 5, "fresh_until": NOW + 3600}
    table.write(Put({"pk": "TIKTOK#unseen", "sk": SK, **brought}, ""))
    kept = fetch(table, "TIKTOK#unseen", never)
    assert (kept.members, kept.cached, kept.age_s) == ({"id": "1"}, True, 5)


def test_a_waiting_caller_gets_the_answer_of_the_one_that_asked(table: Table) -> None:
    lease(table, "TIKTOK#slow", NOW + 5)
    brought = {"members": {"id": "1"}, "fetched_at": NOW, "fresh_until": NOW + 3600}
    put = Put({"pk": "TIKTOK#slow", "sk": SK, **brought}, "")
    threading.Timer(0.3, table.write, [put]).start()
    assert fetch(table, "TIKTOK#slow", never).members == {"id": "1"}


def test_a_caller_with_a_stale_answer_waits_for_a_second(table: Table) -> None:
    stale = {"members": {"id": "1"}, "fetched_at": NOW - 7200, "fresh_until": NOW - 3600}
    lease(table, "TIKTOK#stale", NOW + 60, **stale)
    started = time.monotonic()
    kept = fetch(table, "TIKTOK#stale", never)
    assert (kept.members, kept.stale, kept.cached) == ({"id": "1"}, True, True)
    assert 7200 <= kept.age_s <= 7202
    assert time.monotonic() - started < 2.5


def test_a_caller_whose_wait_ends_without_an_answer_gets_busy(table: Table) -> None:
    lease(table, "TIKTOK#never", NOW + 60)
    with pytest.raises(Busy):
        Cache(table, FINAL, OUTAGES).fetch("TIKTOK#never", never, Watch(NOW, 1), 1)


def test_an_answer_after_the_end_of_its_lease_replaces_no_newer_one(table: Table) -> None:
    def slow(_: Any) -> dict[str, Any]:
        change = "SET lease_by = :other"
        table.write(Update("TIKTOK#late", SK, change, "", values={":other": "other"}))
        return {"id": "late"}

    assert fetch(table, "TIKTOK#late", slow).members == {"id": "late"}
    kept = table.get("TIKTOK#late", SK)
    assert kept is not None
    assert (kept["lease_by"], "members" in kept) == ("other", False)


def test_an_answer_is_given_even_when_it_cannot_be_stored(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = table.write

    def refuse_puts(given: Any) -> Any:
        if isinstance(given, Put):
            raise Busy()
        return write(given)

    monkeypatch.setattr(table, "write", refuse_puts)
    assert fetch(table, "TIKTOK#unkept", lambda _: {"id": "1"}).members == {"id": "1"}


@pytest.mark.parametrize("refusal", [PostNotFound(), TiktokFailed()])
def test_a_refusal_is_never_a_stale_answer(table: Table, refusal: Exception) -> None:
    key = f"TIKTOK#{type(refusal).__name__}"

    def refuse(_: Any) -> dict[str, Any]:
        raise refusal

    assert fetch(table, key, refuse).refusal
    again = fetch(table, key, lambda _: {"id": "1"}, now=NOW + REFUSED_S[1])
    assert (again.members, again.refusal, again.stale) == ({"id": "1"}, "", False)


def not_admitted(_: Any) -> dict[str, Any]:
    raise RateLimited(30, {})


def test_a_refusal_that_concerns_the_caller_alone_is_not_kept(table: Table) -> None:
    key = "TIKTOK#alone"
    with pytest.raises(RateLimited):
        fetch(table, key, not_admitted)
    kept = table.get(key, SK)
    assert kept is not None
    assert kept.keys() == {"pk", "sk", "claimed_by", "ttl"}
    started = time.monotonic()
    assert fetch(table, key, lambda _: {"id": "1"}).members == {"id": "1"}
    assert time.monotonic() - started < 0.8


def test_a_caller_that_may_not_ask_gets_the_stale_answer(table: Table) -> None:
    key = "TIKTOK#unasked"
    old = {"members": {"id": "1"}, "fetched_at": NOW - 7200, "fresh_until": NOW - 3600}
    table.write(Put({"pk": key, "sk": SK, **old}, ""))
    kept = fetch(table, key, not_admitted)
    assert (kept.members, kept.stale, kept.cached, kept.age_s) == ({"id": "1"}, True, True, 7200)
    left = table.get(key, SK)
    assert left is not None
    assert "lease_until" not in left
    with pytest.raises(RateLimited):
        fetch(table, key, not_admitted, now=NOW - 7200 + STALE_S)


def test_a_caller_that_may_not_ask_leaves_the_lease_of_another(table: Table) -> None:
    def too_late(_: Any) -> dict[str, Any]:
        lease(table, "TIKTOK#taken", NOW + 60)
        raise Busy()

    with pytest.raises(Busy):
        fetch(table, "TIKTOK#taken", too_late)
    kept = table.get("TIKTOK#taken", SK)
    assert kept is not None
    assert (kept["lease_by"], kept["lease_until"]) == ("other", NOW + 60)


def test_every_refusal_of_tiktok_is_kept_and_answered_again_as_it_was(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    codes = {
        "ZTprofile": "not_a_video",
        "ZTnowhere": "link_unresolved",
        "ZThome001": "post_not_found",
    }
    for code, expected in codes.items():
        url = f"https://vm.tiktok.com/{code}/"
        first, second = ask(meta, url), ask(meta, url)
        assert (first.status, first.code) == (second.status, second.code)
        assert second.code == expected
    for post in HIDDEN:
        first, second = ask(meta, address(post)), ask(meta, address(post))
        assert (first.status, first.code) == (second.status, second.code)
    assert tiktok.counts["short"] == 3
    # A failure of TikTok's servers is asked for twice in the first call.
    failing = sum(1 for post in HIDDEN if post.status_code in (10101, 100004))
    assert tiktok.counts["page"] == len(HIDDEN) + failing


def test_all_forms_of_an_address_share_one_kept_answer(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    """No form, handle or query creates a kept answer that other callers would get."""
    forms = [url.replace(ID, VIDEO.id) for url in POSTS]
    answers = [ask(meta, url).json for url in forms]
    assert {(a["url"], a["handle"], a["title"]) for a in answers} == {
        (VIDEO.url, VIDEO.handle, VIDEO.caption)
    }
    assert tiktok.counts == ONCE


def test_the_log_line_of_a_look_up_says_how_it_ended_and_nothing_about_the_post(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    tiktok.page_is("waf")
    with caught() as lines:
        ask(meta, f"{address(VIDEO)}?_t=sharer&u_code=sharer")
        tiktok.reset()
        ask(meta, address(VISIBLE[1]))
        ask(meta, address(VISIBLE[1]))
        ask(meta, address(HIDDEN[0]))
    asked = [line for line in lines.json if line["message"].startswith("be:meta")]
    assert [line["message"] for line in asked] == [
        f"be:meta asked={VIDEO.id} outcome=partial",
        f"be:meta asked={VISIBLE[1].id} outcome=ok",
        f"be:meta asked={HIDDEN[0].id} outcome=post_not_found",
    ]
    assert [line["warnings"] for line in asked] == [["page_blocked"], [], []]
    assert all(0 <= line["took_ms"] < 60_000 for line in asked)
    text = json.dumps(lines.json, ensure_ascii=False)
    assert not any(word in text for word in ("sharer", VIDEO.caption, VIDEO.nickname, VIDEO.handle))


def test_the_time_left_is_never_more_than_the_request_has(table: Table) -> None:
    watch = Watch(NOW, 0.4)
    assert watch.part(10)() <= 0.4
    assert 0.1 < watch.part(0.2)() <= 0.2
    with pytest.raises(Busy):
        Cache(table, FINAL, OUTAGES).fetch("TIKTOK#hurry", never, watch, 1)


def test_kept_answers_belong_to_no_account(meta: Gateway) -> None:
    ask(meta)
    assert Ledger(meta.ledger.table).entries(KEY, limit=10) == []


def test_an_answer_that_an_earlier_version_stored_is_read(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    """Version 57e622b answered an unknown duration as null, without `durationKnown`."""
    members = {
        "id": VIDEO.id, "title": "Kept", "description": "Kept", "author": "Someone", "handle": "someone",
        "duration": None, "url": VIDEO.url, "thumbnail": None, "mediaType": "video",
        "createdAt": "2024-06-01T00:00:00.000Z", "stats": None, "source": "oembed", "partial": True,
        "warnings": ["page_blocked"],
    }  # fmt: skip
    stored = {
        "members": members,
        "fetched_at": NOW - 5,
        "fresh_until": NOW + 3600,
        "ttl": NOW + 90_000,
    }
    meta.ledger.table.write(Put({"pk": KEY, "sk": SK, **stored}, ""))
    answer = ask(meta).json
    assert {**answer, "duration": None} == {
        "ok": True, **members, "durationKnown": False, "cached": True, "age": 5, "stale": False,
    }  # fmt: skip
    assert answer["duration"] == 0
    meta.ledger.table.write(
        Put({"pk": KEY, "sk": SK, **stored, "members": {**members, "duration": 34}}, "")
    )
    answer = ask(meta).json
    assert (answer["duration"], answer["durationKnown"]) == (34, True)
    assert tiktok.counts == {}
