"""The invented posts of the TikTok stand-in, for use without saved pages.

They cover every generation of page, captions and handles in other scripts, empty
captions, photo posts, age-gated posts, and each status code.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

GENERATIONS = (
    "universal",
    "reflow",
    "api_data",
    "sigi",
    "sigi_persisted",
    "sigi_sharing",
    "next_item",
    "next_video",
)


@dataclass(frozen=True)
class Post:
    """A post. ``code`` is its short link; TikTok hides a post whose ``status_code`` is not 0.

    The upper 32 bits of an id are the creation time in Unix seconds.
    """

    id: str
    handle: str
    nickname: str
    caption: str
    duration_s: int
    code: str
    generation: str = "universal"
    image_count: int = 0
    age_gated: bool = False
    status_code: int = 0
    status_msg: str = ""
    oembed: bool = True
    embedded: bool = False
    image_title: str = ""
    stats: tuple[int, int, int, int, int] = field(default=(1200, 30, 45, 98_000, 210))

    @property
    def created_at(self) -> int:
        """The creation time in Unix seconds, from the id."""
        return int(self.id) >> 32

    @property
    def music_seconds(self) -> int:
        """Length of the sound, which always differs from that of the video."""
        return self.duration_s + 11

    @property
    def media_type(self) -> str:
        """``photo`` or ``video``."""
        return "photo" if self.image_count else "video"

    @property
    def url(self) -> str:
        """The canonical address."""
        return f"https://www.tiktok.com/@{quote(self.handle)}/{self.media_type}/{self.id}"

    @property
    def thumbnail(self) -> str:
        """URL of the cover, without its expiring signature."""
        return f"https://p16-sign.tiktokcdn.com/obj/tos-local-p-0001/{self.id}~cover.jpeg"

    def expected(self) -> dict[str, Any]:
        """The expected answer of a resolver, and the addresses of the post."""
        return {
            "id": self.id,
            "title": self.image_title or self.caption,
            "description": self.caption,
            "author": self.nickname,
            "handle": self.handle,
            "duration": None if self.image_count or self.age_gated else self.duration_s,
            "url": self.url,
            "thumbnail": self.thumbnail,
            "media_type": self.media_type,
            "generation": self.generation,
            "code": self.code,
            "age_gated": self.age_gated,
            "status_code": self.status_code,
            "oembed": self.oembed,
            "embedded": self.embedded,
        }


def post_of(members: dict[str, Any]) -> Post:
    """A post from JSON members; ``id`` is required, the others have defaults.

    Raises ValueError for a bad id or generation, TypeError for an unknown member.
    """
    post_id = str(members["id"])
    if not (post_id.isascii() and post_id.isdigit()):
        raise ValueError("id: digits")
    if members.get("generation", "universal") not in GENERATIONS:
        raise ValueError(f"generation: one of {GENERATIONS}")
    defaults = {
        "handle": "someone.new",
        "nickname": "Someone New",
        "caption": f"Post number {post_id}",
        "duration_s": 20,
        "code": f"ZT{post_id[-9:]}",
    }
    return Post(**{**defaults, **members, "id": post_id})


def _id(created_at: int, place: int) -> str:
    return str((created_at << 32) + place)


_HIDDEN = {
    10204: "item doesn't exist",
    10216: "item is private",
    10217: "status_deleted",
    10221: "user doesn't exist",
    10222: "author_secret",
    10231: "cross_border_violation_ur",
    10235: "story",
    10101: "server error",
    100002: "invalid item id",
    100004: "internal error",
}

_VISIBLE = [
    Post(
        id=_id(1_717_200_000, 101),
        handle="crumb.and.crust",
        nickname="Crumb & Crust",
        caption="Day 3 of the sourdough: “finally” it rose 🍞✨ #baking #sourdough",
        duration_s=34,
        code="ZTbread01",
    ),
    Post(
        id=_id(1_722_600_000, 102),
        handle="bep.nha.ba",
        nickname="Bếp nhà Bà",
        caption="Phở bò nấu chậm, thơm cả xóm #ancungtiktok ",
        duration_s=79,
        code="ZTphobo02",
        generation="reflow",
    ),
    Post(
        id=_id(1_660_100_000, 103),
        handle="tide_tables",
        nickname="Tide Tables",
        caption="Low tide at six, nobody else awake.",
        duration_s=17,
        code="ZTtides03",
        generation="sigi",
    ),
    Post(
        id=_id(1_650_100_000, 104),
        handle="w..workshop",
        nickname="The Workshop",
        caption="Sharpening a plane iron (no music needed)  ",
        duration_s=58,
        code="ZTplane04",
        generation="sigi_persisted",
    ),
    Post(
        id=_id(1_612_100_000, 105),
        handle="1234567",
        nickname="Seven Digits",
        caption='She said "cut to the chase" \\ so I did <3',
        duration_s=12,
        code="ZTdigit05",
        generation="next_item",
    ),
    Post(
        id=_id(1_586_100_000, 106),
        handle="balcon.andaluz",
        nickname="Balcón Andaluz",
        caption="Ocho de la tarde, todos al balcón #QuédateEnCasa",
        duration_s=29,
        code="ZTbalco06",
        generation="next_video",
    ),
    Post(
        id=_id(1_725_000_000, 107),
        handle=".dot.first",
        nickname="Dot First",
        caption="",
        duration_s=9,
        code="ZTempty07",
    ),
    Post(
        id=_id(1_726_000_000, 108),
        handle="souq_lights",
        nickname="أضواء السوق",
        caption="أول ليلة في السوق القديم ❤️ شكراً لكم",
        duration_s=41,
        code="ZTsouqa08",
    ),
    Post(
        id=_id(1_727_000_000, 109),
        handle="two.lines",
        nickname="Two Lines",
        caption="first line\u2028second line\nthird line",
        duration_s=63,
        code="ZTlines09",
    ),
    Post(
        id=_id(1_728_000_000, 110),
        handle="slow.slides",
        nickname="Slow Slides",
        caption="Five mornings, one window",
        duration_s=0,
        code="ZTslide10",
        image_count=5,
        image_title="Window light",
    ),
    Post(
        id=_id(1_729_000_000, 111),
        handle="late.show",
        nickname="Late Show",
        caption="For grown-ups only",
        duration_s=25,
        code="ZTgated11",
        age_gated=True,
    ),
    Post(
        id=_id(1_730_000_000, 112),
        handle="page.only",
        nickname="Page Only",
        caption="oEmbed does not know this one",
        duration_s=31,
        code="ZTponly12",
        oembed=False,
    ),
    Post(
        id=_id(1_777_000_000, 114),
        handle="phone.first",
        nickname="Phone First",
        caption="The page that phones get today",
        duration_s=18,
        code="ZTphone-14_first-phone",
        generation="api_data",
        embedded=True,
    ),
    Post(
        id=_id(1_655_000_000, 115),
        handle="shared.module",
        nickname="Shared Module",
        caption="The page that phones got in 2022",
        duration_s=22,
        code="ZTshared15",
        generation="sigi_sharing",
    ),
    Post(
        id=_id(1_600_000_000, 116),
        handle="\u5934\u6587\u5b57m",
        nickname="Early Letters",
        caption="A handle from before 2021",
        duration_s=14,
        code="ZTearly16",
    ),
    # The video of the README's example, so that its metadata can be resolved too.
    Post(
        id="6718335390845095173",
        handle="scout2015",
        nickname="Scout, Suki & Stella",
        caption="Scramble up ur name & I\u2019ll try to guess it😍❤️ #foryoupage #petsoftiktok #aesthetic",
        duration_s=10,
        code="ZTscout13",
    ),
]

_HIDDEN_POSTS = [
    Post(
        id=_id(1_731_000_000, code),
        handle="hidden.post",
        nickname="Hidden Post",
        caption="nobody may read this",
        duration_s=20,
        code=f"ZThid{code}",
        status_code=code,
        status_msg=message,
        oembed=False,
    )
    for code, message in _HIDDEN.items()
]

POSTS = (*_VISIBLE, *_HIDDEN_POSTS)
