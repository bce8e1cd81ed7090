"""The bodies and queries of routes that operators decide with; unknown members are ignored."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from engine.platform import ids
from engine.web.forms import (
    Amount,
    Currency,
    Day,
    GivenReason,
    Minor,
    PackCode,
    PaymentId,
    Provider,
    Reason,
)
from engine.web.token_forms import UserId

NoticePlace = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,127}/msg_[0-9]{12}_[A-Za-z0-9_-]{22}$"),
]
Role = Literal["viewer", "operator", "admin"]


class CreditRequestsQuery(Struct):
    """Those that wait, oldest first, or that are answered, newest first; with `user` all of a user's."""

    user: UserId | None = None
    state: Literal["pending", "answered"] = "pending"
    cursor: Annotated[str, Meta(pattern=r"^[0-9]{1,12}\.cr_[A-Za-z0-9_-]{1,60}\Z")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class ApproveForm(Struct):
    """The credits for a reported payment, and the receipt that proves it."""

    credits: Amount
    receipt: PaymentId
    provider: Provider = "mpesa"
    reason: Reason = ""


class AdminPaymentsQuery(Struct, rename="camel"):
    """Payments in a state, those that wait the oldest first, others newest first; or those of a `user`.

    Days are UTC days of when a payment was first seen. Amounts are in minor units of `currency`.
    """

    state: Literal[
        "unmatched", "decided", "granted", "partially_refunded", "refunded", "disputed", "ignored",
        "returned",
    ] = "unmatched"  # fmt: skip
    provider: Annotated[str, Meta(pattern=r"^(google|mpesa|stripe)\Z")] | None = None
    user: UserId | None = None
    from_day: Day | None = None
    to_day: Day | None = None
    currency: Currency | None = None
    min_minor: Annotated[int, Meta(ge=0, le=10**12)] | None = None
    max_minor: Annotated[int, Meta(ge=0, le=10**12)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: (
        Annotated[
            str,
            Meta(
                pattern=r"^([0-9]{12}#pin_[A-Za-z0-9_-]{1,60}|[0-9]{1,12}\.[a-z]{1,16}\.[!-~]{1,512})\Z"
            ),
        ]
        | None
    ) = None


class AssignForm(Struct, rename="camel"):
    """The user and the pack of a payment, as an operator found out."""

    user_id: UserId
    pack_id: PackCode
    reason: GivenReason


class RefundForm(Struct, rename="camel"):
    """A refund that was made by hand: what went back in all, everything if left out, and its receipt."""

    receipt: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+\Z")]
    reason: GivenReason
    amount_minor: Minor | None = None


class NoticesQuery(Struct):
    """Notices in a state, or with `user` all of a user's; pending ones by their next attempt."""

    state: Literal["pending", "failed", "delivered"] = "failed"
    user: UserId | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: (
        Annotated[str, Meta(max_length=220, pattern=r"^([0-9]{1,12}\.)?msg_[!-~]+\Z")] | None
    ) = None


class ReplayForm(Struct):
    """Notices to send again, each as `<userId>/<id>`."""

    notices: Annotated[list[NoticePlace], Meta(min_length=1, max_length=50)]
    reason: GivenReason


class OperatorForm(Struct):
    """A new operator."""

    name: Annotated[str, Meta(pattern=ids.OPERATOR_NAME)]
    role: Role
    reason: GivenReason


class OperatorChangeForm(Struct):
    """What changes of an operator; what is missing stays."""

    reason: GivenReason
    role: Annotated[str, Meta(pattern=r"^(admin|operator|viewer)\Z")] | None = None
    disabled: bool | None = None
