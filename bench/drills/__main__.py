"""Runs each drill in its own local run: `python -m bench.drills [name ...]`. Exits with 1 if one fails."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bench.drills import aws, changes, outage, poison, projector, restore
from bench.drills.scene import Record, scene

DRILLS: Mapping[str, Callable[..., None]] = {
    "table-throttled": aws.table_throttled,
    "secrets-away": aws.secrets_away,
    "upstream-down": outage.upstream_down,
    "projector-behind": projector.projector_behind,
    "poison-record": poison.poison_record,
    "rotated-secret": changes.rotated_secret,
    "bad-deployment": changes.bad_deployment,
    "restored-table": restore.restored_table,
}
LONGER = ("upstream-down", "rotated-secret")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.drills", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(DRILLS))
    parser.add_argument(
        "--for",
        dest="length_s",
        type=float,
        metavar="SECONDS",
        help=f"how long {' and '.join(LONGER)} go on: 3600 for the hour, 330 until a ring is read again",
    )
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(DRILLS):
        parser.error(f"no such drill: {', '.join(sorted(unknown))}")
    held = True
    for name in asked.names or DRILLS:
        options: dict[str, Any] = (
            {"length_s": asked.length_s} if asked.length_s and name in LONGER else {}
        )
        print(f"{name}: {DRILLS[name].__doc__}", flush=True)
        record, started = Record(show=partial(print, flush=True)), time.monotonic()
        with scene() as prepared:
            DRILLS[name](prepared, record, **options)
        print(f"  {time.monotonic() - started:.0f} s", flush=True)
        held = held and record.held
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
