"""Instructions of a function's imports, which repeat exactly where milliseconds do not: `python -m
bench.instructions [function ...]`. Needs valgrind (Debian's package of that name).

The function is packed as for a deployment. Counted are an interpreter that does nothing, the runtime's own
client, and both with the function's module; what INIT does beyond imports is little.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
from collections.abc import Mapping

from bench import ROOT, cold
from bench.cold import FLAGS, PYTHON, Folders
from bench.world import TABLE_NAME, function_environ
from local.template import load_template

BARE, RUNTIME, FUNCTION = "pass", "import awslambdaric.bootstrap", "import app"
_REFS = re.compile(r"I\s+refs:\s+([\d,]+)|Collected : (\d+)")


def counted(folders: Folders, program: str, environ: Mapping[str, str]) -> int:
    """The instructions of an interpreter that runs `program`. Raises RuntimeError where it fails."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = subprocess.run(
        [*command, os.path.realpath(PYTHON), *FLAGS, "-c", program],
        cwd=folders.task,
        env={**folders.environ(environ), "PYTHONHASHSEED": "0", "PATH": os.defpath},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    found = _REFS.search(done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(done.stderr[-2000:])
    return int((found[1] or found[2]).replace(",", ""))


def environment() -> dict[str, str]:
    """Enough for a function to be imported; nothing is called."""
    template = load_template(ROOT / "template.yaml")
    credentials = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test")
    return {
        **function_environ(template),
        **credentials,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "TABLE_NAME": TABLE_NAME,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("functions", nargs="*", default=["tokens"], metavar="function")
    asked = parser.parse_args()
    if shutil.which("valgrind") is None:
        parser.error("valgrind is not installed")
    environ = environment()
    for name in asked.functions:
        with cold.packaged(name, compiled=True) as folders:
            bare, runtime, function = (
                counted(folders, program, environ)
                for program in (BARE, RUNTIME, f"{RUNTIME}; {FUNCTION}")
            )
        print(
            f"{name}: {function / 1e6:.0f} M instructions, {(function - bare) / 1e6:.0f} M above bare, "
            f"{(function - runtime) / 1e6:.0f} M above the runtime's client"
        )


if __name__ == "__main__":
    main()
