"""Runs everything that a local run consists of, and ends all of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from botocore.exceptions import BotoCoreError, ClientError

from local import first_operator, sample_packs, services
from local.deploy import SECRETS_PREFIX, DeployError, Deployment, deploy, put_secret
from local.engine import Engine, aws_client, start_ready
from local.engine_main import ISSUERS_VARIABLE
from local.front import Front, to_terminal
from local.function_entry import LOG_PORT_VARIABLE, WARM_UP
from local.logs import FunctionLogs, log_socket, printable
from local.package import function_package, layer_package, layers
from local.ready_message import summary
from local.runfile import RunFile, secret_members
from local.settings import Settings
from local.template import Template, known_parameters, load_template, resources_of_type

DEMO_USER = "demo-user"
WELCOME_CREDITS = 10
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WEBHOOK_ROUTE = "POST /webhooks/tttranscribe"


class RunError(RuntimeError):
    """A part of the run has failed; the text says which."""


async def run(settings: Settings, listener: socket.socket, started: float) -> None:
    """Serves on `listener` until a signal arrives or the engine stops; leaves no process and no run file.

    `started` is `time.monotonic()` at the start; the time until readiness is printed.
    Raises RunError, DeployError, EngineError or PackageError when the run cannot continue.
    """
    serving = asyncio.create_task(_serve(settings, listener, started))
    cancel_on_signals(serving)
    try:
        await serving
    except asyncio.CancelledError:
        to_terminal("\nStopped.\n")


async def _serve(settings: Settings, listener: socket.socket, started: float) -> None:
    async with AsyncExitStack() as held:
        ended = await _start(settings, listener, held, started)
        raise RunError(f"The engine stopped unexpectedly: {await ended}")


def cancel_on_signals(serving: asyncio.Task[None]) -> None:
    """Has Ctrl-C and its like cancel `serving`, once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # Stopping takes a moment; a second Ctrl-C must not interrupt it.
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, _ignore)
        serving.cancel()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop)


def _ignore() -> None:
    """Does nothing, because the run is already stopping."""


@dataclass(frozen=True)
class _Parts:
    """The parts of a run once the stack is deployed."""

    template: Template
    base_url: str
    engine: Engine
    deployment: Deployment
    upstreams: tuple[services.Upstream, ...]


async def _start(
    settings: Settings, listener: socket.socket, held: AsyncExitStack, started: float
) -> asyncio.Future[str]:
    """Starts all parts in order. Returns a future that has the end of the engine's log once it stops."""
    settings.run_file.unlink(missing_ok=True)
    template = load_template(settings.root / "template.yaml")
    log_port = await _show_function_logs(settings, held)
    upstreams = services.choose(template, settings)
    function_env = {
        LOG_PORT_VARIABLE: str(log_port),
        ISSUERS_VARIABLE: json.dumps(services.issuers(upstreams)),
        **settings.function_env,
    }
    engine = await asyncio.to_thread(start_ready, settings.root, function_env, settings.engine_port)
    held.callback(engine.stop)
    ended = _end_of(engine)
    deployment = await asyncio.to_thread(_deploy, settings, template, engine, upstreams)
    parts = _Parts(template, services.origin(listener), engine, deployment, upstreams)
    standins = await _start_standins(parts, held)
    await _start_front(parts, settings, listener, held)
    if not settings.is_cold:
        await asyncio.to_thread(_warm_up, engine.endpoint, deployment.functions)
    members = _members(parts, await _create_demo_user(parts.base_url)) | await asyncio.to_thread(
        first_operator.create, engine.endpoint, deployment.table_name
    )
    await asyncio.to_thread(sample_packs.create, engine.endpoint, deployment.table_name)
    held.callback(RunFile.write(settings.run_file, members).remove)
    for variable in services.ignored(template, settings):
        to_terminal(f"{variable} is set, but this template does not call that service.\n")
    to_terminal(summary(members, standins, deployment.engine_gaps))
    to_terminal(f"Ready in {time.monotonic() - started:.1f} s. Ctrl-C stops everything.\n")
    return ended


async def _show_function_logs(settings: Settings, held: AsyncExitStack) -> int:
    receiver = log_socket()
    port: int = receiver.getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: FunctionLogs(to_terminal, settings.quiet), sock=receiver
    )
    held.callback(transport.close)
    return port


def _end_of(engine: Engine) -> asyncio.Future[str]:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[str] = loop.create_future()

    def tell(text: str) -> None:
        if not ended.done():
            ended.set_result(text)

    def watch() -> None:
        code = engine.wait_end()
        # The loop is closed when the run itself has stopped the engine.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, f"exit code {code}\n{engine.log_tail()}")

    threading.Thread(target=watch, daemon=True).start()
    return ended


def _deploy(
    settings: Settings, template: Template, engine: Engine, upstreams: tuple[services.Upstream, ...]
) -> Deployment:
    if settings.ttt_secret:
        put_secret(engine.endpoint, "TTT_SHARED_SECRET", settings.ttt_secret)
    if "OpenrouterBase" in template["Parameters"]:
        put_secret(
            engine.endpoint,
            "PROVISIONING_API_KEY",
            settings.provisioning_key or "sk-or-v1-" + secrets.token_hex(32),
        )
    for name, secret in services.shared_secrets(settings.shared_secrets).items():
        put_secret(engine.endpoint, name, secret)
    packages = _packages(template, settings.root, engine.workdir)
    parameters = _parameters(template, settings, upstreams)
    try:
        return deploy(engine.endpoint, template, packages, parameters)
    except (BotoCoreError, ClientError) as error:
        raise DeployError(f"The engine refused the stack: {error}\n{engine.log_tail()}") from error


def _packages(template: Template, root: Path, workdir: Path) -> dict[str, bytes]:
    functions = resources_of_type(template, "AWS::Serverless::Function")
    packed = {name: function_package(function, root) for name, function in functions.items()}
    for layer in layers(template, root):
        packed[layer.logical_id] = layer_package(layer, root / ".cache", workdir)
    return packed


def _parameters(
    template: Template, settings: Settings, upstreams: tuple[services.Upstream, ...]
) -> dict[str, str]:
    wanted: dict[str, str | None] = {
        "Environment": "local",
        "RateLimit": str(settings.rate_limit) if settings.rate_limit else None,
        "RequestTimeout": str(settings.request_timeout) if settings.request_timeout else None,
        "AllowedOrigins": "*",
        "WelcomeCredits": str(WELCOME_CREDITS),
        "AllowUserCreate": "true",
        "AllowAnonymousVend": "true",
        "AllowAnonymousHistory": "true",
        "AllowHeaderIdentity": "true",
        # As the first version documents it; a deployment must choose it.
        "PlanPolicy": "reset",
        "BuildRef": _build_ref(settings.root),
        "DeployedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **{upstream.service.parameter: upstream.base for upstream in upstreams},
        **services.PAYMENT_PARAMETERS,
        **settings.front,
    }
    return known_parameters(template, wanted)


def _build_ref(root: Path) -> str | None:
    """The current commit; None without git or a commit."""
    try:
        asked = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() or None


async def _start_standins(parts: _Parts, held: AsyncExitStack) -> dict[str, str]:
    """Starts the stand-ins; returns the address of every service by its title."""
    titles: dict[str, str] = {}
    for upstream in parts.upstreams:
        title = upstream.service.title
        if upstream.listener is None:
            titles[title] = upstream.base
            continue
        settings = _shared(parts, upstream.service)
        held.push_async_callback(
            await services.start(upstream.service, upstream.listener, **settings)
        )
        titles[f"{title} stand-in"] = upstream.base
    return titles


def _shared(parts: _Parts, service: services.Service) -> dict[str, Any]:
    """The settings of a stand-in that depend on the deployed stack."""
    deployment = parts.deployment
    if service.parameter == "OpenrouterBase":
        return {"management_key": deployment.secrets["PROVISIONING_API_KEY"]}
    if service.parameter == "TttBase":
        return _transcriber(parts)
    return services.payment_settings(
        service.module, deployment.secrets, deployment.routes, parts.base_url
    )


def _transcriber(parts: _Parts) -> dict[str, Any]:
    """The settings of the stand-in for TTTranscribe."""
    _, _, path = _WEBHOOK_ROUTE.partition(" ")
    calls_back = _WEBHOOK_ROUTE in parts.deployment.routes
    return {
        "secret": parts.deployment.secrets["TTT_SHARED_SECRET"],
        "webhook_url": parts.base_url + path if calls_back else None,
    }


async def _start_front(
    parts: _Parts, settings: Settings, listener: socket.socket, held: AsyncExitStack
) -> None:
    front = Front(
        target=parts.engine.endpoint + parts.deployment.api_path,
        own_host=parts.base_url.removeprefix("http://"),
        secret=parts.deployment.secrets.get("FRONT_SECRET", ""),
        show=_nothing if settings.quiet else to_terminal,
        show_error=lambda text: to_terminal(f"  engine | {printable(text)}\n"),
    )
    runner = await front.open()
    held.push_async_callback(front.close)
    held.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listener).start()


def _nothing(_line: str) -> None:
    """Shows nothing: a quiet run."""


def _warm_up(endpoint: str, functions: tuple[str, ...]) -> None:
    """Starts a process of each function, so that the first request is not a cold start."""
    client = aws_client("lambda", endpoint)
    payload = json.dumps(WARM_UP).encode()
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda name: client.invoke(FunctionName=name, Payload=payload), functions))


async def _create_demo_user(base_url: str) -> str:
    """Creates the demo user over HTTP, which also verifies access to the table. Raises RunError."""
    asked = {"userId": DEMO_USER, "initialCredits": WELCOME_CREDITS}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{base_url}/user/create", json=asked) as answer,
    ):
        if answer.status not in {200, 201}:
            raise RunError(f"The demo user was not created: {answer.status} {await answer.text()}")
    return DEMO_USER


def _members(parts: _Parts, demo_user: str) -> dict[str, str]:
    """The members of the run file; other programs rely on these names."""
    return {
        "baseUrl": parts.base_url,
        "engineUrl": parts.engine.endpoint,
        "tableName": parts.deployment.table_name,
        "secretsPrefix": SECRETS_PREFIX,
        **secret_members(parts.deployment.secrets),
        "demoUser": demo_user,
        **{upstream.service.member: upstream.base for upstream in parts.upstreams},
    }
