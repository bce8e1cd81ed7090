"""The settings of a local run, read once from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_PORT = 8787
BASE_VARIABLES = (
    "TTT_BASE",
    "TIKTOK_BASE",
    "OPENROUTER_BASE",
    "STRIPE_BASE",
    "DARAJA_BASE",
    "PLAY_BASE",
)
SHARED_SECRETS = (
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "DARAJA_CONSUMER_KEY",
    "DARAJA_CONSUMER_SECRET",
    "DARAJA_PASSKEY",
    "DARAJA_CREDENTIAL",
)
"""The secrets of payment providers that run elsewhere."""

FRONT_PARAMETERS = {
    "PUBLIC_BASE": "PublicBase",
    "TRUSTED_PROXIES": "TrustedProxies",
    "VIEWER_ADDRESS_HEADER": "ViewerAddressHeader",
    "REQUIRE_FRONT": "RequireFront",
}
"""The variables of a proxy before the gateway, and the template's parameters that they set."""
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SSM")


class SettingsError(ValueError):
    """An environment variable has an invalid value; the text says which."""


@dataclass(frozen=True)
class Settings:
    """The settings of one local run.

    `port` 0 means any free port; `bases` are the origins that replace stand-ins, by variable;
    `ttt_secret` is the secret shared with a TTTranscribe that runs elsewhere, and `provisioning_key` the
    management key of an OpenRouter account.
    """

    root: Path
    port: int
    run_file: Path
    quiet: bool
    rate_limit: int | None
    request_timeout: int | None
    bases: Mapping[str, str]
    ttt_secret: str | None
    engine_port: int | None
    function_env: Mapping[str, str]
    """Endpoints of AWS services that functions use in place of the engine, such as a proxy before it."""
    front: Mapping[str, str]
    """Values of the template's parameters of a proxy before the gateway."""
    provisioning_key: str | None = None
    shared_secrets: Mapping[str, str] = field(default_factory=dict)
    """Secrets of payment providers that run elsewhere, by parameter."""
    is_cold: bool = False
    """Whether each function starts at its first call, instead of before the run is ready."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], root: Path = ROOT) -> Settings:
        """Reads the variables that the README lists; an empty one counts as absent.

        Raises SettingsError for a value that is not a number or out of range.
        """
        given = {name: value.strip() for name, value in environ.items() if value.strip()}
        rate_limit, timeout = given.get("RATE_LIMIT"), given.get("REQUEST_TIMEOUT")
        engine_port = given.get("ENGINE_PORT")
        return cls(
            root=root,
            port=_whole(given.get("PORT", str(DEFAULT_PORT)), "PORT", 0, 65_535),
            run_file=root / given.get("RUN_FILE", ".local/run.json"),
            quiet=given.get("QUIET", "0") != "0",
            rate_limit=_whole(rate_limit, "RATE_LIMIT", 1, 1_000_000) if rate_limit else None,
            request_timeout=_whole(timeout, "REQUEST_TIMEOUT", 1, 28) if timeout else None,
            bases={name: given[name].rstrip("/") for name in BASE_VARIABLES if name in given},
            ttt_secret=given.get("TTT_SHARED_SECRET"),
            engine_port=_whole(engine_port, "ENGINE_PORT", 1, 65_535) if engine_port else None,
            function_env={name: given[name] for name in ENDPOINT_VARIABLES if name in given},
            front={
                parameter: given[name]
                for name, parameter in FRONT_PARAMETERS.items()
                if name in given
            },
            provisioning_key=given.get("PROVISIONING_API_KEY"),
            shared_secrets={name: given[name] for name in SHARED_SECRETS if name in given},
            is_cold=given.get("COLD", "0") != "0",
        )


def _whole(text: str, name: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise SettingsError(
            f"{name} is {text!r}, but must be a whole number from {least} to {most}."
        )
    return int(text)
