"""Measurements of the gateway: cost of a request, cost of a cold start, load over HTTP."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# As on Lambda, where the layer puts the package on the path.
sys.path.insert(0, str(ROOT / "layers" / "engine"))
