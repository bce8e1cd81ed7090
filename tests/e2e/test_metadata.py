"""Metadata of the whole system: asked for once, kept, right, and never led astray."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from local.standins.tiktok_posts import Post
from tests.e2e.conftest import App, Reply
from tests.support.schema import check_answer
from tests.support.tiktok import VISIBLE, TiktokStandin, address
from tests.test_tiktok import HOSTILE

KEPT, TOGETHER, LINKED, DOWN = VISIBLE[:4]


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


def test_a_post_is_asked_for_once_and_then_kept(app: App, tiktok: TiktokStandin) -> None:
    first = app.call("POST", "/meta/resolve", {"url": address(KEPT)})
    second = app.call("POST", "/meta/resolve", {"url": address(KEPT)})
    third = ask(app, address(KEPT))
    assert (first.status, second.status, third.status) == (200, 200, 200)
    assert [r.json["cached"] for r in (first, second, third)] == [False, True, True]
    assert first.json["meta"]["title"] == third.json["title"] == KEPT.caption
    assert (third.json["duration"], third.json["url"]) == (KEPT.duration_s, KEPT.url)
    assert tiktok.counts == {"oembed": 1, "page": 1}


def test_many_first_calls_at_once_ask_tiktok_once(app: App, tiktok: TiktokStandin) -> None:
    with ThreadPoolExecutor(100) as pool:
        replies = list(pool.map(lambda _: ask(app, address(TOGETHER)), range(100)))
    assert [reply.status for reply in replies] == [200] * 100
    assert {reply.json["title"] for reply in replies} == {TOGETHER.caption}
    assert tiktok.counts == {"oembed": 1, "page": 1}


def test_a_short_link_leads_to_its_post_and_a_bad_one_nowhere(
    app: App, tiktok: TiktokStandin
) -> None:
    def resolve(code: str) -> Reply:
        return app.call("POST", "/meta/resolve", {"url": f"https://vm.tiktok.com/{code}/"})

    assert resolve(LINKED.code).json["id"] == LINKED.id
    assert resolve("ZTevil004").code == "link_unresolved"
    assert resolve("ZTlogin01").code == "link_unresolved"
    assert resolve("ZThome001").code == "post_not_found"
    assert resolve("ZTprofile").code == "not_a_video"
    assert tiktok.counts == {"short": 5, "oembed": 1, "page": 1}


def test_hostile_addresses_cause_no_request(app: App, tiktok: TiktokStandin) -> None:
    for url in HOSTILE:
        reply = app.call("POST", "/meta/resolve", {"url": url})
        assert (reply.status, reply.code) == (400, "invalid_url"), url
    assert tiktok.counts == {}


def test_an_outage_is_a_typed_error(app: App, tiktok: TiktokStandin) -> None:
    tiktok.down()
    reply = app.call("POST", "/meta/resolve", {"url": address(DOWN)})
    assert (reply.status, reply.code) == (502, "tiktok_failed")


def test_every_visible_post_is_answered_in_the_described_form(
    app: App, tiktok: TiktokStandin
) -> None:
    def resolve(post: Post) -> Reply:
        return app.call("POST", "/meta/resolve", {"url": address(post)})

    for post in VISIBLE[4:]:
        answer = resolve(post).json
        assert (answer["title"], answer["duration"]) == (post.caption, post.expected()["duration"])
