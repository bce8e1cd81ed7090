"""A failure at every DynamoDB call of a fulfilment, before and after it took effect, then another id.

Whatever fails where: the same video under another request id, and then the first id again, are one job and
one charge.
"""

from collections.abc import Iterator

import pytest

from tests.support.faults import FaultyClient, Killed
from tests.support.gateway import Reply
from tests.support.studio import Studio, opened
from tests.support.wallet import bought, fulfill, job, quote

FAILURES = [
    (when, how) for when in ("before", "after") for how in ("killed", "timeout", "unreachable")
]
LEAST_CALLS, MOST_CALLS = 8, 20


@pytest.fixture(scope="module")
def studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


def attempt(studio: Studio, headers: dict[str, str], client: FaultyClient) -> Reply | None:
    """What came of the first fulfilment, None where its process was killed."""
    made = quote(studio.gateway, headers, "one").json["quoteId"]
    table = studio.gateway.function("wallet").ledger.table
    whole, table._client = table._client, client
    try:
        return fulfill(studio.gateway, headers, made, "one")
    except Killed:
        return None
    finally:
        table._client = whole


@pytest.mark.parametrize(("when", "how"), FAILURES, ids=str)
def test_after_a_failure_at_any_call_two_ids_are_one_job_and_one_charge(
    studio: Studio, when: str, how: str
) -> None:
    at = 0
    while True:
        studio.reset()
        user, headers = studio.gateway.user(balance=3)
        client = FaultyClient(studio.gateway.dynamodb, at, when, how)
        with studio.handing_over("wallet") as worker:
            worker.at_once = False
            first = attempt(studio, headers, client)
            if first is not None:
                assert first.status in (200, 503), first.text
            other = bought(studio, headers, "two")
            again = bought(studio, headers, "one")
            assert (other.status, again.status) == (200, 200), (other.text, again.text)
            assert other.json["jobId"] == again.json["jobId"]
            assert studio.credits(user) == (2, 1)
            for message in worker.messages:
                assert worker.work(message) == []
        assert len(studio.upstream.calls("transcribe")) == 1
        studio.upstream.forward(60)
        assert job(studio, headers, other.json["jobId"])["status"] == "completed"
        assert studio.credits(user) == (2, 0)
        if client.made <= at:
            break
        at += 1
    assert LEAST_CALLS <= at <= MOST_CALLS
