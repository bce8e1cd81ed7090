"""The bodies and queries that routes take; unknown members are passed over."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from engine.platform import ids
from engine.web import scopes
from engine.web.scopes import Scope

CREDITS_LIMIT = 1_000_000
AUDIT_CURSOR = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z#[A-Za-z0-9_-]{1,60}\Z"

UserId = Annotated[str, Meta(pattern=ids.USER_ID)]
Amount = Annotated[int, Meta(ge=1, le=CREDITS_LIMIT)]
Reason = Annotated[str, Meta(max_length=200)]
GivenReason = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")]
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


class AdjustForm(Struct, rename="camel"):
    """What an operator adds to a balance or deducts from it, and why."""

    user_id: UserId
    amount: Amount
    reason: GivenReason


class UndoForm(Struct):
    """Why an entry is taken back."""

    reason: GivenReason


class EraseForm(Struct):
    """Why a person's data is erased; `confirm` is the user's id once more, as nothing brings it back."""

    reason: GivenReason
    confirm: UserId


class KeyForm(Struct):
    """A new API key: what it is for, and what it may do."""

    description: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=5)] = msgspec.field(
        default_factory=lambda: [*scopes.DEFAULT]
    )


class CreateForm(Struct, rename="camel"):
    """A new user."""

    user_id: UserId
    initial_credits: Annotated[int, Meta(ge=0, le=CREDITS_LIMIT)] = 0


class ProfileForm(Struct):
    """What an app keeps about its user: the whole of it, in place of what there was."""

    profile: Annotated[dict[str, Any], Meta(max_length=64)]


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


class LoginForm(Struct):
    """An operator's name and password."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    password: Annotated[str, Meta(min_length=1, max_length=200)]


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


class SubscriptionAdjustForm(Struct):
    """Credits that an operator adds, or with a minus takes away."""

    amount: Annotated[str, Meta(pattern=r"^-?[0-9]{1,6}(\.[0-9]{1,6})?\Z")]
    reason: GivenReason


class PlanForm(Struct):
    """The plan of a subscription, and its policy where that is to differ from the deployment's."""

    plan: Annotated[str, Meta(pattern=r"^(basic|pro|enterprise)\Z")]
    reason: GivenReason
    policy: Annotated[str, Meta(pattern=r"^(reset|block|top_up)\Z")] | None = None


class ReasonForm(Struct):
    """Why an operator does it."""

    reason: GivenReason


class RotateForm(Struct):
    """A key to replace; with `revoke` the old one works no longer."""

    reason: GivenReason
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
    """The records of a user or of a UTC day, newest first; `outcome` tells acts from refusals."""

    user: UserId | None = None
    day: Day | None = None
    action: Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\Z")] | None = None
    outcome: Literal["any", "done", "refused"] = "any"
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(pattern=AUDIT_CURSOR)] | None = None


class UsersQuery(Struct):
    """A page of the users: by id from a prefix on, or the newest or the highest balance first."""

    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,127}\Z")] | None = None
    sort: Literal["id", "newest", "balance"] = "id"
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(max_length=150)] | None = None


class TransactionsQuery(Struct, rename="camel"):
    """Which transactions, newest first; amounts are compared without their sign."""

    user: UserId | None = None
    type: Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\Z")] | None = None
    actor: Annotated[str, Meta(max_length=160)] | None = None
    day: Day | None = None
    min_amount: Annotated[int, Meta(ge=0, le=10**12)] | None = None
    max_amount: Annotated[int, Meta(ge=0, le=10**12)] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None
    cursor: Annotated[str, Meta(max_length=180)] | None = None
    format: Literal["json", "csv"] = "json"


class StatsQuery(Struct):
    """How many days the series goes back, today included."""

    days: Annotated[int, Meta(ge=1, le=366)] = 30


class BulkQuery(Struct, rename="camel"):
    """Nothing is changed unless `dryRun` is `false`."""

    dry_run: Literal["true", "false"] = "true"
