"""The first operator of a local run, created with a new password in every run."""

from __future__ import annotations

import secrets
import sys
import time

from local.engine import json_client
from local.settings import ROOT

NAME = "admin"
ROLE = "admin"
AUDIT_DAYS = 400


def create(endpoint: str, table_name: str) -> dict[str, str]:
    """Creates the operator in the deployed table; returns its credentials as members of the run file."""
    sys.path.insert(0, str(ROOT / "layers" / "engine"))
    from engine.access import operators
    from engine.ledger.audit import Audit
    from engine.platform.act import by_system
    from engine.platform.table import Table

    audit = Audit(Table(json_client("dynamodb", endpoint), table_name), AUDIT_DAYS)
    act = by_system("local-run", f"local-run-{secrets.token_hex(8)}", "", at=int(time.time()))
    password = operators.create(audit, NAME, ROLE, act)
    return {"dashboardUser": NAME, "dashboardPassword": password}
