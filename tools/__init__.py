"""Programs that build and check the project: generated files, packages, deployments into the local engine."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "layers" / "engine"))
