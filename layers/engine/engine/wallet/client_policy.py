"""The answer of `GET /v1/public/client-policy`, and where the app's file is.

The members are those that the released app reads from the text that it stores; what it does not know it
passes over.
"""

from typing import Any, Final

from engine.platform.errors import NotFound
from engine.wallet.policy import Policy, Version

APK_PATH: Final = "/downloads/android/latest.apk"


def members(version: Version, public_base: str) -> dict[str, Any]:
    """The policy for apps; `public_base` is the gateway's own address."""
    policy = version.policy
    apk_url = public_base + APK_PATH if has_release(policy) else ""
    versions = {
        "minimumVersionCode": policy.minimum_version_code,
        "latestVersionCode": policy.latest_version_code,
    }
    return {
        "ok": True,
        "revision": str(version.number),
        "updateMode": policy.update_mode,
        **versions,
        "platforms": {
            "android": {**versions, "forceUpdate": policy.force_update, "apkUrl": apk_url},
            "ios": {"url": policy.ios_url},
        },
        "features": {"transcriptionSubmit": policy.transcription_submit},
        "disableTranscribeSubmit": not policy.transcription_submit,
        "apkDownloadUrl": apk_url,
        "fallbackUrl": policy.fallback_url,
        "playStoreUrl": policy.play_store_url,
        "iosUrl": policy.ios_url,
        "messageShort": policy.message_short,
        "message": policy.message,
        "messageDetail": policy.message_detail,
    }


def has_release(policy: Policy) -> bool:
    return bool(policy.apk_url or policy.play_store_url or policy.fallback_url)


def release_url(policy: Policy) -> str:
    """Where the newest release for Android is. Raises `NotFound` if no address is set."""
    url = policy.apk_url or policy.play_store_url or policy.fallback_url
    if not url:
        raise NotFound("No release of the app is published here.")
    return url
