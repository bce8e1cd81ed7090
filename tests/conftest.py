"""What all tests share: one engine whose writes are atomic, and no way out to any network."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_socket import socket_allow_hosts

from local.engine import running_engine
from tests.support.gateway import Gateway


@pytest.fixture(autouse=True)
def _no_network() -> None:
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """The address of a DynamoDB and a parameter store."""
    with running_engine() as engine:
        yield engine.endpoint


@pytest.fixture(scope="session")
def gateway(endpoint: str) -> Gateway:
    """The gateway with generous limits; tests keep apart by their users."""
    return Gateway(endpoint, RATE_LIMIT="100000")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run in several processes, a file's tests stay together, and so do all that share the
    local run.
    """
    for item in items:
        path = Path(item.path)
        shared = "e2e" if path.parent.name == "e2e" else path.stem
        item.add_marker(pytest.mark.xdist_group(shared))
