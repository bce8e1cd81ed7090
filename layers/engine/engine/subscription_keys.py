"""Puts the parts of the subscription service together, as the settings say."""

from engine.calls import NotSent
from engine.config import Settings
from engine.errors import Busy
from engine.key_rotation import Rotation
from engine.keyrings import PROVISIONING_API_KEY, KeyRings
from engine.ledger import Ledger
from engine.logs import logger
from engine.notices import Notices
from engine.openrouter import OpenRouter
from engine.sealing import KmsClient, Sealer


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
