"""`GET /meta` and `POST /meta/resolve`: one answer from several sources, complete or marked as partial."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from engine.metadata import answers, lookup
from engine.web.http import QUERY_LIMIT
from standins.tiktok_links import links
from tests.support.gateway import Gateway, Reply
from tests.support.schema import check_answer
from tests.support.tiktok import (
    DATA,
    HIDDEN,
    MISSING_ID,
    SAVED,
    VISIBLE,
    TiktokStandin,
    address,
    forget,
    post_with,
    serving,
)
from tests.test_metadata_links import HOSTILE, LINKS_BY_PATH, OTHER_THINGS, POSTS, SHORT

SAID_BY_PAGE = {"source": "page+oembed", "partial": False, "warnings": []}
VIDEO = VISIBLE[0]
MANIFEST: list[dict[str, Any]] = (
    json.loads((SAVED / "manifest.json").read_text()) if SAVED.is_dir() else []
)


@pytest.fixture(scope="module")
def running() -> Iterator[TiktokStandin]:
    with serving(filler_kb=20) as standin:
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
    """A gateway that has kept nothing yet."""
    forget(shared)
    return shared


@pytest.fixture(scope="module")
def saved_gateway(endpoint: str) -> Iterator[tuple[Gateway, TiktokStandin]]:
    with serving(SAVED) as standin:
        yield Gateway(endpoint, TIKTOK_BASE=standin.base, RATE_LIMIT="100000"), standin


def ask(gateway: Gateway, url: str) -> Reply:
    reply = gateway.call("GET", "/meta", query={"url": url})
    check_answer("GET", "/meta", reply.status, reply.headers, reply.text)
    return reply


@pytest.mark.parametrize("post", VISIBLE, ids=lambda post: post.handle)
def test_every_post_is_answered_as_it_is(meta: Gateway, post: Any) -> None:
    answer = ask(meta, address(post)).json
    expected = post.expected()
    for name in ("id", "title", "description", "url"):
        assert answer[name] == expected[name], name
    assert_duration(answer, expected["duration"])
    assert (answer["author"], answer["handle"]) == (post.nickname, post.handle)
    assert answer["mediaType"] == post.media_type
    assert answer["thumbnail"].startswith(post.thumbnail)
    assert answer["stats"]["plays"] == post.stats[3]
    assert (answer["cached"], answer["stale"], answer["age"]) == (False, False, 0)
    assert answer["partial"] == post.age_gated
    assert answer["source"] == ("page+oembed" if post.oembed else "page")


def assert_duration(answer: dict[str, Any], expected_s: int | None) -> None:
    """An unknown duration is the number 0, and is said to be unknown."""
    assert type(answer["duration"]) is int
    assert (answer["duration"], answer["durationKnown"]) == (
        expected_s or 0,
        expected_s is not None,
    )


TRIMMED: list[dict[str, Any]] = json.loads((DATA / "manifest.json").read_text())


@pytest.fixture(scope="module")
def trimmed(endpoint: str) -> Iterator[tuple[Gateway, TiktokStandin]]:
    with serving(DATA) as standin:
        yield Gateway(endpoint, TIKTOK_BASE=standin.base, RATE_LIMIT="100000"), standin


@pytest.mark.parametrize("page", TRIMMED, ids=lambda page: f"{page['file']}-{page['oembed']}")
def test_a_trimmed_page_is_answered_with_its_expected_values(
    trimmed: tuple[Gateway, TiktokStandin], page: dict[str, Any]
) -> None:
    gateway, standin = trimmed
    forget(gateway)
    standin.reset()
    expected = page["expected"]
    if page["oembed"] == "answers":
        standin.order("posts", [{"id": expected["id"]}])
    else:
        standin.faults(("oembed", {"kind": "oembed", "as": "error"}))
    reply = ask(gateway, f"https://www.tiktok.com/@_/video/{expected['id']}")
    assert_expected(reply, expected)


def assert_expected(reply: Reply, expected: dict[str, Any]) -> None:
    wanted = dict(expected)
    assert reply.status == wanted.pop("status")
    if "duration" in wanted:
        assert_duration(reply.json, wanted.pop("duration"))
    if "warnings_include" in wanted:
        assert wanted.pop("warnings_include") in reply.json["warnings"]
    if reply.status != 200:
        wanted.pop("id")
    assert {name: reply.json[name] for name in wanted} == wanted


PASTED: list[dict[str, str]] = json.loads((DATA / "links.json").read_text())


@pytest.mark.parametrize("pasted", PASTED, ids=lambda pasted: ascii(pasted["text"])[1:60])
def test_what_people_paste_leads_to_its_post(
    trimmed: tuple[Gateway, TiktokStandin], pasted: dict[str, str]
) -> None:
    gateway, standin = trimmed
    standin.reset()
    if "code" in pasted:
        standin.order("links", {pasted["code"]: pasted["location"]})
    reply = ask(gateway, pasted["text"])
    assert (reply.status, reply.json["id"]) == (200, "7631060535387160108")
    resolved = gateway.call("POST", "/meta/resolve", {"url": pasted["text"]})
    assert (resolved.status, resolved.json["id"]) == (200, "7631060535387160108")


def test_two_different_links_in_one_text_are_refused(meta: Gateway, tiktok: TiktokStandin) -> None:
    text = f"{address(VIDEO)} or {address(VISIBLE[1])}"
    for reply in (ask(meta, text), meta.call("POST", "/meta/resolve", {"url": text})):
        assert (reply.status, reply.code) == (400, "several_links")
        assert "two different TikTok links" in reply.json["message"]
    assert tiktok.counts == {}


@pytest.mark.skipif(not SAVED.is_dir(), reason="the saved pages are not there")
def test_the_saved_page_and_oembed_of_one_day_are_one_answer(
    saved_gateway: tuple[Gateway, TiktokStandin],
) -> None:
    expected = MANIFEST[0]["expected"]
    gateway, _ = saved_gateway
    answer = ask(gateway, f"https://www.tiktok.com/@x/video/{expected['id']}").json
    assert answer["title"] == answer["description"] == expected["description"]
    assert (answer["author"], answer["handle"]) == (expected["author"], expected["handle"])
    assert (answer["duration"], answer["url"]) == (29, expected["url"])
    assert (answer["thumbnail"], answer["stats"]) == (expected["thumbnail"], expected["stats"])
    assert answer["createdAt"] == "2020-03-19T21:12:41.000Z"
    assert {name: answer[name] for name in SAID_BY_PAGE} == SAID_BY_PAGE


def test_resolve_answers_the_same_members_and_once_more_under_meta(meta: Gateway) -> None:
    shown = ask(meta, address(VIDEO)).json
    reply = meta.call("POST", "/meta/resolve", {"url": address(VIDEO)})
    check_answer("POST", "/meta/resolve", reply.status, reply.headers, reply.text)
    inner = reply.json["meta"]
    assert {k: v for k, v in reply.json.items() if k != "meta"} == inner
    assert {**inner, "cached": False, "age": 0} == {**shown, "age": 0}


def test_the_handle_in_the_address_is_not_used(meta: Gateway) -> None:
    answer = ask(meta, f"https://www.tiktok.com/@stale.name/photo/{VIDEO.id}").json
    assert (answer["handle"], answer["url"]) == (VIDEO.handle, VIDEO.url)


@pytest.mark.parametrize("url", [*POSTS, *SHORT, *LINKS_BY_PATH])
def test_every_form_of_address_reaches_tiktok(
    meta: Gateway, tiktok: TiktokStandin, url: str
) -> None:
    reply = ask(meta, url)
    assert reply.code == "post_not_found"
    assert tiktok.count()


def test_hostile_and_other_addresses_cause_no_request(meta: Gateway, tiktok: TiktokStandin) -> None:
    for url in [*HOSTILE, *OTHER_THINGS]:
        for reply in (ask(meta, url), meta.call("POST", "/meta/resolve", {"url": url})):
            assert (reply.status, reply.code) == (400, "invalid_url"), url
    assert tiktok.counts == {}
    assert len(HOSTILE) >= 160


@pytest.mark.parametrize("length", [2049, 4097, 9000, 60_000])
def test_an_address_that_is_too_long_is_refused_as_an_address(
    meta: Gateway, tiktok: TiktokStandin, length: int
) -> None:
    url = f"{address(VIDEO)}?x=".ljust(length, "x")
    assert meta.call("POST", "/meta/resolve", {"url": url}).code == "invalid_url"
    if length < QUERY_LIMIT:
        assert ask(meta, url).code == "invalid_url"
    assert tiktok.counts == {}


@pytest.mark.parametrize("body", [{}, {"url": 5}, {"url": None}, {"url": ["https://x"]}, []])
def test_a_body_without_an_address_is_refused(meta: Gateway, body: Any) -> None:
    assert meta.call("POST", "/meta/resolve", body).code == "invalid_request"
    assert meta.call("GET", "/meta").code == "invalid_request"


TARGETS = {
    "ZTmdot001": (200, None), "ZTshare01": (200, None), "ZTnohand1": (200, None), "ZThttp001": (200, None),
    "ZTtwohops": (200, None), "ZTthreehops": (200, None), "ZTfourhops": (502, "link_unresolved"),
    "ZTloop000": (502, "link_unresolved"), "ZTself001": (502, "link_unresolved"),
    "ZTlogin01": (200, None), "ZTlogin02": (403, "login_required"), "ZTlogin03": (502, "link_unresolved"),
    "ZTlogin04": (502, "link_unresolved"), "ZTi18n001": (200, None), "ZTbadurl1": (502, "link_unresolved"),
    "ZTlinkv21": (502, "link_unresolved"),
    "ZTnowhere": (502, "link_unresolved"), "ZThome001": (404, "post_not_found"),
    "ZTnosuch01": (404, "post_not_found"), "ZT404page": (404, "post_not_found"),
    "ZTregion1": (404, "post_not_found"), "ZTshop001": (400, "not_a_video"),
    "ZTinvite1": (400, "not_a_video"),
    "ZTprofile": (400, "not_a_video"), "ZTlive001": (400, "not_a_video"), "ZTmusic01": (400, "not_a_video"),
    "ZTevil001": (502, "link_unresolved"), "ZTevil002": (502, "link_unresolved"),
    "ZTevil003": (502, "link_unresolved"), "ZTevil004": (502, "link_unresolved"),
    "ZTevil005": (502, "link_unresolved"),
}  # fmt: skip


@pytest.mark.parametrize(
    "code", [c for c in links(VISIBLE) if not c.startswith("ZTloop")] + list(TARGETS)
)
def test_a_short_link_is_followed_to_a_post_alone(
    meta: Gateway, tiktok: TiktokStandin, code: str
) -> None:
    status, refusal = TARGETS.get(code, (200, None))
    reply = ask(meta, f"https://vm.tiktok.com/{code}/?_t=1")
    assert (reply.status, reply.json.get("code")) == (status, refusal)
    assert tiktok.counts.get("short", 0) <= 3
    assert "elsewhere" not in tiktok.counts
    assert ("page" in tiktok.counts) == (status == 200)


def test_a_resolved_code_is_kept(meta: Gateway, tiktok: TiktokStandin) -> None:
    for url in (f"https://vm.tiktok.com/{VIDEO.code}", f"https://www.tiktok.com/t/{VIDEO.code}/"):
        assert ask(meta, url).json["id"] == VIDEO.id
    assert ask(meta, address(VIDEO)).json["cached"] is True
    assert tiktok.counts == {"short": 1, "oembed": 1, "page": 1}


STATUSES = {
    10216: (403, "post_private"), 10222: (403, "post_private"), 10217: (404, "post_removed"),
    10221: (404, "post_removed"), 10101: (502, "tiktok_failed"), 100004: (502, "tiktok_failed"),
    100002: (400, "not_a_video"),
}  # fmt: skip


@pytest.mark.parametrize("post", HIDDEN, ids=lambda post: str(post.status_code))
def test_a_hidden_post_is_refused_by_its_status(meta: Gateway, post: Any) -> None:
    reply = ask(meta, address(post))
    assert (reply.status, reply.code) == STATUSES.get(post.status_code, (404, "post_not_found"))


PAGE_TROUBLES = {
    "waf": "page_blocked", "captcha": "page_blocked", "verify": "page_blocked", "region": "page_blocked",
    "login": "login_required", "age_gate": "age_restricted", "shell": "page_no_post", "decoy": "page_no_post",
    "no_detail": "page_no_post", "status": "page_hidden",
}  # fmt: skip


@pytest.mark.parametrize("kind", PAGE_TROUBLES)
def test_without_a_page_oembed_answers_and_the_warning_says_why(
    meta: Gateway, tiktok: TiktokStandin, kind: str
) -> None:
    tiktok.page_is(kind)
    answer = ask(meta, address(VIDEO)).json
    assert (answer["title"], answer["author"]) == (VIDEO.caption, VIDEO.nickname)
    assert_duration(answer, None)
    assert (answer["stats"], answer["source"]) == (None, "oembed")
    assert (answer["partial"], answer["warnings"]) == (True, [PAGE_TROUBLES[kind]])
    assert answer["createdAt"] is not None
    # A reason is final; otherwise the page for phones is asked for once as well.
    assert tiktok.counts["page"] == (1 if kind in ("age_gate", "status") else 2)


@pytest.mark.parametrize(
    "kind", ["waf", "captcha", "verify", "shell", "login", "region", "no_detail"]
)
@pytest.mark.parametrize("browser", ["desktop", "phone"])
def test_where_one_browsers_page_is_blocked_the_other_is_asked_for(
    meta: Gateway, tiktok: TiktokStandin, kind: str, browser: str
) -> None:
    tiktok.page_is(kind, browser=browser)
    answer = ask(meta, address(VIDEO)).json
    assert_duration(answer, VIDEO.duration_s)
    assert {name: answer[name] for name in SAID_BY_PAGE} == SAID_BY_PAGE
    assert tiktok.counts["page"] == (2 if browser == "desktop" else 1)
    agents = [call["headers"]["User-Agent"] for call in tiktok.calls("page")]
    assert ["iPhone" in agent for agent in agents] == [False, True][: len(agents)]


@pytest.mark.parametrize("kind", ["waf", "verify", "shell", "login", "age_gate"])
@pytest.mark.parametrize("is_embeddable", [True, False])
def test_where_the_page_is_blocked_the_page_for_frames_gives_the_duration(
    meta: Gateway, tiktok: TiktokStandin, kind: str, is_embeddable: bool
) -> None:
    tiktok.page_is(kind)
    if not is_embeddable:
        tiktok.faults(
            ("page", {"kind": "page", "as": kind}), ("oembed", {"kind": "oembed", "as": "error"})
        )
    post = post_with(embedded=True)
    answer = ask(meta, address(post)).json
    assert_duration(answer, post.duration_s)
    assert (answer["title"], answer["author"], answer["url"]) == (
        post.caption,
        post.nickname,
        post.url,
    )
    assert answer["source"] == ("embed+oembed" if is_embeddable else "embed")
    assert answer["partial"] is True
    refused = [] if is_embeddable else ["oembed_refused"]
    assert answer["warnings"] == [*refused, PAGE_TROUBLES[kind]]
    assert tiktok.counts["embed"] == 1


def test_a_page_that_is_there_or_says_why_it_is_not_needs_no_page_for_frames(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    ask(meta, address(VIDEO))
    ask(meta, address(HIDDEN[0]))
    assert "embed" not in tiktok.counts


@pytest.mark.parametrize(
    ("kind", "code"),
    [("waf", "tiktok_blocked"), ("verify", "tiktok_blocked"), ("region", "tiktok_blocked"),
     ("login", "login_required"), ("age_gate", "age_restricted"), ("no_detail", "post_not_found"),
     ("shell", "post_not_found"), ("status", "post_not_found")],
)  # fmt: skip
def test_without_any_source_the_refusal_says_why(
    meta: Gateway, tiktok: TiktokStandin, kind: str, code: str
) -> None:
    tiktok.faults(
        ("page", {"kind": "page", "as": kind}), ("oembed", {"kind": "oembed", "as": "error"})
    )
    assert ask(meta, address(VIDEO)).code == code


@pytest.mark.parametrize("kind", ["error", "status_msg", "status_code", "profile"])
def test_without_oembed_the_page_answers(meta: Gateway, tiktok: TiktokStandin, kind: str) -> None:
    tiktok.faults(("oembed", {"kind": "oembed", "as": kind}))
    answer = ask(meta, address(VIDEO)).json
    assert (answer["source"], answer["partial"]) == ("page", False)
    assert_duration(answer, VIDEO.duration_s)
    assert answer["warnings"] == ["oembed_refused"]


def test_an_oembed_answer_of_2020_is_enough(meta: Gateway, tiktok: TiktokStandin) -> None:
    tiktok.faults(
        ("oembed", {"kind": "oembed", "as": "shape_2020"}), ("page", {"kind": "page", "as": "waf"})
    )
    answer = ask(meta, address(VIDEO)).json
    assert (answer["handle"], answer["source"]) == (VIDEO.handle, "oembed")


def test_an_age_gated_post_without_oembed_is_partial_and_nothing_is_invented(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    tiktok.faults(("oembed", {"kind": "oembed", "as": "error"}))
    post = post_with(age_gated=True)
    answer = ask(meta, address(post)).json
    assert (answer["title"], answer["author"], answer["handle"]) == (post.caption, None, None)
    assert answer["url"] == f"https://www.tiktok.com/@_/video/{post.id}"
    assert answer["partial"] is True
    assert answer["warnings"] == ["oembed_refused", "age_restricted"]


SPOILED = [
    {"kind": "drop"}, {"kind": "garbage"}, {"kind": "empty"}, {"kind": "not_object"}, {"kind": "truncated"},
    {"kind": "oversized", "megabytes": 5}, {"kind": "oversized", "megabytes": 60, "encoding": "gzip"},
    {"kind": "oversized", "megabytes": 20, "encoding": "br"}, {"kind": "status", "status": 500, "body": {}},
    {"kind": "redirect", "location": "http://169.254.169.254/"},
    {"kind": "content_type", "value": "video/mp4"}, {"kind": "html"},
]  # fmt: skip


@pytest.mark.parametrize("action", SPOILED, ids=lambda action: "-".join(map(str, action.values())))
def test_a_spoiled_answer_is_an_error_of_its_own_and_affects_no_other_post(
    meta: Gateway, tiktok: TiktokStandin, action: dict[str, Any]
) -> None:
    tiktok.faults(("page", action))
    answer = ask(meta, address(VIDEO)).json
    assert (answer["source"], answer["partial"]) == ("oembed", True)
    tiktok.faults(("oembed", action), ("page", action))
    reply = ask(meta, address(VISIBLE[1]))
    assert reply.status in (502, 503)
    assert 1 <= int(reply.headers["retry-after"]) <= 300


def test_a_short_link_in_an_outage_is_refused_as_an_outage(
    meta: Gateway, tiktok: TiktokStandin
) -> None:
    tiktok.down()
    assert ask(meta, "https://vm.tiktok.com/ZTbread01/").code == "tiktok_failed"


SLOW = [{"kind": "delay", "seconds": 3}, {"kind": "drip", "chunk_bytes": 1, "chunk_seconds": 0.02}]


@pytest.mark.parametrize("action", SLOW, ids=lambda action: action["kind"])
def test_a_slow_tiktok_is_given_up_at_the_limit(
    meta: Gateway, tiktok: TiktokStandin, monkeypatch: pytest.MonkeyPatch, action: dict[str, Any]
) -> None:
    monkeypatch.setattr(answers, "POST_S", 1.0)
    tiktok.faults(("*", action))
    started = time.monotonic()
    reply = ask(meta, address(VIDEO))
    assert (reply.status, reply.code) == (504, "tiktok_slow")
    assert time.monotonic() - started < 2.5


def test_a_slow_page_is_given_up_at_its_limit(
    meta: Gateway, tiktok: TiktokStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "CALL_S", 0.5)
    tiktok.faults(("page", {"kind": "delay", "seconds": 3}))
    answer = ask(meta, address(VIDEO)).json
    assert (answer["source"], answer["warnings"]) == ("oembed", ["page_slow"])


def test_tiktok_sees_a_browser_and_no_cookie(meta: Gateway, tiktok: TiktokStandin) -> None:
    ask(meta, address(VIDEO))
    for call in [*tiktok.calls("oembed"), *tiktok.calls("page")]:
        headers = {name.lower(): value for name, value in call["headers"].items()}
        assert "Chrome" in headers["user-agent"] and "Mozilla" in headers["user-agent"]
        assert headers["accept-language"] == "en-US,en;q=0.9"
        assert "cookie" not in headers


@pytest.mark.skipif(not SAVED.is_dir(), reason="the saved pages are not there")
@pytest.mark.parametrize("saved", MANIFEST, ids=lambda saved: saved["file"])
def test_the_saved_answers_are_answered_with_their_expected_values(
    saved_gateway: tuple[Gateway, TiktokStandin], saved: dict[str, Any]
) -> None:
    gateway, standin = saved_gateway
    forget(gateway)
    standin.reset()
    expected, file = saved["expected"], saved["file"]
    is_page = file.endswith(".html")
    unread = (
        ("oembed", {"kind": "oembed", "as": "error"})
        if is_page
        else ("page", {"kind": "page", "as": "waf"})
    )
    read = (
        ("page", {"kind": "page", "file": file})
        if is_page
        else ("oembed", {"kind": "oembed", "file": file})
    )
    standin.faults(unread, read)
    reply = ask(gateway, f"https://www.tiktok.com/@_/video/{expected.get('id', MISSING_ID)}")
    if "result" in expected:
        assert reply.code == {"challenge": "tiktok_blocked"}.get(
            expected["result"], "post_not_found"
        )
        return
    answer = reply.json
    caption = expected.get("description", expected.get("title"))
    assert answer["description"] == caption
    assert answer["title"] == expected.get("image_post_title", caption)
    for name in ("id", "author", "handle", "url", "thumbnail"):
        assert answer[name] == expected[name], name
    assert_duration(answer, expected["duration_seconds"])
    assert answer["mediaType"] == expected["media_type"]
    assert answer["stats"] == expected.get("stats")
    assert answer["source"] == ("page" if is_page else "oembed")
    assert answer["partial"] is not is_page
