"""One event in one container, filled by the run that is up: `python -m tools.sam.invoke EVENT`.

The function is that of the event's route; an event without one is the stream's or CloudFormation's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from local.settings import ROOT
from local.template import Template, load_template, resources_of_type
from tools.sam.events import Event, FillError, fill, read, read_run
from tools.sam.layout import Layout
from tools.sam.run import FOLDER, SAM

STREAM, CREATION = "ProjectorFunction", "RotationFunction"


def function_of(event: Event, template: Template) -> str:
    """The logical id of the function that gets `event`. Raises FillError when no route takes it."""
    if "routeKey" not in event:
        return CREATION if "RequestType" in event else STREAM
    for name, function in resources_of_type(template, "AWS::Serverless::Function").items():
        for source in function["Properties"].get("Events", {}).values():
            if source["Type"] == "HttpApi" and _route(source) == event["routeKey"]:
                return name
    raise FillError(f"No route of the template is {event['routeKey']}.")


def _route(source: dict[str, Any]) -> str:
    """The route's key; an event without a path is what no other route takes."""
    told = source.get("Properties", {})
    return f"{told['Method'].upper()} {told['Path']}" if "Path" in told else "$default"


def invocation(layout: Layout, function: str) -> list[str]:
    """The program that hands the event on its standard input to `function`."""
    options = ["--config-file", str(layout.config_file)]
    return [str(layout.root / SAM), "local", "invoke", function, *options, "--event", "-"]


def invoke(
    layout: Layout, function: str, event: Event, *, quiet: bool = False
) -> subprocess.CompletedProcess[str]:
    """What SAM printed: the function's answer; its own lines go to the terminal unless `quiet`."""
    return subprocess.run(
        invocation(layout, function),
        input=json.dumps(event),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None,
        env={**os.environ, **layout.sam_environ},
        text=True,
        check=False,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.sam.invoke", description=__doc__)
    parser.add_argument("event", type=Path, help="a file of events/")
    parser.add_argument("--run-file", type=Path, default=ROOT / ".local/run.json")
    asked = parser.parse_args()
    layout = Layout(asked.run_file.parent / FOLDER, ROOT, "")
    if not layout.config_file.exists():
        print("No run is up: start one with `make sam-local`.", file=sys.stderr)
        return 1
    try:
        event = read(asked.event)
        function = function_of(event, load_template(ROOT / "template.yaml"))
        done = invoke(layout, function, fill(event, read_run(asked.run_file)))
    except (FillError, OSError, requests.RequestException) as error:
        print(error, file=sys.stderr)
        return 1
    print(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
