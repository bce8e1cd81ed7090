"""The settings of a deployment, read once from the environment that `template.yaml` gives."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CONTAINER_HOST = "host.docker.internal"
"""How a container of Docker names the machine it runs on: the loopback of `sam local`."""
TIKTOK = "https://www.tiktok.com"
VIEWER_ADDRESS_HEADERS = frozenset({"", "cloudfront-viewer-address"})
"""Headers that may name the caller's address, `ip:port`, in lower case; empty for none."""

_PUBLIC_BASE = (
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?"
    r"(?P<path>(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*)"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Names and numbers only; secrets are read from the parameter store under `secrets_prefix`."""

    environment: str
    table_name: str
    secrets_prefix: str
    ttt_base: str
    tiktok_base: str
    """The real TikTok; in the local run, one stand-in for all its hosts."""
    ttt_signs: bool
    """Whether the transcription service is also sent a short-lived token, beside the shared secret."""
    request_timeout_s: int
    """How long a request waits for the transcription service."""
    transcription_timeout_s: int
    """How long the worker waits for the transcription service."""
    calls_queue: str
    """The URL of the worker's queue of calls; empty if there is none."""
    dead_letters: tuple[str, ...]
    """The URLs of the dead-letter queues, for the function that counts unprocessable messages."""
    rate_limit: int
    """Requests per minute and user, for each class of routes."""
    welcome_credits: int
    user_token_max_age_s: int
    allow_user_create: bool
    allow_anonymous_vend: bool
    allow_anonymous_history: bool
    require_request_ids: bool
    """Whether requests that add or deduct credits are refused without a request id."""
    build_ref: str
    deployed_at: str
    audit_days: int
    """How long refusals and admin acts are kept; the ledger itself is kept for ever."""
    low_balance: int
    """A notice is made when a balance falls below this."""
    openrouter_base: str
    openrouter_workspace: str
    """The OpenRouter workspace in which keys are created; empty for the default one."""
    plan_policy: str
    """What happens to a subscription that is used up: `reset`, `block` or `top_up`."""
    house_low_usd: int
    """An alarm is raised when the operator's OpenRouter account has less than this, in US dollars."""
    kms_key: str
    notify_url: str
    """The URL to which notices are sent; empty for none."""
    payments_live: bool
    """Whether payments with real money count; else those of the providers' test modes do."""
    payment_providers: tuple[str, ...]
    """The providers by which packs are sold: `stripe`, `mpesa`, `google`."""
    stripe_base: str
    daraja_base: str
    play_base: str
    checkout_return_url: str
    """Where Stripe sends a buyer after the payment; empty for the gateway's own address."""
    mpesa_short_code: str
    """The PayBill, or the store number where there is a till; empty for none."""
    mpesa_till: str
    mpesa_initiator: str
    play_package: str
    play_audience: str
    """The audience of the tokens of Google's pushes."""
    play_push_account: str
    """The service account of Google's pushes."""
    google_pool: str
    """The full name of the workload identity provider that trusts the function's role."""
    google_account: str
    """The service account that it may act as."""
    text_days: int
    """How long a text that was charged can be read."""
    job_limit_s: int
    """How long a job may hold its credit without an end."""
    reuse_unused_token: bool
    """Whether a vend answers the user's unused token again, rather than holding a second credit."""
    free_repeats: bool
    """Whether a further transcription of a video is free for a user who has its text."""
    allow_header_identity: bool
    """Whether the released app, which has no token, is known by its headers: see
    `engine.access.identity`."""
    open_holds: int
    hold_rate_limit: int
    """How many holds of back ends an account may have open at once."""
    rotate_after_days: int
    """Age in days at which the signing key is replaced by a new one."""
    repeats_request_ids: bool
    """Whether requests share one `requestId`: `sam local start-api` makes a single one for all."""
    public_base: str
    """Where clients reach the gateway, `https://host[:port][/path]`; empty for the API's own domain."""
    trusted_proxies: int
    """How many proxies before the API append to `X-Forwarded-For` an address that is believed."""
    viewer_address_header: str
    """The header of `VIEWER_ADDRESS_HEADERS` that is believed."""
    requires_front: bool
    """Whether a request must show the secret that the proxy before the API adds."""
    docs_try_it: bool
    """Whether the pages of the API's description can send requests to this gateway."""

    @property
    def base_path(self) -> str:
        """The path under which clients reach the gateway, such as `/gateway`; mostly empty."""
        return urlsplit(self.public_base).path

    @property
    def believes_headers(self) -> bool:
        """Whether a header may say where a request came from."""
        return bool(self.trusted_proxies or self.viewer_address_header)

    @property
    def deployment(self) -> str:
        """The stack's name, as used in names that others see."""
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
        ttt_base=_service_base(environ["TTT_BASE"], local=environment == "local"),
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
        require_request_ids=environ["REQUIRE_REQUEST_IDS"] == "true",
        build_ref=environ["BUILD_REF"],
        deployed_at=environ["DEPLOYED_AT"],
        audit_days=int(environ["AUDIT_DAYS"]),
        low_balance=int(environ["LOW_BALANCE"]),
        openrouter_base=_service_base(environ["OPENROUTER_BASE"], local=environment == "local"),
        openrouter_workspace=environ["OPENROUTER_WORKSPACE"],
        plan_policy=environ["PLAN_POLICY"],
        house_low_usd=int(environ["HOUSE_LOW_USD"]),
        kms_key=environ["KMS_KEY"],
        notify_url=environ["NOTIFY_URL"],
        payments_live=environ["PAYMENTS_LIVE"] == "true",
        payment_providers=tuple(environ["PAYMENT_PROVIDERS"].split()),
        stripe_base=_service_base(environ["STRIPE_BASE"], local=environment == "local"),
        daraja_base=_service_base(environ["DARAJA_BASE"], local=environment == "local"),
        play_base=_service_base(environ["PLAY_BASE"], local=environment == "local"),
        checkout_return_url=environ["CHECKOUT_RETURN_URL"],
        mpesa_short_code=environ["MPESA_SHORT_CODE"],
        mpesa_till=environ["MPESA_TILL"],
        mpesa_initiator=environ["MPESA_INITIATOR"],
        play_package=environ["PLAY_PACKAGE"],
        play_audience=environ["PLAY_AUDIENCE"],
        play_push_account=environ["PLAY_PUSH_ACCOUNT"],
        google_pool=environ["GOOGLE_POOL"],
        google_account=environ["GOOGLE_ACCOUNT"],
        text_days=int(environ["TEXT_DAYS"]),
        job_limit_s=int(environ["JOB_MINUTES"]) * 60,
        reuse_unused_token=environ["REUSE_UNUSED_TOKEN"] == "true",
        free_repeats=environ["FREE_REPEATS"] == "true",
        allow_header_identity=environ["ALLOW_HEADER_IDENTITY"] == "true",
        open_holds=int(environ["OPEN_HOLDS"]),
        hold_rate_limit=int(environ["HOLD_RATE_LIMIT"]),
        rotate_after_days=int(environ["ROTATE_AFTER_DAYS"]),
        public_base=_public_base(environ["PUBLIC_BASE"], local=environment == "local"),
        trusted_proxies=_trusted_proxies(environ["TRUSTED_PROXIES"]),
        viewer_address_header=_viewer_address_header(environ["VIEWER_ADDRESS_HEADER"]),
        requires_front=environ["REQUIRE_FRONT"] == "true",
        docs_try_it=_docs_try_it(environ["DOCS_TRY_IT"], environment),
        repeats_request_ids=environment == "local" and environ.get("AWS_SAM_LOCAL") == "true",
    )


def _tiktok(url: str, *, local: bool) -> str:
    """`url` if the deployment is local; otherwise only the real TikTok is accepted."""
    if not local and url != TIKTOK:
        raise ValueError("a TikTok other than the real one is for the local run only")
    return _service_base(url, local=local)


def _public_base(url: str, *, local: bool) -> str:
    """`url` as it is: an https origin and, where there is one, a path that does not end with a slash."""
    if not url:
        return ""
    found = re.fullmatch(_PUBLIC_BASE, url)
    if found is None:
        raise ValueError(
            "the public base is an https origin with an optional path, without a query"
        )
    if not local and (found["scheme"] != "https" or found["host"] in LOOPBACK):
        raise ValueError("the public base must be https, and loopback is for the local run only")
    return url


def _docs_try_it(choice: str, environment: str) -> bool:
    """`auto` means everywhere but in environments that customers use."""
    return choice == "true" or (choice == "auto" and environment in ("local", "dev"))


def _trusted_proxies(number: str) -> int:
    if int(number) < 0:
        raise ValueError("the number of trusted proxies cannot be negative")
    return int(number)


def _viewer_address_header(name: str) -> str:
    if name.lower() not in VIEWER_ADDRESS_HEADERS:
        raise ValueError("no such header of the caller's address is known")
    return name.lower()


def _service_base(url: str, *, local: bool) -> str:
    """`url` as `scheme://host[:port]`: https only, loopback only where the deployment is local."""
    parts = urlsplit(url)
    loopback = parts.hostname in LOOPBACK or parts.hostname == CONTAINER_HOST
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("an upstream address must be an http(s) origin")
    if loopback and not local:
        raise ValueError("an upstream on loopback is for the local run only")
    if parts.scheme == "http" and not loopback:
        raise ValueError("an upstream address must be https")
    return f"{parts.scheme}://{parts.netloc}"
