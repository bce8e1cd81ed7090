"""The bodies that `tokens` accepts, apart from all others: each form takes a part of a cold start."""

from typing import Annotated

from msgspec import Meta, Struct

from engine.platform import ids

CREDITS_LIMIT = 1_000_000

UserId = Annotated[str, Meta(pattern=ids.USER_ID)]
ProductCode = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
Audience = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._:/-]{0,127}\Z")]


class UserForm(Struct, rename="camel"):
    """The legacy vend: the user alone."""

    user_id: UserId


class VendForm(Struct):
    """The product to vend a token for, and how many units of it."""

    product: ProductCode = "transcript"
    units: Annotated[int, Meta(ge=1, le=CREDITS_LIMIT)] = 1


class ValidateForm(Struct):
    """A token to check and, with `consume`, to redeem; `audience` is whom it must be for."""

    token: Annotated[str, Meta(max_length=4096)]
    consume: bool = False
    audience: Audience = "tttranscribe"
