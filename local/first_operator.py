"""The first operator of a local run, created with a new password in every run."""

from __future__ import annotations

import sys
import time

from local.engine import aws_client
from local.settings import ROOT

NAME = "admin"
ROLE = "admin"


def create(endpoint: str, table_name: str) -> dict[str, str]:
    """Creates the operator in the deployed table; returns its credentials as members of the run file."""
    sys.path.insert(0, str(ROOT / "layers" / "engine"))
    from engine.access import operators
    from engine.platform.table import Table

    table = Table(aws_client("dynamodb", endpoint), table_name)
    password = operators.create(table, NAME, ROLE, now=int(time.time()))
    return {"dashboardUser": NAME, "dashboardPassword": password}
