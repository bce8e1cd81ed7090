"""The bodies and queries that routes take; unknown members are passed over."""

from typing import Annotated

from msgspec import Meta, Struct

from engine import ids

CREDITS_LIMIT = 1_000_000

UserId = Annotated[str, Meta(pattern=ids.USER_ID)]
Amount = Annotated[int, Meta(ge=1, le=CREDITS_LIMIT)]
Reason = Annotated[str, Meta(max_length=200)]
PaymentId = Annotated[str, Meta(pattern=ids.PAYMENT_ID)]


class NoForm(Struct):
    """A body of which nothing is used; it must be a JSON object all the same."""


class UserForm(Struct, rename="camel"):
    """The legacy vend: the user alone."""

    user_id: UserId


class ValidateForm(Struct):
    """A token to look at and, with `consume`, to redeem."""

    token: Annotated[str, Meta(max_length=4096)]
    consume: bool = False


class AddForm(Struct, rename="camel"):
    """Credits for a user; `transactionId` makes it safe to repeat for ever."""

    user_id: UserId
    amount: Amount
    reason: Reason = ""
    transaction_id: PaymentId | None = None


class CreateForm(Struct, rename="camel"):
    """A new user."""

    user_id: UserId
    initial_credits: Annotated[int, Meta(ge=0, le=CREDITS_LIMIT)] = 0


class RefreshForm(Struct, rename="camel"):
    """A device's secret for a fresh user token."""

    user_id: UserId
    refresh_secret: Annotated[str, Meta(min_length=1, max_length=200)]


class SubmitForm(Struct):
    """The video to transcribe; an address of any length is refused as an address."""

    url: str


class UrlQuery(Struct):
    url: str


class ResolveForm(Struct):
    """The video to look up."""

    url: str


class PageQuery(Struct):
    """A page of a history, newest first; `cursor` is the last page's `nextCursor`."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[int, Meta(ge=1, le=10**12)] | None = None


class TopUpForm(Struct, rename="camel"):
    """Money for a subscription, in credits with up to six decimals; each `transactionId` counts once."""

    user_id: UserId
    amount: Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?\Z")]
    transaction_id: PaymentId
    reason: Reason = ""


class AdjustForm(Struct):
    """Credits that an operator adds, or with a minus takes away."""

    amount: Annotated[str, Meta(pattern=r"^-?[0-9]{1,6}(\.[0-9]{1,6})?\Z")]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class PlanForm(Struct):
    """The plan of a subscription, and its policy where that is to differ from the deployment's."""

    plan: Annotated[str, Meta(pattern=r"^(basic|pro|enterprise)\Z")]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    policy: Annotated[str, Meta(pattern=r"^(reset|block|top_up)\Z")] | None = None


class ReasonForm(Struct):
    """Why an operator does it."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class RotateForm(Struct):
    """A key to replace; with `revoke` the old one works no longer."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    revoke: bool = False


class SubscriptionsQuery(Struct):
    """Subscribers in the order of their ids; `cursor` is the last page's `nextCursor`."""

    prefix: Annotated[str, Meta(max_length=128)] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: UserId | None = None


class WebhooksQuery(Struct):
    """A page of notices, newest first; `cursor` is the last page's `nextCursor`."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(pattern=r"^msg_[A-Za-z0-9_-]{1,60}\Z")] | None = None


class AuditQuery(Struct):
    """The records of a user or of a UTC day, newest first."""

    user: UserId | None = None
    day: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(max_length=100)] | None = None
