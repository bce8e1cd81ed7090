"""The gateway that a command calls, and its credentials.

A deployment is named by `--base-url`, or by `BASE_URL` in the environment or in `.dev.vars`; it gets the
credentials of the environment and of `.dev.vars`. Otherwise the local run is called with the credentials
that it generated. The two sources are never mixed, so no secret of one reaches the other.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cli import dotenv, local_run
from cli.errors import CommandError
from cli.options import GlobalOptions
from engine.platform.config import LOOPBACK

SMOKE_CREDENTIALS = ("SMOKE_USER", "SMOKE_REFRESH_SECRET")
"""Credentials of the smoke test's account. They are no secrets of a gateway and are never imported."""
LOCAL_CREDENTIALS = {
    "ENGINE_ADMIN_KEY": "adminKey",
    "ADMIN_SECRET": "adminSecret",
    "WEBHOOK_SECRET": "webhookSecret",
    "ENGINE_JWT_SECRET": "userJwtSecret",
}
"""The name of each credential of a local run, and its member in the run file."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A gateway's address and `credentials` by name; the values never appear in its repr."""

    base_url: str
    title: str
    credentials: Mapping[str, str] = field(repr=False)
    demo_user: str | None
    """The demo user of a local run."""
    is_local: bool = False
    """Whether it is the local run, whose accounts are deleted when it stops."""

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.base_url).hostname in LOOPBACK

    def credential(self, name: str) -> str:
        """The value of a credential. Raises `CommandError` that says where to set it."""
        if name not in self.credentials:
            raise CommandError(
                f"{name} is not set for {self.title}; put it into .dev.vars or export it."
            )
        return self.credentials[name]


def find(options: GlobalOptions, environ: Mapping[str, str] = os.environ) -> Endpoint:
    """The gateway to call. Raises `CommandError`."""
    variables = _variables(options.vars_file)
    base_url = options.base_url or environ.get("BASE_URL") or variables.get("BASE_URL")
    run = _run(options.run_file)
    if base_url is None or (run is not None and _same(base_url, run["baseUrl"])):
        if run is None:
            raise CommandError(
                "No gateway is named: start one with `make run`, or set BASE_URL in the "
                "environment or in .dev.vars."
            )
        return _local(run)
    exported = {name: environ[name] for name in _all_names() if environ.get(name)}
    secrets = {name: v for name, (v, _) in dotenv.secrets({**variables, **exported}).items()}
    smoke = {
        name: value
        for name in SMOKE_CREDENTIALS
        if (value := environ.get(name) or variables.get(name))
    }
    return Endpoint(_checked(base_url), base_url, {**secrets, **smoke}, None)


def _variables(path: Path | None) -> dict[str, str]:
    if path is None and not dotenv.DEFAULT_PATH.exists():
        return {}
    return dotenv.read(path or dotenv.DEFAULT_PATH)


def _run(path: Path | None) -> dict[str, str] | None:
    """The local run's members; None where there is no local run. Raises `CommandError`."""
    if path is None and not local_run.DEFAULT_PATH.exists():
        return None
    return local_run.read(path or local_run.DEFAULT_PATH, "baseUrl")


def _local(run: Mapping[str, str]) -> Endpoint:
    known = {name: run[member] for name, member in LOCAL_CREDENTIALS.items() if member in run}
    return Endpoint(
        _checked(run["baseUrl"]), "the local run", known, run.get("demoUser"), is_local=True
    )


def _all_names() -> set[str]:
    return {name for known, aliases in dotenv.ALIASES.items() for name in (known, *aliases)}


def _same(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")


def _checked(base_url: str) -> str:
    """`base_url` without a slash at its end: https, or http to this machine.

    Raises `CommandError` for another address: secrets would be sent unencrypted.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise CommandError(f"BASE_URL is not an http(s) address: {base_url}")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise CommandError(
            f"BASE_URL must be https, because secrets would be sent unencrypted: {base_url}"
        )
    return base_url.rstrip("/")
