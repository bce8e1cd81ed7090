"""Rotation of key rings: new keys are added and old keys removed without an interruption.

A new key verifies tokens as soon as it is read. It signs an hour later, when every function has read it.
The key before it is removed when no token that it signed is valid and no answer with such a token can be
repeated.
Keys that others hold are not created or removed on a schedule; `POLICIES` says which these are.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from engine.access import ring_store
from engine.access.keyrings import (
    ADMIN_SECRET,
    CALLBACK_SECRET,
    DARAJA_CONSUMER_KEY,
    DARAJA_CONSUMER_SECRET,
    DARAJA_CREDENTIAL,
    DARAJA_PASSKEY,
    ENGINE_ADMIN_KEY,
    ENGINE_JWT_SECRET,
    FRONT_SECRET,
    KEEP_S,
    NOTIFY_SECRET,
    STRIPE_SECRET_KEY,
    STRIPE_WEBHOOK_SECRET,
    TTT_SHARED_SECRET,
    VEND_JWT_SECRET,
    WEBHOOK_SECRET,
    Key,
)
from engine.access.ring_store import Stored
from engine.access.tokens import VENDED_LIFETIME_S
from engine.platform.aws_json import Client, ErrorAnswer
from engine.platform.times import DAY_S, iso
from engine.web import request_ids

STAGE_S = 12 * KEEP_S
"""How long a new key waits before it signs. Eleven reads of the ring in a row may fail in that time."""
MARGIN_S = DAY_S
"""Covers clock differences, holds that resolve late, and functions that could not read the ring."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be done to the ring of one secret. `who` names its holders to an operator."""

    who: str
    scheduled: bool = False
    """Whether keys are created and removed on a schedule. If not, only an operator does it."""
    made_here: bool = True
    """Whether a new key may be generated here. If not, it is imported."""
    stage_s: int = 0
    """How long a new key waits before it signs or is sent."""


POLICIES: Mapping[str, Policy] = {
    ENGINE_JWT_SECRET: Policy("signs user tokens", scheduled=True, stage_s=STAGE_S),
    VEND_JWT_SECRET: Policy("signs vended tokens", scheduled=True, stage_s=STAGE_S),
    ENGINE_ADMIN_KEY: Policy("operators' programs show it"),
    ADMIN_SECRET: Policy("operators show it"),
    WEBHOOK_SECRET: Policy("payment providers show it"),
    NOTIFY_SECRET: Policy("the operators' own system checks notices with it"),
    FRONT_SECRET: Policy("the proxy before the API shows it"),
    TTT_SHARED_SECRET: Policy("agreed with TTTranscribe", made_here=False),
    "JWT_SECRET_CLOUD": Policy("belongs to the service that signs with it", made_here=False),
    "PROVISIONING_API_KEY": Policy("belongs to OpenRouter", made_here=False),
    CALLBACK_SECRET: Policy("is in the callback addresses that Daraja knows"),
    STRIPE_SECRET_KEY: Policy("belongs to Stripe", made_here=False),
    STRIPE_WEBHOOK_SECRET: Policy("belongs to Stripe", made_here=False),
    DARAJA_CONSUMER_KEY: Policy("belongs to Safaricom", made_here=False),
    DARAJA_CONSUMER_SECRET: Policy("belongs to Safaricom", made_here=False),
    DARAJA_PASSKEY: Policy("belongs to Safaricom", made_here=False),
    DARAJA_CREDENTIAL: Policy("belongs to Safaricom", made_here=False),
}
NOT_OURS = Policy("not known here", made_here=False)
"""The policy of a name that is not in `POLICIES`: its ring is not changed."""


class NotMadeHere(Exception):
    """The secret is shared with another party, so a new one can only be imported."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The schedule of a rotation, in seconds."""

    rotate_after_s: int
    """The age of the newest key at which the next one is created."""
    user_token_s: int
    """The longest lifetime of a user token."""

    def kept_s(self, name: str) -> int:
        """How long a key must verify after the next one has begun to sign: until the last token that it
        signed has expired and no answer with such a token can be repeated.
        """
        token_s = VENDED_LIFETIME_S if name == VEND_JWT_SECRET else self.user_token_s
        return max(token_s, request_ids.KEEP_S) + MARGIN_S


@dataclass(frozen=True, slots=True)
class Turn:
    """The result of a check of one ring: names of keys, and the age of the signing key in seconds."""

    name: str
    made: tuple[str, ...]
    dropped: tuple[str, ...]
    age_s: int


def turn(client: Client, prefix: str, name: str, terms: Terms, *, now: int) -> Turn | None:
    """Rotate the ring `name` if its schedule says so; None if there is no such ring.

    A ring without a schedule is only read. Raises one of `ring_store.TROUBLES`.
    """
    policy = policy_of(name)
    before = ring_store.read(client, prefix + name, now=now, stage_s=policy.stage_s)
    if not before.keys:
        return None
    after = before
    if policy.scheduled:
        after = ring_store.change(
            client,
            prefix + name,
            lambda stored: turned(stored, name, terms, now),
            now=now,
            stage_s=policy.stage_s,
        )
    return _compared(name, before, after, now)


def turned(stored: Stored, name: str, terms: Terms, now: int) -> Stored:
    """`stored` without the keys that are no longer needed, and with a new key if the newest is old enough."""
    spent = stored.without(_spent(stored.keys, terms.kept_s(name), now))
    if now - stored.keys[-1].created_at < terms.rotate_after_s:
        return spent
    return spent.with_key(new_key(now, policy_of(name).stage_s))


def rotate(client: Client, prefix: str, name: str, *, now: int) -> Turn:
    """Append a new key to a ring now, unless one already waits to sign. No key is removed.

    Raises `NotMadeHere` or one of `ring_store.TROUBLES`.
    """
    policy = policy_of(name)
    if not policy.made_here:
        raise NotMadeHere(f"{name} is not made here: {policy.who}")
    before = ring_store.read(client, prefix + name, now=now, stage_s=policy.stage_s)

    def with_new_key(stored: Stored) -> Stored:
        waiting = any(key.signs_from > now for key in stored.keys)
        return stored if waiting else stored.with_key(new_key(now, policy.stage_s))

    after = ring_store.change(client, prefix + name, with_new_key, now=now, stage_s=policy.stage_s)
    return _compared(name, before, after, now)


def policy_of(name: str) -> Policy:
    return POLICIES.get(name, NOT_OURS)


def new_key(now: int, stage_s: int) -> Key:
    """A fresh secret of 256 bits."""
    return Key(secrets.token_urlsafe(32), now, now + stage_s)


def signing(keys: Sequence[Key], now: int) -> Key:
    """The key that signs at `now`; the ring must not be empty."""
    return next((key for key in reversed(keys) if key.signs_from <= now), keys[0])


def _spent(keys: Sequence[Key], kept_s: int, now: int) -> frozenset[str]:
    """Names of the keys with no valid token and no repeatable answer left."""
    followed = pairwise(keys)
    return frozenset(
        key.kid
        for key, next_key in followed
        if not key.imported and now >= next_key.signs_from + kept_s
    )


def _compared(name: str, before: Stored, after: Stored, now: int) -> Turn:
    old, new = ({key.kid for key in stored.keys} for stored in (before, after))
    age_s = now - signing(after.keys, now).created_at
    return Turn(name, tuple(sorted(new - old)), tuple(sorted(old - new)), age_s)


def create_missing(client: Client, prefix: str, names: Sequence[str], now: int) -> list[str]:
    """Create the secrets of `names` that do not exist. Returns the names that were created.

    Concurrent runs are safe: the parameter store refuses to create a parameter that exists.
    """
    created = []
    for name in names:
        try:
            client.put_parameter(
                Name=prefix + name, Value=new_ring(now), Type="SecureString", Overwrite=False
            )
        except ErrorAnswer as error:
            if error.code != "ParameterAlreadyExists":
                raise
        else:
            created.append(name)
    return created


def new_ring(now: int) -> str:
    """A ring of one fresh secret of 256 bits, as `engine.access.keyrings` reads it."""
    return json.dumps({"keys": [{"secret": secrets.token_urlsafe(32), "createdAt": iso(now)}]})
