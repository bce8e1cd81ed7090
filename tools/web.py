"""Bundles the dashboard's modules in `functions/dashboard/web/` into the served files.

`python -m tools.web` writes the files; with `--check` it only compares them and exits with 1 on a difference.
Each module becomes a function that returns its exports, in the order of their dependencies, so names cannot
clash and a browser fetches one file. It supports only the syntax that the modules use: named imports,
`export` before a declaration, `export { a as b }` and `export default`.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

from local.settings import ROOT

SOURCE = ROOT / "functions" / "dashboard" / "web"
SERVED = ROOT / "functions" / "dashboard" / "static"
MAIN = "main.js"
PACKAGES = {
    "preact": "vendor/preact.js",
    "preact/hooks": "vendor/hooks.js",
    "htm": "vendor/htm.js",
    "uplot": "vendor/uplot.js",
}
STYLES = ("vendor/uplot.css", "base.css", "parts.css", "pages.css")
GLOBALS = {"vendor/uplot.js": "{ default: uPlot }"}
"""Scripts that define a global instead of exports, and what they would export."""

NOTICE = (
    "/*! With Preact 10.29.8 (MIT), htm 3.1.1 (Apache-2.0), both by Jason Miller, and uPlot 1.6.32 (MIT)"
    " by Leon Sorokin; licences: functions/dashboard/web/vendor/LICENSES.md */\n"
)

# A line of our modules that is a comment alone: browsers need not fetch it.
_COMMENT_LINE = re.compile(r"^ *//.*\n", re.MULTILINE)
_IMPORT = re.compile(r'import\s*(?:(\w+)|\{([^}]*)\})\s*from\s*"([^"]+)";?')
_EXPORT_LIST = re.compile(r"export\s*\{([^}]*)\};?")
_EXPORT_DEFAULT = re.compile(r"export default ")
_EXPORT = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)


class WebError(RuntimeError):
    """The modules cannot be bundled; the text says why."""


@dataclass
class Bundle:
    """The modules bundled so far, by their path within the source, in order."""

    root: Path
    parts: dict[str, str]
    in_progress: list[str]

    def add(self, name: str) -> None:
        """Adds the module `name` after its dependencies. Raises WebError on a cycle."""
        if name in self.parts:
            return
        if name in self.in_progress:
            raise WebError(
                f"modules import each other in a cycle: {' > '.join([*self.in_progress, name])}"
            )
        self.in_progress.append(name)
        text = (self.root / name).read_text(encoding="utf-8")
        for found in _IMPORT.finditer(text):
            self.add(_path(name, found[3]))
        self.in_progress.pop()
        self.parts[name] = _module(name, text)


def _path(importer: str, specifier: str) -> str:
    if specifier in PACKAGES:
        return PACKAGES[specifier]
    if not specifier.startswith("./"):
        raise WebError(f"{importer} imports {specifier}, which does not exist")
    return (Path(importer).parent / specifier).as_posix()


def _module(name: str, text: str) -> str:
    exports: dict[str, str] = {}

    def bring_in(found: re.Match[str]) -> str:
        module = _variable(_path(name, found[3]))
        names = f"{{ default: {found[1]} }}" if found[1] else _destructured(found[2])
        return f"const {names} = {module};"

    def listed(found: re.Match[str]) -> str:
        for part in filter(None, map(str.strip, found[1].split(","))):
            inner, _, outer = part.partition(" as ")
            exports[outer or inner] = inner
        return ""

    def declared(found: re.Match[str]) -> str:
        exports[found[2]] = found[2]
        return f"{found[1]} {found[2]}"

    if not name.startswith("vendor/"):
        text = _COMMENT_LINE.sub("", text)
    text = _IMPORT.sub(bring_in, text)
    text = _EXPORT_LIST.sub(listed, text)
    text = _EXPORT.sub(declared, text)
    if _EXPORT_DEFAULT.search(text):
        text = _EXPORT_DEFAULT.sub("const __default = ", text)
        exports["default"] = "__default"
    shown = ", ".join(f"{outer}: {inner}" for outer, inner in exports.items())
    answer = GLOBALS.get(name, f"{{ {shown} }}")
    return f"const {_variable(name)} = (() => {{\n{text.strip()}\nreturn {answer};\n}})();\n"


def _destructured(names: str) -> str:
    parts = (part.strip().replace(" as ", ": ") for part in names.split(","))
    return "{ " + ", ".join(filter(None, parts)) + " }"


def _variable(name: str) -> str:
    return "$" + re.sub(r"\W", "_", name.removesuffix(".js"))


def script(root: Path = SOURCE) -> str:
    """All modules as one script. Raises WebError."""
    bundle = Bundle(root, {}, [])
    bundle.add(MAIN)
    return NOTICE + "".join(bundle.parts.values())


def style(root: Path = SOURCE) -> str:
    """All styles as one file."""
    return "\n".join((root / name).read_text(encoding="utf-8").strip() for name in STYLES) + "\n"


def rendered(root: Path = SOURCE) -> dict[str, str]:
    """The served files by name."""
    page = (root / "index.html").read_text(encoding="utf-8")
    return {"app.js": script(root), "app.css": style(root), "index.html": page}


def stale(served: Path = SERVED) -> list[str]:
    """The served files that differ from their sources, are missing, or should not exist."""
    wanted = rendered()
    found = {path.name: path.read_text(encoding="utf-8") for path in served.iterdir()}
    return sorted(name for name in wanted | found if wanted.get(name) != found.get(name))


def main() -> int:
    """The exit code of the program."""
    parser = argparse.ArgumentParser(description="Write or check the dashboard's files.")
    parser.add_argument("--check", action="store_true", help="compare only")
    if not parser.parse_args().check:
        for name, text in rendered().items():
            (SERVED / name).write_text(text, encoding="utf-8")
    elif stale():
        print(f"{', '.join(stale())}: out of date, run python -m tools.web")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
