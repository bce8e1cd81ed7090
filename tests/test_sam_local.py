"""`make sam-local` without Docker: what a container is given, what SAM reads, and the way to loopback."""

import asyncio
import ipaddress
import json
import os
import re
import socket
import time
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_socket import socket_allow_hosts

from engine.access.keyrings import Ring
from engine.platform import config
from engine.platform.errors import Unauthorized
from engine.transcription import webhook
from local.engine import free_port
from local.package import layers
from local.services import SERVICES
from local.settings import BASE_VARIABLES, ROOT
from local.template import Template, load_template, resources_of_type
from tools.sam import env, events
from tools.sam.daemon import DockerError
from tools.sam.forward import forwarding
from tools.sam.layer_image import MACHINES, RunImage, compile_own, emulator
from tools.sam.layout import Layout

pytestmark = pytest.mark.enable_socket

ENGINE = "http://127.0.0.1:4566"
DEPLOYED = {
    "TokensFunction": {
        "ENVIRONMENT": "local",
        "TABLE_NAME": "pluct-local-Table-1",
        "TTT_BASE": "http://127.0.0.1:4001",
        "TIKTOK_BASE": "https://www.tiktok.com",
        "CALLS_QUEUE": "http://localhost:4566/000000000000/calls",
        "DEAD_LETTERS": "http://localhost:4566/000000000000/a http://localhost:4567/000000000000/b",
        "_HANDLER": "app.lambda_handler",
    },
    "HealthFunction": {"ENVIRONMENT": "local", "NOTIFY_URL": "", "KMS_KEY": "key-1"},
}
NETWORK = ipaddress.IPv4Network("127.0.0.0/8")


@pytest.fixture(autouse=True)
def _another_address_of_this_machine(_no_network: None) -> None:
    """Linux has all of 127.0.0.0/8, so 127.0.0.2 stands for the bridge's address."""
    socket_allow_hosts(["127.0.0.1", "127.0.0.2"], allow_unix_socket=True)


@pytest.fixture
def source() -> Template:
    return load_template(ROOT / "template.yaml")


def test_a_container_is_given_its_function_s_own_variables_by_addresses_that_it_reaches() -> None:
    given = env.for_containers(DEPLOYED, ENGINE)
    tokens = given["TokensFunction"]
    assert tokens["TTT_BASE"] == "http://host.docker.internal:4001"
    assert tokens["CALLS_QUEUE"] == "http://host.docker.internal:4566/000000000000/calls"
    assert tokens["DEAD_LETTERS"].count("//host.docker.internal:456") == 2
    assert tokens["AWS_ENDPOINT_URL"] == "http://host.docker.internal:4566"
    assert (tokens["TABLE_NAME"], tokens["TIKTOK_BASE"]) == (
        "pluct-local-Table-1",
        "https://www.tiktok.com",
    )
    assert "TABLE_NAME" not in given["HealthFunction"]
    assert given["HealthFunction"]["KMS_KEY"] == "key-1"


def test_the_runtime_s_own_handler_and_the_caller_s_account_stay_out() -> None:
    for variables in env.for_containers(DEPLOYED, ENGINE).values():
        assert "_HANDLER" not in variables
        assert variables["AWS_SESSION_TOKEN"] == ""
        assert variables["AWS_ACCESS_KEY_ID"] == "test"


@pytest.mark.parametrize(
    "value",
    [
        "https://127.0.0.1.example.test",
        "http://localhost.example.test:80",
        "http://10.127.0.0.1:80",
        "127.0.0.1",
        "user@localhost",
    ],
)
def test_what_only_looks_like_loopback_is_left_alone(value: str) -> None:
    given = env.for_containers({"F": {"X": value}}, ENGINE)
    assert given["F"]["X"] == value


def test_the_ports_that_are_passed_on_are_those_that_containers_are_sent_to() -> None:
    assert env.ports(env.for_containers(DEPLOYED, ENGINE)) == {4566, 4567, 4001}


def test_the_engine_takes_the_name_that_containers_are_given() -> None:
    assert env.CONTAINER_HOST == config.CONTAINER_HOST


def test_every_variable_is_declared_since_sam_drops_the_others(source: Template) -> None:
    """Without this a container would call AWS itself."""
    declared = source["Globals"]["Function"]["Environment"]["Variables"]
    assert "AWS_ENDPOINT_URL" not in declared
    names = env.names(env.for_containers(DEPLOYED, ENGINE))
    made = Layout(Path("/run"), ROOT, "arm64").template(source, names)
    given = made["Globals"]["Function"]["Environment"]["Variables"]
    assert set(names) <= set(given)
    assert {name: given[name] for name in declared} == declared


@pytest.mark.parametrize("architecture", sorted(MACHINES))
def test_the_template_differs_in_places_processor_and_layers_alone(
    source: Template, architecture: str
) -> None:
    made = Layout(Path("/run"), ROOT, architecture).template(source, [])
    assert made["Globals"]["Function"]["Architectures"] == [architecture]
    for name, function in resources_of_type(made, "AWS::Serverless::Function").items():
        own = source["Resources"][name]["Properties"]["CodeUri"]
        assert function["Properties"]["CodeUri"] == str(ROOT / own)
        assert "Architectures" not in function["Properties"]
        function["Properties"]["CodeUri"] = own
        assert "Layers" not in function["Properties"]
    assert "Layers" not in made["Globals"]["Function"]
    made["Globals"] = source["Globals"]
    assert made == source


def test_sam_finds_everything_in_its_settings(tmp_path: Path) -> None:
    made = Layout(tmp_path / 'a "quoted" folder', ROOT, "x86_64")
    told = tomllib.loads(made.config("pluct-local/layer:1", 8787))["default"]
    for command in ("local_invoke", "local_start_api", "local_start_lambda"):
        options = told[command]["parameters"]
        assert options["template_file"] == str(made.template_file)
        assert options["env_vars"] == str(made.env_file)
        assert options["invoke_image"] == ["pluct-local/layer:1"]
        assert options["add_host"] == ["host.docker.internal:host-gateway"]
    assert told["local_start_api"]["parameters"]["host"] == "127.0.0.1"
    assert told["local_start_api"]["parameters"]["port"] == 8787


@pytest.fixture
def small(tmp_path: Path) -> Layout:
    """A checkout with a layer of two modules."""
    root = tmp_path / "checkout"
    for name in ("a", "b"):
        path = root / "layers/engine/engine" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} = 1\n", encoding="utf-8")
    (root / "layers/engine/engine/__init__.py").write_text("", encoding="utf-8")
    (root / "template.yaml").write_bytes((ROOT / "template.yaml").read_bytes())
    made = Layout(tmp_path / "run" / "sam", root, "x86_64")
    made.create()
    return made


def own(made: Layout) -> Path:
    return made.own_packages / "EngineLayer" / "python" / "engine"


def test_an_edit_of_the_layer_is_copied_where_the_image_is_made_of(small: Layout) -> None:
    assert small.copy_layers() is False
    source = small.root / "layers/engine/engine"
    (source / "a.py").write_text("a = 2\n", encoding="utf-8")
    (source / "b.py").unlink()
    (source / "new").mkdir()
    (source / "new" / "c.py").write_text("c = 1\n", encoding="utf-8")
    assert small.copy_layers() is True
    files = {path.relative_to(own(small)).as_posix() for path in own(small).rglob("*.py")}
    assert files == {"__init__.py", "a.py", "new/c.py"}
    assert (own(small) / "a.py").read_text(encoding="utf-8") == "a = 2\n"
    assert small.copy_layers() is False


def test_what_was_compiled_of_a_file_goes_with_its_edit(small: Layout) -> None:
    """Its check of the source is switched off, so Python would run the old one."""
    folder = own(small) / "__pycache__"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.cpython-313.pyc").write_bytes(b"x")
    source = small.root / "layers/engine/engine"
    (source / "a.py").write_text("a = 2\n", encoding="utf-8")
    assert small.copy_layers() is True
    assert [path.name for path in folder.iterdir()] == ["b.cpython-313.pyc"]


def test_what_a_run_compiled_for_itself_is_no_edit(small: Layout) -> None:
    compile_own(small)
    assert small.copy_layers() is False


def test_the_image_has_the_name_of_sam_s_own_image_of_its_repository(tmp_path: Path) -> None:
    """SAM takes an image of this name as it is (`LambdaImage.build`); else it makes one."""
    made = RunImage(Layout(tmp_path, ROOT, "arm64"), "public.ecr.aws/lambda/python:3.13-arm64")
    repository, _, tag = made.name.partition(":")
    assert tag == "rapid-arm64"
    other = RunImage(Layout(tmp_path / "other", ROOT, "arm64"), made.runtime)
    assert other.name.partition(":")[0] != repository


def test_without_sam_there_is_no_emulator(tmp_path: Path) -> None:
    with pytest.raises(DockerError, match="aws-lambda-rie-x86_64"):
        emulator(tmp_path, "x86_64")


def test_what_python_compiled_on_this_machine_is_no_edit(small: Layout) -> None:
    folder = small.root / "layers/engine/engine/__pycache__"
    folder.mkdir()
    (folder / "a.cpython-311.pyc").write_bytes(b"x")
    assert small.copy_layers() is False


def test_the_variables_are_their_owner_s_alone_and_go_with_the_run(small: Layout) -> None:
    small.write(env.for_containers(DEPLOYED, ENGINE), "image", 8787)
    assert small.folder.stat().st_mode & 0o077 == 0
    assert json.loads(small.env_file.read_text(encoding="utf-8"))["HealthFunction"]["KMS_KEY"]
    assert load_template(small.template_file)["Resources"]
    small.remove()
    assert not small.folder.exists()
    assert (small.root / "layers/engine/engine/a.py").exists()


def test_make_build_and_a_run_use_no_folder_in_common() -> None:
    """`make build` clears its folder; a run that is up reads other files."""
    folder = Path(".local/sam")
    told = Layout(ROOT / folder, ROOT, "arm64").config("image", 1)
    assert ".aws-sam" not in told
    assert ".local" in (ROOT / ".gitignore").read_text(encoding="utf-8")


def test_the_layer_s_own_builder_takes_each_processor() -> None:
    (layer,) = layers(load_template(ROOT / "template.yaml"), ROOT)
    text = (layer.source / "Makefile").read_text(encoding="utf-8")
    assert "manylinux2014_$(MACHINE)" in text
    assert f"MACHINE ?= {MACHINES['arm64']}" in text


def test_every_service_s_address_is_one_that_a_container_is_given(source: Template) -> None:
    declared = source["Globals"]["Function"]["Environment"]["Variables"]
    called = [one.variable for one in SERVICES if one.parameter in source["Parameters"]]
    assert set(BASE_VARIABLES) == {one.variable for one in SERVICES}
    assert len(called) >= 3 and set(called) <= set(declared)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with what it got, once the caller has said all."""
    writer.write(await reader.read())
    await writer.drain()
    writer.close()


async def _ask(address: str, port: int, said: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(said)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


def _with_echo(body: Callable[[int], Awaitable[Any]]) -> Any:
    """What `body` finds while an echo listens on loopback alone, at the port that it is given."""

    async def run() -> Any:
        port = free_port()
        async with await asyncio.start_server(_echo, "127.0.0.1", port):
            return await body(port)

    return asyncio.run(run())


def test_what_listens_on_loopback_is_reached_by_the_bridge_s_address() -> None:
    said = os.urandom(300_000)

    async def body(port: int) -> bytes:
        with pytest.raises(ConnectionRefusedError):
            await _ask("127.0.0.2", port, b"")
        async with forwarding("127.0.0.2", [port], NETWORK) as was_needed:
            assert was_needed
            return await _ask("127.0.0.2", port, said)

    assert _with_echo(body) == said


def test_nothing_listens_any_more_when_it_ends_also_with_a_connection_open() -> None:
    async def body(port: int) -> None:
        async with forwarding("127.0.0.2", [port], NETWORK):
            reader, writer = await asyncio.open_connection("127.0.0.2", port)
            writer.write(b"x")
        with pytest.raises(ConnectionRefusedError):
            await _ask("127.0.0.2", port, b"")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()

    _with_echo(body)


def test_a_caller_from_outside_the_bridge_s_network_gets_no_answer() -> None:
    async def body(port: int) -> bytes:
        others = ipaddress.IPv4Network("172.17.0.0/16")
        async with forwarding("127.0.0.2", [port], others):
            reader, writer = await asyncio.open_connection("127.0.0.2", port)
            try:
                return await asyncio.wait_for(reader.read(), 5)
            finally:
                writer.close()

    assert _with_echo(body) == b""


def test_an_upstream_that_is_away_closes_the_connection() -> None:
    async def body() -> bytes:
        port = free_port()
        async with forwarding("127.0.0.2", [port], NETWORK):
            reader, writer = await asyncio.open_connection("127.0.0.2", port)
            try:
                return await asyncio.wait_for(reader.read(), 5)
            finally:
                writer.close()

    assert asyncio.run(body()) == b""


def test_where_docker_runs_in_a_virtual_machine_there_is_nothing_to_pass_on() -> None:
    """The bridge's address is not this machine's then; 192.0.2.0/24 is nobody's (RFC 5737)."""

    async def body() -> bool:
        async with forwarding("192.0.2.77", [free_port()], NETWORK) as was_needed:
            return was_needed

    assert asyncio.run(body()) is False


def test_a_port_that_is_taken_at_the_bridge_is_an_error() -> None:
    async def body(port: int) -> None:
        async with forwarding("127.0.0.2", [port], NETWORK):
            pass

    with socket.socket() as taken:
        taken.bind(("127.0.0.2", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            asyncio.run(body(port))


def test_each_command_of_the_documents_names_what_there_is() -> None:
    text = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("sam-local", "sam-invoke", "check-sam-local"):
        assert f"make {target}" in text
        assert f"\n{target}:" in makefile
    functions = resources_of_type(
        load_template(ROOT / "template.yaml"), "AWS::Serverless::Function"
    )
    assert set(re.findall(r"samconfig\.toml (\w+)", text)) <= functions.keys()
    named = re.findall(r"events/\w+\.json", text)
    assert len(named) >= 3
    assert all((ROOT / name).exists() for name in named)


def test_the_sample_notice_of_a_job_is_signed_as_the_engine_checks_it() -> None:
    event = events.read(ROOT / "events/job_webhook.json")
    run = events.Run({})
    run.job_secret = "shared"  # What the run would be asked for.
    body = events.fill(event, run)["body"]
    notice = webhook.verify(body.encode(), Ring(("shared",)), now=int(time.time()))
    assert (notice.job_id, notice.status) == (json.loads(event["body"])["jobId"], "completed")
    with pytest.raises(Unauthorized):
        webhook.verify(body.encode(), Ring(("other",)), now=int(time.time()))
