"""The local run's first operator: made anew with every run, with a password of its own."""

from __future__ import annotations

import sys
import time

from local.engine import aws_client
from local.settings import ROOT

NAME = "admin"
ROLE = "admin"


def create(endpoint: str, table_name: str) -> dict[str, str]:
    """Creates the operator in the deployed table; the members of the run file that tell of them."""
    sys.path.insert(0, str(ROOT / "layers" / "engine"))
    from engine.access import operators
    from engine.platform.table import Table

    table = Table(aws_client("dynamodb", endpoint), table_name)
    password = operators.create(table, NAME, ROLE, now=int(time.time()))
    return {"dashboardUser": NAME, "dashboardPassword": password}
