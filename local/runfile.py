"""`.local/run.json`: what other programs need to drive a local run."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

# Members of the file, each with the parameter whose newest secret it is; one without a parameter is left out.
SECRET_MEMBERS = {
    "adminKey": "ENGINE_ADMIN_KEY",
    "adminSecret": "ADMIN_SECRET",
    "webhookSecret": "WEBHOOK_SECRET",
    "userJwtSecret": "ENGINE_JWT_SECRET",
    "vendJwtSecret": "VEND_JWT_SECRET",
    "subscriptionJwtSecret": "JWT_SECRET_CLOUD",
}


@dataclass(frozen=True)
class RunFile:
    """A written file, told apart from one that another run put in its place."""

    path: Path
    inode: int

    @classmethod
    def write(cls, path: Path, members: dict[str, str]) -> RunFile:
        """Puts the whole file in place at once, readable by its owner only from the first byte."""
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
    """The members of the file that are secrets, as far as they exist."""
    return {member: secrets[name] for member, name in SECRET_MEMBERS.items() if name in secrets}
