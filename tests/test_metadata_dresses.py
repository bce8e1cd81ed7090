"""TikTok links as people paste them: any dress gives the same id, one character beyond is refused."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metadata.links import HOSTS, SHORT_HOSTS, Post, ShortLink, parse
from engine.platform.errors import InvalidUrl
from tests.support.properties import PROPERTY
from tests.support.tiktok import DATA, SAFE

CASES = json.loads((DATA / "links.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case["text"])[1:60])
def test_what_people_paste_is_accepted(case: dict[str, str]) -> None:
    found = parse(case["text"])
    if isinstance(found, Post):
        assert found.id == "7631060535387160108"
    else:
        # A log-in page and a post's own address need no code.
        assert found.code == case["code"]


DRESSES = [
    "{}", " {} ", "{}\n", "\n\n{}\r\n", "\ufeff{}\u200b", "\u2068{}\u2069", "\u00a0{}", "{}.", "{}!", "{},",
    "{}...", "{}\u2026", "({})", "[{}]", "<{}>", "<{}|a label>", "{{{}}}", '"{}"', "'{}'", "`{}`", "**{}**",
    "_{}_", "~~{}~~", "||{}||", "*{}*.", "({}).", "\u201c{}\u201d", "\u00ab{}\u00bb", "\u300c{}\u300d",
    "\uff08{}\uff09", "{}\u3002", "{}\uff0c\u590d\u5236\u6b64\u94fe\u63a5",
    "\u770b\u770b\u8fd9\u4e2a {} \u592a\u597d\u7b11\u4e86", "\U0001f449{}", "{}\U0001f602\U0001f602",
    "{}\u2764\ufe0f", "[a video]({})", "[{0}]({0})", '<a href="{}">a video</a>', '<a href="{0}">{0}</a>',
    '{{"url":"{}"}}', "> {}", "- {}", "1. {}", "{}](url)", "Check out Paper Boats's video! #TikTok > {} ",
    "\u00a1Echa un vistazo a este TikTok que encontr\u00e9!  {}",
    "{} This post is shared via TikTok Lite. Download it to enjoy more posts: https://www.tiktok.com/tiktoklite",
    "Look at 12:30, and/or later: {}\nsent from my phone", "{0} {0}", "{}\n\nhttps://www.tiktok.com/@someone",
]  # fmt: skip
HANDLES = st.one_of(
    st.text("abcXYZ019._-", min_size=1, max_size=24),
    st.text("\u5934\u6587\u0e1c\u0e39\u00e9\u0430m_", min_size=1, max_size=24),
)
LOCALES = st.sampled_from(["", "/en", "/pt-BR", "/zh-Hant"])
SCHEMES = st.sampled_from(
    ["https://", "http://", "HTTPS://", "", "//", "https//", "http//", "https:/", "https:///"]
)
TAILS = st.sampled_from(
    ["", "/", "//", "?_r=1&_t=ZS-x_y", "/?lang=en#comments", "#x", "?", "&_r=1"]
)
IDS = st.text("0123456789", min_size=8, max_size=21)
CODES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{6,30}[A-Za-z0-9]", fullmatch=True)
POST_HOSTS = st.sampled_from([*sorted(HOSTS | SHORT_HOSTS), "us.tiktok.com", "uk.tiktok.com"])


@st.composite
def post_paths(draw: st.DrawFn) -> tuple[str, str]:
    """A post's id, and a path that names it."""
    post_id, handle = draw(IDS), draw(HANDLES)
    shown = draw(st.sampled_from([handle, quote(handle), ""]))
    kind = draw(st.sampled_from(["video", "photo"]))
    path = draw(
        st.sampled_from(
            [f"/@{shown}/{kind}/{post_id}", f"//@{shown}//{kind}/{post_id}", f"/%40{shown}/{kind}/{post_id}"]
            + [f"/{form}/{post_id}" for form in ("video", "v", "share/video", "i18n/share/video", "embed",
               "embed/v2", "embed/v3", "player/v1")] + [f"/v/{post_id}.html"]
        )
    )  # fmt: skip
    return post_id, draw(LOCALES) + path


@PROPERTY
@given(SCHEMES, POST_HOSTS, post_paths(), TAILS, st.sampled_from(DRESSES))
def test_a_post_in_every_dress_gives_its_id(
    scheme: str, host: str, post: tuple[str, str], tail: str, dress: str
) -> None:
    found = parse(dress.format(f"{scheme}{host}{post[1]}{tail}"))
    assert isinstance(found, Post)
    assert found.id == post[0]
    assert SAFE.fullmatch(found.url)


@PROPERTY
@given(
    SCHEMES,
    st.sampled_from(
        [f"{host}/" for host in sorted(SHORT_HOSTS)] + [f"{host}/t/" for host in HOSTS]
    ),
    CODES,
    TAILS,
    st.sampled_from(DRESSES),
)
def test_a_short_link_in_every_dress_gives_its_code(
    scheme: str, start: str, code: str, tail: str, dress: str
) -> None:
    found = parse(dress.format(f"{scheme}{start}{code}{tail}"))
    assert isinstance(found, ShortLink)
    assert found.code == code
    assert SAFE.fullmatch(found.url)


BEYOND = st.sampled_from(
    [
        *"xZ\u5934\u0663-$%@=+^\\",
        "%00",
        "%0a",
        "/x",
        "\x00",
        "\x7f",
        "\u202e",
        "`id`",
        ";id",
        "|id",
        "$(id)",
    ]
)


@PROPERTY
@given(SCHEMES, POST_HOSTS, post_paths(), BEYOND)
def test_one_character_beyond_a_post_is_refused(
    scheme: str, host: str, post: tuple[str, str], beyond: str
) -> None:
    with pytest.raises(InvalidUrl):
        parse(f"{scheme}{host}{post[1]}{beyond}")


@PROPERTY
@given(
    SCHEMES,
    post_paths(),
    st.sampled_from(["x", "-", "\u200b", "\u3002", "\uff0e", "%2e", ".evil.example", "@evil", ":1", "\\"]),
    st.booleans(),
)  # fmt: skip
def test_one_character_beyond_a_host_is_refused(
    scheme: str, post: tuple[str, str], beyond: str, is_before: bool
) -> None:
    host = f"www{beyond}tiktok.com" if is_before else f"www.tiktok.com{beyond}"
    with pytest.raises(InvalidUrl):
        parse(f"{scheme}{host}{post[1]}")


@PROPERTY
@given(IDS, st.sampled_from(["0", "00", "x"]))
def test_an_id_that_is_too_long_or_too_short_is_refused(post_id: str, more: str) -> None:
    for wrong in (post_id[:7], post_id.ljust(21, "1") + more):
        with pytest.raises(InvalidUrl):
            parse(f"https://www.tiktok.com/@a/video/{wrong}")
