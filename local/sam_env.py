"""The environment file of `sam local` for a local run that is up: `python -m local.sam_env > env.json`.

It gives every function the run's table, secrets and engine; the rest it takes from the template.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from local.deploy import SECRETS_PREFIX
from local.engine import REGION
from local.settings import ROOT


def variables(run: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """In the form that `sam local --env-vars` takes for all functions together."""
    return {
        "Parameters": {
            "AWS_ENDPOINT_URL": run["engineUrl"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "ENVIRONMENT": "local",
            "TABLE_NAME": run["tableName"],
            "SECRETS_PREFIX": SECRETS_PREFIX,
            "TTT_BASE": run["upstreamUrl"],
            "TIKTOK_BASE": run["tiktokUrl"],
        }
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.sam_env", description=__doc__)
    parser.add_argument("--run-file", type=Path, default=ROOT / ".local/run.json")
    asked = parser.parse_args()
    run: dict[str, str] = json.loads(asked.run_file.read_text(encoding="utf-8"))
    print(json.dumps(variables(run), indent=2))


if __name__ == "__main__":
    main()
