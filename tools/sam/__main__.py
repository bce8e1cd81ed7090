"""`python -m tools.sam`: the functions in containers by `sam local`, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import sys

from local.build import build
from local.package import PackageError
from local.settings import Settings, SettingsError
from local.supervisor import RunError
from tools.artifact import ArtifactError
from tools.sam.daemon import DockerError
from tools.sam.run import run


def main() -> int:
    """Runs until it is told to stop. Returns the exit code: 1 with a reason on stderr, or 0."""
    try:
        settings = Settings.from_environ(os.environ)
        build(settings.root)
        asyncio.run(run(settings))
    except (ArtifactError, DockerError, OSError, PackageError, RunError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
