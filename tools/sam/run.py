"""Starts the local engine and the stand-ins, and `sam local start-api` beside them; ends all of it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from local.engine import free_port
from local.front import to_terminal
from local.ready_message import summary
from local.runfile import RunFile
from local.services import LOOPBACK, SERVICES
from local.settings import Settings
from local.supervisor import RunError, cancel_on_signals
from local.template import load_template
from tools.sam import daemon, env
from tools.sam.daemon import Docker
from tools.sam.forward import forwarding
from tools.sam.layer_image import RunImage, compile_own
from tools.sam.layout import Layout
from tools.sam.programs import Program, program

SAM = ".venv-sam/bin/sam"
FOLDER = "sam"
"""Beside the run file."""
READY = "Ready in "
ANSWER_TIMEOUT_S = 120.0
_GRACE_S = 30.0
_LOOK_S = 0.5
_START_LOOK_S = 0.1


def layout_beside(run_file: Path, root: Path, architecture: str) -> Layout:
    """Where a run with this run file keeps what SAM reads."""
    return Layout(run_file.parent / FOLDER, root, architecture)


async def run(settings: Settings) -> None:
    """Serves until a signal or the end of one of the parts; leaves no program, port or file.

    Raises RunError, DockerError, PackageError or OSError when it cannot go on.
    """
    serving = asyncio.create_task(_serve(settings, time.monotonic()))
    cancel_on_signals(serving)
    try:
        await serving
    except asyncio.CancelledError:
        to_terminal("\nStopped.\n")


async def _serve(settings: Settings, started: float) -> None:
    docker, runtime = await asyncio.to_thread(_ready_docker, settings.root)
    layout = layout_beside(settings.run_file, settings.root, docker.architecture)
    port = settings.port or free_port()
    _require_free(port)
    async with AsyncExitStack() as held:
        held.callback(layout.remove)
        await asyncio.to_thread(layout.create)
        image = RunImage(layout, runtime)
        held.callback(image.remove)
        making = asyncio.create_task(asyncio.to_thread(_make, image))
        held.push_async_callback(_ended, making)
        beside, members = await _start_local_run(settings, layout, held)
        await making
        given = await asyncio.to_thread(_environment, members["engineUrl"])
        layout.write(given, image.name, port)
        await held.enter_async_context(forwarding(docker.gateway, env.ports(given), docker.network))
        api = await _start_api(settings, layout, port, held)
        members = {**members, "baseUrl": f"http://{LOOPBACK}:{port}"}
        await _first_answer(members["baseUrl"])
        held.callback(RunFile.write(settings.run_file, members).remove)
        to_terminal(summary(members, _services(members, settings.bases), ()))
        to_terminal(f"One event, one container: {_invocation(layout)}\n")
        to_terminal(f"{READY}{time.monotonic() - started:.1f} s. Ctrl-C stops everything.\n")
        await _until_one_ends({"The local run": beside, "sam local start-api": api}, image)


def _ready_docker(root: Path) -> tuple[Docker, str]:
    """Docker, and AWS's image of the runtime, which is fetched once: SAM would ask the registry each time."""
    if not (root / SAM).exists():
        raise RunError("The SAM command line is not installed: run `make setup-sam`.")
    docker = daemon.find()
    runtime = load_template(root / "template.yaml")["Globals"]["Function"]["Runtime"]
    image = daemon.runtime_image(runtime, docker.architecture)
    if not daemon.has_image(image):
        to_terminal(f"Fetching {image} (once) ...\n")
        daemon.pull(image)
    return docker, image


def _make(image: RunImage) -> None:
    compile_own(image.layout)
    image.make()


async def _ended(making: asyncio.Task[None]) -> None:
    """Returns once nothing is made any more, whether it succeeded or not."""
    await asyncio.gather(making, return_exceptions=True)


def _require_free(port: int) -> None:
    """Raises RunError when something listens on the port: SAM would say so only after everything else."""
    with socket.socket() as probe:
        if probe.connect_ex((LOOPBACK, port)) == 0:
            raise RunError(f"{LOOPBACK}:{port} is in use; PORT= chooses another.")


async def _start_local_run(
    settings: Settings, layout: Layout, held: AsyncExitStack
) -> tuple[Program, dict[str, str]]:
    """`make run` behind the scenes, on a port of its own: the members of its run file."""
    run_file = layout.folder / "run.json"
    started = await held.enter_async_context(
        program(
            sys.executable,
            "-m",
            "local",
            folder=settings.root,
            # Most functions run in containers, so their processes in the engine would be started for nothing.
            environ={**os.environ, "PORT": "0", "RUN_FILE": str(run_file), "COLD": "1"},
            grace_s=_GRACE_S,
            output=asyncio.subprocess.PIPE,
        )
    )
    output = started.stdout
    if output is None:
        raise RunError("The local run has no output.")
    said: list[str] = []
    while not said or not said[-1].startswith(READY):
        line = (await output.readline()).decode(errors="replace")
        if not line:
            raise RunError(f"The local run did not get ready:\n{''.join(said)}")
        said.append(line)
    relaying = asyncio.create_task(_relay(output))
    held.callback(relaying.cancel)
    members: dict[str, str] = json.loads(run_file.read_text(encoding="utf-8"))
    return started, members


async def _relay(output: asyncio.StreamReader) -> None:
    """Shows what the functions say that run in the engine: those of streams, queues and schedules."""
    while line := await output.readline():
        to_terminal(line.decode(errors="replace"))


def _environment(engine_url: str) -> env.Environment:
    return env.for_containers(env.deployed(engine_url), engine_url)


async def _start_api(
    settings: Settings, layout: Layout, port: int, held: AsyncExitStack
) -> Program:
    """Raises RunError when it ends or does not listen. A call would start a container, so none is made."""
    held.callback(_remove_containers, settings.root)
    started = await held.enter_async_context(
        program(
            str(settings.root / SAM),
            *("local", "start-api", "--config-file", str(layout.config_file)),
            folder=layout.folder,
            environ={**os.environ, **layout.sam_environ},
            grace_s=_GRACE_S,
        )
    )
    # Before SAM is told to stop: it would give each container three seconds, one after the other.
    held.callback(_remove_containers, settings.root)
    give_up_at = time.monotonic() + ANSWER_TIMEOUT_S
    while time.monotonic() < give_up_at and started.returncode is None:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            await asyncio.sleep(_START_LOOK_S)
            continue
        writer.close()
        return started
    raise RunError("sam local start-api did not come up; its own lines say why.")


def _remove_containers(root: Path) -> None:
    """Those of this checkout; once SAM has ended, what it left behind where it had to be killed."""
    daemon.remove(daemon.containers(root / "functions"))


async def _first_answer(base_url: str) -> None:
    """Has a container started, and proves the way to the table. Raises RunError.

    SAM answers 200 for a function that failed, so the status alone says nothing.
    """
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{base_url}/health") as answer,
        ):
            said = await answer.text()
            if answer.status == 200 and "status" in json.loads(said):
                return
            said = f"{answer.status} {said[:500]}"
    except (TimeoutError, aiohttp.ClientError, ValueError, TypeError) as error:
        said = repr(error)
    raise RunError(f"The first call was not answered ({said}); the lines above say why.")


def _services(members: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    return {
        service.title + ("" if service.variable in given else " stand-in"): members[service.member]
        for service in SERVICES
        if service.member in members
    }


def _invocation(layout: Layout) -> str:
    return f"{SAM} local invoke --config-file {layout.config_file} HealthFunction -e events/health.json"


async def _until_one_ends(parts: Mapping[str, Program], image: RunImage) -> None:
    """Serves edits of the layer meanwhile. Raises RunError that names the part."""
    while True:
        for title, part in parts.items():
            if part.returncode is not None:
                raise RunError(f"{title} ended by itself, exit code {part.returncode}.")
        if await asyncio.to_thread(image.layout.copy_layers):
            await asyncio.to_thread(_replace, image)
            to_terminal("The layer has changed: the next call of each function reads it.\n")
        await asyncio.sleep(_LOOK_S)


def _replace(image: RunImage) -> None:
    """Has the next container of each function started from an image with the edit."""
    image.make()
    _remove_containers(image.layout.root)
    image.remove_replaced()
