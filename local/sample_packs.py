"""The packs that a local run sells. No deployment has packs until an operator makes some."""

from __future__ import annotations

import sys
import time

from local.engine import json_client
from local.settings import ROOT

PACKS = (
    ("p50", "50 credits", 50, 0, {"USD": 199, "KES": 25_000}),
    ("p250", "250 credits", 250, 0, {"USD": 499, "KES": 65_000}),
    ("d5", "5 dollars", 0, 5_000_000, {"USD": 549}),
)
"""Code, label, credits, micro-dollars, and prices in minor units."""


def create(endpoint: str, table_name: str) -> None:
    """Creates the packs in the deployed table, as an operator would."""
    sys.path.insert(0, str(ROOT / "layers" / "engine"))
    from engine.ledger.audit import Audit
    from engine.ledger.posting import Ledger
    from engine.payments import packs
    from engine.payments.packs import Pack
    from engine.platform.act import by_system
    from engine.platform.table import Table

    table = Table(json_client("dynamodb", endpoint), table_name)
    for code, label, number, dollars, prices in PACKS:
        product = f"pluct_{code}" if number else ""
        pack = Pack(code, 0, label, number, 0, dollars, prices, product, "", "Sample prices.")
        act = by_system("local-run", f"pack-{code}", "a sample", at=int(time.time()))
        packs.edit(Ledger(table), Audit(table, 1), pack, act)
