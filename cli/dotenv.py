"""`.dev.vars`: lines of `NAME=value` as wrangler and dotenv read them, and older names of secrets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.errors import CommandError

DEFAULT_PATH = Path(".dev.vars")
ALIASES: Mapping[str, Sequence[str]] = {
    "ENGINE_JWT_SECRET": ("JWT_SECRET", "ENGINE_SHARED_SECRET"),
    "ENGINE_ADMIN_KEY": ("ADMIN_SECRET", "ADMIN_API_KEY"),
    "TTT_SHARED_SECRET": ("ENGINE_SHARED_SECRET",),
    "ADMIN_SECRET": (),
    "WEBHOOK_SECRET": (),
    "JWT_SECRET_CLOUD": (),
    "PROVISIONING_API_KEY": (),
    "FRONT_SECRET": (),
    "STRIPE_SECRET_KEY": (),
    "STRIPE_WEBHOOK_SECRET": (),
    "DARAJA_CONSUMER_KEY": (),
    "DARAJA_CONSUMER_SECRET": (),
    "DARAJA_PASSKEY": (),
    "DARAJA_CREDENTIAL": (),
}
"""Every secret that is imported or sent, and the older names that are read where it is missing."""


def read(path: Path) -> dict[str, str]:
    """The variables of a file.

    Raises `CommandError` where the file cannot be read, or with the number of a malformed line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ").strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        if not equals or not name.strip().isidentifier():
            raise CommandError(f"{path}, line {number}: not NAME=value")
        found[name.strip()] = _value(value.strip())
    return found


def secrets(variables: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Each secret in `variables`: its value and the name it was found under. Empty values are skipped."""
    found: dict[str, tuple[str, str]] = {}
    for name, aliases in ALIASES.items():
        for given in (name, *aliases):
            if variables.get(given):
                found[name] = (variables[given], given)
                break
    return found


def _value(written: str) -> str:
    """The value without its quotes; outside of quotes, ` #` starts a comment."""
    quote = written[:1]
    if quote in ("'", '"') and (end := written.find(quote, 1)) > 0:
        return written[1:end]
    return written.partition(" #")[0].rstrip()
