"""What all tests share: one engine whose writes are atomic, and no way out to any network."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

import pytest
from pytest_socket import socket_allow_hosts

from local.engine import running_engine
from tests.support import permissions
from tests.support.gateway import Gateway
from tools import openapi
from tools.api_description import DescriptionError

SHARING = ("e2e", "browser")
"""Folders whose tests share a local run."""

LONGEST = (
    "e2e",
    "browser",
    "test_model",
    "test_sam_deploy",
    "test_subscription_crashes",
    "test_rebuild",
    "test_histories",
    "test_subscription_histories",
    "test_any_bytes",
    "test_crash_points",
    "test_store_failures",
    "test_revisions",
    "test_artifact",
    "test_hold_histories",
    "test_races",
    "test_hold_crash_points",
)
"""Groups that take ten seconds of CPU and more: begun last, one of them would keep one process alone."""


def pytest_configure(config: pytest.Config) -> None:
    """Generates what the gateway serves about itself, once and before any other process begins.

    Where the description lacks something, the tests of the contract say what.
    """
    if not hasattr(config, "workerinput"):
        with suppress(DescriptionError):
            openapi.write(openapi.rendered())


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
    """The longest groups begin first."""
    order = {group: place for place, group in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(group_of(item.nodeid), len(order)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where tests run in several processes, a file's tests stay together, and so do all that share a
    local run. xdist's own groups have no effect with pytest 9.2, which no longer reads the member that
    they are written to.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log)


def group_of(nodeid: str) -> str:
    """The name of the group of a test."""
    path = PurePosixPath(nodeid.partition("::")[0])
    return path.parent.name if path.parent.name in SHARING else path.stem
