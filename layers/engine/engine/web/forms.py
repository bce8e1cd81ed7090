"""The bodies and queries that routes accept; unknown members are ignored."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from engine.platform import ids
from engine.web import scopes
from engine.web.scopes import Scope
from engine.web.token_forms import CREDITS_LIMIT, Audience, ProductCode, UserId

DEFAULT_PROVIDER: Final = "default"
"""The provider of a payment that is reported without one."""

AUDIT_CURSOR = r"^(?:old~)?\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z#[A-Za-z0-9_-]{1,60}\Z"

Amount = Annotated[int, Meta(ge=1, le=CREDITS_LIMIT)]
Reason = Annotated[str, Meta(max_length=200)]
GivenReason = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")]
VersionCode = Annotated[int, Meta(ge=1, le=2_000_000_000)]
PublicLink = Annotated[str, Meta(max_length=500, pattern=r"^(https://[!-~]+)?\Z")]
PaymentId = Annotated[str, Meta(pattern=ids.PAYMENT_ID)]
HoldId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z")]
HoldSubject = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}[.0-9a-z][0-9a-z]{0,15}\Z")]
Provider = Annotated[str, Meta(pattern=ids.PROVIDER)]
PackCode = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
Minor = Annotated[int, Meta(ge=1, le=10**12)]
StoreProduct = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._]{0,146}\Z|^\Z")]


class NoForm(Struct):
    """A body whose members are not used; it must still be a JSON object."""


class HoldForm(Struct, rename="camel"):
    """Credits that a back end reserves: the price of `units`, or an `amount`."""

    user_id: UserId
    hold_id: HoldId
    product: ProductCode = "transcript"
    units: Annotated[int, Meta(ge=1, le=CREDITS_LIMIT)] | None = None
    amount: Amount | None = None
    expires_in_seconds: Annotated[int, Meta(ge=1, le=86400)] | None = None
    dry_run: bool = False
    reason: Reason = ""


class ExtendForm(Struct, rename="camel"):
    """A later end of a hold, more credits for it, or both."""

    expires_in_seconds: Annotated[int, Meta(ge=1, le=86400)] | None = None
    units: Annotated[int, Meta(ge=1, le=CREDITS_LIMIT)] | None = None
    amount: Amount | None = None
    reason: Reason = ""


class CommitForm(Struct):
    """What is charged of a hold; with `final` the rest goes back."""

    units: Annotated[int, Meta(ge=0, le=CREDITS_LIMIT)] | None = None
    amount: Annotated[int, Meta(ge=0, le=CREDITS_LIMIT)] | None = None
    final: bool = False
    reason: Reason = ""


class ReleaseForm(Struct):
    """The end of a hold, whose rest goes back."""

    reason: Reason = ""


class HoldsQuery(Struct):
    """The holds of a user: those that are open, or also those that ended."""

    user: UserId
    state: Literal["any", "open"] = "open"


class EndHoldForm(Struct, rename="camel"):
    """A hold that an operator ends; `hold` is its subject."""

    user_id: UserId
    hold: HoldSubject
    reason: GivenReason


class ProductForm(Struct, rename="camel"):
    """The next version of a product; `version` is the one that it replaces, 0 for a new product."""

    code: ProductCode
    version: Annotated[int, Meta(ge=0, le=999_998)]
    label: Annotated[str, Meta(min_length=1, max_length=80, pattern=r"\S")]
    unit: Literal["call", "minute", "thousand_characters", "thousand_words"]
    credits_per_unit: Annotated[int, Meta(ge=1, le=CREDITS_LIMIT)]
    most_units: Annotated[int, Meta(ge=1, le=CREDITS_LIMIT)]
    scope: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9:._-]{0,63}\Z")]
    audience: Audience
    lifetime_seconds: Annotated[int, Meta(ge=60, le=86400)]
    grace_seconds: Annotated[int, Meta(ge=20, le=86400)]
    overage: Literal["cap", "owed", "reject"]
    reason: GivenReason
    settled_by: Literal["characters", "duration", "none", "words"] = "none"
    least_units: Annotated[int, Meta(ge=0, le=CREDITS_LIMIT)] = 0
    active: bool = True


class AddForm(Struct, rename="camel"):
    """Credits for a user; a payment, `transactionId` at its `provider`, is added once, for ever."""

    user_id: UserId
    amount: Amount
    reason: Reason = ""
    transaction_id: PaymentId | None = None
    provider: Provider = DEFAULT_PROVIDER


class AdjustForm(Struct, rename="camel"):
    """An amount that an operator adds or deducts, and the reason."""

    user_id: UserId
    amount: Amount
    reason: GivenReason


class UndoForm(Struct):
    """The reason for undoing an entry."""

    reason: GivenReason


class EraseForm(Struct):
    """The reason for an erasure; `confirm` repeats the user's id, because an erasure cannot be undone."""

    reason: GivenReason
    confirm: UserId


class KeyForm(Struct):
    """A new API key: its purpose and its scopes."""

    description: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=6)] = msgspec.field(
        default_factory=lambda: [*scopes.DEFAULT]
    )


class CreateForm(Struct, rename="camel"):
    """A new user."""

    user_id: UserId
    initial_credits: Annotated[int, Meta(ge=0, le=CREDITS_LIMIT)] = 0


class ProfileForm(Struct):
    """An app's profile of its user; replaces the stored one."""

    profile: Annotated[dict[str, Any], Meta(max_length=64)]


class RefreshForm(Struct, rename="camel"):
    """A device's refresh secret, exchanged for a new user token."""

    user_id: UserId
    refresh_secret: Annotated[str, Meta(min_length=1, max_length=200)]


class ClaimForm(Struct, rename="camel"):
    """A refresh secret that the app has made and stored: 32 random bytes in base64url."""

    refresh_secret: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43,200}\Z")]


class SubmitForm(Struct):
    """The video to transcribe: an address, or a text with one TikTok link."""

    url: str


class UrlQuery(Struct):
    """A video: an address, or a text with one TikTok link."""

    url: str


class ResolveForm(Struct):
    """The video to look up: an address, or a text with one TikTok link."""

    url: str


class QuoteForm(Struct, rename="camel"):
    """What an app wants to know the price of: products for one video."""

    url: Annotated[str, Meta(max_length=4096)]
    input_type: Literal["tiktok_url"] = "tiktok_url"
    requested_products: Annotated[
        list[Annotated[str, Meta(max_length=32)]], Meta(min_length=1, max_length=8)
    ] = msgspec.field(default_factory=lambda: ["transcript"])


class FulfillForm(Struct, rename="camel"):
    """The quote to fulfil."""

    quote_id: Annotated[str, Meta(min_length=1, max_length=80)]


class SyncQuery(Struct, rename="camel"):
    """The `serverTimeMs` of the last answer, 0 at first, and the app's version code."""

    since: Annotated[int, Meta(ge=0, le=10**14)] = 0
    version_code: Annotated[int, Meta(ge=0, le=2_000_000_000)] = 0


class PhoneForm(Struct, rename="camel"):
    """The phone that the app runs on."""

    device_model: Annotated[str, Meta(max_length=120)] = ""
    device_type: Annotated[str, Meta(max_length=32)] = ""
    os_name: Annotated[str, Meta(max_length=32)] = ""
    os_version: Annotated[str, Meta(max_length=32)] = ""
    app_version: Annotated[str, Meta(max_length=32)] = ""
    locale: Annotated[str, Meta(max_length=16)] = ""
    source: Annotated[str, Meta(max_length=32)] = ""


class CreditRequestForm(Struct):
    """A payment that a user reports: the message of the payment service, as it was pasted."""

    reference: Annotated[str, Meta(min_length=1, max_length=4000, pattern=r"\S")]
    amount: Annotated[int, Meta(ge=0, le=CREDITS_LIMIT)] = 0
    reason: Reason = ""


class PolicyForm(Struct, rename="camel"):
    """Changes of the app's policy; `version` is the one that they are made from. What is missing stays."""

    version: Annotated[int, Meta(ge=0, le=999_999)]
    reason: GivenReason
    minimum_version_code: VersionCode | None = None
    recommended_version_code: VersionCode | None = None
    latest_version_code: VersionCode | None = None
    update_mode: Annotated[str, Meta(pattern=r"^(none|soft|hard)\Z")] | None = None
    force_update: bool | None = None
    transcription_submit: bool | None = None
    message_short: Annotated[str, Meta(max_length=80)] | None = None
    message: Annotated[str, Meta(max_length=300)] | None = None
    message_detail: Annotated[str, Meta(max_length=1000)] | None = None
    apk_url: PublicLink | None = None
    play_store_url: PublicLink | None = None
    ios_url: PublicLink | None = None
    fallback_url: PublicLink | None = None


class LoginForm(Struct):
    """An operator's name and password."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    password: Annotated[str, Meta(min_length=1, max_length=200)]


class PageQuery(Struct):
    """A page of a history, newest first; `cursor` is the last page's `nextCursor`."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[int, Meta(ge=1, le=10**12)] | None = None


class TopUpForm(Struct, rename="camel"):
    """Money for a subscription, in credits with up to six decimals; a payment counts once, for ever."""

    user_id: UserId
    amount: Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?\Z")]
    transaction_id: PaymentId
    provider: Provider = DEFAULT_PROVIDER
    reason: Reason = ""


class SubscriptionAdjustForm(Struct):
    """Credits that an operator adds, or with a minus takes away."""

    amount: Annotated[str, Meta(pattern=r"^-?[0-9]{1,6}(\.[0-9]{1,6})?\Z")]
    reason: GivenReason


class PlanForm(Struct):
    """The plan of a subscription, and its policy if it differs from the deployment's."""

    plan: Annotated[str, Meta(pattern=r"^(basic|pro|enterprise)\Z")]
    reason: GivenReason
    policy: Annotated[str, Meta(pattern=r"^(reset|block|top_up)\Z")] | None = None


class ReasonForm(Struct):
    """The reason for an operator's act."""

    reason: GivenReason


class RotateForm(Struct):
    """A key to replace; with `revoke` the old key stops working at once."""

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


class AuditQuery(Struct, rename="camel"):
    """The records about a user, by an actor, or of UTC days, newest first; `outcome` separates acts from
    refusals.

    `day` is the range of this one day.
    """

    user: UserId | None = None
    day: Day | None = None
    from_day: Day | None = None
    to_day: Day | None = None
    action: Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\Z")] | None = None
    actor: Annotated[str, Meta(min_length=1, max_length=160)] | None = None
    outcome: Literal["any", "done", "refused"] = "any"
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(pattern=AUDIT_CURSOR)] | None = None


class UsersQuery(Struct):
    """A page of users: by id with a prefix, or newest first, or highest balance first."""

    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,127}\Z")] | None = None
    sort: Literal["id", "newest", "balance"] = "id"
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(max_length=150)] | None = None


class SearchQuery(Struct):
    """What somebody quotes. `deep` also searches parts of user ids, and transactions, where something was
    found by its exact name.
    """

    q: Annotated[str, Meta(min_length=1, max_length=512)]
    deep: Literal["false", "true"] = "false"
    cursor: Annotated[str, Meta(max_length=180)] | None = None


class TransactionsQuery(Struct, rename="camel"):
    """Which transactions, newest first; amounts are compared without their sign.

    `day` is the range of this one UTC day.
    """

    user: UserId | None = None
    type: Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\Z")] | None = None
    actor: Annotated[str, Meta(max_length=160)] | None = None
    day: Day | None = None
    from_day: Day | None = None
    to_day: Day | None = None
    min_amount: Annotated[int, Meta(ge=0, le=10**12)] | None = None
    max_amount: Annotated[int, Meta(ge=0, le=10**12)] | None = None
    product: ProductCode | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None
    cursor: Annotated[str, Meta(max_length=180)] | None = None
    format: Literal["json", "csv"] = "json"


class StatsQuery(Struct):
    """The length of the series in days, today included."""

    days: Annotated[int, Meta(ge=1, le=366)] = 30


class BulkQuery(Struct, rename="camel"):
    """Nothing is changed unless `dryRun` is `false`."""

    dry_run: Literal["true", "false"] = "true"


class IntentForm(Struct, rename="camel"):
    """A pack to buy by a provider in a currency; with `phone`, M-Pesa asks that phone for the payment."""

    pack_id: PackCode
    provider: Literal["stripe", "mpesa", "google"]
    currency: Currency
    phone: Annotated[str, Meta(pattern=r"^\+?[0-9 ()-]{9,24}\Z")] | None = None


class PaymentsQuery(Struct):
    """A page of a user's purchases, newest first; `cursor` is the last page's `nextCursor`."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(pattern=r"^[0-9]{12}#pin_[A-Za-z0-9_-]{1,60}\Z")] | None = None


class PackForm(Struct, rename="camel"):
    """A pack as it is to be sold; `version` is the one that the operator saw, 0 for a new pack."""

    pack_id: PackCode
    version: Annotated[int, Meta(ge=0, le=999_999)]
    label: Annotated[str, Meta(min_length=1, max_length=80, pattern=r"\S")]
    prices: Annotated[dict[Currency, Minor], Meta(max_length=20)]
    reason: GivenReason
    credits: Annotated[int, Meta(ge=0, le=CREDITS_LIMIT)] = 0
    bonus: Annotated[int, Meta(ge=0, le=CREDITS_LIMIT)] = 0
    dollars: Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?\Z")] = "0"
    google_product_id: StoreProduct = ""
    apple_product_id: StoreProduct = ""
    tax_note: Annotated[str, Meta(max_length=120)] = ""
    active: bool = True


class AddressesForm(Struct):
    """Addresses to register at Daraja; `again` also where the same ones were registered before."""

    reason: GivenReason
    again: bool = False


class PurchaseForm(Struct, rename="camel"):
    """A purchase that the user's app made at Google Play."""

    purchase_token: Annotated[str, Meta(min_length=8, max_length=2000)]
