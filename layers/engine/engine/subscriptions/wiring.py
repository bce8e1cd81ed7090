"""Composes the parts of the subscription service from the settings."""

from engine.access.keyrings import PROVISIONING_API_KEY, KeyRings
from engine.ledger.posting import Ledger
from engine.platform.config import Settings
from engine.platform.errors import Busy
from engine.platform.logs import logger
from engine.platform.outgoing import NotSent
from engine.platform.sealing import KmsClient, Sealer
from engine.subscriptions.lifecycle import KeyLifecycle
from engine.subscriptions.openrouter import OpenRouter
from engine.subscriptions.outbox import Notices


def lifecycle(settings: Settings, ledger: Ledger, rings: KeyRings, kms: KmsClient) -> KeyLifecycle:
    """Creates and ends keys as the deployment's settings say."""
    return KeyLifecycle(
        ledger,
        provider(settings, rings),
        Sealer(kms, settings.kms_key),
        settings.deployment,
        Notices(is_on=bool(settings.notify_url)),
    )


def provider(settings: Settings, rings: KeyRings) -> OpenRouter:
    """OpenRouter with the operator's management key; without that key no call is sent."""

    def management_key() -> str:
        try:
            return rings[PROVISIONING_API_KEY].signing
        except Busy:
            logger.error("be:no-provisioning-key", extra={"parameter": PROVISIONING_API_KEY})
            raise NotSent() from None

    return OpenRouter(settings.openrouter_base, management_key, settings.openrouter_workspace)
