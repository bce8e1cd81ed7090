"""Which gateway a command calls and with what credentials.

A deployment that is named (`--base-url`, `BASE_URL` in the environment or in `.dev.vars`) is called
with the credentials of the environment and of `.dev.vars`; otherwise the local run, with those that it
generated. The two are never mixed, so no secret of one goes to the other.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cli import dotenv
from cli.output import Trouble
from cli.stores import DEFAULT_RUN_FILE, Options

DEFAULT_VARS = Path(".dev.vars")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
OWN = ("SMOKE_USER", "SMOKE_REFRESH_SECRET")
"""What only this command line holds: no secret of the gateway's, so none that is imported into it."""
RUN_MEMBERS = {
    "ENGINE_ADMIN_KEY": "adminKey",
    "ADMIN_SECRET": "adminSecret",
    "WEBHOOK_SECRET": "webhookSecret",
    "ENGINE_JWT_SECRET": "userJwtSecret",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A gateway; `credentials` by the names of their secrets, which never show."""

    base_url: str
    title: str
    credentials: Mapping[str, str] = field(repr=False)
    user: str | None
    """The demo user of a local run."""
    is_local: bool = False
    """Whether it is the local run, whose accounts go when it stops."""

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.base_url).hostname in LOOPBACK

    def credential(self, name: str) -> str:
        """Raises `Trouble` that says where it would have been found."""
        if name not in self.credentials:
            raise Trouble(
                f"{name} is not set for {self.title}; put it into .dev.vars or export it."
            )
        return self.credentials[name]


def find(options: Options, environ: Mapping[str, str] = os.environ) -> Place:
    """The gateway to call. Raises `Trouble`."""
    variables = _variables(options.vars_file)
    base_url = options.base_url or environ.get("BASE_URL") or variables.get("BASE_URL")
    run = _run(options.run_file)
    if base_url is None or (run is not None and _same(base_url, run["baseUrl"])):
        if run is None:
            raise Trouble(
                "No gateway is named: start one with `make run`, or set BASE_URL in the "
                "environment or in .dev.vars."
            )
        return _local(run)
    known = {name: environ[name] for name in _all_names() if environ.get(name)}
    found = {name: v for name, (v, _) in dotenv.secrets({**variables, **known}).items()}
    own = {name: value for name in OWN if (value := environ.get(name) or variables.get(name))}
    return Place(_checked(base_url), base_url, {**found, **own}, None)


def _variables(path: Path | None) -> dict[str, str]:
    if path is None and not DEFAULT_VARS.exists():
        return {}
    return dotenv.read(path or DEFAULT_VARS)


def _run(path: Path | None) -> dict[str, str] | None:
    if path is None and not DEFAULT_RUN_FILE.exists():
        return None
    where = path or DEFAULT_RUN_FILE
    try:
        members = json.loads(where.read_text(encoding="utf-8"))
        return {"baseUrl": str(members["baseUrl"]), **{k: str(v) for k, v in members.items()}}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Trouble(f"{where} is not the file of a local run: {error!r}") from None


def _local(run: Mapping[str, str]) -> Place:
    known = {name: run[member] for name, member in RUN_MEMBERS.items() if member in run}
    return Place(
        _checked(run["baseUrl"]), "the local run", known, run.get("demoUser"), is_local=True
    )


def _all_names() -> set[str]:
    return {given for name, aliases in dotenv.ALIASES.items() for given in (name, *aliases)}


def _same(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")


def _checked(base_url: str) -> str:
    """An http(s) address without a slash at its end; http on this machine alone, as secrets travel."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise Trouble(f"BASE_URL is not an http(s) address: {base_url}")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise Trouble(f"BASE_URL must be https, as secrets would travel unprotected: {base_url}")
    return base_url.rstrip("/")
