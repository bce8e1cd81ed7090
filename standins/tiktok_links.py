"""Where the TikTok stand-in's short links lead: posts, and everything else that links have led to.

Kinds of targets: docs/tiktok.md.
"""

from collections.abc import Iterable
from urllib.parse import quote

from .tiktok_posts import Post

LOGIN = "https://www.tiktok.com/login?redirect_url="
HOME = "https://www.tiktok.com/?_r=1"
NO_LOCATION = ""
"""The target of a link that is answered with 200 and no ``Location``."""

LOOP_HOPS = 5


def links(posts: Iterable[Post]) -> dict[str, str]:
    """``{code: Location of its first answer}``; an unknown code redirects to the home page."""
    table = {post.code: f"{post.url}?_r=1&_t=8invented" for post in posts}
    video = next(post for post in posts if post.media_type == "video")
    return {**table, **_ways_to(video), **_traps(video), **_chain("ZTloop", LOOP_HOPS)}


def _ways_to(post: Post) -> dict[str, str]:
    """Codes that lead to a post by an address form that TikTok has used."""
    return {
        "ZTmdot001": f"https://m.tiktok.com/v/{post.id}.html?_d=x&share_item_id={post.id}",
        "ZTshare01": f"https://www.tiktokv.com/share/video/{post.id}/",
        "ZTnohand1": f"https://www.tiktok.com/@/video/{post.id}/",
        "ZTi18n001": f"https://t.tiktok.com/i18n/share/video/{post.id}/?_t=ZS-x",
        "ZTlogin01": f"{LOGIN}https%3A%2F%2Fwww.tiktok.com%2F%40x%2Fvideo%2F{post.id}&lang=en",
        "ZThttp001": f"http://www.tiktok.com/@x/video/{post.id}",
        "ZTtwohops": "https://www.tiktok.com/t/ZTmdot001",
        "ZTthreehops": "https://vm.tiktok.com/ZTtwohops/",
        "ZTfourhops": "https://www.tiktok.com/t/ZTthreehops/",
    }


def _traps(post: Post) -> dict[str, str]:
    """Codes that do not lead to a post, or must not be followed."""
    path = f"/@x/video/{post.id}"
    return {
        "ZTlogin02": "https://www.tiktok.com/login?lang=en",
        "ZTlogin03": f"{LOGIN}https%3A%2F%2Fevil.example{path}",
        "ZTlogin04": f"{LOGIN}{quote(f'{LOGIN}https://www.tiktok.com{path}')}",
        "ZTbadurl1": "http://[oops",
        "ZTlinkv21": "https://www.tiktok.com/link/v2?target=https%3A%2F%2Fevil.example%2F",
        "ZThome001": HOME,
        "ZTshop001": "https://shop.tiktok.com/view/product/1729000000000000001",
        "ZTinvite1": "https://lite.tiktok.com/ug/incentive/share/invite",
        "ZTprofile": f"https://www.tiktok.com/@{post.handle}?_r=1",
        "ZTlive001": f"https://www.tiktok.com/@{post.handle}/live",
        "ZTmusic01": "https://www.tiktok.com/music/a-sound-7000000000000000001",
        "ZT404page": f"https://www.tiktok.com/404?fromUrl={path}",
        "ZTregion1": "https://www.tiktok.com/hk/notfound",
        "ZTevil001": f"https://evil.example{path}",
        "ZTevil002": f"https://www.tiktok.com@evil.example{path}",
        "ZTevil003": f"https://www.tiktok.com.evil.example{path}",
        "ZTevil004": "http://169.254.169.254/latest/meta-data/",
        "ZTevil005": "file:///etc/passwd",
        "ZTself001": "https://www.tiktok.com/t/ZTself001",
        "ZTnowhere": NO_LOCATION,
    }


def _chain(prefix: str, length: int) -> dict[str, str]:
    """A redirect loop of ``length`` hops."""
    codes = [f"{prefix}{place:03d}" for place in range(length)]
    following = [*codes[1:], codes[0]]
    return {
        code: f"https://www.tiktok.com/t/{after}"
        for code, after in zip(codes, following, strict=True)
    }
