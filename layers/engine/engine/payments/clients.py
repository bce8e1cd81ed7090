"""The clients of the payment providers, each made when it is first used, and the addresses that call us."""

import os
import time
from collections.abc import Callable
from functools import cached_property, partial

from engine.access.keyrings import (
    CALLBACK_SECRET,
    DARAJA_CONSUMER_KEY,
    DARAJA_CONSUMER_SECRET,
    DARAJA_CREDENTIAL,
    DARAJA_PASSKEY,
    STRIPE_SECRET_KEY,
    STRIPE_WEBHOOK_SECRET,
    KeyRings,
)
from engine.payments.by_mpesa import Addresses
from engine.platform import sealing
from engine.platform.config import Settings
from engine.platform.errors import Busy
from engine.platform.sealing import Sealer
from engine.platform.table import Table
from engine.providers import callback_paths, daraja, play
from engine.providers.daraja import Business, Daraja, Initiator, Replies
from engine.providers.daraja_token import SharedToken
from engine.providers.google_identity import Federation, Identity
from engine.providers.play import Play
from engine.providers.stripe import Stripe
from engine.providers.wire import NotSent

SECRETS = (
    STRIPE_SECRET_KEY,
    DARAJA_CONSUMER_KEY,
    DARAJA_CONSUMER_SECRET,
    DARAJA_PASSKEY,
    CALLBACK_SECRET,
)
"""What calls to providers need; Daraja is told with each call where it reports the result."""

ASKING = (DARAJA_CREDENTIAL,)
"""What questions about payments and reversals need beside."""

HEARING = (STRIPE_WEBHOOK_SECRET,)
"""What tells calls of Stripe from others."""


class Clients:
    """The providers of one deployment. A secret that is missing makes calls fail as not sent."""

    def __init__(self, settings: Settings, rings: KeyRings, table: Table) -> None:
        self._settings = settings
        self._rings = rings
        self._table = table

    @cached_property
    def stripe(self) -> Stripe:
        return Stripe(self._settings.stripe_base, self._secret(STRIPE_SECRET_KEY))

    @cached_property
    def daraja(self) -> Daraja:
        base = self._settings.daraja_base
        key, secret = self._secret(DARAJA_CONSUMER_KEY), self._secret(DARAJA_CONSUMER_SECRET)
        sealer = Sealer(sealing.connect(), self._settings.kms_key)
        fetch = partial(daraja.fetch_token, base, key, secret)
        token = SharedToken(self._table, sealer, base, fetch)
        business = Business(
            self._settings.mpesa_short_code,
            self._secret(DARAJA_PASSKEY),
            self._settings.mpesa_till,
        )
        name = self._settings.mpesa_initiator
        initiator = Initiator(name, self._secret(DARAJA_CREDENTIAL)) if name else None
        return Daraja(base, token, business, time.time, initiator)

    @property
    def mpesa_numbers(self) -> tuple[str, ...]:
        """The numbers at which M-Pesa pays us: the short code, and the till where there is one."""
        settings = self._settings
        return tuple(filter(None, (settings.mpesa_short_code, settings.mpesa_till)))

    @cached_property
    def play(self) -> Play:
        settings = self._settings
        federation = Federation(settings.google_pool, settings.google_account)
        if settings.is_local:
            # The stand-in of Google Play also stands in for Google's token services.
            base = settings.play_base
            federation = Federation(settings.google_pool, settings.google_account, base, base)
        identity = Identity(federation, play.SCOPE, os.environ["AWS_REGION"])
        return Play(settings.play_base, settings.play_package, identity.access_token)

    def callback_url(self, public_base: str, kind: str, subject: str) -> str:
        """Where Daraja reports `kind` (see `callback_paths.LETTERS`) about `subject`. Raises `Busy`."""
        secret = self._rings[CALLBACK_SECRET].signing
        return public_base + callback_paths.path(kind, secret, subject)

    def addresses(self, public_base: str) -> Addresses:
        """Where Daraja reports payments to the short code. Raises `Busy`."""
        code = self._settings.mpesa_short_code
        urls = [self.callback_url(public_base, one, code) for one in ("confirmation", "validation")]
        return Addresses(public_base, code, *urls)

    def replies(self, public_base: str, kind: str, receipt: str) -> Replies:
        """Where Daraja reports the result of a request of `kind` about `receipt`. Raises `Busy`."""
        found, timeout = (self.callback_url(public_base, one, receipt) for one in (kind, "timeout"))
        return Replies(found, timeout)

    def subject_of(self, letter: str, capability: str) -> tuple[str, str] | None:
        """The kind and the subject of a callback's path, None if it is none of ours. Raises `Busy`."""
        kinds = {short: kind for kind, short in callback_paths.LETTERS.items()}
        if letter not in kinds:
            return None
        secrets = self._rings[CALLBACK_SECRET].secrets
        subject = callback_paths.subject_of(kinds[letter], secrets, capability)
        return None if subject is None else (kinds[letter], subject)

    def _secret(self, name: str) -> Callable[[], str]:
        def read() -> str:
            try:
                return self._rings[name].signing
            except Busy:
                raise NotSent("secret") from None

        return read
