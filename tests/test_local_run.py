"""The local run deploys the whole template, and its front adds only what API Gateway adds."""

import asyncio
import importlib.util
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from local import function_entry
from local.front import AT_ONCE, BODY_LIMIT_BYTES, Front
from local.function_entry import ANSWER_MARK
from local.runfile import RunFile
from local.settings import ROOT
from local.template import Template, load_template
from local.translate import Translation, translate, without_types

pytestmark = pytest.mark.enable_socket

Engine = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ROOT / "template.yaml")


@pytest.fixture(scope="module")
def translated(template: Template) -> Translation:
    return translate(template, "bucket")


def test_each_event_of_the_template_becomes_a_route(
    template: Template, translated: Translation
) -> None:
    events = [
        event["Properties"]
        for resource in template["Resources"].values()
        for event in resource.get("Properties", {}).get("Events", {}).values()
        if event["Type"] == "HttpApi"
    ]
    wanted = {f"{e['Method']} {e['Path']}" if "Path" in e else "$default" for e in events}
    resources = translated.template["Resources"].values()
    routes = [r["Properties"] for r in resources if r["Type"] == "AWS::ApiGatewayV2::Route"]
    assert translated.routes == wanted
    assert {route["RouteKey"] for route in routes} == wanted
    assert len(routes) == len(events)


def test_the_copy_leaves_room_for_a_hundred_more_routes(translated: Translation) -> None:
    """CloudFormation, and the engine's too, allows a stack 500 resources, and each route is one."""
    assert len(translated.template["Resources"]) < 400
    assert "permissions to invoke functions" in translated.engine_gaps


def test_a_property_without_effect_in_the_engine_is_reported(translated: Translation) -> None:
    assert "point-in-time recovery (Table)" in translated.engine_gaps


def test_an_unsupported_type_is_left_out_with_everything_that_refers_to_it() -> None:
    resources = {
        "Odd": {"Type": "AWS::Odd::Thing", "Properties": {}},
        "Needs": {"Type": "AWS::SQS::Queue", "Properties": {"X": {"Fn::Sub": "a-${Odd.Arn}"}}},
        "After": {"Type": "AWS::SQS::Queue", "DependsOn": ["Odd", "Free"], "Properties": {}},
        "Free": {"Type": "AWS::SQS::Queue", "Properties": {}},
    }
    outputs = {"OddArn": {"Value": {"Fn::GetAtt": ["Odd", "Arn"]}}, "FreeArn": {"Value": "x"}}
    whole = Translation({"Resources": resources, "Outputs": outputs}, frozenset(), ())
    left = without_types(whole, {"AWS::Odd::Thing"})
    assert set(left.template["Resources"]) == {"After", "Free"}
    assert left.template["Resources"]["After"]["DependsOn"] == ["Free"]
    assert set(left.template["Outputs"]) == {"FreeArn"}
    assert left.engine_gaps == ("AWS::SQS::Queue (Needs)", "AWS::Odd::Thing (Odd)")


def test_a_port_in_use_is_reported_in_one_line_and_nothing_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        refused = subprocess.run(
            [sys.executable, "-m", "local"],
            cwd=ROOT,
            env={**os.environ, "PORT": str(port), "RUN_FILE": str(tmp_path / "run.json")},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_run_file_is_private_and_never_removed_by_another_run(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.json"
    first = RunFile.write(path, {"baseUrl": "http://127.0.0.1:1"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"baseUrl": "http://127.0.0.1:1"}
    second = RunFile.write(path, {"baseUrl": "http://127.0.0.1:2"})
    first.remove()
    assert path.exists()
    second.remove()
    assert list(path.parent.iterdir()) == []


async def _echo(request: web.BaseRequest) -> web.StreamResponse:
    """An engine whose function echoes the request."""
    seen = {
        "method": request.method,
        "path": request.raw_path,
        "headers": [[name.lower(), value] for name, value in request.headers.items()],
        "body": (await request.read()).hex(),
    }
    return web.json_response(seen, headers={ANSWER_MARK: "1"})


async def _listen(runner: web.ServerRunner) -> int:
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port: int = runner.addresses[0][1]
    return port


async def _whole(reader: asyncio.StreamReader) -> bytes:
    """A whole answer; the connection may stay open after it."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head + await reader.readexactly(int(length))


def _through(engine: Engine, sent: bytes, **settings: Any) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the front's answer to the bytes `sent`."""
    (answer,) = asyncio.run(_answers(engine, sent, 1, settings))
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body


def _all_through(engine: Engine, sent: bytes, count: int) -> list[int]:
    """The statuses of `count` concurrent requests with the same bytes."""
    answers = asyncio.run(_answers(engine, sent, count, {}))
    return [int(answer.split()[1]) for answer in answers]


async def _answers(engine: Engine, sent: bytes, count: int, settings: Any) -> list[bytes]:
    shown: list[str] = []
    behind = web.ServerRunner(web.Server(engine, auto_decompress=False))
    await behind.setup()
    target = f"http://127.0.0.1:{await _listen(behind)}/api"
    front = Front(target, "127.0.0.1:8787", shown.append, shown.append, **settings)
    runner = await front.open()
    port = await _listen(runner)

    async def answer() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        try:
            return await asyncio.wait_for(_whole(reader), 10)
        finally:
            writer.close()

    try:
        return await asyncio.gather(*(answer() for _ in range(count)))
    finally:
        await runner.cleanup()
        await front.close()
        await behind.cleanup()


def _request(target: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1:8787", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/a%2Fb",
        "/a/../b",
        "//a//b/",
        "/%00",
        "/%zz",
        "/a%252e?b=%2F&b=2&c",
        "/{x}|\\^?;",
        "/$x",
    ],
)
def test_the_front_forwards_path_and_query_unchanged(target: str) -> None:
    status, _, body = _through(_echo, _request(target))
    assert status == 200
    assert json.loads(body)["path"] == "/api" + target


def test_the_front_forwards_method_headers_and_body_unchanged() -> None:
    given = [
        "X-Twice: 1",
        "X-Twice: 2",
        "Content-Type: x/y",
        "Content-Encoding: gzip",
        "Cookie: a=1",
    ]
    body = bytes(range(256))
    _, _, answer = _through(_echo, _request("/", *given, method="PATCH", body=body))
    seen = json.loads(answer)
    assert (seen["method"], seen["body"]) == ("PATCH", body.hex())
    added = {"host", "content-length", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"}
    kept = [f"{name}: {value}" for name, value in seen["headers"] if name not in added]
    assert sorted(kept) == sorted(
        line.split(":")[0].lower() + line[line.index(":") :] for line in given
    )


def test_the_front_limits_concurrent_calls_and_answers_all_of_them() -> None:
    under_way = most = 0

    async def engine(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return web.json_response({}, headers={ANSWER_MARK: "1"})

    statuses = _all_through(engine, _request("/"), 4 * AT_ONCE)
    assert statuses == [200] * 4 * AT_ONCE
    assert most == AT_ONCE


def test_the_front_appends_the_address_of_the_caller() -> None:
    forged = ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443"]
    _, _, body = _through(_echo, _request("/", *forged))
    headers = dict(json.loads(body)["headers"])
    assert headers["x-forwarded-for"] == "192.0.2.1, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-port"] == "8787"


@pytest.mark.parametrize(
    "host", ["bucket.s3.localhost", "0123abcd.execute-api.localhost:8787", "x y"]
)
def test_no_host_header_reaches_a_service_of_the_engine(host: str) -> None:
    sent = _request("/").replace(b"Host: 127.0.0.1:8787", f"Host: {host}".encode())
    _, _, body = _through(_echo, sent)
    assert dict(json.loads(body)["headers"])["host"] == "127.0.0.1:8787"


def test_an_exception_is_answered_as_by_api_gateway_without_its_text() -> None:
    async def failing(_request: web.BaseRequest) -> web.StreamResponse:
        text = {"errorMessage": "secret text", "errorType": "Runtime.HandlerError"}
        return web.json_response(text, status=502)

    status, headers, body = _through(failing, _request("/"))
    assert (status, body) == (500, b'{"message":"Internal Server Error"}')
    assert headers["content-type"].startswith("application/json")


def test_an_answer_of_the_function_is_returned_with_any_status_and_without_the_mark() -> None:
    async def refusing(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=502, body=b"own", headers={ANSWER_MARK: "1", "X-Own": "yes"})

    status, headers, body = _through(refusing, _request("/"))
    assert (status, body, headers["x-own"]) == (502, b"own", "yes")
    assert ANSWER_MARK not in headers


def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    sent = _request("/", f"Content-Length: {BODY_LIMIT_BYTES + 1}", method="POST")
    status, _, body = _through(_echo, sent)
    assert (status, body) == (413, b'{"message":"Request Too Long"}')


def test_a_function_that_takes_too_long_is_answered_with_503() -> None:
    async def hanging(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return web.Response()

    status, _, body = _through(hanging, _request("/"), upstream_timeout_s=0.05)
    assert (status, body) == (503, b'{"message":"Service Unavailable"}')


def _entry(monkeypatch: pytest.MonkeyPatch, handler: Callable[[Any, Any], Any]) -> Any:
    """The local entry as in a function's package, with `handler` as the function's own."""
    monkeypatch.setattr(function_entry, "handler_of_the_test", handler, raising=False)
    monkeypatch.setenv("_HANDLER", "local.function_entry.handler_of_the_test")
    spec = importlib.util.spec_from_file_location("function_entry", function_entry.__file__)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.lambda_handler


def _event(**headers: str) -> dict[str, Any]:
    request = {"http": {"sourceIp": "127.0.0.1"}, "domainName": "x"}
    return {"version": "2.0", "headers": headers, "requestContext": request, "pathParameters": None}


def test_a_function_sees_an_event_like_those_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = _entry(monkeypatch, lambda event, _: {"statusCode": 200, "event": event})
    headers = {
        "x-forwarded-for": "192.0.2.1, 127.0.0.9",
        "host": "localhost:1",
        "cookie": "a=1; b=2",
    }
    seen = entry(_event(**headers), None)["event"]
    assert seen["requestContext"]["http"]["sourceIp"] == "127.0.0.9"
    assert seen["requestContext"]["domainName"] == "localhost:1"
    assert seen["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in seen["headers"]
    assert "pathParameters" not in seen


def test_a_handler_that_raises_answers_500_without_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(_event: Any, _context: Any) -> None:
        raise ValueError("secret text")

    entry = _entry(monkeypatch, failing)
    answer = entry(_event(), None)
    assert (answer["statusCode"], answer["body"]) == (500, '{"message":"Internal Server Error"}')
    assert "secret text" in capsys.readouterr().err
    with pytest.raises(ValueError, match="secret text"):
        entry({"Records": []}, None)
