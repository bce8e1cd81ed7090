"""The run file `.local/run.json`: addresses and secrets for programs that use a local run."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

# Members of the file and the parameters whose newest secrets they hold.
SECRET_MEMBERS = {
    "adminKey": "ENGINE_ADMIN_KEY",
    "adminSecret": "ADMIN_SECRET",
    "webhookSecret": "WEBHOOK_SECRET",
    "userJwtSecret": "ENGINE_JWT_SECRET",
    "vendJwtSecret": "VEND_JWT_SECRET",
    "subscriptionJwtSecret": "JWT_SECRET_CLOUD",
    "stripeWebhookSecret": "STRIPE_WEBHOOK_SECRET",
}


@dataclass(frozen=True)
class RunFile:
    """A run file as this run wrote it; the inode shows whether another run has replaced it."""

    path: Path
    inode: int

    @classmethod
    def write(cls, path: Path, members: dict[str, str]) -> RunFile:
        """Writes the file atomically, readable by its owner only."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump(members, file, indent=2)
            file.write("\n")
        fresh.replace(path)
        return cls(path, path.stat().st_ino)

    def remove(self) -> None:
        """Removes the file unless another run has replaced it."""
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_ino == self.inode:
                self.path.unlink()


def secret_members(secrets: dict[str, str]) -> dict[str, str]:
    """The members of the file that are secrets, without those whose parameter does not exist."""
    return {member: secrets[name] for member, name in SECRET_MEMBERS.items() if name in secrets}
