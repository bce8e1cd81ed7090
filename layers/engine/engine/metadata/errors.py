"""The errors of TikTok's pages and links. The rules for their texts are those of `platform.errors`."""

from engine.platform.errors import EngineError, NotFound


class PostPrivate(EngineError):
    """The post, or its author's account, is private."""

    status = 403
    code = "post_private"
    error = "post_private"
    message = "This video is private."
    guidance = "Ask the person who posted it to make it public."


class AgeRestricted(EngineError):
    """The post exists; TikTok shows it to adults who are logged in."""

    status = 403
    code = "age_restricted"
    error = "age_restricted"
    message = "TikTok shows this video only to adults who are logged in."
    guidance = "Choose a video that TikTok shows to everybody."


class LoginRequired(EngineError):
    """The post exists; TikTok shows it to people who are logged in."""

    status = 403
    code = "login_required"
    error = "login_required"
    message = "TikTok shows this video only to people who are logged in."
    guidance = "Choose a video that TikTok shows to everybody."


class PostNotFound(NotFound):
    """TikTok shows no such post; it does not say whether it ever existed."""

    code = "post_not_found"
    error = "post_not_found"
    message = "TikTok shows no such video: it is removed, private or restricted, or never existed."
    guidance = "Open the address on TikTok to see whether it still works."


class PostRemoved(PostNotFound):
    """TikTok says that the post or its account was removed."""

    code = "post_removed"
    error = "post_removed"
    message = "This video was removed from TikTok."
    guidance = "Choose another video."


class TiktokFailed(EngineError):
    """TikTok gave no usable answer."""

    status = 502
    code = "tiktok_failed"
    error = "tiktok_failed"
    message = "TikTok did not give a usable answer."
    guidance = "Try again after the number of seconds in Retry-After."

    def __init__(self, *, retry_after_s: int = 60) -> None:
        super().__init__(
            members={"retryAfterSeconds": retry_after_s},
            headers={"Retry-After": str(retry_after_s)},
        )


class LinkUnresolved(TiktokFailed):
    """A short link leads to an address that is not followed, or through too many links."""

    code = "link_unresolved"
    error = "link_unresolved"
    message = "TikTok does not say which video this short link leads to."
    guidance = "Open the link, then send the address that the browser shows."


class TiktokBlocked(TiktokFailed):
    """TikTok showed a challenge in place of an answer."""

    status = 503
    code = "tiktok_blocked"
    error = "tiktok_blocked"
    message = "TikTok is not answering our requests right now."


class TiktokSlow(TiktokFailed):
    """TikTok did not answer in time."""

    status = 504
    code = "tiktok_slow"
    error = "tiktok_slow"
    message = "TikTok did not answer in time."
