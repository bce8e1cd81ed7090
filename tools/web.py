"""Bundles the dashboard's modules in `functions/dashboard/web/` into the served files.

`python -m tools.web` writes the files; with `--check` it only compares them and exits with 1 on a difference.
`app.js` has the modules that `main.js` needs to start. A module that is imported on demand, by
`import("./x.js")`, becomes a file with what only it needs. What several of them need becomes a file
that they share; what most of them need, and the first of them too, is in `app.js`.
Each module becomes a function that returns its exports, in the order of their dependencies, so names cannot
clash. It supports only the syntax that the modules use: named imports, `import("./x.js")`, `export` before a
declaration, `export { a as b }` and `export default`.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from local.settings import ROOT

SOURCE = ROOT / "functions" / "dashboard" / "web"
SERVED = ROOT / "functions" / "dashboard" / "static"
MAIN = "main.js"
APP = "app.js"
LOADER = "loader.js"
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
_ON_DEMAND = re.compile(r'\bimport\("([^"]+)"\)')
_EXPORT_LIST = re.compile(r"export\s*\{([^}]*)\};?")
_EXPORT_DEFAULT = re.compile(r"export default ")
_EXPORT = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)


class WebError(RuntimeError):
    """The modules cannot be bundled; the text says why."""


@dataclass
class Bundle:
    """The modules found so far, by their path within the source: `texts` in the order of their dependencies,
    `needs` what each imports, `on_demand` those that are imported when they are needed.
    """

    root: Path
    texts: dict[str, str] = field(default_factory=dict)
    needs: dict[str, list[str]] = field(default_factory=dict)
    on_demand: list[str] = field(default_factory=list)
    in_progress: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, root: Path) -> Bundle:
        """All modules that `main.js` leads to. Raises WebError on a cycle or an unknown package."""
        bundle = cls(root)
        bundle._add(MAIN)
        for name in bundle.on_demand:  # Grows while it is read.
            bundle._add(name)
        return bundle

    def _add(self, name: str) -> None:
        if name in self.texts:
            return
        if name in self.in_progress:
            raise WebError(
                f"modules import each other in a cycle: {' > '.join([*self.in_progress, name])}"
            )
        self.in_progress.append(name)
        text = (self.root / name).read_text(encoding="utf-8")
        self.needs[name] = [_path(name, found[3]) for found in _IMPORT.finditer(text)]
        for needed in self.needs[name]:
            self._add(needed)
        self.in_progress.pop()
        self.texts[name] = text
        for found in _ON_DEMAND.finditer(text):
            wanted = _path(name, found[1])
            if wanted not in self.on_demand:
                self.on_demand.append(wanted)

    def _closure(self, name: str) -> set[str]:
        """The module `name` and all that it imports, directly or not."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self.needs[one]
        return found

    def files(self) -> dict[str, list[str]]:
        """The modules of each served script by its name. Those that the same pages need share a file, which
        has the name of its last module.
        """
        core = self._closure(MAIN)
        closures = {name: self._closure(name) for name in self.on_demand}
        groups: dict[frozenset[str], list[str]] = {}
        for module in self.texts:
            users = frozenset(name for name, closure in closures.items() if module in closure)
            is_common = module in core or (
                len(users) > len(closures) // 2 + 1 and self.on_demand[0] in users
            )
            groups.setdefault(frozenset() if is_common else users, []).append(module)
        app = groups.pop(frozenset())
        return {APP: app} | {modules[-1].replace("/", "-"): modules for modules in groups.values()}

    def parts(self) -> dict[str, list[str]]:
        """The files of each module that is imported on demand, those first that others need."""
        files = self.files()
        found = {}
        for name in self.on_demand:
            closure = self._closure(name)
            own = [file for file, modules in files.items() if file != APP and modules[0] in closure]
            order = {module: place for place, module in enumerate(self.texts)}
            found[name] = sorted(own, key=lambda file: order[files[file][-1]])
        return found

    def script(self, modules: list[str]) -> str:
        """`modules` as a script that gives each to `$all` and takes the others from it."""
        own = "".join(_module(name, self.texts[name]) for name in modules)
        foreign = {needed for name in modules for needed in self.needs[name]} - set(modules)
        taken = ", ".join(sorted(map(_variable, foreign)))
        return f"export default ($all) => {{\nconst {{ {taken} }} = $all;\n{own}}};\n"


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

    def on_demand(found: re.Match[str]) -> str:
        wanted = _path(name, found[1])
        return f"$part({json.dumps(wanted)}, {json.dumps(_variable(wanted))})"

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
    text = _ON_DEMAND.sub(on_demand, text)
    text = _EXPORT_LIST.sub(listed, text)
    text = _EXPORT.sub(declared, text)
    if _EXPORT_DEFAULT.search(text):
        text = _EXPORT_DEFAULT.sub("const __default = ", text)
        exports["default"] = "__default"
    shown = ", ".join(f"{outer}: {inner}" for outer, inner in exports.items())
    answer = GLOBALS.get(name, f"{{ {shown} }}")
    variable = _variable(name)
    return f"const {variable} = $all.{variable} = (() => {{\n{text.strip()}\nreturn {answer};\n}})();\n"


def _destructured(names: str) -> str:
    parts = (part.strip().replace(" as ", ": ") for part in names.split(","))
    return "{ " + ", ".join(filter(None, parts)) + " }"


def _variable(name: str) -> str:
    return "$" + re.sub(r"\W", "_", name.removesuffix(".js"))


def scripts(root: Path = SOURCE) -> dict[str, str]:
    """The served scripts by name. Raises WebError."""
    bundle = Bundle.of(root)
    files = bundle.files()
    made = {name: bundle.script(modules) for name, modules in files.items() if name != APP}
    app = "".join(_module(name, bundle.texts[name]) for name in files[APP])
    return {APP: NOTICE + _prelude(bundle) + app} | made


def _prelude(bundle: Bundle) -> str:
    """What finds the files of a module that is imported on demand."""
    if not bundle.on_demand:
        return "const $all = {};\n"
    loader = (bundle.root / LOADER).read_text(encoding="utf-8")
    return f"const $parts = {json.dumps(bundle.parts())};\n{_COMMENT_LINE.sub('', loader)}"


def style(root: Path = SOURCE) -> str:
    """All styles as one file."""
    return "\n".join((root / name).read_text(encoding="utf-8").strip() for name in STYLES) + "\n"


def first_view(root: Path = SOURCE) -> set[str]:
    """The names of the files that a browser fetches for the overview."""
    return {"index.html", "app.css", APP, *Bundle.of(root).parts()["overview.js"]}


def rendered(root: Path = SOURCE) -> dict[str, str]:
    """The served files by name. The page names the address of each script that is loaded on demand."""
    made = scripts(root)
    named = (f'<meta name="part:{name}" content="{{{{{name}}}}}">' for name in made if name != APP)
    page = (root / "index.html").read_text(encoding="utf-8").replace("{{parts}}", "\n".join(named))
    return made | {"app.css": style(root), "index.html": page}


def stale(served: Path = SERVED) -> list[str]:
    """The served files that differ from their sources, are missing, or should not exist."""
    wanted = rendered()
    found = {path.name: path.read_text(encoding="utf-8") for path in served.iterdir()}
    return sorted(name for name in wanted | found if wanted.get(name) != found.get(name))


def write(served: Path = SERVED) -> None:
    """Writes the files and removes those that are no longer made."""
    wanted = rendered()
    for path in served.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (served / name).write_text(text, encoding="utf-8")


def main() -> int:
    """The exit code of the program."""
    parser = argparse.ArgumentParser(description="Write or check the dashboard's files.")
    parser.add_argument("--check", action="store_true", help="compare only")
    if not parser.parse_args().check:
        write()
    elif stale():
        print(f"{', '.join(stale())}: out of date, run python -m tools.web")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
