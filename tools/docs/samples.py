"""A call as a sample for a terminal, Kotlin, Swift, Python and TypeScript.

Each sample except that for a terminal is a function whose arguments are the gateway's address and the
variables of the call. A target is percent-encoded, so it needs no escaping in any of these languages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tools.docs.example_call import ExampleCall, Header

LANGUAGES: dict[str, Callable[[ExampleCall], str]] = {}
"""The writer of each language, by the name that readers see."""

_WIDTH = 88


def _language(name: str) -> Callable[[Callable[[ExampleCall], str]], Callable[[ExampleCall], str]]:
    def register(writer: Callable[[ExampleCall], str]) -> Callable[[ExampleCall], str]:
        LANGUAGES[name] = writer
        return writer

    return register


@_language("curl")
def curl(call: ExampleCall) -> str:
    """A command of a POSIX shell; the variables are those of the shell."""
    implied = call.method == ("GET" if call.body is None else "POST")
    parts = [f'curl -sS{"" if implied else f" -X {call.method}"} "$BASE{call.target}"']
    parts += [f"-H {shell_text(one.name + ': ' + one.text, one.variable)}" for one in call.headers]
    if call.body is not None:
        parts += [f"-H 'Content-Type: {call.media_type}'", f"--data-raw {_shell_body(call)}"]
    return " \\\n  ".join(parts)


@_language("Python")
def python(call: ExampleCall) -> str:
    """A function that uses `requests` and returns the response."""
    arguments = ["base", *map(snake_case, call.variables)]
    lines = ["import requests", "", "", f"def {_snake(call.name)}("]
    lines += [f"    {name}: str," for name in arguments]
    lines += [") -> requests.Response:", "    return requests.request("]
    lines += [f'        "{call.method}",', f'        f"{{base}}{call.target}",']
    named = [(one.name, python_text(one.text, one.variable)) for one in call.headers]
    if call.body is not None and not call.is_json:
        named.append(("Content-Type", json.dumps(call.media_type)))
    if named:
        lines += ["        headers={"]
        lines += [f"            {json.dumps(name)}: {value}," for name, value in named]
        lines += ["        },"]
    if call.body is not None:
        member = "json=" if call.is_json else "data="
        suffix = "" if call.is_json else ".encode()"
        lines += [f"        {member}{python_literal(call.body, 8)}{suffix},"]
    return "\n".join([*lines, "        timeout=30,", "    )"])


@_language("TypeScript")
def typescript(call: ExampleCall) -> str:
    """A function that uses `fetch` and resolves to the response."""
    arguments = ", ".join(f"{name}: string" for name in ["base", *map(camel_case, call.variables)])
    lines = [f"export async function {call.name}({arguments}): Promise<Response> {{"]
    lines += [f"  return fetch(`${{base}}{call.target}`, {{", f'    method: "{call.method}",']
    named = [(one.name, typescript_text(one.text, one.variable)) for one in call.headers]
    if call.body is not None:
        named.append(("Content-Type", json.dumps(call.media_type)))
    if named:
        lines += ["    headers: {"]
        lines += [f"      {json.dumps(name)}: {value}," for name, value in named]
        lines += ["    },"]
    if call.body is not None:
        text = _indented(json_text(call.body), 4)
        lines += [f"    body: JSON.stringify({text})," if call.is_json else f"    body: {text},"]
    return "\n".join([*lines, "  });", "}"])


@_language("Kotlin")
def kotlin(call: ExampleCall) -> str:
    """A function that uses OkHttp and returns the response, which the caller closes."""
    arguments = "".join(f", {name}: String" for name in ["base", *map(camel_case, call.variables)])
    body = "null"
    imports = ["OkHttpClient", "Request", "Response"]
    lines = [f"fun {call.name}(client: OkHttpClient{arguments}): Response {{"]
    if call.body is not None:
        imports = ["MediaType.Companion.toMediaType", *imports[:2]]
        imports += ["RequestBody.Companion.toRequestBody", "Response"]
        lines += [f"    val body = {_kotlin_body(call)}"]
        lines += [f'        .toRequestBody("{call.media_type}".toMediaType())']
        body = "body"
    elif call.method in ("POST", "PUT", "PATCH"):
        imports = [*imports[:2], "RequestBody.Companion.toRequestBody", "Response"]
        body = '"".toRequestBody()'
    lines += ["    val request = Request.Builder()", f'        .url("$base{call.target}")']
    lines += [
        f"        .header({json.dumps(one.name)}, {kotlin_text(one.text, one.variable)})"
        for one in call.headers
    ]
    lines += [f'        .method("{call.method}", {body})', "        .build()"]
    lines += ["    return client.newCall(request).execute()", "}"]
    return "\n".join([*(f"import okhttp3.{name}" for name in imports), "", *lines])


@_language("Swift")
def swift(call: ExampleCall) -> str:
    """A function that uses `URLSession` and returns the body and the response."""
    arguments = ", ".join(f"{name}: String" for name in ["base", *map(camel_case, call.variables)])
    lines = ["import Foundation", "", f"func {call.name}({arguments})"]
    lines[-1] += " async throws -> (Data, URLResponse) {"
    lines += [f'    var request = URLRequest(url: URL(string: "\\(base){call.target}")!)']
    lines += [f'    request.httpMethod = "{call.method}"']
    headers = [*call.headers]
    if call.body is not None:
        headers.append(Header("Content-Type", call.media_type))
    lines += [
        f"    request.setValue({swift_text(one.text, one.variable)}, "
        f"forHTTPHeaderField: {json.dumps(one.name)})"
        for one in headers
    ]
    if call.body is not None:
        lines += [f"    request.httpBody = Data({_swift_body(call)}.utf8)"]
    return "\n".join([*lines, "    return try await URLSession.shared.data(for: request)", "}"])


def camel_case(variable: str) -> str:
    """`USER_TOKEN` as `userToken`."""
    first, *others = variable.lower().split("_")
    return first + "".join(map(str.capitalize, others))


def snake_case(variable: str) -> str:
    """`USER_TOKEN` as `user_token`."""
    return variable.lower()


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def shell_text(text: str, variable: str = "") -> str:
    """`text` and then the variable's value as one word of a POSIX shell."""
    if not variable:
        return "'" + text.replace("'", r"'\''") + "'"
    return '"' + re.sub(r'([\\"$`])', r"\\\1", text) + "$" + variable + '"'


def python_text(text: str, variable: str = "") -> str:
    """`text` and then the argument's value as an expression of Python."""
    if not text and variable:
        return snake_case(variable)
    # Its escapes are Python's too, unless characters outside ASCII are escaped.
    literal = json.dumps(text, ensure_ascii=False)
    if not variable:
        return literal
    inner = literal[1:-1].replace("{", "{{").replace("}", "}}")
    return f'f"{inner}{{{snake_case(variable)}}}"'


def typescript_text(text: str, variable: str = "") -> str:
    """`text` and then the argument's value as an expression of TypeScript."""
    if not text and variable:
        return camel_case(variable)
    literal = json.dumps(text, ensure_ascii=False)
    if not variable:
        return literal
    inner = re.sub(r"`|\$(?=\{|$)", r"\\\g<0>", literal[1:-1])
    return f"`{inner}${{{camel_case(variable)}}}`"


def kotlin_text(text: str, variable: str = "") -> str:
    """`text` and then the argument's value as an expression of Kotlin."""
    if not text and variable:
        return camel_case(variable)
    inner = "".join(map(_kotlin_character, text))
    return f'"{inner}{f"${camel_case(variable)}" if variable else ""}"'


def swift_text(text: str, variable: str = "") -> str:
    """`text` and then the argument's value as an expression of Swift."""
    if not text and variable:
        return camel_case(variable)
    inner = "".join(map(_swift_character, text))
    value = f"\\({camel_case(variable)})" if variable else ""
    return f'"{inner}{value}"'


def _kotlin_character(one: str) -> str:
    if one in '"\\$':
        return f"\\{one}"
    units = one.encode("utf-16-be").hex()
    return one if one.isprintable() else re.sub("(....)", r"\\u\1", units)


def _swift_character(one: str) -> str:
    if one in '"\\':
        return f"\\{one}"
    return one if one.isprintable() else f"\\u{{{ord(one):x}}}"


def json_text(value: Any, indent: int = 2) -> str:
    """`value` as JSON, on one line where it is short."""
    short = json.dumps(value, ensure_ascii=False)
    return short if len(short) <= _WIDTH else json.dumps(value, indent=indent, ensure_ascii=False)


def python_literal(value: Any, indent: int) -> str:
    """JSON `value` as an expression of Python whose last line is indented by `indent`."""
    if isinstance(value, str):
        return python_text(value)
    if not isinstance(value, dict | list):
        return repr(value)
    inner = indent + 4
    if isinstance(value, dict):
        parts = [f"{python_text(k)}: {python_literal(v, inner)}" for k, v in value.items()]
    else:
        parts = [python_literal(one, inner) for one in value]
    first, last = ("{", "}") if isinstance(value, dict) else ("[", "]")
    short = first + ", ".join(parts) + last
    if len(short) <= _WIDTH - indent and "\n" not in short:
        return short
    lines = "".join(f"{' ' * inner}{part},\n" for part in parts)
    return f"{first}\n{lines}{' ' * indent}{last}"


def _indented(text: str, indent: int) -> str:
    return text.replace("\n", "\n" + " " * indent)


def _shell_body(call: ExampleCall) -> str:
    return shell_text(json_text(call.body) if call.is_json else call.body)


def _kotlin_body(call: ExampleCall) -> str:
    if not call.is_json:
        return kotlin_text(call.body)
    # JSON has no three quotes in a row, so it never ends a raw string.
    text = json_text(call.body).replace("$", "${'$'}")
    return '"""\n            ' + _indented(text, 12) + '\n        """.trimIndent()'


def _swift_body(call: ExampleCall) -> str:
    if not call.is_json:
        return swift_text(call.body)
    hashes = "#" * (1 + max(map(len, re.findall(r"[\"\\](#+)", json_text(call.body))), default=0))
    text = _indented(json_text(call.body), 8)
    return f'{hashes}"""\n        {text}\n        """{hashes}'
