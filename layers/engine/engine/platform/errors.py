"""The errors that clients see: one tree of exceptions, rendered by `engine.web.http`.

Texts avoid the words that the mobile app misreads (it classifies by substring): no "credits" or
"insufficient" outside 402, no "exp", "auth" or "token" in a 4xx that is not about them, and no
"unavailable", "connection", "network" or "timeout" in any 4xx. `tests/test_contract.py` checks every text.
"""

from collections.abc import Mapping
from typing import Any


class EngineError(Exception):
    """Base of all. `members` are added to the top of the body, `details` to its `details`."""

    status: int = 500
    code = "internal_error"
    error = "Internal error"
    message = "Something went wrong on our side."
    guidance = "Try again. If it fails again, report it with the requestId."

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


class RequestIdRequired(InvalidRequest):
    """The deployment requires a request id on this route, and the request has none."""

    code = "request_id_required"
    error = "Request id required"
    message = "This request needs a request id, so that it can be repeated safely."
    guidance = "Send an Idempotency-Key header, or clientRequestId in the body."


class InvalidUrl(InvalidRequest):
    """The URL is not one of the TikTok forms that are served."""

    code = "invalid_url"
    error = "invalid_url"
    message = "This link is invalid: it is not the address of a TikTok video."
    guidance = "Send the address of one TikTok video, as the share button gives it."

    def __init__(self) -> None:
        super().__init__(details={"field": "url"})


class SeveralLinks(InvalidUrl):
    """The text holds links to two different TikTok videos."""

    code = "several_links"
    error = "several_links"
    message = "The text holds two different TikTok links; send one of them."
    guidance = "Send one link, or the text of one share."


class NotAVideo(InvalidRequest):
    """The link leads to another page of TikTok, or TikTok knows no such id."""

    code = "not_a_video"
    error = "not_a_video"
    message = "This address does not lead to a TikTok video."
    guidance = "Send the address of one TikTok video, as the share button gives it."


class Unauthorized(EngineError):
    """The credential is missing or invalid."""

    status = 401
    code = "unauthorized"
    error = "Unauthorized"
    message = "A valid credential is required."
    guidance = "Send a valid credential in the header that this route documents."

    def __init__(self, reason: str = "missing", *, scheme: str = "Bearer") -> None:
        """The challenge has the parameters of RFC 6750, section 3; without a credential only the realm."""
        challenge = f'{scheme} realm="pluct"'
        if scheme == "Bearer" and reason != "missing":
            challenge += f', error="invalid_token", error_description="{reason}"'
        super().__init__(details={"reason": reason}, headers={"WWW-Authenticate": challenge})


class SessionEnded(Unauthorized):
    """A dashboard session has expired, was ended, or never existed."""

    code = "session_ended"
    error = "session_ended"
    message = "Your session has ended."
    guidance = "Log in again; the dashboard then returns to this page."

    def __init__(self) -> None:
        super().__init__("session", scheme="Session")


class LoginRefused(Unauthorized):
    """Wrong name or password; the answer does not say which."""

    code = "login_refused"
    error = "login_refused"
    message = "Wrong name or password."
    guidance = "Check both. An operator with access to the stack can make a new password."

    def __init__(self) -> None:
        super().__init__("login", scheme="Session")


class InsufficientCredits(EngineError):
    """The balance is too low for the request."""

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
    """The subscription's balance is used up; a payment reactivates it."""

    status = 402
    code = "subscription_used_up"
    error = "Subscription used up"
    message = "All credits of this subscription are used."
    guidance = "Add credits; the next request then returns a key."


class SubscriptionBlocked(EngineError):
    """The subscription is blocked, by its policy or by an operator."""

    status = 402
    code = "subscription_blocked"
    error = "Subscription blocked"
    message = "This subscription is blocked."
    guidance = "Ask the operator of this service to lift the block."


class Forbidden(EngineError):
    """The credential is valid but does not allow this request."""

    status = 403
    code = "forbidden"
    error = "Forbidden"
    message = "This credential does not allow that."
    guidance = "Use a credential that allows it, or ask for less."


class ScopeMissing(Forbidden):
    """The credential lacks a scope. The challenge is that of RFC 6750, section 3.1."""

    def __init__(self, scope: str) -> None:
        challenge = f'Bearer realm="pluct", error="insufficient_scope", scope="{scope}"'
        super().__init__(details={"scope": scope}, headers={"WWW-Authenticate": challenge})


class CsrfRefused(Forbidden):
    """A write with a session cookie lacks the session's CSRF token."""

    code = "csrf_refused"
    error = "csrf_refused"
    message = "The request did not come from the dashboard's own page; nothing was changed."
    guidance = "Reload the dashboard and do it again."


class FrontRequired(Forbidden):
    """The request did not come through the proxy that this deployment requires."""

    code = "front_required"
    message = "This address does not take requests."
    guidance = "Send the request to the public address of this service."


class LegacyInsufficientCredits(Forbidden):
    """`/vend-token` answers 403, as the broker's document says; the newer route answers 402."""

    code = "insufficient_credits"
    error = "Insufficient credits"
    message = "There are not enough credits for this."
    guidance = "Add credits, then send the same request again."


class TokenAlreadyUsed(Forbidden):
    """A vended token was used again, for a different call."""

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
    """The item does not exist, or belongs to another user: both get the same answer."""

    status = 404
    code = "not_found"
    error = "Not found"
    message = "The requested item does not exist."
    guidance = "Check the id."


class RouteNotFound(NotFound):
    """No route matches the path."""

    code = "route_not_found"
    error = "route_not_found"
    message = "Endpoint not found"
    guidance = "GET / lists the routes."


class JobNotFound(NotFound):
    """The caller has no job with this id."""

    code = "job_not_found"
    error = "job_not_found"
    message = "You have no job with this id."


class MethodNotAllowed(EngineError):
    """The path exists, but not with this method."""

    status = 405
    code = "method_not_allowed"
    error = "method_not_allowed"
    message = "This path does not support this method."
    guidance = "Use a method listed in the Allow header."


class UserExists(EngineError):
    """The user id is taken."""

    status = 409
    code = "user_exists"
    error = "User already exists"
    message = "A user with this id already exists."
    guidance = "Choose another id, or use the credential issued for this one."


class AlreadyUndone(EngineError):
    """The entry was already undone."""

    status = 409
    code = "already_undone"
    error = "Already undone"
    message = "This entry was already undone."
    guidance = "Read the account's history. If the balance is wrong, make a new adjustment."


class NotUndoable(EngineError):
    """The entry's type cannot be undone: only additions and deductions can."""

    status = 409
    code = "not_undoable"
    error = "Not undoable"
    message = "An entry of this type cannot be undone."
    guidance = "Make an adjustment with a reason instead."


class OperatorExists(EngineError):
    """The operator's name is taken."""

    status = 409
    code = "operator_exists"
    error = "operator_exists"
    message = "An operator with this name already exists."
    guidance = "Choose another name, or create a new password for this one."


class PayloadTooLarge(EngineError):
    """The body is over the limit."""

    status = 413
    code = "payload_too_large"
    error = "Payload too large"
    message = "The body is larger than this route accepts."
    guidance = "Send at most 64 KB."


class UnsupportedEncoding(EngineError):
    """The body is compressed, or not in UTF-8."""

    status = 415
    code = "unsupported_encoding"
    error = "Unsupported encoding"
    message = "The body must be uncompressed and in UTF-8."
    guidance = "Send it without Content-Encoding, in UTF-8."

    def __init__(self) -> None:
        super().__init__(headers={"Accept-Encoding": "identity"})


class KeyReused(EngineError):
    """The idempotency key was used with another payload."""

    status = 422
    code = "idempotency_key_reused"
    error = "idempotency_key_reused"
    message = "This request id was used before with another payload."
    guidance = "Use a new request id for a new request."


class RateLimited(EngineError):
    """More requests than the rate limit allows."""

    status = 429
    code = "rate_limited"
    error = "Too many requests"
    message = "Too many requests; wait a moment."
    guidance = "Wait for the number of seconds in Retry-After, then send the request again."

    def __init__(self, retry_after_s: int, headers: Mapping[str, str]) -> None:
        super().__init__(
            members={"retryAfterSeconds": retry_after_s},
            details={"retryAfterSeconds": retry_after_s},
            headers={**headers, "Retry-After": str(retry_after_s)},
        )


class TooManyAttempts(RateLimited):
    """Too many failed logins for this name or from this address."""

    code = "too_many_attempts"
    message = "Too many failed logins."
    guidance = "Wait for the number of seconds in Retry-After."

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s, {})


class UpstreamFailed(EngineError):
    """The transcription service gave an invalid answer, or refused our credential."""

    status = 502
    code = "upstream_error"
    error = "upstream_error"
    message = "The transcription service did not give a usable answer."
    guidance = "Try again later."


class Busy(EngineError):
    """Nothing was changed: the store did not answer in time, or there were too many conflicts."""

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


class SubmissionsPaused(Busy):
    """An operator has switched off new transcriptions."""

    code = "submissions_paused"
    error = "submissions_paused"
    message = "No new videos are taken right now. Please try again later."
    guidance = "Try again later; GET /v1/mobile/sync says when videos are taken again."

    def __init__(self) -> None:
        super().__init__(retry_after_s=300)


class CircuitOpen(Busy):
    """The circuit breaker of the transcription service is open."""

    code = "circuit_open"
    error = "circuit_open"
    message = "The transcription service is paused after repeated failures."
    guidance = "Wait for the number of seconds in Retry-After, then try again."

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s=max(1, retry_after_s))


class OutcomeUnknown(Busy):
    """The answer to a write was lost; a retry with the same request id settles it."""

    code = "outcome_unknown"
    message = "The store's answer was lost; it is not known whether the write took effect."


class KeysUnavailable(EngineError):
    """No OpenRouter key can be created or read, and no valid one is stored."""

    status = 503
    code = "keys_unavailable"
    error = "Keys unavailable"
    message = "No key can be provided right now."
    guidance = "Send the same request again after the number of seconds in Retry-After."

    def __init__(self, *, retry_after_s: int = 5) -> None:
        super().__init__(
            members={"retryAfterSeconds": retry_after_s},
            headers={"Retry-After": str(retry_after_s)},
        )


class UpstreamRefused(UpstreamFailed):
    """The transcription service refused the job; its status and members are passed on."""

    status = 400
    code = "upstream_refused"
    error = "upstream_refused"
    message = "The transcription service refused the job."
    guidance = "Your credit was returned. Vend again, then retry."

    def __init__(
        self, status: int, members: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(members=members, headers=headers)
        self.status = status


class UpstreamTimedOut(EngineError):
    """The transcription service did not answer a status request in time."""

    status = 504
    code = "upstream_timed_out"
    error = "upstream_timed_out"
    message = "The transcription service did not answer in time."
    guidance = "Ask again later; nothing was changed."
