"""Schemathesis against the whole system: every operation, all checks, by examples, coverage, random input
and sequences. What it finds is the API not being as docs/openapi.yaml says.
"""

import os
import subprocess
import sys
from pathlib import Path

from local.settings import ROOT
from tests.e2e.conftest import App, bearer
from tests.support import schema
from tests.support.sampling import PROVING

RANDOM_CASES = 4 if PROVING else 1
"""Random inputs for each operation, in addition to about 40 examples and coverage inputs each."""

SEED = 1
LIMIT_S = 1200

OTHER_METHODS = """
# test_hostile sends every other method to every path.
[phases.coverage]
unexpected-methods = ["OPTIONS", "QUERY", "TRACE"]
"""

BEYOND_A_SCHEMA = """
# Rules that JSON Schema cannot express, so a request that follows the schema is refused with a reason:
# 7.0 is an integer in JSON Schema (here it is not), a cursor belongs to its query,
# a day must exist, a prefix belongs to one order, a table has columns, a payment has one amount, an erasure
# names its user twice.
[[operations]]
include-operation-id = [
    "adjustMany", "erasePersonalData", "listAllTransactions", "listAudit", "listUnmatchedPayments",
    "listUsers", "search",
]
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404]

[[operations]]
include-operation-id = [
  "addCredits", "addCreditsByWebhook", "adminAddCredits", "adminAddCreditsLegacy", "adminDeductCredits",
  "adjustSubscription", "beginPayment", "changeSubscriptionPlan", "createUser", "topUpSubscription",
  "undoTransaction",
  "vendToken", "vendTokenLegacy",
]
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 402, 403, 404, 409, 422]

# A change is made from the newest version, and its members must agree with each other.
[[operations]]
include-operation-id = ["approveCreditRequest", "changeAppPolicy", "editPack", "saveProduct"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404, 409]

# API Gateway's authorizer refuses with a body and headers of its own; see test_local_authorizers.
[[operations]]
include-operation-id = ["hearPlay"]
enabled = false

# A product must be offered, and a quote must be one of the user's.
[[operations]]
include-operation-id = ["fulfill", "quote"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 402, 403, 410, 422, 426, 503]

# An address must be TikTok's, and TikTok must have the video.
[[operations]]
include-operation-id = ["estimate", "getMetadata", "resolveMetadata", "transcribe"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404, 502, 503, 504]
"""


def test_the_api_follows_its_description(app: App, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(credentials(app) + OTHER_METHODS + BEYOND_A_SCHEMA)
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        str(ROOT / "functions" / "health" / "openapi.json"),
        *("--url", app.run["baseUrl"]),
        *("--checks", "all"),
        *("--phases", "examples,coverage,fuzzing,stateful"),
        *("--max-examples", str(RANDOM_CASES)),
        *("--seed", str(SEED)),
        *("--warnings", "off"),
        "--no-shrink",
        "--continue-on-failure",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=LIMIT_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    count = len(schema.operations()) - 1  # All but the route of Google Play's pushes.
    assert f"Tested: {count}\n" in done.stdout, done.stdout[-2_000:]


def credentials(app: App) -> str:
    """One credential of each kind, for the operations whose security names it."""
    _, headers = app.device(balance=100_000)
    vended = bearer(app.vend(headers).json["token"])
    shown = {
        "userToken": ("bearer", headers["authorization"].removeprefix("Bearer ")),
        "vendedToken": ("bearer", vended["authorization"].removeprefix("Bearer ")),
        "adminSecret": ("bearer", app.run["adminSecret"]),
        "apiKey": ("api_key", app.run["adminKey"]),
        "webhookSecret": ("api_key", app.run["webhookSecret"]),
    }
    return "".join(
        f'[auth.openapi.{name}]\n{kind} = "{value}"\n' for name, (kind, value) in shown.items()
    )


def environment() -> dict[str, str]:
    """Without a proxy, in plain text."""
    kept = ("HOME", "LANG", "PATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"NO_COLOR": "1"}
