"""TikTok addresses: the known forms are taken and rebuilt, everything else is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metadata.links import HOSTS, SHORT_HOSTS, Post, ShortLink, parse
from engine.platform.errors import InvalidUrl
from tests.support.properties import PROPERTY

ID = "7300000000000000001"
SAFE = re.compile(
    r"https://www\.tiktok\.com/@[A-Za-z0-9_.\-]{1,100}/video/[0-9]{8,21}"
    r"|https://(?:vm|vt)\.tiktok\.com/[A-Za-z0-9]{5,21}/"
)

POSTS = {
    f"https://www.tiktok.com/@someone/video/{ID}": "@someone",
    f"https://tiktok.com/@someone/video/{ID}": "@someone",
    f"https://m.tiktok.com/@someone/video/{ID}": "@someone",
    f"https://lite.tiktok.com/@someone/video/{ID}": "@someone",
    f"http://www.tiktok.com/@someone/video/{ID}": "@someone",
    f"HTTPS://WWW.TIKTOK.COM/@someone/video/{ID}": "@someone",
    f"https://www.tiktok.com:443/@someone/video/{ID}": "@someone",
    f"http://www.tiktok.com:80/@someone/video/{ID}": "@someone",
    f"https://www.tiktok.com./@someone/video/{ID}": "@someone",
    f"  https://www.tiktok.com/@someone/video/{ID}  ": "@someone",
    f"https://www.tiktok.com/@someone/video/{ID}/": "@someone",
    f"https://www.tiktok.com/@someone/video/{ID}?is_from_webapp=1&sender_device=pc": "@someone",
    f"https://www.tiktok.com/@someone/video/{ID}#comments": "@someone",
    f"https://www.tiktok.com/%40someone/video/{ID}": "@someone",
    f"https://www.tiktok.com/@.kyle.films/video/{ID}": "@.kyle.films",
    f"https://www.tiktok.com/@w..corporation/video/{ID}": "@w..corporation",
    f"https://www.tiktok.com/@123456/video/{ID}": "@123456",
    f"https://www.tiktok.com/@MS4wLjABAAAA-_x/video/{ID}": "@MS4wLjABAAAA-_x",
    f"https://www.tiktok.com/@/video/{ID}": "@_",
    f"https://www.tiktok.com/@_/video/{ID}": "@_",
    f"https://www.tiktok.com/@i/video/{ID}": "@i",
    f"https://www.tiktok.com/en/@someone/video/{ID}": "@someone",
    f"https://www.tiktok.com/pt-BR/@someone/video/{ID}": "@someone",
    f"https://www.tiktok.com/zh-Hant/@someone/video/{ID}": "@someone",
    f"https://www.tiktok.com/video/{ID}": "@_",
    f"https://m.tiktok.com/v/{ID}": "@_",
    f"https://m.tiktok.com/v/{ID}.html": "@_",
    f"https://www.tiktok.com/share/video/{ID}": "@_",
    f"https://www.tiktokv.com/share/video/{ID}/": "@_",
    f"https://tiktokv.com/share/video/{ID}": "@_",
    f"https://m.tiktok.com/i18n/share/video/{ID}": "@_",
    f"https://www.tiktok.com/embed/{ID}": "@_",
    f"https://www.tiktok.com/embed/v2/{ID}": "@_",
    f"https://www.tiktok.com/embed/v3/{ID}": "@_",
    f"https://www.tiktok.com/player/v1/{ID}": "@_",
    f"https://pro.tiktok.com/@someone/video/{ID}": "@someone",
    f"https://www.tiktok.com/@someone/video/{ID}?q=caf\u00e9\u2028&lang=\u65e5\u672c": "@someone",
    f"https://www.tiktok.com/foryou?lang=en&item_id={ID}#x": "@_",
    f"https://m.tiktok.com/foryou/?item_id={ID}": "@_",
    f"https://www.tiktok.com/en/trending?shareId={ID}": "@_",
    f"https://www.tiktok.com/?_r=1&item_id={ID}": "@_",
    f"https://www.tiktok.com?item_id={ID}&shareId={ID}": "@_",
    f"https://www.tiktok.com/en/?item_id={ID}": "@_",
}
SHORT = {
    "https://vm.tiktok.com/ZMFHvt5aj/": "https://vm.tiktok.com/ZMFHvt5aj/",
    "https://vm.tiktok.com/ZMFHvt5aj": "https://vm.tiktok.com/ZMFHvt5aj/",
    "http://vt.tiktok.com/ZSVu2Cmd9/?_t=1": "https://vt.tiktok.com/ZSVu2Cmd9/",
    "https://VM.TikTok.com/ZMFHvt5aj": "https://vm.tiktok.com/ZMFHvt5aj/",
    "https://t.tiktok.com/ZMFHvt5aj/": "https://vm.tiktok.com/ZMFHvt5aj/",
    "https://pro.tiktok.com/ZMFHvt5aj": "https://vm.tiktok.com/ZMFHvt5aj/",
}
LINKS_BY_PATH = [
    "https://www.tiktok.com/t/ZTSw2mYwR",
    "https://www.tiktok.com/t/ZTSw2mYwR/",
    "https://tiktok.com/t/ZTSw2mYwR",
    "https://lite.tiktok.com/t/ZTSw2mYwR/?x=1",
    "https://pro.tiktok.com/t/ZTSw2mYwR/",
]
OTHER_THINGS = [
    "https://www.tiktok.com/", "https://www.tiktok.com", "https://www.tiktok.com/@someone",
    "https://www.tiktok.com/@someone/live", "https://m.tiktok.com/share/live/7300000000000000001",
    "https://www.tiktok.com/share/user/7300000000000000001",
    "https://www.tiktok.com/music/original-sound-7300000000000000001", "https://www.tiktok.com/tag/fyp",
    "https://www.tiktok.com/sticker/x-7300000000000000001", "https://www.tiktok.com/effect/7300000000",
    "https://www.tiktok.com/@someone/collection/x-7300000000000000001",
    "https://www.tiktok.com/@someone/playlist/x-7300000000000000001",
    "https://www.tiktok.com/discover/x", "https://www.tiktok.com/place/x-1",
    "https://www.tiktok.com/view/product/1729384756", "https://shop.tiktok.com/view/product/1729384756",
    "https://www.tiktok.com/ug/incentive/share/x", "https://www.tiktok.com/404?fromUrl=/x",
    "https://www.tiktok.com/hk/notfound", "https://www.tiktok.com/foryou",
    f"https://www.tiktok.com/login?redirect_url=https://www.tiktok.com/@a/video/{ID}",
    f"https://www.tiktok.com/link/v2?target=https://www.tiktok.com/@a/video/{ID}",
    "https://www.tiktok.com/oembed?url=x", "https://vm.tiktok.com/", "https://vm.tiktok.com/t/ZTSw2mYwR",
    "https://www.tiktok.com/?_r=1", "https://www.tiktok.com/foryou?item_id=", "https://www.tiktok.com/foryou?item_id=x",
    f"https://www.tiktok.com/foryou?item_id={ID}&shareId=7300000000000000002",
    f"https://www.tiktok.com/foryou?item_id={ID}&item_id=7300000000000000002",
    f"https://www.tiktok.com/foryou?redirect={ID}", f"https://www.tiktok.com/@someone?item_id={ID}",
    f"https://www.tiktok.com/login?item_id={ID}", f"https://www.tiktok.com/link/v2?item_id={ID}",
    f"https://vm.tiktok.com/?item_id={ID}", "https://vm.tiktok.com/login", "https://pro.tiktok.com/login/?redirect_url=x",
    "https://vt.tiktok.com/foryou", "https://pro.tiktok.com/trending", "https://vm.tiktok.com/link/v2?target=x",
]  # fmt: skip
HOSTILE = [
    "", " ", "x", "tiktok", f"www.tiktok.com/@a/video/{ID}", f"//www.tiktok.com/@a/video/{ID}",
    f"https:///@a/video/{ID}", f"https:www.tiktok.com/@a/video/{ID}",
    f"https://tiktok.com.evil.example/@a/video/{ID}", f"https://eviltiktok.com/@a/video/{ID}",
    f"https://evil-tiktok.com/@a/video/{ID}", f"https://www.tiktok.com.evil/@a/video/{ID}",
    f"https://evil.example/www.tiktok.com/@a/video/{ID}", f"https://evil.tiktok.com/@a/video/{ID}",
    f"https://www.tiktok.co/@a/video/{ID}", f"https://www.tiktok.com../@a/video/{ID}",
    f"https://www.tiktok.com@evil.example/@a/video/{ID}", f"https://a@www.tiktok.com/@a/video/{ID}",
    f"https://a:b@www.tiktok.com/@a/video/{ID}", f"https://@www.tiktok.com/@a/video/{ID}",
    f"https://www.tiktok.com%40evil.example/@a/video/{ID}", f"https://www.tiktok.com%2f@a/video/{ID}",
    f"https://evil.example#@www.tiktok.com/@a/video/{ID}", f"https://evil.example?@www.tiktok.com/@a/video/{ID}",
    f"https://evil.example\\@www.tiktok.com/@a/video/{ID}", f"https:\\\\www.tiktok.com\\@a\\video\\{ID}",
    f"https://www.tiktok.com\\.evil.example/@a/video/{ID}", f"https://www.tiktok.com/@a\\video\\{ID}",
    f"https://www.tiktok.com:8443/@a/video/{ID}", f"https://www.tiktok.com:80/@a/video/{ID}",
    f"http://www.tiktok.com:443/@a/video/{ID}", f"https://www.tiktok.com:0/@a/video/{ID}",
    f"https://www.tiktok.com:99999/@a/video/{ID}", f"https://www.tiktok.com:x/@a/video/{ID}",
    f"ftp://www.tiktok.com/@a/video/{ID}", f"file://www.tiktok.com/@a/video/{ID}",
    f"javascript://www.tiktok.com/@a/video/{ID}", f"gopher://www.tiktok.com/@a/video/{ID}",
    f"https://127.0.0.1/@a/video/{ID}", f"https://localhost/@a/video/{ID}", f"https://2130706433/@a/video/{ID}",
    f"https://0x7f.1/@a/video/{ID}", f"https://[::1]/@a/video/{ID}", f"https://[::ffff:7f00:1]/@a/video/{ID}",
    f"https://[www.tiktok.com]/@a/video/{ID}", f"https://[/@a/video/{ID}", f"https://169.254.169.254/@a/video/{ID}",
    f"https://www.t\u0456ktok.com/@a/video/{ID}", f"https://www.tiktok\u3002com/@a/video/{ID}",
    f"https://www.\uff54iktok.com/@a/video/{ID}", f"https://www.tiktok.com\u2044@a/video/{ID}",
    f"https://www.ti\u212atok.com/@a/video/{ID}", f"https://www.tikto\u212a.com/@a/video/{ID}",
    f"https://www.tiktok.com:\uff14\uff14\uff13/@a/video/{ID}", f"https://www.tiktok.com/foryou?item_id={ID}\\@evil.example",
    f"https://www.tiktok.com/foryou?item_id=%00{ID}", f"https://www.tiktok.com/foryou?item_id={ID}%26x",
    f"https://www.tiktok.com//foryou?item_id={ID}", f"https://evil.example/foryou?item_id={ID}",
    f"https://xn--tktok-q4a.com/@a/video/{ID}", f"https://www.tiktok.com/@\u00e9/video/{ID}",
    f"https://www.tiktok.com/@a/video/{ID}\u202e", "https://www.tiktok.com/@a/video/\u0667" + "\u0663" * 18,
    f"https://www.tiktok.com/@a/video%2f{ID}", f"https://www.tiktok.com/@a%2fvideo/{ID}",
    f"https://www.tiktok.com/..%2f@a/video/{ID}", f"https://www.tiktok.com/x/../@a/video/{ID}",
    f"https://www.tiktok.com//@a/video/{ID}", f"https://www.tiktok.com/@a//video/{ID}",
    f"https://www.tiktok.com/@a/video/{ID}/../..", f"https://www.tiktok.com/@a/video/{ID}//",
    f"https://www.tiktok.com/@a/video/{ID}%00", f"https://www.tiktok.com/@a/video/{ID}\x00",
    f"https://www.tiktok.com/@a/video/{ID}\n", f"https://www.tiktok.com/@a/video/{ID}\r\nX: y",
    f"https://www.tik\ttok.com/@a/video/{ID}", f"https://www.tiktok.com/@a b/video/{ID}", f"\x00https://www.tiktok.com/@a/video/{ID}",
    f"\nhttps://www.tiktok.com/@a/video/{ID}", f"https://www.tiktok.com/@a/video/{ID} --exec id",
    f"https://www.tiktok.com/@a/video/{ID};id", f"https://www.tiktok.com/@a/video/{ID}`id`",
    f"https://www.tiktok.com/@a/video/{ID}$(id)", f"https://www.tiktok.com/@a/video/{ID}|id", f"https://www.tiktok.com/@$(id)/video/{ID}",
    f"https://www.tiktok.com/@a'b/video/{ID}", f'https://www.tiktok.com/@a"b/video/{ID}', f"https://www.tiktok.com/@a&b/video/{ID}",
    "https://www.tiktok.com/@a/video/1234567", "https://www.tiktok.com/@a/video/" + "1" * 22,
    "https://www.tiktok.com/@a/video/-7300000000", "https://www.tiktok.com/@a/video/7300000000x",
    f"https://www.tiktok.com/@{'a' * 101}/video/{ID}", f"https://www.tiktok.com/@a/VIDEO/{ID}",
    "https://vm.tiktok.com/ab", "https://vm.tiktok.com/" + "a" * 22, "https://vm.tiktok.com/ZMF-vt5aj",
    "https://vm.tiktok.com/ZMFHvt5aj/x", f"https://vm.tiktok.com/@a/video/{ID}", "https://evil.example/t/ZTSw2mYwR",
    f"https://www.tiktok.com/@a/video/{ID}?{'x' * 2048}",
]  # fmt: skip


@pytest.mark.parametrize(("url", "handle"), POSTS.items())
def test_every_form_of_a_post_is_rebuilt_from_its_id_and_handle(url: str, handle: str) -> None:
    assert parse(url) == Post(ID, f"https://www.tiktok.com/{handle}/video/{ID}")


@pytest.mark.parametrize("host", ["www", "m"])
def test_a_photo_is_handed_on_under_video_as_upstream_takes_nothing_else(host: str) -> None:
    url = f"https://{host}.tiktok.com/@someone/photo/{ID}"
    assert parse(url) == Post(ID, f"https://www.tiktok.com/@someone/video/{ID}")


@pytest.mark.parametrize("digits", [8, 18, 19, 20, 21])
def test_ids_of_every_age_are_taken(digits: int) -> None:
    url = f"https://www.tiktok.com/@a/video/{'7' * digits}"
    assert parse(url) == Post("7" * digits, url)


@pytest.mark.parametrize(("url", "rebuilt"), SHORT.items())
def test_a_short_link_is_rebuilt_from_its_code(url: str, rebuilt: str) -> None:
    assert parse(url) == ShortLink(rebuilt.split("/")[3], rebuilt)


@pytest.mark.parametrize("url", LINKS_BY_PATH)
def test_a_code_under_t_is_a_short_link_too(url: str) -> None:
    assert parse(url) == ShortLink("ZTSw2mYwR", "https://vm.tiktok.com/ZTSw2mYwR/")


@pytest.mark.parametrize("url", OTHER_THINGS)
def test_what_tiktok_has_besides_posts_is_refused(url: str) -> None:
    with pytest.raises(InvalidUrl) as refused:
        parse(url)
    assert (refused.value.status, refused.value.code) == (400, "invalid_url")


@pytest.mark.parametrize("url", HOSTILE, ids=lambda url: ascii(url)[:60])
def test_an_address_that_means_harm_is_refused(url: str) -> None:
    with pytest.raises(InvalidUrl):
        parse(url)


def test_there_are_enough_hostile_addresses() -> None:
    assert len(set(HOSTILE)) >= 60


def test_an_address_of_2048_characters_is_the_longest() -> None:
    start = f"https://www.tiktok.com/@a/video/{ID}?x="
    assert isinstance(parse(start + "a" * (2048 - len(start))), Post)
    with pytest.raises(InvalidUrl):
        parse(start + "a" * (2049 - len(start)))


PIECES = st.one_of(
    st.sampled_from(sorted(HOSTS | SHORT_HOSTS)),
    st.sampled_from(
        ["https://", "http://", "//", "/", "@", "\\", "video/", "photo/", "/t/", "/v/", ".html", "?", "#",
         ":", "%", "%2f", "..", ";", "$(", "`", "'", '"', "|", "&", "\n", " ", "\x00", ID, "ZMFHvt5aj", "@a"]
    ),
    st.text(max_size=5),
)  # fmt: skip


@PROPERTY
@given(st.lists(PIECES, max_size=12).map("".join))
def test_whatever_is_accepted_is_handed_on_in_a_safe_form(url: str) -> None:
    assert_safe_or_refused(url)


@PROPERTY
@given(
    st.sampled_from(sorted(POSTS) + sorted(SHORT) + LINKS_BY_PATH),
    st.integers(0, 120),
    st.text(max_size=4),
)
def test_whatever_is_put_into_a_good_address_stays_out_of_what_is_handed_on(
    url: str, place: int, odd: str
) -> None:
    assert_safe_or_refused(url[:place] + odd + url[place:])


def assert_safe_or_refused(url: str) -> None:
    try:
        rebuilt = parse(url).url
    except InvalidUrl:
        return
    assert SAFE.fullmatch(rebuilt)
    assert parse(rebuilt).url == rebuilt
