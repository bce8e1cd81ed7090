"""Puts the parts of the subscription service together, as the settings say."""

from engine.access.keyrings import PROVISIONING_API_KEY, KeyRings
from engine.ledger.posting import Ledger
from engine.platform.config import Settings
from engine.platform.errors import Busy
from engine.platform.logs import logger
from engine.platform.outgoing import NotSent
from engine.platform.sealing import KmsClient, Sealer
from engine.subscriptions.lifecycle import Rotation
from engine.subscriptions.openrouter import OpenRouter
from engine.subscriptions.outbox import Notices


def rotation(settings: Settings, ledger: Ledger, rings: KeyRings, kms: KmsClient) -> Rotation:
    """What makes and ends keys."""
    return Rotation(
        ledger,
        provider(settings, rings),
        Sealer(kms, settings.kms_key),
        settings.deployment,
        Notices(is_on=bool(settings.notify_url)),
    )


def provider(settings: Settings, rings: KeyRings) -> OpenRouter:
    """OpenRouter under the operator's key; without one it is as if it were away."""

    def management_key() -> str:
        try:
            return rings[PROVISIONING_API_KEY].signing
        except Busy:
            logger.error("be:no-provisioning-key", extra={"parameter": PROVISIONING_API_KEY})
            raise NotSent() from None

    return OpenRouter(settings.openrouter_base, management_key, settings.openrouter_workspace)
