"""A model check of the money moves: the engine's own code, all interleavings, faults at every call."""

import sys
from pathlib import Path

# As on Lambda, where the layer puts the package on the path.
LAYER = str(Path(__file__).resolve().parents[2] / "layers" / "engine")
if LAYER not in sys.path:
    sys.path.insert(0, LAYER)
