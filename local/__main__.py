"""`python -m local` runs the whole system on this machine until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

from local.build import build
from local.deploy import DeployError
from local.engine import EngineError
from local.package import PackageError
from local.services import LOOPBACK, listen
from local.settings import Settings, SettingsError
from local.supervisor import RunError, run
from local.template import TemplateError


def main() -> int:
    """Runs until it is stopped. Returns the exit code: 0, or 1 with the reason on stderr."""
    try:
        settings = Settings.from_environ(os.environ)
    except SettingsError as error:
        return _refuse(str(error))
    try:
        listener = listen(settings.port)
    except OSError as error:
        return _refuse(
            f"{LOOPBACK}:{settings.port} cannot be used ({error.strerror}); choose another port with PORT=."
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with listener:
            build(settings.root)
            asyncio.run(run(settings, listener, time.monotonic()))
    except (DeployError, EngineError, PackageError, RunError, TemplateError) as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return 0
    return 0


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
