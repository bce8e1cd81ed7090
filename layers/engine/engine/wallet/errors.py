"""The errors about quotes, the policy of the app and reported payments, as clients see them."""

from collections.abc import Sequence

from engine.platform.errors import EngineError, InvalidRequest


class ProductNotOffered(InvalidRequest):
    """The products that are asked for are not sold, or not together."""

    code = "product_not_offered"
    error = "product_not_offered"
    message = "This is not offered here."
    guidance = "Ask for one product of the list that this service offers."

    def __init__(self, codes: Sequence[str]) -> None:
        super().__init__(details={"products": [*codes]})


class PolicyChanged(EngineError):
    """Another operator has changed the policy since it was read."""

    status = 409
    code = "policy_changed"
    error = "policy_changed"
    message = "The policy was changed by somebody else in the meantime."
    guidance = "Read it again, then repeat the change with its version."

    def __init__(self, version: int) -> None:
        super().__init__(details={"version": version})


class TooManyRequestsOpen(EngineError):
    """The user has as many open requests as one may have."""

    status = 409
    code = "too_many_open_requests"
    error = "too_many_open_requests"
    message = (
        "You have several requests that wait to be checked. Please wait for an answer to them."
    )
    guidance = "Wait until one of them has been answered."


class RequestResolved(EngineError):
    """The request was approved or rejected before."""

    status = 409
    code = "request_resolved"
    error = "request_resolved"
    message = "This request was answered before."
    guidance = "Read the request to see its answer."


class ReceiptUsed(EngineError):
    """The receipt belongs to a payment that has already been added."""

    status = 409
    code = "receipt_used"
    error = "receipt_used"
    message = "This receipt belongs to a payment that was added before."
    guidance = (
        "Look for the payment in the transactions; reject the request if it was paid only once."
    )


class QuoteGone(EngineError):
    """The quote is not known, or its price no longer holds."""

    status = 410
    code = "quote_gone"
    error = "quote_gone"
    message = "This price no longer holds. Please try again."
    guidance = "Ask for a new quote, then fulfil that one under the same request id."


class AppUpdateRequired(EngineError):
    """The app is older than the oldest version that is served."""

    status = 426
    code = "app_update_required"
    error = "app_update_required"
    message = "This version of the app is no longer served. Please update the app."
    guidance = "Install the version that GET /v1/public/client-policy names."

    def __init__(self, minimum: int) -> None:
        super().__init__(details={"minimumVersionCode": minimum})
