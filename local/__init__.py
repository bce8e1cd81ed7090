"""The local run: deploys the real template into a local AWS engine and serves it over HTTP."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "layers" / "engine"))
