"""TikTok links: the known forms are accepted in any dress and rebuilt, everything else is refused."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metadata.links import HOSTS, SHORT_HOSTS, Post, ShortLink, is_handle, parse
from engine.platform.errors import InvalidUrl, SeveralLinks
from tests.support.properties import PROPERTY
from tests.support.tiktok import SAFE

ID = "7300000000000000001"
POST = f"https://www.tiktok.com/@a/video/{ID}"

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
    f"www.tiktok.com/@someone/video/{ID}": "@someone",
    f"tiktok.com/@someone/video/{ID}": "@someone",
    f"//www.tiktok.com/@someone/video/{ID}": "@someone",
    f"https//www.tiktok.com/@someone/video/{ID}": "@someone",
    f"http//www.tiktok.com/@someone/video/{ID}": "@someone",
    f"https:/www.tiktok.com/@someone/video/{ID}": "@someone",
    f"https:///www.tiktok.com/@someone/video/{ID}": "@someone",
    f"https://www.tiktok.com//@someone/video/{ID}": "@someone",
    f"https://www.tiktok.com/@someone//video/{ID}": "@someone",
    f"https://www.tiktok.com/@someone/video/{ID}//": "@someone",
    f"https://www.tiktok.com//foryou?item_id={ID}": "@_",
    f"https://t.tiktok.com/i18n/share/video/{ID}/?_t=ZS-x": "@_",
    f"https://vm.tiktok.com/@someone/video/{ID}": "@someone",
    f"https://us.tiktok.com/@someone/video/{ID}": "@someone",
    f"https://de.tiktok.com/@someone/photo/{ID}": "@someone",
    f"https://www.tiktok.com/@someone/video/{ID}&is_copy_url=1": "@someone",
    f"https://www.tiktok.com/@someone/video/{ID}&amp;_r=1&_t=2": "@someone",
    f"https://www.tiktok.com/@\u5934\u6587\u5b57m/video/{ID}": "@_",
    f"https://www.tiktok.com/@%E5%A4%B4%E6%96%87%E5%AD%97m/video/{ID}": "@_",
    f"https://www.tiktok.com/%40%e5%a4%b4m/photo/{ID}": "@_",
    f"https://www.tiktok.com/@\u0e1c\u0e39\u0e49\u0e43\u0e0a\u0e49/video/{ID}": "@_",
    f"https://www.tiktok.com/@some%2Eone/video/{ID}": "@some.one",
    f"https://www.tiktok.com/login?redirect_url=https%3A%2F%2Fwww.tiktok.com%2F%40a%2Fvideo%2F{ID}": "@a",
    f"https://www.tiktok.com/en/login/phone/?redirect_url=https://www.tiktok.com/@a/video/{ID}": "@a",
    f"https://www.tiktok.com/@someone/video/{ID}?referer_url=https%3A%2F%2Fexample.com%2F": "@someone",
}
SHORT = {
    "https://vm.tiktok.com/ZMFHvt5aj/": "https://vm.tiktok.com/ZMFHvt5aj/",
    "https://vm.tiktok.com/ZMFHvt5aj": "https://vm.tiktok.com/ZMFHvt5aj/",
    "http://vt.tiktok.com/ZSVu2Cmd9/?_t=1": "https://vt.tiktok.com/ZSVu2Cmd9/",
    "https://VM.TikTok.com/ZMFHvt5aj": "https://vm.tiktok.com/ZMFHvt5aj/",
    "https://t.tiktok.com/ZMFHvt5aj/": "https://vm.tiktok.com/ZMFHvt5aj/",
    "https://pro.tiktok.com/ZMFHvt5aj": "https://vm.tiktok.com/ZMFHvt5aj/",
    "https://vm.tiktok.com/ZSHaBcD1Ef2gh-IJklm/": "https://vm.tiktok.com/ZSHaBcD1Ef2gh-IJklm/",
    "vt.tiktok.com/ZS9abC4dEf_5G-Hi6jK_": "https://vt.tiktok.com/ZS9abC4dEf_5G-Hi6jK_/",
    "https://vm.tiktok.com/" + "Z" * 100: f"https://vm.tiktok.com/{'Z' * 100}/",
    "https://vm.tiktok.com/ZMFHvt5aj//": "https://vm.tiktok.com/ZMFHvt5aj/",
}
LINKS_BY_PATH = [
    "https://www.tiktok.com/t/ZTSw2mYwR",
    "https://www.tiktok.com/t/ZTSw2mYwR/",
    "https://tiktok.com/t/ZTSw2mYwR",
    "https://lite.tiktok.com/t/ZTSw2mYwR/?x=1",
    "https://pro.tiktok.com/t/ZTSw2mYwR/",
    "https://vm.tiktok.com/t/ZTSw2mYwR",
    "https://vt.tiktok.com//t//ZTSw2mYwR//",
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

    f"https://www.tiktok.com/link/v2?target=https://www.tiktok.com/@a/video/{ID}",
    "https://www.tiktok.com/oembed?url=x", "https://vm.tiktok.com/",
    "https://www.tiktok.com/?_r=1", "https://www.tiktok.com/foryou?item_id=",
    "https://www.tiktok.com/foryou?item_id=x",
    f"https://www.tiktok.com/foryou?item_id={ID}&shareId=7300000000000000002",
    f"https://www.tiktok.com/foryou?item_id={ID}&item_id=7300000000000000002",
    f"https://www.tiktok.com/foryou?redirect={ID}", f"https://www.tiktok.com/@someone?item_id={ID}",
    f"https://www.tiktok.com/login?item_id={ID}", f"https://www.tiktok.com/link/v2?item_id={ID}",
    f"https://vm.tiktok.com/?item_id={ID}", "https://vm.tiktok.com/login",
    "https://pro.tiktok.com/login/?redirect_url=x", "https://vt.tiktok.com/foryou",
    "https://pro.tiktok.com/trending", "https://vm.tiktok.com/link/v2?target=x",
]  # fmt: skip
HOSTILE = [
    "", " ", "x", "tiktok",
    f"https:///@a/video/{ID}", f"https:www.tiktok.com/@a/video/{ID}",
    f"https://tiktok.com.evil.example/@a/video/{ID}", f"https://eviltiktok.com/@a/video/{ID}",
    f"https://evil-tiktok.com/@a/video/{ID}", f"https://www.tiktok.com.evil/@a/video/{ID}",
    f"https://evil.example/www.tiktok.com/@a/video/{ID}", f"https://evil.tiktok.com/@a/video/{ID}",
    f"https://www.tiktok.co/@a/video/{ID}", f"https://www.tiktok.com../@a/video/{ID}",
    f"https://www.tiktok.com@evil.example/@a/video/{ID}", f"https://a@www.tiktok.com/@a/video/{ID}",
    f"https://a:b@www.tiktok.com/@a/video/{ID}", f"https://@www.tiktok.com/@a/video/{ID}",
    f"https://www.tiktok.com%40evil.example/@a/video/{ID}", f"https://www.tiktok.com%2f@a/video/{ID}",
    f"https://evil.example#@www.tiktok.com/@a/video/{ID}",
    f"https://evil.example?@www.tiktok.com/@a/video/{ID}",
    f"https://evil.example\\@www.tiktok.com/@a/video/{ID}", f"https:\\\\www.tiktok.com\\@a\\video\\{ID}",
    f"https://www.tiktok.com\\.evil.example/@a/video/{ID}", f"https://www.tiktok.com/@a\\video\\{ID}",
    f"https://www.tiktok.com:8443/@a/video/{ID}", f"https://www.tiktok.com:80/@a/video/{ID}",
    f"http://www.tiktok.com:443/@a/video/{ID}", f"https://www.tiktok.com:0/@a/video/{ID}",
    f"https://www.tiktok.com:99999/@a/video/{ID}", f"https://www.tiktok.com:x/@a/video/{ID}",
    f"ftp://www.tiktok.com/@a/video/{ID}", f"file://www.tiktok.com/@a/video/{ID}",
    f"javascript://www.tiktok.com/@a/video/{ID}", f"gopher://www.tiktok.com/@a/video/{ID}",
    f"https://127.0.0.1/@a/video/{ID}", f"https://localhost/@a/video/{ID}",
    f"https://2130706433/@a/video/{ID}", f"https://0x7f.1/@a/video/{ID}", f"https://[::1]/@a/video/{ID}",
    f"https://[::ffff:7f00:1]/@a/video/{ID}", f"https://[www.tiktok.com]/@a/video/{ID}",
    f"https://[/@a/video/{ID}", f"https://169.254.169.254/@a/video/{ID}",
    f"https://www.t\u0456ktok.com/@a/video/{ID}", f"https://www.tiktok\u3002com/@a/video/{ID}",
    f"https://www.\uff54iktok.com/@a/video/{ID}", f"https://www.tiktok.com\u2044@a/video/{ID}",
    f"https://www.ti\u212atok.com/@a/video/{ID}", f"https://www.tikto\u212a.com/@a/video/{ID}",
    f"https://www.tiktok.com:\uff14\uff14\uff13/@a/video/{ID}",
    f"https://www.tiktok.com/foryou?item_id={ID}\\@evil.example",
    f"https://www.tiktok.com/foryou?item_id=%00{ID}", f"https://www.tiktok.com/foryou?item_id={ID}%26x",
    f"https://evil.example/foryou?item_id={ID}", f"https://xn--tktok-q4a.com/@a/video/{ID}",
    f"https://www.tiktok.com/@a/video/{ID}\u202e", "https://www.tiktok.com/@a/video/\u0667" + "\u0663" * 18,
    f"https://www.tiktok.com/@a/video%2f{ID}", f"https://www.tiktok.com/@a%2fvideo/{ID}",
    f"https://www.tiktok.com/..%2f@a/video/{ID}", f"https://www.tiktok.com/x/../@a/video/{ID}",

    f"https://www.tiktok.com/@a/video/{ID}/../..",
    f"https://www.tiktok.com/@a/video/{ID}%00", f"https://www.tiktok.com/@a/video/{ID}\x00",
    f"https://www.tiktok.com/@a/video/{ID}\r\nX: y",
    f"https://www.tik\ttok.com/@a/video/{ID}", f"https://www.tiktok.com/@a b/video/{ID}",
    f"\x00https://www.tiktok.com/@a/video/{ID}", f"https://www.tiktok.com/@a/video/{ID} --exec id",
    f"https://www.tiktok.com/@a/video/{ID};id", f"https://www.tiktok.com/@a/video/{ID}`id`",
    f"https://www.tiktok.com/@a/video/{ID}$(id)", f"https://www.tiktok.com/@a/video/{ID}|id",
    f"https://www.tiktok.com/@$(id)/video/{ID}", f"https://www.tiktok.com/@a'b/video/{ID}",
    f'https://www.tiktok.com/@a"b/video/{ID}', f"https://www.tiktok.com/@a&b/video/{ID}",
    "https://www.tiktok.com/@a/video/1234567", "https://www.tiktok.com/@a/video/" + "1" * 22,
    "https://www.tiktok.com/@a/video/-7300000000", "https://www.tiktok.com/@a/video/7300000000x",
    f"https://www.tiktok.com/@{'a' * 101}/video/{ID}", f"https://www.tiktok.com/@a/VIDEO/{ID}",
    "https://vm.tiktok.com/ab", "https://vm.tiktok.com/ZMFHvt5aj/x", "https://evil.example/t/ZTSw2mYwR",
    f"https://www.tiktok.com/@a/video/{ID}?{'x' * 2048}", "https://vm.tiktok.com/" + "a" * 101,
    # What shorter schemes and glued text invite.
    f"a@www.tiktok.com/@a/video/{ID}", f"www.tiktok.com@evil.example/@a/video/{ID}", "http://tiktok.com@evil",
    f"//a@www.tiktok.com/@a/video/{ID}", f"//evil.example/@a/video/{ID}",
    f"/\\\\www.tiktok.com/@a/video/{ID}", f"tiktok.com.evil/@a/video/{ID}",
    f"evil.com/tiktok.com/@a/video/{ID}", f"eviltiktok.com/@a/video/{ID}",
    f"www.tiktok.com:8443/@a/video/{ID}", f"//www.tiktok.com:22/@a/video/{ID}",
    f"https//evil.example/@a/video/{ID}", f"xhttps://www.tiktok.com/@a/video/{ID}",
    f"javascript:https://www.tiktok.com/@a/video/{ID}", f"view-source:https://www.tiktok.com/@a/video/{ID}",
    f"https://https://www.tiktok.com/@a/video/{ID}", f"blob:https://www.tiktok.com/@a/video/{ID}",
    f"https:/evil.example/https://www.tiktok.com/@a/video/{ID}",
    # Hosts that look like TikTok's.
    f"tiktok\u3002com/@a/video/{ID}", f"www\uff0etiktok.com/@a/video/{ID}",
    f"evil\u3002www.tiktok.com/@a/video/{ID}", f"t\u0456ktok.com/@a/video/{ID}",
    f"https://tikt\u00f6k.com/@a/video/{ID}", f"xn--tktok-q4a.com/@a/video/{ID}",
    f"www%2Etiktok.com/@a/video/{ID}", f"https://%77ww.tiktok.com/@a/video/{ID}",
    f"https://www.tiktok.com%00/@a/video/{ID}", f"https://www.tik\u200btok.com/@a/video/{ID}",
    f"tik\u200btok.com/@a/video/{ID}", f"https://\u200bwww.tiktok.com/@a/video/{ID}",
    f"https://www.tiktok.com\u200b/@a/video/{ID}", f"https://www.tiktok\u00ad.com/@a/video/{ID}",
    f"https://usa.tiktok.com/@a/video/{ID}", f"https://u1.tiktok.com/@a/video/{ID}",
    f"https://us.us.tiktok.com/@a/video/{ID}", f"https://us.tiktokv.com/@a/video/{ID}",
    f"https://shop.tiktok.com/@a/video/{ID}", f"https://.tiktok.com/@a/video/{ID}",
    # Nested addresses, fragments and what is not seen.
    f"https://evil.example/?u=https://www.tiktok.com/@a/video/{ID}",
    f"https://evil.example/#https://www.tiktok.com/@a/video/{ID}",
    f"https://www.tiktok.com/#/@a/video/{ID}", f"https://www.tiktok.com#/@a/video/{ID}",
    f"https://www.tiktok.com/?/@a/video/{ID}",
    f"https://www.tiktok.com/link/v2?target=https%3A%2F%2Fwww.tiktok.com%2F%40a%2Fvideo%2F{ID}",
    f"https://www.tiktok.com/@a/video/{ID}/..", f"https://www.tiktok.com/@a/video/{ID}/..?x=1",
    f"https://www.tiktok.com/@a/./video/{ID}", "https://vm.tiktok.com/ZMF\u200bHvt5aj/",
    f"https://www.tiktok.com/@a\u200b/video/{ID}", f"https://www.tiktok.com/@%2540a/video/{ID}",
    f"https://www.tiktok.com/@%ff/video/{ID}", f"https://www.tiktok.com/@a%0d%0ax/video/{ID}",
    f"https://www.tiktok.com/@%00/video/{ID}", f"https://www.tiktok.com/@{'%61' * 101}/video/{ID}",
    f"https://www.tiktok.com/@a%E2%80%8B/video/{ID}", f"https://www.tiktok.com/@a/video/{ID}&id",
    f"https://www.tiktok.com/@a/video/{ID}&&x=1", f"https://www.tiktok.com/@a/video/{ID}\u5934",
    "https://vm.tiktok.com/-rf_evil", "https://vm.tiktok.com/ZMFHvt5aj/\u592a\u597d",
    "https://vm.tiktok.com/ZMFHvt5aj$(id)",
    # Log-in pages that go on to something else, or to another log-in page.
    f"https://www.tiktok.com/login?redirect_url=https%3A%2F%2Fevil.example%2F%40a%2Fvideo%2F{ID}",
    f"https://www.tiktok.com/login?redirect_url=https://www.tiktok.com%40evil.example/@a/video/{ID}",
    f"https://www.tiktok.com/login?redirect_url=//www.tiktok.com/@a/video/{ID}",
    f"https://www.tiktok.com/login?redirect_url=/@a/video/{ID}",
    f"https://www.tiktok.com/login?redirect_url=www.tiktok.com/@a/video/{ID}",
    "https://www.tiktok.com/login?redirect_url=",
    f"https://www.tiktok.com/login?redirect_url=https:%5C%5Cwww.tiktok.com%5C@a%5Cvideo%5C{ID}",
    "https://www.tiktok.com/login",
    "https://www.tiktok.com/login?redirect_url=" + quote(quote(POST, safe=""), safe=""),
    "https://www.tiktok.com/login?redirect_url=" + quote(f"https://www.tiktok.com/login?redirect_url={POST}"),
    f"https://www.tiktok.com/login?redirect_url={POST}&redirect_url=https://evil.example/",
    f"https://www.tiktok.com/login?redirect_url=https://www.tiktok.com/@a/video/{ID}%0d%0aX:y",
    f"https://evil.example/login?redirect_url=https://www.tiktok.com/@a/video/{ID}",
    # One good link, and one that is not TikTok's.
    "https://vm.tiktok.com/ZMFHvt5aj/ https://evil.example/",
    "https://evil.example/ https://vm.tiktok.com/ZMFHvt5aj/",
    "https://vm.tiktok.com/ZMFHvt5aj/ evil.example/x",
    "https://vm.tiktok.com/ZMFHvt5aj/ tiktok.com@evil.example/x",
    "[https://vm.tiktok.com/ZMFHvt5aj/](https://evil.example/)",
    "https://vm.tiktok.com/ZMFHvt5aj/ http://t\u0456ktok.com/x",
    "<a href='https://evil.example/'>https://vm.tiktok.com/ZMFHvt5aj/</a>",
    "ftp://x.example/ https://vm.tiktok.com/ZMFHvt5aj/",
    "https://vm.tiktok.com/ZMFHvt5aj/\r\nHost: evil.example", "https://vm.tiktok.com/ZMFHvt5aj/ \x1b[2J",
    "x " * 2049, "https://vm.tiktok.com/ZMFHvt5aj/ \\\\evil.example\\x",
    "https://vm.tiktok.com/ZMFHvt5aj/ --exec id",
]  # fmt: skip


@pytest.mark.parametrize(("url", "handle"), POSTS.items())
def test_every_form_of_a_post_is_rebuilt_from_its_id_and_handle(url: str, handle: str) -> None:
    assert parse(url) == Post(ID, f"https://www.tiktok.com/{handle}/video/{ID}")


@pytest.mark.parametrize("host", ["www", "m"])
def test_a_photo_is_rebuilt_under_video_because_upstream_accepts_nothing_else(host: str) -> None:
    url = f"https://{host}.tiktok.com/@someone/photo/{ID}"
    assert parse(url) == Post(ID, f"https://www.tiktok.com/@someone/video/{ID}")


@pytest.mark.parametrize("digits", [8, 18, 19, 20, 21])
def test_ids_of_every_length_are_accepted(digits: int) -> None:
    url = f"https://www.tiktok.com/@a/video/{'7' * digits}"
    assert parse(url) == Post("7" * digits, url)


@pytest.mark.parametrize(("url", "rebuilt"), SHORT.items())
def test_a_short_link_is_rebuilt_from_its_code(url: str, rebuilt: str) -> None:
    assert parse(url) == ShortLink(rebuilt.split("/")[3], rebuilt)


@pytest.mark.parametrize("url", LINKS_BY_PATH)
def test_a_code_under_t_is_a_short_link(url: str) -> None:
    assert parse(url) == ShortLink("ZTSw2mYwR", "https://vm.tiktok.com/ZTSw2mYwR/")


@pytest.mark.parametrize("url", OTHER_THINGS)
def test_other_pages_of_tiktok_are_refused(url: str) -> None:
    with pytest.raises(InvalidUrl) as refused:
        parse(url)
    assert (refused.value.status, refused.value.code) == (400, "invalid_url")


@pytest.mark.parametrize("url", HOSTILE, ids=lambda url: ascii(url)[:60])
def test_a_hostile_text_is_refused(url: str) -> None:
    with pytest.raises(InvalidUrl):
        parse(url)


def test_there_are_enough_hostile_texts() -> None:
    assert len(set(HOSTILE)) >= 160


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
def test_whatever_is_accepted_is_rebuilt_in_a_safe_form(url: str) -> None:
    assert_safe_or_refused(url)


@PROPERTY
@given(
    st.sampled_from(sorted(POSTS) + sorted(SHORT) + LINKS_BY_PATH),
    st.integers(0, 120),
    st.text(max_size=4),
)
def test_whatever_is_put_into_a_good_address_stays_out_of_what_is_rebuilt(
    url: str, place: int, odd: str
) -> None:
    assert_safe_or_refused(url[:place] + odd + url[place:])


@pytest.mark.parametrize(
    "text",
    [f"https://www.tiktok.com/@a/video/{ID} https://www.tiktok.com/@a/video/{ID[:-1]}2",
     "https://vm.tiktok.com/ZMFHvt5aj/ and https://vm.tiktok.com/ZMFHvt5ak/",
     f"https://vm.tiktok.com/ZMFHvt5aj/\nhttps://www.tiktok.com/@a/video/{ID}",
     f"[https://vm.tiktok.com/ZMFHvt5aj/](https://www.tiktok.com/@a/video/{ID})"],
)  # fmt: skip
def test_two_different_links_in_one_text_are_refused_in_words(text: str) -> None:
    with pytest.raises(SeveralLinks, match="two different TikTok links") as refused:
        parse(text)
    assert (refused.value.status, refused.value.code) == (400, "several_links")


def test_the_same_video_twice_is_one_link() -> None:
    text = f"https://m.tiktok.com/v/{ID}.html or https://www.tiktok.com/@someone/photo/{ID}?x=1"
    assert parse(text) == Post(ID, f"https://www.tiktok.com/@_/video/{ID}")
    assert parse("vm.tiktok.com/ZMFHvt5aj www.tiktok.com/t/ZMFHvt5aj") == ShortLink(
        "ZMFHvt5aj", "https://vm.tiktok.com/ZMFHvt5aj/"
    )


def test_a_text_of_4096_characters_is_the_longest() -> None:
    link = f"https://www.tiktok.com/@a/video/{ID} "
    assert isinstance(parse(link + "x" * (4096 - len(link))), Post)
    with pytest.raises(InvalidUrl):
        parse(link + "x" * (4097 - len(link)))


@pytest.mark.parametrize(
    "handle", ["a", "A_.-9", "\u5934\u6587\u5b57m", "\u0e1c\u0e39\u0e49", "e\u0301", "x" * 100]
)
def test_a_handle_is_letters_marks_and_digits(handle: str) -> None:
    assert is_handle(handle)


@pytest.mark.parametrize(
    "handle", ["", "a b", "a/b", "a%", "@a", "a\u200b", "\u202ea", "\U0001f600", "a\n", "x" * 101]
)
def test_anything_else_is_no_handle(handle: str) -> None:
    assert not is_handle(handle)


def assert_safe_or_refused(url: str) -> None:
    try:
        rebuilt = parse(url).url
    except InvalidUrl:
        return
    assert SAFE.fullmatch(rebuilt)
    assert parse(rebuilt).url == rebuilt
