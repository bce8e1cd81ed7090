"""Polls of a job: cheap while nothing happens, and never wrong where another call was faster."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.credits import holds
from engine.credits.hold_items import RELEASED
from engine.platform.act import by_system
from engine.platform.table import Item, Update
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


def another_process(studio: Studio) -> None:
    """The next call is that of a process which has asked nothing."""
    module: Any = studio.gateway.function("transcription")
    module.questions = Questions()


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
    another_process(studio)
    studio.told(headers, job_id)
    assert len(studio.upstream.calls("status")) == asked + 2


def test_no_process_asks_in_the_second_in_which_an_answer_was_kept(studio: Studio) -> None:
    """Such as one that ends a doubt."""
    _, headers, vended = studio.vend()
    job_id = studio.submit(vended).json["jobId"]
    studio.upstream.fault("status", "status", times=1, **GONE)
    assert studio.status(headers, job_id).status == 404
    first = studio.status(headers, job_id)
    assert item_of(studio, job_id)["said_at"] == int(studio.gateway.clock())
    asked = len(studio.upstream.calls("status"))
    another_process(studio)
    assert studio.told(headers, job_id).json == first.json
    assert len(studio.upstream.calls("status")) == asked


def test_that_a_job_runs_is_remembered_and_not_stored(studio: Studio) -> None:
    _, headers, vended = studio.vend()
    job_id = studio.submit(vended).json["jobId"]
    kept = item_of(studio, job_id)
    first = studio.status(headers, job_id)
    assert first.json["progress"] is not None
    assert item_of(studio, job_id) == kept
    assert studio.told(headers, job_id).json == first.json


def remembered(studio: Studio, balance: int = 1) -> tuple[str, dict[str, str], str]:
    """A running job that the process has told its owner of: the user, the owner's headers, the job's id."""
    user, headers, vended = studio.vend(balance)
    job_id = studio.submit(vended).json["jobId"]
    assert studio.status(headers, job_id).json["credit"] == "held"
    return user, headers, job_id


def test_a_poll_of_a_job_that_the_process_knows_asks_first_and_reads_each_item_once(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, headers, job_id = remembered(studio)
    steps: list[str] = []
    module: Any = studio.gateway.function("transcription")
    asked, read = module.upstream.status, module.ledger.table.get

    def noted(pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        found: Item | None = read(pk, sk, consistent=consistent)
        steps.append(f"{sk[:2]} {consistent}")
        return found

    monkeypatch.setattr(
        module.upstream, "status", lambda *given: (steps.append("asked"), asked(*given))[1]
    )
    monkeypatch.setattr(module.ledger.table, "get", noted)
    assert studio.status(headers, job_id).json["credit"] == "held"
    assert steps == ["asked", "JO True", "H# True"]


def test_a_job_that_the_process_knows_is_told_to_its_owner_alone(studio: Studio) -> None:
    _, _, job_id = remembered(studio)
    _, others = studio.gateway.user(1)
    asked = len(studio.upstream.calls("status"))
    assert studio.status(others, job_id).status == 404
    assert len(studio.upstream.calls("status")) == asked


@pytest.mark.parametrize("is_away", [False, True])
def test_a_job_that_was_erased_meanwhile_is_not_told_by_the_process_that_knows_it(
    studio: Studio, is_away: bool
) -> None:
    user, headers, job_id = remembered(studio)
    item = item_of(studio, job_id)
    table = studio.gateway.ledger.table
    table.write(jobs.erasure(item, int(studio.gateway.clock())))
    if is_away:
        studio.upstream.fault("status", "status", times=None, status=503)
    erased = item_of(studio, job_id)
    for _ in range(2):
        answer = studio.status(headers, job_id)
        assert (answer.status, answer.json["code"]) == (404, "job_not_found")
    assert item_of(studio, job_id) == erased
    assert studio.credits(user) == (0, 1)


@pytest.mark.parametrize("is_away", [False, True])
def test_a_text_that_another_process_has_kept_is_told_by_the_process_that_knew_the_job_running(
    studio: Studio, is_away: bool
) -> None:
    """Also while upstream gives no answer."""
    user, headers, job_id = remembered(studio)
    module: Any = studio.gateway.function("transcription")
    mine = module.questions
    studio.upstream.forward(60)
    another_process(studio)
    told = studio.status(headers, job_id)
    assert told.json["credit"] == "captured"
    module.questions = mine
    if is_away:
        studio.upstream.fault("status", "status", times=None, status=503)
    for _ in range(2):
        assert studio.status(headers, job_id).json == told.json
    assert studio.credits(user) == (0, 0)


def test_a_credit_that_the_sweeper_gave_back_is_told_so_by_the_process_that_knew_it_held(
    studio: Studio,
) -> None:
    user, headers, job_id = remembered(studio)
    gateway = studio.gateway
    act = by_system("sweeper", "sweep", "the job did not end in time", at=int(gateway.clock()))
    holds.settle(gateway.ledger, studio.hold(user), RELEASED, act)
    for _ in range(2):
        answer = studio.status(headers, job_id).json
        assert (answer["credit"], answer["status"]) == ("released", "failed")
    assert studio.credits(user) == (1, 0)


def test_upstreams_silence_about_a_job_that_the_process_knows_is_an_error_and_moves_nothing(
    studio: Studio,
) -> None:
    user, headers, job_id = remembered(studio)
    kept = item_of(studio, job_id)
    studio.upstream.fault("status", "status", times=None, status=503)
    assert studio.status(headers, job_id).status == 502
    assert (item_of(studio, job_id), studio.credits(user)) == (kept, (0, 1))


def test_a_hold_that_names_another_job_is_not_settled_by_the_one_that_the_process_knew(
    studio: Studio,
) -> None:
    user, headers, job_id = remembered(studio)
    hold, table = studio.hold(user), studio.gateway.ledger.table
    table.write(Update(*hold.key, "SET job_id = :other", "", values={":other": "another"}))
    studio.upstream.forward(60)
    assert studio.status(headers, job_id).json["credit"] == "held"
    assert studio.credits(user) == (0, 1)


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
