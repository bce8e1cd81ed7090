"""Whether the gateway works, without telling anybody more than that."""

from typing import Any

from engine.config import Settings
from engine.errors import Busy
from engine.table import Table

PROBE_KEY = ("HEALTH", "PROBE")


def table_answers(table: Table) -> bool:
    """Whether the table can be read; the probed item need not exist."""
    try:
        table.get(*PROBE_KEY, consistent=False)
    except Busy:
        return False
    return True


def configuration(settings: Settings) -> dict[str, Any]:
    """Which settings are set; never a value."""
    return {
        "table": bool(settings.table_name),
        "secrets": bool(settings.secrets_prefix),
        "transcription": bool(settings.ttt_base),
        "build": settings.build_ref != "unknown",
        "deployedAt": settings.deployed_at != "unknown",
    }
