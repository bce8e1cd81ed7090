"""The targets of the TikTok stand-in's short links: posts, and other targets that were observed.

Kinds of targets: sections 2 and 6 of the project's notes on TikTok.
"""

from collections.abc import Iterable

from .tiktok_posts import Post

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
        "ZThttp001": f"http://www.tiktok.com/@x/video/{post.id}",
        "ZTtwohops": "https://www.tiktok.com/t/ZTmdot001",
        "ZTthreehops": "https://vm.tiktok.com/ZTtwohops/",
        "ZTfourhops": "https://www.tiktok.com/t/ZTthreehops/",
    }


def _traps(post: Post) -> dict[str, str]:
    """Codes that do not lead to a post, or must not be followed."""
    path = f"/@x/video/{post.id}"
    return {
        "ZTlogin01": f"https://www.tiktok.com/login?redirect_url=https%3A%2F%2Fwww.tiktok.com{path}",
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
