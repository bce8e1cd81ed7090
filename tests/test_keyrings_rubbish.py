"""A parameter store with malformed answers: cached rings stay in use; without any the answer is 503."""

from typing import Any

import pytest

from engine.access.keyrings import FIRST_RETRY_S, KEEP_S, RETRY_S, KeyRings
from engine.platform.aws_json import Answer
from engine.platform.errors import Busy
from local.engine import json_client
from tests.test_keyrings import NOWHERE, ring

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


class Store:
    """Answers every call with `body`, on the wire."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.client: Any = json_client("ssm", NOWHERE)
        self.client.exchange = lambda *_: Answer(200, {}, self.body)
        self.now = 1_800_000_000.0
        self.rings = KeyRings(self.client, "/p/", ("ONE",), clock=lambda: self.now)


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
