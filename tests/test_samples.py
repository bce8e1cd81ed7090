"""The samples of the documentation: each makes the call that the description's example describes.

Python and the terminal's command run against a server that records the call. TypeScript is compiled and then
run likewise where its compiler is installed. Kotlin and Swift are parsed; nothing here compiles them.
"""

import inspect
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import tree_sitter_kotlin
import tree_sitter_swift
import tree_sitter_typescript
from tree_sitter import Language, Parser

from tests.support import schema
from tests.support.template import ROOT
from tools.docs import example_call, operations, samples
from tools.docs.example_call import ExampleCall, Header

GRAMMARS = {
    "Kotlin": tree_sitter_kotlin.language,
    "Swift": tree_sitter_swift.language,
    "TypeScript": tree_sitter_typescript.language_typescript,
}
TSC = ROOT / ".cache" / "typescript" / "node_modules" / ".bin" / "tsc"
HOSTILE = '$x ${x} \\(x) \\ " \' \'\'\' """ ` # "# \n\t\r\0 {x} %s é \U0001f600 \u2028 @'
HOSTILE_CALL = ExampleCall(
    "doThings",
    "POST",
    "/things/a%20b?q=%24x",
    (
        Header("Authorization", "Bearer $x\\(x){`\"' ", "USER_TOKEN"),
        Header("X-Id", "", "REQUEST_ID"),
    ),
    "application/json",
    {HOSTILE: [HOSTILE, {"long": "x" * 100}, [], {}, None, True, 1.5, "@file"]},
)
HOSTILE_TEXT_CALL = ExampleCall("sendText", "PUT", "/texts", (), "text/csv", "@" + HOSTILE)
Recorded = tuple[str, str, dict[str, str], bytes]


@cache
def calls() -> list[ExampleCall]:
    document = schema.document()
    described = [
        example_call.of(document, one.method, one.path, one.members)
        for one in operations.listed(document)
    ]
    return [*described, HOSTILE_CALL]


def value_of(variable: str) -> str:
    return f"{variable.lower()}-$value"


def wanted(call: ExampleCall) -> Recorded:
    """What a server gets of `call`."""
    headers = {
        one.name.lower(): one.text + (value_of(one.variable) if one.variable else "")
        for one in call.headers
    }
    if call.body is None:
        return call.method, call.target, headers, b""
    headers["content-type"] = call.media_type
    body = json.dumps(call.body, sort_keys=True) if call.is_json else call.body
    return call.method, call.target, headers, body.encode()


class Recorder(ThreadingHTTPServer):
    """Keeps the calls that it gets, and answers all with the same small object."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[Recorded] = []

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def last(self, call: ExampleCall) -> Recorded:
        """The latest call, with those headers alone that `call` sets, and JSON in one form."""
        method, target, headers, body = self.got[-1]
        set_by_call = {name.lower() for name in wanted(call)[2]}
        kept = {name: text for name, text in headers.items() if name in set_by_call}
        if call.is_json and body:
            body = json.dumps(json.loads(body), sort_keys=True).encode()
        return method, target, kept, body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append((self.command, self.path, headers, body))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def __getattr__(self, name: str) -> Any:
        """The method for each of HTTP's, such as `do_GET`."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, format: str, *arguments: object) -> None:
        """The terminal belongs to the tests."""


@contextmanager
def recording() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with recording() as server:
        yield server


@pytest.mark.parametrize("call", calls(), ids=lambda call: call.name)
def test_the_python_sample_sends_the_example(call: ExampleCall, recorder: Recorder) -> None:
    names: dict[str, Any] = {}
    exec(compile(samples.python(call), call.name, "exec"), names)
    (function,) = [one for one in names.values() if inspect.isfunction(one)]
    response = function(recorder.base, *map(value_of, call.variables))
    assert response.json() == {}
    assert recorder.last(call) == wanted(call)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("call", calls(), ids=lambda call: call.name)
def test_the_command_of_a_terminal_sends_the_example(call: ExampleCall, recorder: Recorder) -> None:
    variables = {name: value_of(name) for name in call.variables}
    ran = subprocess.run(
        ["sh", "-c", samples.curl(call)],
        env={"PATH": os.environ["PATH"], "BASE": recorder.base, **variables},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout == b"{}"
    assert recorder.last(call) == wanted(call)


def test_a_text_that_begins_like_a_files_name_is_sent_as_it_is(recorder: Recorder) -> None:
    call = ExampleCall("sendText", "PUT", "/texts", (), "text/csv", '@name,amount\nit\'s,"1"\n')
    environ = {"PATH": os.environ["PATH"], "BASE": recorder.base}
    subprocess.run(["sh", "-c", samples.curl(call)], env=environ, check=True, timeout=60)
    assert recorder.last(call) == wanted(call)


@pytest.mark.parametrize("language", GRAMMARS)
def test_every_sample_follows_the_grammar_of_its_language(language: str) -> None:
    parser = Parser(Language(GRAMMARS[language]()))
    for call in [*calls(), HOSTILE_TEXT_CALL]:
        text = samples.LANGUAGES[language](call)
        assert not parser.parse(text.encode()).root_node.has_error, text


def test_the_typescript_samples_compile_and_send_their_examples(
    recorder: Recorder, tmp_path: Path
) -> None:
    if not TSC.exists():
        pytest.skip("TypeScript is not installed in .cache/typescript: make typescript")
    for call in calls():
        (tmp_path / f"{call.name}.ts").write_text(samples.typescript(call), encoding="utf-8")
    steps = "".join(
        f'import {{ {call.name} }} from "./{call.name}.js";\n'
        f"await {call.name}({', '.join(map(json.dumps, [recorder.base, *map(value_of, call.variables)]))});\n"
        for call in calls()
    )
    (tmp_path / "all.ts").write_text(steps, encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    options = [
        "--strict",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "--lib",
        "es2022,dom",
        "--types",
        "",
    ]
    files = sorted(str(path) for path in tmp_path.glob("*.ts"))
    compiled = subprocess.run(
        [str(TSC), *options, *files], check=False, capture_output=True, text=True, timeout=120
    )
    assert compiled.returncode == 0, compiled.stdout
    before = len(recorder.got)
    subprocess.run(["node", str(tmp_path / "all.js")], check=True, timeout=120)
    got = recorder.got[before:]
    assert len(got) == len(calls())
    for call, one in zip(calls(), got, strict=True):
        recorder.got.append(one)
        assert recorder.last(call) == wanted(call)


def test_a_text_of_kotlin_has_no_template_and_ends_where_it_should() -> None:
    assert samples.kotlin_text('$a ${b} "\\\n\0é\U0001f600\u2028') == (
        '"\\$a \\${b} \\"\\\\\\u000a\\u0000é\U0001f600\\u2028"'
    )
    assert samples.kotlin_text("Bearer $", "USER_TOKEN") == '"Bearer \\$$userToken"'
    assert samples.kotlin_text("", "REQUEST_ID") == "requestId"


def test_a_text_of_swift_has_no_interpolation_and_ends_where_it_should() -> None:
    assert samples.swift_text('\\(a) $b "\n\0é\U0001f600\u2028') == (
        '"\\\\(a) $b \\"\\u{a}\\u{0}é\U0001f600\\u{2028}"'
    )
    assert samples.swift_text("Bearer ", "USER_TOKEN") == '"Bearer \\(userToken)"'


@pytest.mark.parametrize("language", ["Kotlin", "Swift"])
def test_the_json_of_a_sample_is_that_of_the_example(language: str) -> None:
    """Read back as the language reads its raw strings."""
    for call in [one for one in calls() if one.body is not None and one.is_json]:
        text = samples.LANGUAGES[language](call)
        (raw,) = re.findall(r'(?s)(?<!")"""\n(.*?)\n *"""', text)
        if language == "Kotlin":
            assert "$" not in raw.replace("${'$'}", "")
            raw = raw.replace("${'$'}", "$")
        else:
            (hashes,) = re.findall(r'(#+)"""\n', text)
            assert f"\\{hashes}" not in raw and f'"{hashes}' not in raw
        assert json.loads(raw) == call.body
