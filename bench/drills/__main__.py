"""Each drill in a local run of its own, `python -m bench.drills [name ...]`; 1 where a promise was broken."""

from __future__ import annotations

import argparse
import time

from bench.drills import aws, changes, services
from bench.drills.scene import Record, scene

DRILLS = {
    "table-throttled": aws.table_throttled,
    "secrets-away": aws.secrets_away,
    "upstream-down": services.upstream_down,
    "projector-behind": services.projector_behind,
    "poison-record": services.poison_record,
    "rotated-secret": changes.rotated_secret,
    "bad-deployment": changes.bad_deployment,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.drills", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(DRILLS))
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(DRILLS):
        parser.error(f"no such drill: {', '.join(sorted(unknown))}")
    held = True
    for name in asked.names or DRILLS:
        record, started = Record(), time.monotonic()
        with scene() as prepared:
            DRILLS[name](prepared, record)
        print(f"{name} ({time.monotonic() - started:.0f} s): {DRILLS[name].__doc__}")
        print("\n".join(record.lines), flush=True)
        held = held and record.held
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
