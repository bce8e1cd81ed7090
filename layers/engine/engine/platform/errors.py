"""The errors that clients see: one small tree, raised deep, rendered once by `engine.web.http`.

Texts avoid the words that the mobile app misreads (it classifies by substring): no "credits" or
"insufficient" outside 402, no "exp", "auth" or "token" in a 4xx that is not about them, and no
"unavailable", "connection", "network" or "timeout" in any 4xx. A test holds every text to that.
"""

from collections.abc import Mapping
from typing import Any


class EngineError(Exception):
    """Base of all. `members` are added to the top of the body, `details` to its `details`."""

    status: int = 500
    code = "internal_error"
    error = "Internal error"
    message = "Something went wrong on our side."
    guidance = "Try again; give the requestId when you report it."

    def __init__(
        self,
        message: str | None = None,
        *,
        error: str | None = None,
        details: Mapping[str, Any] | None = None,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or type(self).message
        self.error = error or type(self).error
        self.details = dict(details or {})
        self.members = dict(members or {})
        self.headers = dict(headers or {})
        super().__init__(self.message)


class InvalidRequest(EngineError):
    """The body, a query member or a header does not have the documented form."""

    status = 400
    code = "invalid_request"
    error = "Invalid request"
    message = "The request does not have the documented form."
    guidance = "Correct the field named in details and send it again."


class InvalidUrl(InvalidRequest):
    """The URL is not one of the TikTok forms that are served."""

    code = "invalid_url"
    error = "invalid_url"
    message = "The url is not a TikTok video address."
    guidance = "Send the address of one TikTok video, as the share button gives it."

    def __init__(self) -> None:
        super().__init__(details={"field": "url"})


class NotAVideo(InvalidRequest):
    """A short link leads to something else of TikTok's, or TikTok knows no such id."""

    code = "not_a_video"
    error = "not_a_video"
    message = "This address does not lead to a TikTok video."
    guidance = "Send the address of one TikTok video, as the share button gives it."


class Unauthorized(EngineError):
    """No credential, or one that does not verify."""

    status = 401
    code = "unauthorized"
    error = "Unauthorized"
    message = "A valid credential is required."
    guidance = "Send a valid credential in the header that this route documents."

    def __init__(self, reason: str = "missing", *, scheme: str = "Bearer") -> None:
        challenge = f'{scheme} realm="pluct"'
        if scheme == "Bearer" and reason != "missing":
            challenge += f', error="invalid_token", error_description="{reason}"'
        super().__init__(details={"reason": reason}, headers={"WWW-Authenticate": challenge})


class SessionEnded(Unauthorized):
    """A dashboard's session is over, was ended, or never was."""

    code = "session_ended"
    error = "session_ended"
    message = "Your session has ended."
    guidance = "Log in again; you come back to where you were."

    def __init__(self) -> None:
        super().__init__("session", scheme="Session")


class LoginRefused(Unauthorized):
    """No operator has this name and this password; which of the two is wrong is not said."""

    code = "login_refused"
    error = "login_refused"
    message = "This name and password do not go together."
    guidance = "Check both. An operator with access to the stack can make a new password."

    def __init__(self) -> None:
        super().__init__("login", scheme="Session")


class InsufficientCredits(EngineError):
    """The account can not pay for what was asked."""

    status = 402
    code = "insufficient_credits"
    error = "INSUFFICIENT_CREDITS"
    message = "There are not enough credits for this."
    guidance = "Add credits, then send the same request again."

    def __init__(self, balance: int, required: int) -> None:
        super().__init__(
            details={"balance": balance, "required": required}, members={"balance": balance}
        )
        self.balance = balance
        self.required = required


class SubscriptionUsedUp(EngineError):
    """Everything that the subscription had is used; money that comes in lifts it."""

    status = 402
    code = "subscription_used_up"
    error = "Subscription used up"
    message = "All credits of this subscription are used."
    guidance = "Add credits; the next call then answers a key again."


class SubscriptionBlocked(EngineError):
    """The subscription is stopped, because it is used up or by an operator."""

    status = 402
    code = "subscription_blocked"
    error = "Subscription blocked"
    message = "This subscription is blocked."
    guidance = "Ask the operator of this service to lift the block."


class Forbidden(EngineError):
    """The credential is good but does not allow this."""

    status = 403
    code = "forbidden"
    error = "Forbidden"
    message = "This credential does not allow that."
    guidance = "Use a credential that allows it, or ask for less."


class CsrfRefused(Forbidden):
    """A write came with a session's cookie but not from the dashboard's own page."""

    code = "csrf_refused"
    error = "csrf_refused"
    message = "This did not come from the dashboard's own page; nothing was changed."
    guidance = "Reload the dashboard and do it again."


class LegacyInsufficientCredits(Forbidden):
    """`/vend-token` of the broker's document says 403 where the newer route says 402."""

    code = "insufficient_credits"
    error = "Insufficient credits"
    message = "There are not enough credits for this."
    guidance = "Add credits, then send the same request again."


class TokenAlreadyUsed(Forbidden):
    """A vended token was shown a second time, for another call than the first."""

    code = "token_already_used"
    error = "token_already_used"
    message = "This authorization was already used for another call."
    guidance = "Vend a new token for every transcription."

    def __init__(self, message: str | None = None) -> None:
        """The app buys a new token where the text that it shows says "auth": `details.message` is what
        it shows before all else.
        """
        super().__init__(message, details={"message": message or type(self).message})


class NotFound(EngineError):
    """No such thing, or a thing of somebody else: the two answer alike."""

    status = 404
    code = "not_found"
    error = "Not found"
    message = "There is no such thing here."
    guidance = "Check the id."


class RouteNotFound(NotFound):
    """No route has this path."""

    code = "route_not_found"
    error = "route_not_found"
    message = "No route has this path."
    guidance = "GET / lists the routes."


class JobNotFound(NotFound):
    """The caller has no job with this id."""

    code = "job_not_found"
    error = "job_not_found"
    message = "You have no job with this id."


class MethodNotAllowed(EngineError):
    """The path exists, with other methods."""

    status = 405
    code = "method_not_allowed"
    error = "method_not_allowed"
    message = "This path does not take this method."
    guidance = "Use a method that the Allow header names."


class UserExists(EngineError):
    """A user is created once."""

    status = 409
    code = "user_exists"
    error = "User already exists"
    message = "There is a user with this id."
    guidance = "Choose another id, or use the credential you were given for this one."


class AlreadyUndone(EngineError):
    """An entry is taken back once."""

    status = 409
    code = "already_undone"
    error = "Already undone"
    message = "This entry was taken back before."
    guidance = "Read the account's history; make a new adjustment if it is still not right."


class NotUndoable(EngineError):
    """Only what an operator, a key's holder or a payment did to a balance is taken back."""

    status = 409
    code = "not_undoable"
    error = "Not undoable"
    message = "An entry of this kind is not taken back."
    guidance = "Make an adjustment with a reason instead."


class OperatorExists(EngineError):
    """An operator is created once."""

    status = 409
    code = "operator_exists"
    error = "operator_exists"
    message = "There is an operator with this name."
    guidance = "Choose another name, or make a new password for this one."


class PayloadTooLarge(EngineError):
    """The body is over the limit."""

    status = 413
    code = "payload_too_large"
    error = "Payload too large"
    message = "The body is larger than this route takes."
    guidance = "Send at most 64 KB."


class KeyReused(EngineError):
    """The idempotency key was used before, for another payload."""

    status = 422
    code = "idempotency_key_reused"
    error = "idempotency_key_reused"
    message = "This request id was used before with another payload."
    guidance = "Use a new request id for a new request."


class RateLimited(EngineError):
    """More calls than the policy allows in its window."""

    status = 429
    code = "rate_limited"
    error = "Too many requests"
    message = "Too many requests; slow down."
    guidance = "Wait for the seconds that Retry-After gives, then send it again."

    def __init__(self, retry_after_s: int, headers: Mapping[str, str]) -> None:
        super().__init__(
            members={"retryAfterSeconds": retry_after_s},
            details={"retryAfterSeconds": retry_after_s},
            headers={**headers, "Retry-After": str(retry_after_s)},
        )


class TooManyAttempts(RateLimited):
    """Log-ins failed too often, at this name or from this address."""

    code = "too_many_attempts"
    message = "Too many log-ins failed."
    guidance = "Wait for the seconds that Retry-After gives."

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s, {})


class UpstreamFailed(EngineError):
    """The transcription service answered what it should not, or refused us."""

    status = 502
    code = "upstream_error"
    error = "upstream_error"
    message = "The transcription service did not give a usable answer."
    guidance = "Try again in a while."


class Busy(EngineError):
    """Nothing was changed: the store was slow, away, or too many writers met."""

    status = 503
    code = "busy"
    error = "Service busy"
    message = "The service is busy; nothing was changed."
    guidance = "Send the same request again, with the same request id."

    def __init__(self, message: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(
            message,
            members={"retryAfterSeconds": retry_after_s},
            headers={"Retry-After": str(retry_after_s)},
        )


class CircuitOpen(Busy):
    """The transcription service failed again and again and is left alone for a while."""

    code = "circuit_open"
    error = "circuit_open"
    message = "The transcription service is paused after repeated failures."
    guidance = "Wait for the seconds that Retry-After gives, then try again."

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s=max(1, retry_after_s))


class OutcomeUnknown(Busy):
    """A write was sent and its answer lost: the retry with the same request id settles it."""

    code = "outcome_unknown"
    message = "The answer of the store was lost; whether it took effect is not known yet."


class KeysUnavailable(EngineError):
    """No key can be made or read now, and none that is good is stored."""

    status = 503
    code = "keys_unavailable"
    error = "Keys unavailable"
    message = "No key can be had at this moment."
    guidance = "Send the same request again after the seconds that Retry-After gives."

    def __init__(self, *, retry_after_s: int = 5) -> None:
        super().__init__(
            members={"retryAfterSeconds": retry_after_s},
            headers={"Retry-After": str(retry_after_s)},
        )


class UpstreamRefused(UpstreamFailed):
    """The transcription service refused the job in words: its status and members are passed on."""

    status = 400
    code = "upstream_refused"
    error = "upstream_refused"
    message = "The transcription service did not take the job."
    guidance = "Your credit was given back. Vend anew and try again."

    def __init__(
        self, status: int, members: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(members=members, headers=headers)
        self.status = status


class UpstreamTimedOut(EngineError):
    """The transcription service did not answer a question about a job in time."""

    status = 504
    code = "upstream_timed_out"
    error = "upstream_timed_out"
    message = "The transcription service did not answer in time."
    guidance = "Ask again in a while; nothing was changed."


class PostPrivate(EngineError):
    """TikTok shows the post, or all posts of this person, to some people only."""

    status = 403
    code = "post_private"
    error = "post_private"
    message = "This video is private."
    guidance = "Ask the person who posted it to make it public."


class PostNotFound(NotFound):
    """TikTok shows no such post; it does not say whether there ever was one."""

    code = "post_not_found"
    error = "post_not_found"
    message = "TikTok shows no such video: it is removed, private or restricted, or never was."
    guidance = "Open the address on TikTok to see whether it still works."


class PostRemoved(PostNotFound):
    """TikTok says that the post, or the person, is gone."""

    code = "post_removed"
    error = "post_removed"
    message = "This video was removed from TikTok."
    guidance = "Choose another video."


class TiktokFailed(EngineError):
    """TikTok gave no answer that can be read."""

    status = 502
    code = "tiktok_failed"
    error = "tiktok_failed"
    message = "TikTok did not give a usable answer."
    guidance = "Try again after the seconds that Retry-After gives."

    def __init__(self, *, retry_after_s: int = 60) -> None:
        super().__init__(
            members={"retryAfterSeconds": retry_after_s},
            headers={"Retry-After": str(retry_after_s)},
        )


class LinkUnresolved(TiktokFailed):
    """A short link leads nowhere that is followed, or through too many links."""

    code = "link_unresolved"
    error = "link_unresolved"
    message = "TikTok does not say which video this short link stands for."
    guidance = "Open the link, then send the address that the browser shows."


class TiktokBlocked(TiktokFailed):
    """TikTok showed a challenge or a login in place of an answer."""

    status = 503
    code = "tiktok_blocked"
    error = "tiktok_blocked"
    message = "TikTok does not answer us at this moment."


class TiktokSlow(TiktokFailed):
    """TikTok did not answer in time."""

    status = 504
    code = "tiktok_slow"
    error = "tiktok_slow"
    message = "TikTok did not answer in time."
