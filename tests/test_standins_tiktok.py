"""The TikTok stand-in answers as TikTok, at one address for all hosts."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from standins import tiktok
from standins.harness import Client, calls, fault, order, play
from standins.tiktok_posts import GENERATIONS, POSTS, Post

pytestmark = pytest.mark.enable_socket

FIXTURES = Path(__file__).parents[2] / "shared" / "tiktok"
POST_OF = {post.generation: post for post in reversed(POSTS) if not post.status_code}
BREAD = next(post for post in POSTS if post.code == "ZTbread01")
UNKNOWN = "7000000000000000000"


def app(**settings: Any) -> web.Application:
    return tiktok.create_app(**settings)


async def get(client: Client, path: str, **headers: str) -> tuple[int, str, str]:
    """Status, body and Location."""
    async with client.get(path, allow_redirects=False, headers=headers) as answer:
        return answer.status, await answer.text(), answer.headers.get("Location", "")


async def oembed(client: Client, url: str) -> tuple[int, dict[str, Any]]:
    async with client.get("/oembed", params={"url": url}) as answer:
        body: dict[str, Any] = await answer.json()
        return answer.status, body


def data_of(page: str, script_id: str) -> Any:
    found = re.search(rf'<script id="{script_id}"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found, page[-500:]
    text = found.group(1).removeprefix("window['SIGI_STATE']=").partition(";window[")[0]
    return json.loads(text)


def item_of(page: str, post: Post, generation: str) -> dict[str, Any]:
    """Caption, handle, nickname and duration, from where docs/tiktok.md says."""
    if generation in {"universal", "reflow"}:
        scope = data_of(page, "__UNIVERSAL_DATA_FOR_REHYDRATION__")["__DEFAULT_SCOPE__"]
        name = "webapp.video-detail" if generation == "universal" else "webapp.reflow.video.detail"
        item = scope[name]["itemInfo"]["itemStruct"]
        author = item["author"]
    elif generation == "api_data":
        item = data_of(page, "api-data")["videoDetail"]["itemInfo"]["itemStruct"]
        author = item["author"]
    elif generation == "sigi_sharing":
        module = data_of(page, "SIGI_STATE")["SharingVideoModule"]
        item = module["videoData"]["itemInfo"]["itemStruct"]
        author = item["author"]
    elif generation.startswith("sigi"):
        state = data_of(page, "SIGI_STATE" if generation == "sigi" else "sigi-persisted-data")
        assert next(iter(state["ItemModule"])) != post.id
        item = state["ItemModule"][post.id]
        author = {"uniqueId": item["author"], "nickname": item["nickname"]}
    else:
        props = data_of(page, "__NEXT_DATA__")["props"]["pageProps"]
        if generation == "next_video":
            infos, author = props["videoData"]["itemInfos"], props["videoData"]["authorInfos"]
            video = {"duration": infos["video"]["videoMeta"]["duration"]}
            item = {**infos, "desc": infos["text"], "video": video}
            author = {"uniqueId": author["uniqueId"], "nickname": author["nickName"]}
        else:
            item = props["itemInfo"]["itemStruct"]
            assert item["createTime"] == post.created_at
            author = item["author"]
    assert (item["id"], int(item["createTime"])) == (post.id, post.created_at)
    return {
        "title": item["desc"],
        "handle": author["uniqueId"],
        "author": author["nickname"],
        "duration": item["video"]["duration"],
    }


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_generation_of_page_keeps_its_fields_where_the_docs_say(generation: str) -> None:
    post = POST_OF[generation]

    async def scenario(client: Client) -> None:
        status, page, _ = await get(client, f"/@_/video/{post.id}")
        assert status == 200 and len(page) > 300_000
        found = item_of(page, post, generation)
        assert found == {name: post.expected()[name] for name in found}
        first = re.search(r'"duration":(\d+)', page)
        assert first is None or generation == "next_video" or int(first[1]) != post.duration_s

    play(app(), scenario)


def test_the_built_in_posts_cover_the_unusual_ones() -> None:
    async def scenario(client: Client) -> None:
        posts = {post["code"]: post for post in await order(client, "posts", method="GET")}
        assert posts["ZTempty07"]["title"] == "" and "\u2028" in posts["ZTlines09"]["title"]
        _, page, _ = await get(client, f"/@_/video/{posts['ZTlines09']['id']}")
        assert "\u2028" in page
        _, page, _ = await get(client, f"/@_/video/{posts['ZTgated11']['id']}")
        assert "isContentClassified" in page and '"uniqueId":"late.show"' not in page
        _, page, _ = await get(client, f"/@_/video/{posts['ZTslide10']['id']}")
        assert '"imagePost"' in page and posts["ZTslide10"]["duration"] is None
        _, page, _ = await get(client, f"/@slow.slides/photo/{posts['ZTslide10']['id']}")
        assert "webapp.video-detail" not in page
        status, _ = await oembed(client, posts["ZTponly12"]["url"])
        assert status == 400

    play(app(filler_kb=1), scenario)


def test_the_user_agent_decides_which_page_is_served() -> None:
    async def scenario(client: Client) -> None:
        path = f"/@_/video/{BREAD.id}"
        _, page, _ = await get(client, path, **{"User-Agent": "Mozilla/5.0 (iPhone)"})
        assert item_of(page, BREAD, "reflow")["title"] == BREAD.caption
        _, page, _ = await get(client, path, **{"User-Agent": "facebookexternalhit/1.1"})
        assert "TikTok · Crumb &amp; Crust" in page and "REHYDRATION" not in page

    play(app(filler_kb=1), scenario)


@pytest.mark.parametrize(
    ("post_id", "code"),
    [(post.id, post.status_code) for post in POSTS if post.status_code] + [(UNKNOWN, 10204)],
)
def test_a_hidden_post_is_200_with_its_code_and_its_oembed_is_400(post_id: str, code: int) -> None:
    async def scenario(client: Client) -> None:
        status, page, _ = await get(client, f"/@_/video/{post_id}")
        detail = data_of(page, "__UNIVERSAL_DATA_FOR_REHYDRATION__")["__DEFAULT_SCOPE__"]
        assert status == 200 and "itemInfo" not in detail["webapp.video-detail"]
        assert detail["webapp.video-detail"]["statusCode"] == code
        refused = {"message": "Something went wrong", "code": 400}
        assert await oembed(client, f"https://www.tiktok.com/@_/video/{post_id}") == (400, refused)

    play(app(filler_kb=1), scenario)


def test_oembed_has_the_documented_members_and_ignores_the_handle() -> None:
    async def scenario(client: Client) -> None:
        status, body = await oembed(client, f"https://www.tiktok.com/@stale/video/{BREAD.id}")
        assert status == 200 and (body["title"], body["type"]) == (BREAD.caption, "video")
        assert body["author_name"] == BREAD.nickname and body["width"] == "100%"
        assert (body["author_unique_id"], body["embed_product_id"]) == (BREAD.handle, BREAD.id)
        assert "duration" not in body
        assert (await oembed(client, BREAD.url.partition("/video")[0]))[1]["type"] == "rich"
        assert (await oembed(client, "https://www.tiktok.com/tag/bread"))[0] == 400

    play(app(), scenario)


def test_a_short_link_is_one_redirect_on_both_paths() -> None:
    async def scenario(client: Client) -> None:
        for path in (f"/{BREAD.code}", f"/t/{BREAD.code}/"):
            status, body, location = await get(client, path)
            assert status == 302 and location.startswith(f"{BREAD.url}?")
            assert body.startswith('<a href="https://www.tiktok.com/')
        async with client.head(f"/{BREAD.code}/", allow_redirects=False) as answer:
            assert answer.headers["Location"] == location
        assert (await get(client, "/ZTnosuchcode"))[2] == "https://www.tiktok.com/?_r=1"
        assert (await get(client, "/ZTnowhere"))[::2] == (200, "")
        bot = {"User-Agent": "Discordbot/2.0"}
        assert (await get(client, f"/{BREAD.code}", **bot))[2] == ""

    play(app(filler_kb=1), scenario)


def test_short_links_cover_every_kind_of_target_and_a_loop() -> None:
    async def scenario(client: Client) -> None:
        table = await order(client, "links", method="GET")
        assert table.pop("ZTbadurl1") == "http://[oops"
        hosts = {urlsplit(target).hostname for target in table.values()}
        assert {"m.tiktok.com", "shop.tiktok.com", "evil.example", "169.254.169.254"} <= hosts
        paths = {urlsplit(target).path for target in table.values()}
        assert {"/login", "/link/v2", "/hk/notfound", "/404"} <= paths
        code, seen = "ZTloop000", []
        while code not in seen:
            seen.append(code)
            code = urlsplit((await get(client, f"/t/{code}"))[2]).path.removeprefix("/t/")
        assert len(seen) == 5
        await get(client, "/login?redirect_url=x")
        await get(client, "/link/v2?target=x")
        assert len(await calls(client, "elsewhere")) == 2
        assert len(await calls(client, "short")) == 5

    play(app(filler_kb=1), scenario)


@pytest.mark.parametrize(
    ("action", "status", "mark"),
    [
        ({"as": "waf"}, 200, "SlardarWAF"),
        ({"as": "captcha"}, 200, "Security Check"),
        ({"as": "verify"}, 200, "tiktok-verify-page"),
        ({"as": "waf", "browser": "desktop"}, 200, "SlardarWAF"),
        ({"as": "shell"}, 200, 'data-downgrade="1"'),
        ({"as": "decoy"}, 200, "Make Your Day"),
        ({"as": "no_detail"}, 200, "webapp.app-context"),
        ({"as": "status", "code": 10216, "message": "private"}, 200, '"statusCode":10216'),
        ({"as": "sigi"}, 200, 'id="SIGI_STATE"'),
        ({"as": "login"}, 302, "/login?redirect_url="),
        ({"as": "region"}, 302, "/hk/notfound"),
    ],
)
def test_a_page_fails_as_ordered(action: dict[str, Any], status: int, mark: str) -> None:
    async def scenario(client: Client) -> None:
        await fault(client, "page", {"kind": "page", **action}, match=BREAD.id)
        answered, page, _ = await get(client, f"/@_/video/{BREAD.id}")
        assert answered == status and mark in page
        assert "itemStruct" not in page
        _, page, _ = await get(client, f"/@_/video/{BREAD.id}")
        assert item_of(page, BREAD, "universal")["duration"] == BREAD.duration_s

    play(app(filler_kb=1), scenario)


@pytest.mark.parametrize(
    ("wanted", "status", "members"),
    [
        ("error", 400, {"message": "Something went wrong", "code": 400}),
        ("status_msg", 200, {"status_msg": "Something went wrong"}),
        ("status_code", 200, {"status_code": 10101}),
        ("profile", 200, {"type": "rich", "embed_type": "profile"}),
        ("shape_2020", 200, {"title": BREAD.caption}),
    ],
)
def test_oembed_fails_as_ordered(wanted: str, status: int, members: dict[str, Any]) -> None:
    async def scenario(client: Client) -> None:
        await fault(client, "oembed", {"kind": "oembed", "as": wanted})
        answered, body = await oembed(client, BREAD.url)
        assert answered == status and members.items() <= body.items()
        assert "embed_product_id" not in body

    play(app(), scenario)


def test_only_the_browser_that_a_fault_names_meets_it() -> None:
    async def scenario(client: Client) -> None:
        await fault(client, "page", {"kind": "page", "as": "waf", "browser": "phone"}, times=2)
        path = f"/@_/video/{BREAD.id}"
        assert "SlardarWAF" not in (await get(client, path))[1]
        assert (
            "SlardarWAF" in (await get(client, path, **{"User-Agent": "Mozilla/5.0 (iPhone)"}))[1]
        )

    play(app(filler_kb=1), scenario)


def test_an_age_gate_shows_the_id_alone() -> None:
    async def scenario(client: Client) -> None:
        await fault(client, "page", {"kind": "page", "as": "age_gate"})
        _, page, _ = await get(client, f"/@_/video/{BREAD.id}")
        scope = data_of(page, "__UNIVERSAL_DATA_FOR_REHYDRATION__")["__DEFAULT_SCOPE__"]
        item = scope["webapp.video-detail"]["itemInfo"]["itemStruct"]
        assert (item["id"], item["isContentClassified"], len(item)) == (BREAD.id, True, 3)

    play(app(filler_kb=1), scenario)


def test_the_page_for_frames_has_the_embedded_posts_alone() -> None:
    async def scenario(client: Client) -> None:
        post = next(post for post in POSTS if post.embedded)
        for post_id, name in ((post.id, f"/embed/v2/{post.id}"), (BREAD.id, None)):
            status, page, _ = await get(client, f"/embed/v2/{post_id}")
            shown = data_of(page, "__FRONTITY_CONNECT_STATE__")["source"]["data"]
            assert (status, list(shown)) == (200, [name] if name else [])
        assert len(await calls(client, "embed")) == 2

    play(app(filler_kb=1), scenario)


def test_links_can_be_added() -> None:
    async def scenario(client: Client) -> None:
        await order(client, "links", {"ZT-new_1": "https://www.tiktok.com/@a/video/1"})
        assert (await get(client, "/t/ZT-new_1"))[2] == "https://www.tiktok.com/@a/video/1"

    play(app(filler_kb=1), scenario)


def test_posts_can_be_added() -> None:
    async def scenario(client: Client) -> None:
        added = {"id": UNKNOWN, "caption": "new", "generation": "sigi", "duration_s": 3}
        [post] = await order(client, "posts", [added])
        assert (await oembed(client, post["url"]))[1]["title"] == "new"
        assert (await get(client, f"/{post['code']}"))[2].startswith(post["url"])
        for bad in ({"id": "x"}, {"id": "1", "generation": "x"}, {"id": "1", "captoin": ""}):
            async with client.post("/_control/posts", json=[bad]) as answer:
                assert answer.status == 400

    play(app(), scenario)


@pytest.mark.skipif(not FIXTURES.exists(), reason="no saved pages beside this checkout")
def test_saved_answers_are_served_byte_for_byte() -> None:
    def saved(name: str) -> str:
        return (FIXTURES / name).read_text(encoding="utf-8")

    async def scenario(client: Client) -> None:
        first = "05_universal_video_desktop_2024_es.html"
        assert (await get(client, "/@_/video/6806030056956251397"))[1] == saved(first)
        missing = "16_error_10204_item_doesnt_exist_2026.html"
        assert (await get(client, "/@_/video/7660566211100511519"))[1] == saved(missing)
        kept = json.loads(saved("32_oembed_2026_scout2015.json"))
        url = "https://www.tiktok.com/@_/video/6718335390845095173"
        assert await oembed(client, url) == (200, kept)
        waf = "18_waf_please_wait_2026.html"
        await fault(client, "page", {"kind": "page", "file": waf})
        assert (await get(client, f"/@_/video/{BREAD.id}"))[1] == saved(waf)
        assert item_of((await get(client, f"/@_/video/{BREAD.id}"))[1], BREAD, "universal")

    play(app(fixtures=FIXTURES), scenario)
