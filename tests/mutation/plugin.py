"""For pytest: the engine that the run shares, and the proof that the mutated copy is what is tested."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import local.engine

ENDPOINT = "PLUCT_MUTATION_ENDPOINT"
COPY = "PLUCT_MUTATION_COPY"


@contextlib.contextmanager
def _shared_engine() -> Iterator[SimpleNamespace]:
    yield SimpleNamespace(endpoint=os.environ[ENDPOINT])


local.engine.running_engine = _shared_engine  # type: ignore[assignment]


def pytest_collection_finish() -> None:
    import engine

    if Path(str(engine.__file__)).parent != Path(os.environ[COPY]):
        pytest.exit(f"{engine.__file__} was imported instead of the copy", returncode=3)
