"""What `sam local` needs to run functions in containers beside a local run that is up:
`python -m tools.sam_env`.

`.local/env.json` gives every function the run's table, secrets and engine. `sam local` hands a function
only those variables that its template declares, and no template declares where AWS is; so the built
template is written again beside itself, with that declared: `.aws-sam/build/local.yaml`.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Mapping
from pathlib import Path

from local.deploy import SECRETS_PREFIX
from local.engine import REGION
from local.settings import ROOT
from local.template import Template, load_template

ENV_FILE = ROOT / ".local/env.json"
BUILT = ROOT / ".aws-sam/build/template.yaml"


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
            "OPENROUTER_BASE": run["openrouterUrl"],
            # Queues are known by their names alone here: without them a slow call is waited for.
            "CALLS_QUEUE": "",
            "DEAD_LETTERS": "",
        }
    }


def declaring(built: Template, names: Mapping[str, str]) -> Template:
    """`built` with each of `names` declared for all functions, so that it can be given to them."""
    changed = copy.deepcopy(built)
    declared = changed["Globals"]["Function"]["Environment"]["Variables"]
    for name in names:
        declared.setdefault(name, "")
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.sam_env", description=__doc__)
    parser.add_argument("--run-file", type=Path, default=ROOT / ".local/run.json")
    parser.add_argument("--template", type=Path, default=BUILT, help="what `make build` wrote")
    asked = parser.parse_args()
    run: dict[str, str] = json.loads(asked.run_file.read_text(encoding="utf-8"))
    given = variables(run)
    template = declaring(load_template(asked.template), given["Parameters"])
    beside = asked.template.with_name("local.yaml")
    beside.write_text(json.dumps(template, indent=1), encoding="utf-8")
    ENV_FILE.parent.mkdir(mode=0o700, exist_ok=True)
    ENV_FILE.write_text(json.dumps(given, indent=2), encoding="utf-8")
    print(f"Written: {ENV_FILE.relative_to(ROOT)}, {beside}")


if __name__ == "__main__":
    main()
