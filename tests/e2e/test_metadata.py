"""Metadata over HTTP: fetched once, cached, correct, and never from a hostile address."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from engine.metadata.cache import FRESH_S, REFUSED_S, SK
from engine.platform.table import Put
from standins.tiktok_posts import Post
from tests.e2e.conftest import App, Reply
from tests.support.schema import check_answer
from tests.support.tiktok import HIDDEN, VISIBLE, TiktokStandin, address
from tests.test_metadata_links import HOSTILE

KEPT, TOGETHER, LINKED, DOWN, AGING, ENDED = VISIBLE[:6]


@pytest.fixture(scope="module")
def running(app: App) -> Iterator[TiktokStandin]:
    standin = TiktokStandin(app.run["tiktokUrl"])
    yield standin
    standin.reset()
    standin.close()


@pytest.fixture
def tiktok(running: TiktokStandin) -> TiktokStandin:
    running.reset()
    return running


def ask(app: App, url: str) -> Reply:
    reply = app.call("GET", f"/meta?url={quote(url, safe='')}", described=False)
    check_answer("GET", "/meta", reply.status, reply.headers, reply.text)
    return reply


def test_a_post_is_fetched_once_and_then_cached(app: App, tiktok: TiktokStandin) -> None:
    first = app.call("POST", "/meta/resolve", {"url": address(KEPT)})
    second = app.call("POST", "/meta/resolve", {"url": address(KEPT)})
    third = ask(app, address(KEPT))
    assert (first.status, second.status, third.status) == (200, 200, 200)
    assert [r.json["cached"] for r in (first, second, third)] == [False, True, True]
    assert first.json["meta"]["title"] == third.json["title"] == KEPT.caption
    assert (third.json["duration"], third.json["url"]) == (KEPT.duration_s, KEPT.url)
    assert tiktok.counts == {"oembed": 1, "page": 1}


def test_concurrent_first_calls_fetch_once(app: App, tiktok: TiktokStandin) -> None:
    with ThreadPoolExecutor(100) as pool:
        replies = list(pool.map(lambda _: ask(app, address(TOGETHER)), range(100)))
    assert [reply.status for reply in replies] == [200] * 100
    assert {reply.json["title"] for reply in replies} == {TOGETHER.caption}
    assert tiktok.counts == {"oembed": 1, "page": 1}


def test_a_short_link_resolves_to_its_post_and_a_bad_one_is_refused(
    app: App, tiktok: TiktokStandin
) -> None:
    def resolve(code: str) -> Reply:
        return app.call("POST", "/meta/resolve", {"url": f"https://vm.tiktok.com/{code}/"})

    assert resolve(LINKED.code).json["id"] == LINKED.id
    assert resolve("ZTevil004").code == "link_unresolved"
    assert resolve("ZTlogin02").code == "login_required"
    assert resolve("ZThome001").code == "post_not_found"
    assert resolve("ZTprofile").code == "not_a_video"
    assert tiktok.counts == {"short": 5, "oembed": 1, "page": 1}


def test_hostile_addresses_cause_no_request(app: App, tiktok: TiktokStandin) -> None:
    for url in HOSTILE:
        reply = app.call("POST", "/meta/resolve", {"url": url})
        assert (reply.status, reply.code) == (400, "invalid_url"), url
    assert tiktok.counts == {}


def make_older(app: App, post: Post, seconds: int) -> dict[str, Any]:
    """Makes a cached answer older by `seconds`; returns the changed item."""
    table = app.ledger.table
    item = table.get(f"TIKTOK#{post.id}", SK)
    assert item is not None
    older = {name: item[name] - seconds for name in ("fetched_at", "fresh_until", "ttl")}
    table.write(Put(item | older, ""))
    return item | older


def test_a_cached_answer_is_fresh_for_hours_stale_in_an_outage_and_then_renewed(
    app: App, tiktok: TiktokStandin
) -> None:
    assert ask(app, address(AGING)).json["cached"] is False
    item = make_older(app, AGING, 0)
    assert FRESH_S[0] <= item["fresh_until"] - item["fetched_at"] <= FRESH_S[1]
    make_older(app, AGING, 600)
    kept = ask(app, address(AGING)).json
    assert (kept["cached"], kept["stale"], 600 <= kept["age"] < 660) == (True, False, True)
    assert tiktok.counts == {"oembed": 1, "page": 1}
    # DynamoDB deletes expired items late; such an item must not be answered as fresh.
    make_older(app, AGING, FRESH_S[1])
    tiktok.down()
    stale = ask(app, address(AGING)).json
    assert (stale["cached"], stale["stale"], stale["title"]) == (True, True, AGING.caption)
    assert stale["age"] >= FRESH_S[1]
    tiktok.reset()
    assert ask(app, address(AGING)).json["stale"] is True
    assert tiktok.counts == {}
    make_older(app, AGING, REFUSED_S[1])
    renewed = ask(app, address(AGING)).json
    assert (renewed["cached"], renewed["stale"]) == (False, False)
    assert tiktok.counts == {"oembed": 1, "page": 1}


def test_a_refusal_is_cached_for_minutes(app: App, tiktok: TiktokStandin) -> None:
    post = HIDDEN[0]
    assert [ask(app, address(post)).code for _ in range(3)] == ["post_not_found"] * 3
    assert tiktok.counts == {"oembed": 1, "page": 1}
    item = make_older(app, post, REFUSED_S[1])
    assert REFUSED_S[0] <= item["fresh_until"] - item["fetched_at"] <= REFUSED_S[1]
    assert ask(app, address(post)).code == "post_not_found"
    assert tiktok.counts == {"oembed": 2, "page": 2}


def test_concurrent_calls_for_an_expired_answer_fetch_once(app: App, tiktok: TiktokStandin) -> None:
    ask(app, address(ENDED))
    make_older(app, ENDED, FRESH_S[1])
    tiktok.reset()
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda _: ask(app, address(ENDED)), range(50)))
    assert {(reply.status, reply.json["title"]) for reply in replies} == {(200, ENDED.caption)}
    assert tiktok.counts == {"oembed": 1, "page": 1}


def test_an_outage_has_an_error_code_of_its_own(app: App, tiktok: TiktokStandin) -> None:
    tiktok.down()
    reply = app.call("POST", "/meta/resolve", {"url": address(DOWN)})
    assert (reply.status, reply.code) == (502, "tiktok_failed")


def test_every_visible_post_is_answered_in_the_described_form(
    app: App, tiktok: TiktokStandin
) -> None:
    def resolve(post: Post) -> Reply:
        return app.call("POST", "/meta/resolve", {"url": address(post)})

    for post in VISIBLE[6:]:
        answer = resolve(post).json
        expected = post.expected()
        assert (answer["title"], answer["url"]) == (expected["title"], expected["url"])
        assert answer["duration"] == (expected["duration"] or 0)
        assert answer["durationKnown"] == (expected["duration"] is not None)
