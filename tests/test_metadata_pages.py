"""Pages and oEmbed answers of every generation give their facts, and no damage to them raises an error."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metadata.client import PAGE_LIMIT
from engine.metadata.facts import (
    Facts,
    Trouble,
    from_api_data,
    from_embed,
    from_next,
    from_oembed,
    from_sigi,
    from_universal,
)
from engine.metadata.pages import read_page
from standins import tiktok_pages
from standins.tiktok import oembed_json
from standins.tiktok_posts import GENERATIONS, Post
from tests.support.properties import PROPERTY
from tests.support.tiktok import MISSING_ID, SAVED, VISIBLE, document_of, page_of, post_with

needs_saved = pytest.mark.skipif(
    not SAVED.is_dir(), reason="the saved pages lie beside the checkout, and are not there"
)
MANIFEST: list[dict[str, Any]] = (
    json.loads((SAVED / "manifest.json").read_text()) if SAVED.is_dir() else []
)
RESULTS = {"unavailable": Trouble.HIDDEN, "challenge": Trouble.BLOCKED, "no_item": Trouble.NO_POST}


def facts_of(body: bytes, post_id: str) -> Facts:
    found = read_page(body, post_id)
    assert isinstance(found, Facts), found
    return found


@needs_saved
@pytest.mark.parametrize("saved", MANIFEST, ids=lambda saved: saved["file"])
def test_the_saved_answers_give_their_expected_values(saved: dict[str, Any]) -> None:
    expected, body = saved["expected"], (SAVED / saved["file"]).read_bytes()
    if "result" in expected:
        assert read_page(body, MISSING_ID) is RESULTS[expected["result"]]
        return
    is_page = saved["file"].endswith(".html")
    found = (
        facts_of(body, expected["id"]) if is_page else from_oembed(json.loads(body), expected["id"])
    )
    assert isinstance(found, Facts)
    assert found.caption == expected.get("description", expected.get("title"))
    assert (found.author, found.handle) == (expected["author"], expected["handle"])
    assert found.duration_s == expected["duration_seconds"]
    assert found.thumbnail == expected["thumbnail"]
    assert ("photo" if found.is_photo else "video") == expected["media_type"]
    assert found.created_at == expected.get("create_time_unix")
    assert found.stats == expected.get("stats")


def test_all_eleven_saved_answers_are_there_where_the_folder_is() -> None:
    assert len(MANIFEST) in (0, 11)


POSTS_OF_GENERATIONS = [
    (post, generation)
    for post in VISIBLE
    for generation in GENERATIONS
    # Older pages had neither photos nor age gates.
    if generation in ("universal", "reflow", "api_data") or not (post.image_count or post.age_gated)
]


@pytest.mark.parametrize(("post", "generation"), POSTS_OF_GENERATIONS)
def test_every_generation_of_page_gives_the_same_facts(post: Post, generation: str) -> None:
    found = facts_of(page_of(post, generation), post.id)
    assert (found.caption, found.title) == (post.caption, post.image_title or None)
    assert found.is_photo == bool(post.image_count)
    assert found.created_at == post.created_at
    if not post.age_gated:
        assert (found.author, found.handle) == (post.nickname, post.handle)
        assert found.duration_s == (None if post.image_count else post.duration_s)
        assert (found.thumbnail or "").startswith(post.thumbnail)
    assert found.stats is not None
    assert found.stats["likes"] == post.stats[0]


def test_a_page_of_another_post_does_not_contain_ours() -> None:
    for post in VISIBLE:
        assert read_page(page_of(post), MISSING_ID) is Trouble.NO_POST


def test_a_script_inside_a_script_is_not_read() -> None:
    """A caption may hold markup; its author must not decide what the page says."""
    post, fake = VISIBLE[0], VISIBLE[2]
    inner = f'<script id="SIGI_STATE">{page_of(fake, "sigi").decode()}'.replace("</script>", "")
    page = f'<html><script id="x">var a = {json.dumps(inner)}</script>{page_of(post).decode()}'
    assert read_page(page.encode(), fake.id) is Trouble.NO_POST
    assert facts_of(page.encode(), post.id).caption == post.caption


@pytest.mark.parametrize(
    "opening",
    [
        '<script id="SIGI_STATE" type="application/json">',
        "<script type='application/json' nonce=abc id='SIGI_STATE' crossorigin>",
        "<SCRIPT\n id=SIGI_STATE\n>",
        '<script data-x="1" id = "SIGI_STATE"\ttype="application/json" >',
    ],
)
def test_the_script_is_found_however_its_tag_is_written(opening: str) -> None:
    post = post_with(generation="sigi")
    page = (
        page_of(post).decode().replace('<script id="SIGI_STATE" type="application/json">', opening)
    )
    assert opening in page
    assert facts_of(page.encode(), post.id).duration_s == post.duration_s


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(
    "attributes",
    [
        'nonce="a>b" id="{id}" type="application/json"',
        "type='application/json' crossorigin data-note='a \"> b' id='{id}'",
        'data-pretty\n   type="application/json"\n   id="{id}"\n  ',
    ],
)
def test_the_data_of_every_generation_is_found_in_a_reformatted_page(
    generation: str, attributes: str
) -> None:
    """Browsers' dumps and formatters change the tags, and the white space around the data."""
    post = post_with(generation=generation)
    opening = re.compile(
        r'<script id="(__UNI\w+|SIGI_STATE|sigi-persisted-data|__NEXT_DATA__|api-data)"[^>]*>'
    )
    text = page_of(post, generation).decode()
    *_, found = opening.finditer(text)
    tag = f"<script {attributes.format(id=found[1])}>\n      "
    body = text[: found.start()] + tag + text[found.end() :].replace("</script>", "\n  </script>")
    assert facts_of(body.encode(), post.id).duration_s == post.duration_s


@pytest.mark.parametrize(
    "wrapped",
    [
        "window['SIGI_STATE']={json};window['SIGI_RETRY']={{}};",
        'window["SIGI_STATE"] = {json};',
        "\n window.SIGI_STATE={json}",
        "  {json}  ",
    ],
)
@pytest.mark.parametrize("script_id", ["sigi-persisted-data", "SIGI_STATE"])
def test_the_state_of_2021_is_read_assigned_or_plain(wrapped: str, script_id: str) -> None:
    post = post_with(generation="sigi")
    state = json.dumps(document_of("sigi", post))
    page = f'<html><script id="{script_id}">{wrapped.format(json=state)}</script></html>'
    assert facts_of(page.encode(), post.id).caption == post.caption


def test_a_comment_does_not_hide_the_data_behind_it() -> None:
    post, fake = VISIBLE[0], post_with(generation="sigi")
    commented = f"<!-- <script> {page_of(fake).decode()} -->"
    page = f"<html>{commented}<!-- never closed {page_of(post).decode()}"
    assert facts_of(page.encode(), post.id).caption == post.caption
    assert read_page(page.encode(), fake.id) is Trouble.NO_POST


def test_a_tag_that_the_parser_rejects_is_skipped() -> None:
    body = "<script '__NEXT_DATA__'[/><![?>>?>?>--><![CDATA[>/"
    assert read_page(body.encode(), MISSING_ID) is Trouble.FAILED
    assert read_page(f"{body}</html>".encode(), MISSING_ID) is Trouble.NO_POST


def test_of_two_generations_on_one_page_the_one_with_the_post_is_used() -> None:
    post = post_with(generation="sigi")
    both = tiktok_pages.page_without_detail(0) + page_of(post).decode()
    assert facts_of(both.encode(), post.id).caption == post.caption


def test_of_two_scripts_without_the_post_the_one_with_a_reason_is_used() -> None:
    for first, second in (("status", "none"), ("none", "status")):
        parts = {
            "status": tiktok_pages.status_page(10216, "", mobile=False, filler_kb=0),
            "none": tiktok_pages.page_without_detail(0),
        }
        body = (parts[first] + parts[second]).encode()
        assert read_page(body, MISSING_ID) is Trouble.PRIVATE


def test_a_challenge_with_data_but_without_the_post_is_still_a_challenge() -> None:
    page = tiktok_pages.page_without_detail(0) + tiktok_pages.CAPTCHA
    assert read_page(page.encode(), MISSING_ID) is Trouble.BLOCKED
    post = VISIBLE[0]
    assert facts_of(tiktok_pages.CAPTCHA.encode() + page_of(post), post.id).handle == post.handle


CAPTIONS = [
    "", " trailing  ", "one\u2028two\u2029three\nfour",
    "\u202eRTL \u0623\u0648\u0644 \u0644\u064a\u0644\u0629\u200f",
    'quotes " \\ \' &amp; &lt;b&gt;', "</script><script id=SIGI_STATE>{}",
    "e\u0301 \U0001f469\u200d\U0001f373 \x00 \x7f",
    "\U0001f41f" * 4000,
]  # fmt: skip


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda caption: ascii(caption)[:20])
@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_caption_is_read_unchanged(generation: str, caption: str) -> None:
    post = replace(post_with(generation=generation), caption=caption)
    assert facts_of(page_of(post), post.id).caption == caption


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        (tiktok_pages.WAF, Trouble.BLOCKED),
        (tiktok_pages.CAPTCHA, Trouble.BLOCKED),
        (tiktok_pages.VERIFY, Trouble.BLOCKED),
        ('{"code":"10000","type":"verify","subtype":"slide"}', Trouble.BLOCKED),
        ("<html><title>Access Denied</title></html>", Trouble.BLOCKED),
        ("<html><title>Just a moment...</title></html>", Trouble.BLOCKED),
        (
            "<html><body>Drag the slider to prove that you are not a robot</body></html>",
            Trouble.BLOCKED,
        ),
        ("<html><title>Log in | TikTok</title></html>", Trouble.LOGIN_REQUIRED),
        ("<html><a href='/login?redirect_url=x'>Go on</a></html>", Trouble.LOGIN_REQUIRED),
        (tiktok_pages.age_gate(MISSING_ID, 10), Trouble.AGE_RESTRICTED),
        (tiktok_pages.embed_page(None, 10), Trouble.NO_POST),
        (tiktok_pages.downgraded_shell(), Trouble.NO_POST),
        (tiktok_pages.decoy(VISIBLE[0]), Trouble.NO_POST),
        (tiktok_pages.page_without_detail(10), Trouble.NO_POST),
        ("", Trouble.FAILED),
        ("\x00\xff not a page", Trouble.FAILED),
    ],
)
def test_a_page_without_data_says_why(body: str, trouble: Trouble) -> None:
    assert read_page(body.encode(), MISSING_ID) is trouble


def test_a_shell_that_mentions_the_captcha_and_the_log_in_page_is_a_shell() -> None:
    settings = '<script id="api-domains">{"captcha":"","login":"/login?redirect_url="}</script>'
    page = tiktok_pages.downgraded_shell().replace("</body>", f"{settings}</body>")
    assert read_page(page.encode(), MISSING_ID) is Trouble.NO_POST


def test_a_page_with_data_that_mentions_a_challenge_is_none() -> None:
    page = tiktok_pages.page_without_detail(0).replace("<body>", "<body>captcha, verify, robot")
    assert read_page(page.encode(), MISSING_ID) is Trouble.NO_POST


@pytest.mark.parametrize("mobile", [False, True])
@pytest.mark.parametrize(
    ("message", "trouble"),
    [("content_classification", Trouble.AGE_RESTRICTED), ("age_restricted", Trouble.AGE_RESTRICTED),
     ("need_login", Trouble.LOGIN_REQUIRED), ("Log in to view", Trouble.LOGIN_REQUIRED),
     ("image page", Trouble.HIDDEN), ("item doesn't exist", Trouble.HIDDEN)],
)  # fmt: skip
def test_a_message_that_names_an_age_gate_or_a_login_says_so(
    message: str, trouble: Trouble, mobile: bool
) -> None:
    page = tiktok_pages.status_page(10204, message, mobile=mobile, filler_kb=0)
    assert read_page(page.encode(), MISSING_ID) is trouble


def test_the_page_for_frames_has_the_facts_of_its_post() -> None:
    post = VISIBLE[0]
    found = facts_of(tiktok_pages.embed_page(post, 20).encode(), post.id)
    assert (found.caption, found.author, found.handle) == (post.caption, post.nickname, post.handle)
    assert (found.duration_s, found.is_photo) == (post.duration_s, False)
    assert read_page(tiktok_pages.embed_page(post, 0).encode(), MISSING_ID) is Trouble.NO_POST


@pytest.mark.parametrize("mobile", [False, True])
@pytest.mark.parametrize(
    ("code", "trouble"),
    [(10204, Trouble.HIDDEN), (10231, Trouble.HIDDEN), (10235, Trouble.HIDDEN), (4242, Trouble.HIDDEN),
     (10216, Trouble.PRIVATE), (10222, Trouble.PRIVATE), (10217, Trouble.REMOVED), (10221, Trouble.REMOVED),
     (10101, Trouble.FAILED), (100004, Trouble.FAILED), (100002, Trouble.NOT_A_POST)],
)  # fmt: skip
def test_a_status_code_is_read_by_its_number(code: int, trouble: Trouble, mobile: bool) -> None:
    page = tiktok_pages.status_page(code, "ok", mobile=mobile, filler_kb=0)
    assert read_page(page.encode(), MISSING_ID) is trouble


def pages() -> Iterator[tuple[str, str, bytes]]:
    """Name, post's id and bytes of each page to damage."""
    for post in VISIBLE:
        yield post.handle, post.id, page_of(post, filler_kb=8)
    for saved in MANIFEST:
        if saved["file"].endswith(".html"):
            post_id = saved["expected"].get("id", MISSING_ID)
            yield saved["file"], post_id, (SAVED / saved["file"]).read_bytes()


PAGES = list(pages())


@pytest.mark.parametrize(("name", "post_id", "body"), PAGES, ids=[name for name, _, _ in PAGES])
def test_a_page_cut_off_at_any_kilobyte_raises_nothing_and_invents_nothing(
    name: str, post_id: str, body: bytes
) -> None:
    whole = read_page(body, post_id)
    for length in range(0, len(body), 1024):
        found = read_page(body[:length], post_id)
        assert found == whole or isinstance(found, Trouble), length


def test_a_page_that_is_cut_off_is_a_failure_and_no_missing_post() -> None:
    post = VISIBLE[0]
    body = page_of(post, filler_kb=8)
    for length in range(0, len(body) - 200, 97):
        assert read_page(body[:length], post.id) is Trouble.FAILED


ODD: list[Any] = [
    None, True, 0, -1, 1.5, 1e400, 10**30, "", "x", "9" * 30, "\ud800", [], [None], {}, {"": None}, [[[]]],
    {"uniqueId": 5}, "a" * 100_000,
]  # fmt: skip
READERS = {
    "universal": from_universal, "reflow": from_universal, "sigi": from_sigi, "sigi_sharing": from_sigi,
    "api_data": from_api_data, "next_item": from_next, "next_video": from_next,
}  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a document with every key or index in it."""
    for key in list(value.keys() if isinstance(value, dict) else range(len(value))):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


@pytest.mark.parametrize("post", [VISIBLE[0], post_with(image_count=5)], ids=["video", "photo"])
@pytest.mark.parametrize("generation", READERS)
def test_every_member_removed_or_of_another_type_raises_nothing(
    generation: str, post: Post
) -> None:
    read = READERS[generation]
    original = document_of(generation, post)
    text = json.dumps(original)
    for place in range(sum(1 for _ in places(original))):
        for odd in [*ODD, ...]:
            document = json.loads(text)
            container, key = list(places(document))[place]
            if odd is ...:
                del container[key]
            else:
                container[key] = odd
            assert_plain(read(document, post.id), post)


def test_every_member_of_an_oembed_answer_removed_or_of_another_type_raises_nothing() -> None:
    post = VISIBLE[0]
    for name in oembed_json(post):
        for odd in ODD:
            assert_plain(from_oembed(oembed_json(post) | {name: odd}, post.id), post)
        rest = {key: value for key, value in oembed_json(post).items() if key != name}
        assert_plain(from_oembed(rest, post.id), post)


def assert_plain(found: Facts | Trouble, post: Post) -> None:
    """Facts that can be stored and written as JSON, of the post that was asked for."""
    if isinstance(found, Trouble):
        return
    assert found.id == post.id
    for text in (found.caption, found.author, found.handle, found.thumbnail):
        assert text is None or (isinstance(text, str) and len(text.encode()) < 100_000)
    numbers = [found.duration_s, found.created_at, *(found.stats or {}).values()]
    assert all(n is None or (type(n) is int and 0 <= n <= 10**15) for n in numbers)
    assert found.duration_s in (None, post.duration_s) or not post.image_count


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=20,
)


@PROPERTY
@given(JSON)
def test_whatever_the_json_it_raises_nothing(document: Any) -> None:
    for read in (from_oembed, from_universal, from_sigi, from_next, from_api_data, from_embed):
        assert isinstance(read(document, MISSING_ID), Trouble)


@PROPERTY
@given(st.binary(max_size=200), st.integers(0, 10**6))
def test_bytes_put_into_a_page_raise_nothing(odd: bytes, place: int) -> None:
    post = VISIBLE[place % len(VISIBLE)]
    body = page_of(post)
    at = random.Random(place).randrange(len(body))
    read_page(body[:at] + odd + body[at:], post.id)


PIECES = [
    "<script ", "<SCRIPT", "id=", '"SIGI_STATE"', "'__NEXT_DATA__'", "sigi-persisted-data", "<!--", "-->",
    "</script>", "</script", "<![CDATA[", "]]>", "<!", "<?", "?>", "&#x110000;", "<", ">", '"', "'", "=", " ",
    "/", "</", "{}",
]  # fmt: skip


@PROPERTY
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_whatever_the_markup_it_raises_nothing(markup: str) -> None:
    assert isinstance(read_page(markup.encode(), MISSING_ID), Trouble)


@pytest.mark.parametrize(
    "piece",
    ["<!--", "<script ", "<script></script ", "<script id=SIGI_STATE></script>", "<script '\"></script>",
     "-->",
     "<script id='SIGI_STATE", '<script id=SIGI_STATE>{"a":', "<", "</script"],
)  # fmt: skip
def test_four_megabytes_of_one_piece_of_markup_are_read_in_linear_time(piece: str) -> None:
    """Quadratic time would be hours here."""
    body = (piece * (PAGE_LIMIT // len(piece) + 1)).encode()
    assert isinstance(read_page(body, MISSING_ID), Trouble)


def test_json_nested_too_deep_is_a_failure() -> None:
    page = f'<html><script id="SIGI_STATE">{"[" * 200_000}</script></html>'
    assert read_page(page.encode(), MISSING_ID) is Trouble.FAILED
