"""The errors about packs and payments, as clients see them."""

from engine.platform.errors import EngineError, NotFound


class PackNotFound(NotFound):
    """No pack has this id, or it is not sold."""

    code = "pack_not_found"
    error = "pack_not_found"
    message = "There is no such pack."
    guidance = "GET /v1/packs lists the packs."


class PackChanged(EngineError):
    """Another operator has edited the pack since it was read."""

    status = 409
    code = "pack_changed"
    error = "pack_changed"
    message = "Another operator has changed this pack; nothing was changed."
    guidance = "Read the pack again, then edit its current version."


class PaymentNotFound(NotFound):
    """There is no such payment, or it belongs to another user."""

    code = "payment_not_found"
    error = "payment_not_found"
    message = "There is no such payment."


class PaymentNotOpen(EngineError):
    """The payment is not in the inbox, so there is nothing to decide."""

    status = 409
    code = "payment_not_open"
    error = "payment_not_open"
    message = "This payment waits for no decision."
    guidance = "Read the payment: details has its status."


class ProviderNotOffered(EngineError):
    """The pack is not sold by this provider, or not in this currency."""

    status = 409
    code = "provider_not_offered"
    error = "provider_not_offered"
    message = "This pack cannot be bought that way."
    guidance = "Choose a provider of this service and a currency in the prices of the pack."


class PaymentInProgress(EngineError):
    """The user has another payment prompt on their phone."""

    status = 409
    code = "payment_in_progress"
    error = "payment_in_progress"
    message = "Another payment waits for an answer on your phone."
    guidance = "Answer it, or wait two minutes, then try again."


class PurchaseRefused(EngineError):
    """The store's purchase cannot be granted to this user: details say why."""

    status = 409
    code = "purchase_refused"
    error = "purchase_refused"
    message = "This purchase cannot be added to your account."
    guidance = "Read the reason in details; the store's order shows whose purchase it is."


class ProviderRefused(EngineError):
    """The payment provider refused what an operator asked of it: details have its own code."""

    status = 409
    code = "payment_provider_refused"
    error = "payment_provider_refused"
    message = "The payment provider refused the request; nothing was done."
    guidance = (
        "Look the code in details up in the provider's portal; no_initiator is a missing setting."
    )


class ProviderFailed(EngineError):
    """The payment provider did not answer, or not in a usable way; nothing was charged twice."""

    status = 503
    code = "payment_provider_failed"
    error = "payment_provider_failed"
    message = "The payment provider did not answer."
    guidance = "Send the same request again, with the same request id."

    def __init__(self, *, retry_after_s: int = 5) -> None:
        super().__init__(
            members={"retryAfterSeconds": retry_after_s},
            headers={"Retry-After": str(retry_after_s)},
        )
