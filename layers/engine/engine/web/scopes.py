"""Scopes: what a token, an API key or a role may do."""

from typing import Final, Literal

Scope = Literal[
    "admin", "users:read", "credits:write", "holds:write", "keys:write", "subscriptions:write"
]
"""The scopes of API keys and operators' roles; `admin` includes all the others."""

ADMIN: Final = "admin"
USERS_READ: Final = "users:read"
CREDITS_WRITE: Final = "credits:write"
HOLDS_WRITE: Final = "holds:write"
KEYS_WRITE: Final = "keys:write"
SUBSCRIPTIONS_WRITE: Final = "subscriptions:write"
ALL: Final = frozenset[Scope](
    {ADMIN, USERS_READ, CREDITS_WRITE, HOLDS_WRITE, KEYS_WRITE, SUBSCRIPTIONS_WRITE}
)
DEFAULT: Final[tuple[Scope, ...]] = (CREDITS_WRITE,)
"""The scopes of a new API key if none is given."""

VIEWER: Final = frozenset[Scope]({USERS_READ})
OPERATOR: Final = VIEWER | {CREDITS_WRITE, HOLDS_WRITE, SUBSCRIPTIONS_WRITE}
ROLES: Final = {"viewer": VIEWER, "operator": OPERATOR, "admin": ALL}
"""What each role of the dashboard may do."""

TRANSCRIBE: Final = "ttt:transcribe"
"""The scope of user tokens that may vend, and of every vended token."""
