"""What all tests share: one engine whose writes are atomic, and no way out to any network."""

from collections.abc import Iterator

import pytest
from pytest_socket import socket_allow_hosts

from local.engine import running_engine
from tests.support import permissions
from tests.support.gateway import Gateway

SHARING = ("e2e", "browser")
"""Folders whose tests share a local run."""

LONGEST = (
    "e2e",
    "test_subscription_crashes",
    "browser",
    "test_subscription_histories",
    "test_rebuild",
    "test_model",
    "test_races",
    "test_histories",
    "test_store_failures",
    "test_crash_points",
)
"""Groups that take twenty seconds of CPU and more: begun last, one of them would keep one process alone."""


@pytest.fixture(autouse=True)
def _no_network() -> None:
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def _permitted() -> Iterator[None]:
    """Fails a test whose functions called what the template does not allow them, and says what to add."""
    yield
    refused = list(dict.fromkeys(permissions.REFUSED))
    permissions.REFUSED.clear()
    assert not refused, "\n".join(refused)


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
    """Where tests run in several processes, a file's tests stay together, and so do all that share a
    local run; the longest of these groups begin first.
    """
    order = {group: place for place, group in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(_group(item), len(order)))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    folder = item.path.parent.name
    return folder if folder in SHARING else item.path.stem
