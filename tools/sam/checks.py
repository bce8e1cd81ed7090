"""What is looked at while `make sam-local` runs, one function for each promise."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

import requests

from local.ready_message import journey
from local.template import load_template
from tools.sam.daemon import Docker
from tools.sam.events import VIDEO, Event, FillError, Run, fill, is_expected, samples, send
from tools.sam.invoke import function_of, invoke
from tools.sam.lambda_service import call, started_lambda
from tools.sam.layout import Layout
from tools.sam.rig import CheckError, Rig, require

AT_ONCE = 2
EDIT_TIMEOUT_S = 60.0
JOB_TIMEOUT_S = 60.0
SLOW_S = 4
_LOOK_S = 0.5
_ONE_OPERATOR = Lock()
_T = TypeVar("_T")

CREDENTIALS = ("authorization", "x-api-key", "x-webhook-secret", "cookie", "x-csrf-token")
ONE_OF_A_KIND = (
    "balance",
    "vend_token",
    "transcribe",
    "add_credits",
    "add_credits_webhook",
    "admin_user",
    "provider_key",
    "dashboard_session",
    "job_webhook",
    "play_push",
)
"""Events that need a secret, one for each kind of it."""

WITHOUT_AUTHORIZER = {"POST /webhooks/play": 401}
"""Routes with an authorizer of API Gateway, which start-api leaves out: without it, they refuse."""

INVOKED = ("health", "vend_token", "stream_entries", "create_secrets")
"""Events for `sam local invoke`: of a request, of one with a secret, of the stream, of CloudFormation."""

EDITS = (
    ("function", "functions/health/app.py", "lambda_handler"),
    ("layer", "layers/engine/engine/web/http.py", "_response"),
)
"""What is edited: a mark, the file, and what in it makes answers."""

# What an edit appends: the answers of a function, or of all functions, get a header.
_EDIT = """

_before_the_edit = {name}


def {name}(*arguments):
    answer = _before_the_edit(*arguments)
    return {{**answer, "headers": {{**answer["headers"], "x-edited": "{mark}"}}}}
"""


@dataclass(frozen=True)
class Checked:
    """A run that is up, and the daemon that its containers are in."""

    rig: Rig
    docker: Docker

    @property
    def base_url(self) -> str:
        return self.rig.run.members["baseUrl"]

    @property
    def layout(self) -> Layout:
        return self.rig.layout(self.docker.architecture)

    def new_run(self) -> Run:
        """The same run, with an account that nothing happened to yet."""
        return Run(self.rig.run.members)

    def events(self) -> dict[str, Event]:
        return samples(self.rig.checkout)

    def first_of_each_function(self) -> dict[str, Event]:
        """A sample event of a route by each function that has one, as it is: with made-up credentials."""
        template = load_template(self.rig.checkout / "template.yaml")
        routed = [event for event in self.events().values() if "routeKey" in event]
        return {function_of(event, template): event for event in reversed(routed)}


def printed_lines_work(checked: Checked) -> str:
    """The lines for curl that it prints, run as they are."""
    lines = journey(dict(checked.rig.run.members))
    require(lines in checked.rig.said(), "It does not print the journey.")
    done = subprocess.run(["sh", "-eu"], input=lines, capture_output=True, text=True, check=False)
    text = done.stdout.splitlines()[-1] if done.stdout else ""
    require(done.returncode == 0 and len(text) > 100, f"The journey: {done.stdout}{done.stderr}")
    return "the printed lines take a credit to a transcription"


def smoke_passes(checked: Checked) -> str:
    words = [sys.executable, "-m", "cli", "--run-file", str(checked.rig.run_file), "smoke"]
    done = subprocess.run(
        words, cwd=checked.rig.checkout, capture_output=True, text=True, check=False
    )
    require(done.returncode == 0, f"pluct smoke: {done.stdout}{done.stderr}")
    return "pluct smoke passes"


def requests_have_ids_of_their_own(checked: Checked) -> str:
    """Two additions and two vends without a request id: each happens, and none is taken for another."""
    run = checked.new_run()
    user, token = run.account["userId"], f"Bearer {run.account['token']}"
    added = [
        run.call("POST", "/v1/credits/add", {"userId": user, "amount": 2}, x_api_key=run.members["adminKey"])
        for _ in range(2)
    ]  # fmt: skip
    vended = [run.call("POST", "/v1/vend-token", {}, authorization=token) for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in (*added, *vended)}
    require(len(ids) == 4, f"Requests share an id: {ids}")
    before = int(added[0].json()["newBalance"])
    balances = [
        added[1].json()["newBalance"],
        *(answer.json()["balanceAfter"] for answer in vended),
    ]
    require(balances == [before + 2, before + 1, before], f"Balances: {balances}")
    return "requests have ids of their own"


def containers_start(checked: Checked) -> str:
    """A call of each function that has a route: its container starts. On a busy machine a start may take
    longer than the function's time limit, so the answer is not looked at.
    """
    first = checked.first_of_each_function()

    def look(name: str) -> None:
        send(checked.base_url, first[name])

    _each(AT_ONCE, look, first)
    return f"containers of {len(first)} functions start"


def every_route_answers(checked: Checked) -> str:
    """Every sample event as a request, with the credentials of the run."""
    routed = {name: event for name, event in checked.events().items() if "routeKey" in event}

    def status(name: str) -> int:
        with _operator(routed[name]):
            answer = send(checked.base_url, fill(routed[name], checked.new_run()))
        refused = WITHOUT_AUTHORIZER.get(routed[name]["routeKey"])
        expected = is_expected(routed[name], answer.status_code)
        good = expected if refused is None else answer.status_code == refused
        require(good, f"{answer.status_code} {answer.text[:500]}")
        return answer.status_code

    statuses = Counter(_each(AT_ONCE, status, routed))
    return f"every route answers its sample event: {_counted(statuses)}"


def slow_calls_are_handed_over(checked: Checked) -> str:
    """A transcription service that is slow: 202 at once, and the worker in the engine waits for it."""
    run = checked.new_run()
    slow = [{"route": "transcribe", "action": {"kind": "delay", "seconds": SLOW_S}}]
    requests.post(f"{run.members['upstreamUrl']}/_control/faults", json=slow, timeout=10)
    ticket = {"authorization": f"Bearer {run.vended}"}
    started = run.call("POST", "/ttt/transcribe", {"url": VIDEO}, **ticket)
    told = started.json()
    require((started.status_code, told["status"]) == (202, "processing"), started.text)
    give_up_at = time.monotonic() + JOB_TIMEOUT_S
    while told.get("credit") != "captured":
        require(time.monotonic() < give_up_at, f"The job did not end: {told}")
        time.sleep(_LOOK_S)
        told = run.call("GET", f"/ttt/status/{started.json()['jobId']}", **ticket).json()
    return "a slow call is handed over to the queue and ends"


def edits_are_served(checked: Checked) -> str:
    """A line more in a function, and one in the layer, without a build or a start."""
    took = []
    for mark, name, edited in EDITS:
        path = checked.rig.checkout / name
        before = path.read_text(encoding="utf-8")
        path.write_text(before + _EDIT.format(name=edited, mark=mark), encoding="utf-8")
        took.append(f"{mark} {_seen(checked, mark):.1f} s")
        path.write_text(before, encoding="utf-8")
    return f"edits are served: {', '.join(took)}"


def functions_take_their_events(checked: Checked) -> str:
    """`sam local start-lambda` with every event that needs no secret, and with one of each kind that does."""
    template = load_template(checked.rig.checkout / "template.yaml")
    events = checked.events()
    names = [name for name in events if name in ONE_OF_A_KIND or not _needs_secret(events[name])]
    with started_lambda(checked.layout) as address:
        first = checked.first_of_each_function()
        used = first.keys() & {function_of(events[name], template) for name in names}
        _each(AT_ONCE, lambda name: call(address, name, first[name]), used)

        def look(name: str) -> None:
            with _operator(events[name]):
                event = fill(events[name], checked.new_run())
                ran, answer = call(address, function_of(event, template), event)
            require(ran and _is_answer(event, answer), str(answer))

        _each(AT_ONCE, look, names)
    return f"sam local start-lambda hands {len(names)} events to their functions"


def events_run_alone(checked: Checked) -> str:
    """`sam local invoke` with one event of each source, with a secret and without."""
    template = load_template(checked.rig.checkout / "template.yaml")
    events = checked.events()

    def look(name: str) -> None:
        event = fill(events[name], checked.new_run())
        done = invoke(checked.layout, function_of(event, template), event, quiet=True)
        answer = json.loads(done.stdout or "null") if done.returncode == 0 else None
        expected = done.returncode == 0 and _is_answer(event, answer)
        require(expected, f"{answer} {done.stderr[-1000:]}")

    _each(1, look, INVOKED)
    return f"sam local invoke runs {len(INVOKED)} events"


def no_image_was_built_by_sam(checked: Checked) -> str:
    """The image of the run has SAM's emulator, so SAM adds no layer and runs no container to make one."""
    require("Building image" not in checked.rig.said(), "SAM has built an image of its own.")
    return "SAM takes the run's image as it is"


Check = Callable[[Checked], str]

BESIDE_EACH_OTHER: tuple[tuple[Check, ...], ...] = (
    (every_route_answers, requests_have_ids_of_their_own),
    (functions_take_their_events,),
    (printed_lines_work, smoke_passes, events_run_alone),
)
"""Rows of checks that run at the same time: each event has an account of its own."""

FIRST: tuple[Check, ...] = (containers_start,)

ALONE: tuple[Check, ...] = (
    slow_calls_are_handed_over,
    edits_are_served,
    no_image_was_built_by_sam,
)
"""Checks that change what every call meets, and one of all that was said."""


def _each(number: int, look: Callable[[str], _T], names: Iterable[str]) -> list[_T]:
    """What `look` gives for each of `names`, `number` at a time. Raises CheckError with all faults."""
    faults: list[str] = []

    def looked(name: str) -> list[_T]:
        try:
            return [look(name)]
        except (CheckError, FillError, OSError) as error:
            faults.append(f"{name}: {error}")
            return []

    with ThreadPoolExecutor(number) as pool:
        found = [one for given in pool.map(looked, names) for one in given]
    require(not faults, "\n".join(faults))
    return found


def _is_answer(event: Event, answer: Any) -> bool:
    """Whether a function answers `event` like this; only a request has an answer with a status."""
    told = answer if isinstance(answer, dict) else {}
    if "routeKey" in event:
        return is_expected(event, told.get("statusCode", 0))
    return "errorType" not in told


def _operator(event: Event) -> AbstractContextManager[object]:
    """Held from the filling of `event` to its answer. A run has one operator, and one of the events with
    a session ends all sessions.
    """
    return _ONE_OPERATOR if "cookies" in event else nullcontext()


def _needs_secret(event: Event) -> bool:
    """Whether its function refuses it without a credential, or with a made-up one."""
    if "routeKey" not in event:
        return False
    has_one = any(name in event["headers"] for name in CREDENTIALS) or "cookies" in event
    texts = ("sample-password", "refreshSecret", "signature")
    return has_one or any(text in event.get("body", "") for text in texts)


def _seen(checked: Checked, mark: str) -> float:
    """The seconds until an answer has the mark of an edit."""
    began = time.monotonic()
    while True:
        answer = requests.get(f"{checked.base_url}/", timeout=60)
        if answer.headers.get("x-edited") == mark:
            return time.monotonic() - began
        require(time.monotonic() - began < EDIT_TIMEOUT_S, f"The edit {mark!r} is not served.")
        time.sleep(_LOOK_S)


def _counted(statuses: Mapping[int, int]) -> str:
    return ", ".join(f"{number} times {status}" for status, number in sorted(statuses.items()))
