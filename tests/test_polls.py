"""Polls of a job: cheap while nothing happens, and never wrong where another call was faster."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.platform.table import Item
from engine.transcription import jobs
from engine.transcription.gateway import Questions
from tests.support.studio import Studio, opened

GONE = {"status": 404, "body": {"error": "job_not_found"}}


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    return module_studio


def item_of(studio: Studio, job_id: str) -> Item:
    item = jobs.read(studio.gateway.ledger, job_id)
    assert item is not None
    return item


def test_a_poll_that_finds_nothing_new_writes_nothing(studio: Studio) -> None:
    user, headers, vended = studio.vend()
    job_id = studio.submit(vended).json["jobId"]
    first = studio.status(headers, job_id)
    table = studio.gateway.ledger.table
    counted = table.get(f"A#{user}", "RATE#status")
    kept = item_of(studio, job_id)
    asked = len(studio.upstream.calls("status"))
    for _ in range(3):
        assert studio.status(headers, job_id).json == first.json
    assert item_of(studio, job_id) == kept
    assert table.get(f"A#{user}", "RATE#status") == counted
    assert len(studio.upstream.calls("status")) == asked + 3


def test_a_process_asks_once_a_second_and_another_one_asks_too(studio: Studio) -> None:
    _, headers, vended = studio.vend()
    job_id = studio.submit(vended).json["jobId"]
    studio.status(headers, job_id)
    studio.pass_(1)
    asked = len(studio.upstream.calls("status"))
    for _ in range(3):
        studio.told(headers, job_id)
    assert len(studio.upstream.calls("status")) == asked + 1
    module: Any = studio.gateway.function("transcription")
    module.questions = Questions()
    studio.told(headers, job_id)
    assert len(studio.upstream.calls("status")) == asked + 2


def test_no_process_asks_in_the_second_of_a_new_answer(studio: Studio) -> None:
    _, headers, vended = studio.vend()
    job_id = studio.submit(vended).json["jobId"]
    first = studio.status(headers, job_id)
    asked = len(studio.upstream.calls("status"))
    module: Any = studio.gateway.function("transcription")
    module.questions = Questions()
    assert studio.told(headers, job_id).json == first.json
    assert len(studio.upstream.calls("status")) == asked


def test_upstreams_word_that_a_job_runs_ends_a_doubt_that_came_while_it_was_asked(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two 404s count only if nothing positive came in between, whoever was told it."""
    user, headers, vended = studio.vend()
    job_id = studio.submit(vended).json["jobId"]
    studio.status(headers, job_id)
    studio.pass_(1)
    module: Any = studio.gateway.function("transcription")
    asked: Callable[..., Any] = module.upstream.status

    def doubted(*arguments: Any) -> Any:
        answer = asked(*arguments)
        jobs.keep_missing(studio.gateway.ledger, job_id, int(studio.gateway.clock()))
        return answer

    monkeypatch.setattr(module.upstream, "status", doubted)
    assert studio.told(headers, job_id).json["credit"] == "held"
    assert "missing_since" not in item_of(studio, job_id)
    monkeypatch.undo()
    studio.upstream.fault("status", "status", times=None, **GONE)
    studio.pass_(130)
    assert studio.told(headers, job_id).json["credit"] == "held"
    assert studio.credits(user) == (0, 1)
