"""Facts are read from where each generation keeps them, and from nowhere else."""

from typing import Any

import pytest

from engine.metadata.facts import (
    Facts,
    Trouble,
    from_api_data,
    from_embed,
    from_next,
    from_oembed,
    from_sigi,
    from_universal,
    most_telling,
)
from standins.tiktok import oembed_json
from tests.support.tiktok import MISSING_ID, VISIBLE, document_of


def item(**members: Any) -> dict[str, Any]:
    """An item as `ItemModule` and `itemStruct` have it, with `members` changed; `...` removes one."""
    whole: dict[str, Any] = {
        "id": MISSING_ID, "desc": "a caption", "createTime": "1783614572", "author": "maker",
        "nickname": "The Maker", "video": {"duration": 29, "cover": "https://c.example/1"},
        "stats": {"diggCount": 1}, **members,
    }  # fmt: skip
    return {name: value for name, value in whole.items() if value is not ...}


def sigi(**members: Any) -> Facts:
    users = {
        "viewer": {"uniqueId": "viewer", "nickname": "The Viewer"},
        "maker": {"uniqueId": "maker", "nickname": "Of Users"},
    }
    modules = {"7300000000000000777": item(id="7300000000000000777"), MISSING_ID: item(**members)}
    found = from_sigi({"ItemModule": modules, "UserModule": {"users": users}}, MISSING_ID)
    assert isinstance(found, Facts), found
    return found


def universal(name: str = "webapp.video-detail", **members: Any) -> Facts:
    author = {"uniqueId": "maker", "nickname": "The Maker"}
    struct = item(**{"author": author, "nickname": ..., **members})
    detail = {"statusCode": 0, "itemInfo": {"itemStruct": struct}}
    found = from_universal({"__DEFAULT_SCOPE__": {name: detail}}, MISSING_ID)
    assert isinstance(found, Facts), found
    return found


def test_the_nickname_of_2021_is_beside_the_handle_or_with_its_user() -> None:
    assert (sigi().handle, sigi().author) == ("maker", "The Maker")
    assert (sigi(nickname=...).handle, sigi(nickname=...).author) == ("maker", "Of Users")
    assert sigi(nickname=..., author="gone").author is None
    late = sigi(nickname=..., author={"uniqueId": "maker", "nickname": "Late"})
    assert (late.handle, late.author) == ("maker", "Late")


IMAGES = {"images": [{"imageURL": {"urlList": ["https://i.example/1"]}}, {}], "title": "a window"}


@pytest.mark.parametrize("read", [sigi, universal])
def test_a_photo_post_is_recognised_by_its_images_in_every_generation(read: Any) -> None:
    photo = read(imagePost=IMAGES, video={"duration": 0, "cover": ""}, music={"duration": 21})
    assert (photo.is_photo, photo.duration_s, photo.thumbnail) == (
        True,
        None,
        "https://i.example/1",
    )
    assert (read(imagePost=IMAGES).is_photo, read(imagePost=IMAGES).duration_s) == (True, None)
    untitled = read(imagePost={"images": IMAGES["images"]}, video=...)
    assert (untitled.is_photo, untitled.caption, untitled.title) == (True, "a caption", None)
    titled = read(imagePost=IMAGES)
    assert (titled.title, titled.caption) == ("a window", "a caption")
    assert read(imagePost={**IMAGES, "title": " "}).title is None
    assert read(imagePost={"title": "no images"}).title is None
    assert (read(imagePost={}).is_photo, read(imagePost={}).duration_s) == (False, 29)
    assert read(imagePost={}, video={"duration": 0}).is_photo
    assert not read(imagePost=None, video={"duration": 0}).is_photo


@pytest.mark.parametrize("read", [sigi, universal])
def test_numbers_are_read_as_numbers_and_as_texts(read: Any) -> None:
    texts = {
        "diggCount": "21000", "shareCount": "4060", "commentCount": "0", "playCount": "76000",
        "collectCount": "3000",
    }  # fmt: skip
    counted = {"likes": 21000, "shares": 4060, "comments": 0, "plays": 76000, "saves": 3000}
    found = read(stats=texts, video={"duration": "67"}, createTime=1783614572)
    assert (found.stats, found.duration_s, found.created_at) == (counted, 67, 1783614572)
    assert read(stats=..., statsV2=texts).stats == counted
    assert read(stats={"diggCount": 5}, statsV2=texts).stats == {**counted, "likes": 5}
    assert read(stats=...).stats is None


@pytest.mark.parametrize("name", ["webapp.video-detail", "webapp.reflow.video.detail"])
def test_only_what_an_age_gate_removes_is_missing(name: str) -> None:
    found = universal(name, author=..., video=..., stats=..., isContentClassified=True)
    assert (found.caption, found.author, found.handle, found.duration_s) == (
        "a caption",
        *[None] * 3,
    )
    assert (found.is_age_gated, found.is_photo, found.thumbnail) == (True, False, None)


def test_of_the_two_forms_of_2020_the_one_with_the_post_is_used() -> None:
    old, new = document_of("next_video", VISIBLE[0]), document_of("next_item", VISIBLE[0])
    props = {**old["props"]["pageProps"], **new["props"]["pageProps"]}
    for changed in (props, {**props, "videoData": {}}, {**props, "itemInfo": {}}):
        found = from_next({"props": {"pageProps": changed}}, VISIBLE[0].id)
        assert isinstance(found, Facts)
        assert found.duration_s == VISIBLE[0].duration_s
    assert (
        from_next({"props": {"pageProps": {**props, "statusCode": 10222}}}, VISIBLE[0].id)
        is Trouble.PRIVATE
    )


def test_an_oembed_answer_about_another_post_is_refused() -> None:
    post = VISIBLE[0]
    assert isinstance(from_oembed(oembed_json(post), post.id), Facts)
    assert from_oembed(oembed_json(post), MISSING_ID) is Trouble.REFUSED


def test_half_a_surrogate_pair_is_replaced_and_a_whole_one_kept() -> None:
    post = VISIBLE[0]
    answer = oembed_json(post) | {"title": "cut \ud83c off", "author_name": "\ud83c\udf5e"}
    found = from_oembed(answer, post.id)
    assert isinstance(found, Facts)
    assert (found.caption, found.author) == ("cut \ufffd off", "\U0001f35e")


@pytest.mark.parametrize(
    "address", ["http://p16.example/a.jpeg", "javascript:alert(1)", "https://a b", "", None, 7]
)
def test_a_thumbnail_is_an_https_address_or_none(address: object) -> None:
    post = VISIBLE[0]
    found = from_oembed(oembed_json(post) | {"thumbnail_url": address}, post.id)
    assert isinstance(found, Facts)
    assert found.thumbnail is None


def test_an_oembed_id_is_that_of_the_answer_or_of_its_html() -> None:
    post = VISIBLE[0]
    answer = oembed_json(post)
    for given in (post.id, int(post.id), "", None):
        assert isinstance(from_oembed(answer | {"embed_product_id": given}, post.id), Facts)
    assert from_oembed(answer | {"embed_product_id": MISSING_ID}, post.id) is Trouble.REFUSED
    for html in ("", f'<blockquote data-video-id="{MISSING_ID}">'):
        assert (
            from_oembed(answer | {"embed_product_id": "", "html": html}, post.id) is Trouble.REFUSED
        )
    cited = f'<blockquote cite="https://www.tiktok.com/@x/photo/{post.id}">'
    found = from_oembed(answer | {"embed_product_id": "", "html": cited}, post.id)
    assert isinstance(found, Facts)
    assert found.is_photo


def test_of_two_details_of_a_page_the_one_with_a_reason_is_used() -> None:
    scope = {"webapp.video-detail": {"statusCode": 10222}, "webapp.reflow.video.detail": {}}
    assert from_universal({"__DEFAULT_SCOPE__": scope}, MISSING_ID) is Trouble.PRIVATE


def test_an_age_gate_that_leaves_only_the_id_is_a_reason_and_no_missing_post() -> None:
    gated = item(desc=..., author=..., nickname=..., isContentClassified=True)
    for document, read in (
        ({"__DEFAULT_SCOPE__": {"webapp.video-detail": detail(gated)}}, from_universal),
        ({"videoDetail": detail(gated)}, from_api_data),
        ({"ItemModule": {MISSING_ID: gated}}, from_sigi),
        ({"SharingVideoModule": {"videoData": detail(gated)}}, from_sigi),
        ({"props": {"pageProps": detail(gated)}}, from_next),
    ):
        assert read(document, MISSING_ID) is Trouble.AGE_RESTRICTED
        assert read(document, VISIBLE[0].id) is Trouble.NO_POST


def detail(struct: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": 0, "itemInfo": {"itemStruct": struct}}


def test_comments_and_share_texts_are_not_the_post() -> None:
    document = {
        "videoDetail": {**detail(item(id="7300000000000000777")), "shareMeta": {"title": "shared"}},
        "commentList": {"comments": [{"aweme_id": MISSING_ID, "text": "a comment"}]},
    }
    assert from_api_data(document, MISSING_ID) is Trouble.NO_POST


def test_a_photo_on_the_page_for_frames_has_no_duration() -> None:
    images = {"displayImages": [{"urlList": ["https://i.example/1"]}]}
    data = {
        "itemInfos": {"id": MISSING_ID, "text": "x", "video": {"videoMeta": {"duration": 31}}},
        "imagePostInfo": images,
    }
    found = from_embed(
        {"source": {"data": {f"/embed/v2/{MISSING_ID}": {"videoData": data}}}}, MISSING_ID
    )
    assert isinstance(found, Facts)
    assert (found.is_photo, found.duration_s) == (True, None)


@pytest.mark.parametrize(
    "url", ["https://www.tiktok.com/@\u5934m", "https://www.tiktok.com/@%E5%A4%B4m?x=1"]
)
def test_a_handle_of_another_script_is_read_from_the_profile(url: str) -> None:
    post = VISIBLE[0]
    found = from_oembed(oembed_json(post) | {"author_unique_id": "", "author_url": url}, post.id)
    assert isinstance(found, Facts)
    assert found.handle == "\u5934m"


def test_the_trouble_that_says_most_is_answered() -> None:
    assert most_telling([]) is Trouble.NO_POST
    assert most_telling([Trouble.NO_POST, Trouble.BLOCKED]) is Trouble.BLOCKED
    assert most_telling([Trouble.BLOCKED, Trouble.HIDDEN]) is Trouble.HIDDEN
    assert most_telling([Trouble.FAILED, Trouble.AGE_RESTRICTED]) is Trouble.AGE_RESTRICTED
