"""Runs pytest with one module of the layer replaced, on an engine that is there already."""

import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FrameType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from local.settings import ROOT

if TYPE_CHECKING:
    from tests.mutation.zygote import Order

LAYER = ROOT / "layers" / "engine"
NOT_IMPORTED = 3
"""The exit code where no test imported the module that has the mutant."""


class _Mutated(SourceFileLoader):
    """Loads a module from the source that has the mutant, and says whether it did."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source
        self.is_used = False

    def get_code(self, fullname: str) -> CodeType:
        self.is_used = True
        return compile(self._source, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    """Finds one module, before every other finder."""

    def __init__(self, order: "Order") -> None:
        self._name = f"engine.{order.module}"
        path = LAYER / f"{self._name.replace('.', '/')}.py"
        self.loader = _Mutated(self._name, str(path), order.source)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        return spec_from_file_location(fullname, self.loader.path, loader=self.loader)


class First:
    """A plugin that notes the first test, or file, that fails."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid


class Touched:
    """A plugin that notes which functions of the layer each test enters, as `room.module:name`."""

    def __init__(self) -> None:
        self.by_test: dict[str, set[str]] = {}
        self._now: set[str] = set()
        self._names: dict[CodeType, str] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._now = self.by_test[item.nodeid] = set()
        threading.settrace(self._traced)
        sys.settrace(self._traced)
        try:
            return (yield)  # type: ignore[return-value]
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]

    def _traced(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if code not in self._names:
            self._names[code] = _name_of(code)
        if self._names[code]:
            self._now.add(self._names[code])


def _name_of(code: CodeType) -> str:
    path = Path(code.co_filename)
    if not path.is_relative_to(LAYER / "engine"):
        return ""
    return f"{path.parent.name}.{path.stem}:{code.co_qualname}"


def run_pytest(order: "Order", told: Path) -> int:
    """pytest's exit code, or `NOT_IMPORTED`; what failed and what was touched is written to `told`."""
    os.chdir(ROOT)
    _share_engine(order.endpoint)
    finder = _Finder(order) if order.module else None
    if finder is not None:
        sys.meta_path.insert(0, finder)
    first, tracer = First(), Touched()
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    options += [
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ]  # Libraries are imported already.
    options += [] if order.trace else ["-x"]
    plugins = [first, tracer] if order.trace else [first]
    code = int(pytest.main([*options, *order.tests], plugins=plugins))
    touched = {name: sorted(functions) for name, functions in tracer.by_test.items()}
    told.write_text(json.dumps({"failed": first.failed, "touched": touched}))
    return code if finder is None or finder.loader.is_used else NOT_IMPORTED


def _share_engine(endpoint: str) -> None:
    """Every test takes the engine of this run; the description is there already."""
    import local.engine
    from tools import openapi

    @contextlib.contextmanager
    def shared() -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(endpoint=endpoint)

    local.engine.running_engine = shared  # type: ignore[assignment]
    openapi.rendered = lambda: ""  # type: ignore[assignment]
    openapi.write = lambda _: None  # type: ignore[assignment]
