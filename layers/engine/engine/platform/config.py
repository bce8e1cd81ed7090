"""The settings of a deployment, read once from the environment that `template.yaml` gives."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
TIKTOK = "https://www.tiktok.com"


@dataclass(frozen=True, slots=True)
class Settings:
    """Names and numbers only; secrets are read from the parameter store under `secrets_prefix`."""

    environment: str
    table_name: str
    secrets_prefix: str
    ttt_base: str
    tiktok_base: str
    """The real TikTok, or in the local run one origin that stands for all its hosts."""
    ttt_signs: bool
    """Whether the transcription service is also shown a short token, beside the shared secret."""
    request_timeout_s: int
    """How long an app is kept waiting for the transcription service."""
    transcription_timeout_s: int
    """How long the worker waits for it."""
    calls_queue: str
    """The address of the queue of calls for the worker; empty where there is none."""
    dead_letters: tuple[str, ...]
    """The addresses of the queues of what nobody could work off, for the function that counts it."""
    rate_limit: int
    """Requests a minute and user, for each class of routes."""
    welcome_credits: int
    user_token_max_age_s: int
    allow_user_create: bool
    allow_anonymous_vend: bool
    allow_anonymous_history: bool
    build_ref: str
    deployed_at: str
    audit_days: int
    """How long refusals and admin acts are kept; the ledger itself is kept for ever."""
    low_balance: int
    """A notice is made when a balance falls below this."""
    openrouter_base: str
    openrouter_workspace: str
    """The workspace of the operator's account that keys are made in, empty for the default one."""
    plan_policy: str
    """What becomes of a subscription that is used up: `reset`, `block` or `top_up`."""
    house_low_usd: int
    """An alarm is raised when the operator's OpenRouter account has less than this."""
    kms_key: str
    notify_url: str
    """Where notices about subscriptions are sent, empty for nowhere."""
    text_days: int
    """How long a text that was charged can be read."""
    reuse_unused_token: bool
    """Whether a vend answers the user's unused token again, rather than holding a second credit."""
    rotate_after_days: int
    """Age at which a key that signs is followed by a new one."""

    @property
    def deployment(self) -> str:
        """The stack's name, as it stands in names that are seen outside."""
        return self.secrets_prefix.strip("/")

    @property
    def is_local(self) -> bool:
        return self.environment == "local"

    @property
    def build(self) -> dict[str, str]:
        return {"ref": self.build_ref, "deployedAt": self.deployed_at}


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in `environ`. Raises `KeyError` or `ValueError` on a missing or bad one."""
    environment = environ["ENVIRONMENT"]
    return Settings(
        environment=environment,
        table_name=environ["TABLE_NAME"],
        secrets_prefix="/" + environ["SECRETS_PREFIX"].strip("/") + "/",
        ttt_base=_origin(environ["TTT_BASE"], local=environment == "local"),
        tiktok_base=_tiktok(environ["TIKTOK_BASE"], local=environment == "local"),
        ttt_signs=environ["TTT_TOKEN"] == "true",
        request_timeout_s=int(environ["REQUEST_TIMEOUT"]),
        transcription_timeout_s=int(environ["TRANSCRIPTION_TIMEOUT"]),
        calls_queue=environ.get("CALLS_QUEUE", ""),
        dead_letters=tuple(environ.get("DEAD_LETTERS", "").split()),
        rate_limit=int(environ["RATE_LIMIT"]),
        welcome_credits=int(environ["WELCOME_CREDITS"]),
        user_token_max_age_s=int(environ["USER_TOKEN_MAX_AGE"]),
        allow_user_create=environ["ALLOW_USER_CREATE"] == "true",
        allow_anonymous_vend=environ["ALLOW_ANONYMOUS_VEND"] == "true",
        allow_anonymous_history=environ["ALLOW_ANONYMOUS_HISTORY"] == "true",
        build_ref=environ["BUILD_REF"],
        deployed_at=environ["DEPLOYED_AT"],
        audit_days=int(environ["AUDIT_DAYS"]),
        low_balance=int(environ["LOW_BALANCE"]),
        openrouter_base=_origin(environ["OPENROUTER_BASE"], local=environment == "local"),
        openrouter_workspace=environ["OPENROUTER_WORKSPACE"],
        plan_policy=environ["PLAN_POLICY"],
        house_low_usd=int(environ["HOUSE_LOW_USD"]),
        kms_key=environ["KMS_KEY"],
        notify_url=environ["NOTIFY_URL"],
        text_days=int(environ["TEXT_DAYS"]),
        reuse_unused_token=environ["REUSE_UNUSED_TOKEN"] == "true",
        rotate_after_days=int(environ["ROTATE_AFTER_DAYS"]),
    )


def _tiktok(url: str, *, local: bool) -> str:
    """`url` where the deployment is local; elsewhere nothing but the real TikTok is ever asked."""
    if not local and url != TIKTOK:
        raise ValueError("another TikTok is for the local run only")
    return _origin(url, local=local)


def _origin(url: str, *, local: bool) -> str:
    """`url` as `scheme://host[:port]`: https only, loopback only where the deployment is local."""
    parts = urlsplit(url)
    loopback = parts.hostname in LOOPBACK
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("an upstream address must be an http(s) origin")
    if loopback and not local:
        raise ValueError("an upstream on loopback is for the local run only")
    if parts.scheme == "http" and not loopback:
        raise ValueError("an upstream address must be https")
    return f"{parts.scheme}://{parts.netloc}"
