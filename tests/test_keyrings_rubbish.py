"""A parameter store with malformed answers: cached rings stay in use; without any the answer is 503."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from engine.access.keyrings import FIRST_RETRY_S, KEEP_S, RETRY_S, KeyRings
from engine.platform.errors import Busy
from tests.test_keyrings import ring, ssm_client

RUBBISH = {
    "html": b"<html><body>Bad gateway</body></html>",
    "nothing": b"",
    "half": b'{"Parameters": [{"Name": "/plu',
    "no member": b'{"Answer": 42}',
    "a text": b'{"Parameters": "none"}',
    "null": b'{"Parameters": null}',
    "a list": b"[]",
    "texts in the list": b'{"Parameters": ["x"]}',
    "nameless": b'{"Parameters": [{"Value": "x"}]}',
    "without a value": b'{"Parameters": [{"Name": "/p/ONE"}]}',
    "a number": b'{"Parameters": [{"Name": "/p/ONE", "Value": 7}]}',
    "of another": b'{"Parameters": [{"Name": "/q", "Value": "x"}]}',
}


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.getvalue()


class Store:
    """Answers every call with `body`, on the wire."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.client = ssm_client("http://127.0.0.1:9")
        self.client.meta.events.register_first("before-send.ssm", self._send)
        self.now = 1_800_000_000.0
        self.rings = KeyRings(self.client, "/p/", ("ONE",), clock=lambda: self.now)

    def _send(self, request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {}, _Raw(self.body))


def good() -> bytes:
    value = ring("a").replace('"', '\\"')
    return f'{{"Parameters": [{{"Name": "/p/ONE", "Value": "{value}"}}]}}'.encode()


@pytest.mark.parametrize("body", RUBBISH.values(), ids=RUBBISH)
def test_without_any_ring_the_answer_is_busy(body: bytes) -> None:
    store = Store(body)
    with pytest.raises(Busy):
        store.rings["ONE"]
    store.body = good()
    store.now += FIRST_RETRY_S
    assert store.rings["ONE"].signing == "a"


@pytest.mark.parametrize("body", RUBBISH.values(), ids=RUBBISH)
def test_cached_rings_stay_in_use(body: bytes) -> None:
    store = Store(good())
    assert store.rings["ONE"].signing == "a"
    store.body = body
    store.now += KEEP_S
    assert store.rings["ONE"].signing == "a"
    store.now += RETRY_S
    assert store.rings["ONE"].signing == "a"


@pytest.mark.parametrize("kind", ["html", "nothing", "half", "no member", "a list"])
def test_the_health_check_reports_an_error(kind: str) -> None:
    store = Store(RUBBISH[kind])
    assert store.rings.answers() is False
    store.body = good()
    assert store.rings.answers() is True
