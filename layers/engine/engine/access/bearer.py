"""Bearer tokens: read from the header, verified, and returned as the caller or refused.

Every check raises `Unauthorized` for a missing or bad credential, before the request is validated.
"""

from engine.access import tokens
from engine.access.keyrings import Ring
from engine.access.tokens import SubscriberToken, UserToken, VendedToken
from engine.platform.config import Settings
from engine.platform.errors import ScopeMissing, Unauthorized
from engine.web.http import Call


def user(call: Call, ring: Ring, settings: Settings) -> UserToken:
    """The user of the bearer token. Raises `Unauthorized`."""
    return tokens.verify_user(
        _bearer(call), ring, now=call.now, max_age_s=settings.user_token_max_age_s
    )


def subscriber(call: Call, ring: Ring) -> SubscriberToken:
    """The subscriber of the bearer token. Raises `Unauthorized`, `Forbidden`."""
    return tokens.verify_subscriber(_bearer(call), ring, now=call.now)


def require_scope(scopes: frozenset[str], scope: str) -> None:
    """Raises `ScopeMissing` if `scopes` lack `scope`."""
    if scope not in scopes:
        raise ScopeMissing(scope)


def vended(call: Call, ring: Ring) -> VendedToken:
    """The vended token of the call. Raises `Unauthorized`."""
    return tokens.verify_vended(_bearer(call), ring, now=call.now)


def job_reader(call: Call, vend_ring: Ring, user_ring: Ring, settings: Settings) -> str:
    """The user whose jobs the call may read, from a vended token or a user token. Raises
    `Unauthorized`.
    """
    if tokens.is_for_upstream(call.bearer):
        return vended(call, vend_ring).user
    return user(call, user_ring, settings).user


def _bearer(call: Call) -> str:
    if not call.bearer:
        raise Unauthorized()
    return call.bearer
