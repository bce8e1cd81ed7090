"""A failure at every DynamoDB call of a submission, before and after it took effect; then the same again.

Whatever fails where: upstream is called once at most, the job can be read as soon as a client has its id,
and its credit is charged for the text, or given back.
"""

from collections.abc import Iterator

import pytest

from engine.transcription import jobs
from tests.support.faults import FaultyClient, Killed
from tests.support.gateway import Reply
from tests.support.studio import VIDEO, Studio, opened

FAILURES = [
    (when, how) for when in ("before", "after") for how in ("killed", "timeout", "unreachable")
]
LEAST_CALLS, MOST_CALLS = 4, 9
HOUR_S = 3600


@pytest.fixture(scope="module")
def studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


def attempt(
    studio: Studio, vended: dict[str, str], asked: dict[str, str], client: FaultyClient
) -> Reply | None:
    """What came of the first submission, None where its process was killed."""
    table = studio.gateway.function("transcription").ledger.table  # type: ignore[attr-defined]
    whole, table._client = table._client, client
    try:
        return studio.submit(vended, **asked)
    except Killed:
        return None
    finally:
        table._client = whole


@pytest.mark.parametrize("asked", [{}, {"clientRequestId": "one"}], ids=["token", "request id"])
@pytest.mark.parametrize(("when", "how"), FAILURES, ids=str)
def test_after_a_failure_at_any_call_a_job_is_paid_for_or_its_credit_is_back(
    studio: Studio, when: str, how: str, asked: dict[str, str]
) -> None:
    at = 0
    while True:
        studio.reset()
        user, _, vended = studio.vend()
        hold = studio.hold(user)
        client = FaultyClient(studio.gateway.dynamodb, at, when, how)
        first = attempt(studio, vended, asked, client)
        assert first is None or first.status in (202, 503), first.text
        again = studio.submit(vended, **asked)
        assert again.status == 202, again.text
        own = jobs.read(studio.gateway.ledger, jobs.own_id(hold.jti))
        assert own is not None and own["url"] == VIDEO
        told = studio.status(vended, again.json["jobId"])
        assert (told.status, told.json["credit"]) == (200, "held"), told.text
        calls = len(studio.upstream.calls("transcribe"))
        assert calls <= 1
        studio.upstream.forward(60)
        named = studio.hold(user).job_id is not None
        ended = studio.status(vended, again.json["jobId"])
        assert ended.json["credit"] == ("captured" if named else "held")
        assert bool(ended.json["text"]) == named
        assert calls == 1 or not named
        studio.pass_(HOUR_S)
        studio.sweep()
        assert studio.credits(user) == ((0, 0) if named else (1, 0))
        if client.made <= at:
            assert named
            break
        at += 1
    assert LEAST_CALLS <= at <= MOST_CALLS


CLAIM, JOB = 1, 2
"""The numbers of these calls: before them the submission is counted, by one write where it is the first."""


@pytest.mark.parametrize("at", [CLAIM, JOB])
@pytest.mark.parametrize("how", ["timeout", "unreachable"])
def test_a_call_that_wrote_though_the_answer_was_lost_goes_on(
    studio: Studio, how: str, at: int
) -> None:
    studio.reset()
    _, _, vended = studio.vend()
    reply = attempt(studio, vended, {}, FaultyClient(studio.gateway.dynamodb, at, "after", how))
    assert reply is not None and reply.status == 202
    assert len(studio.upstream.calls("transcribe")) == 1


@pytest.mark.parametrize("at", [CLAIM, JOB])
def test_a_call_that_did_not_write_calls_nobody(studio: Studio, at: int) -> None:
    studio.reset()
    user, _, vended = studio.vend()
    client = FaultyClient(studio.gateway.dynamodb, at, "before", "timeout")
    reply = attempt(studio, vended, {}, client)
    assert reply is not None and (reply.status, reply.code) == (503, "outcome_unknown")
    assert not studio.upstream.calls("transcribe")
    assert (studio.hold(user).claim is None) == (at == CLAIM)


def test_a_repeat_brings_no_erased_job_back(studio: Studio) -> None:
    """A call that finds the claim puts the job only where it is not there."""
    studio.reset()
    user, _, vended = studio.vend()
    ledger = studio.gateway.ledger
    studio.upstream.fault("transcribe", "delay", seconds=60)
    with studio.impatient():
        assert studio.submit(vended).status == 202
    own = jobs.read(ledger, jobs.own_id(studio.hold(user).jti))
    assert own is not None
    ledger.table.write(jobs.erasure(own, int(studio.gateway.clock())))
    erased = jobs.read(ledger, jobs.id_of(own))
    assert studio.submit(vended).status == 202
    assert jobs.read(ledger, jobs.id_of(own)) == erased
