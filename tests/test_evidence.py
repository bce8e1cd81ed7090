"""What counts as the end of a job: fresh evidence only; and a call that loses a race reads again."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.credits import hold_items
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, Hold
from engine.platform.errors import JobNotFound, UpstreamFailed
from engine.platform.table import Item, Table
from engine.transcription import status as job_status
from engine.transcription.gateway import Questions
from engine.transcription.outcomes import (
    COMPLETED_WORDS,
    FAILED_STEMS,
    FAILED_WORDS,
    FORGOTTEN_AFTER_S,
    RUNNING_WORDS,
    UNCLEAR_AFTER_S,
    Heard,
    end_of,
    is_unclear,
    text_of,
)
from tests.mutation.desk import NOW, Desk, Interrupted, Service, nothing, nowhere, proxy, submit
from tests.support.gateway import Gateway
from tests.support.loglines import caught

WORDS = {"transcription": "the words"}
DONE = (200, {"status": "completed", "result": WORDS})
RUNS = (200, {"status": "processing"})
GONE: tuple[int, dict[str, Any]] = (404, {"error": "job_not_found"})
ODD = (200, {"status": "simmering"})


class Watched:
    """A job that was started at `NOW`, and its owner who asks how it goes."""

    def __init__(self, gateway: Gateway) -> None:
        self.desk, self.service = Desk(gateway, balance=1), Service()
        self.questions = Questions()
        self.hold = self.desk.hold()
        submit(self.desk, self.hold, self.service)

    def ask(self, says: tuple[int, dict[str, Any]] | None, after_s: int, **other: Any) -> str:
        """The answer's text, empty for a 404."""
        self.service.says = says
        table = other.get("table", self.desk.table)
        with suppress(JobNotFound):
            gateway = proxy(self.service, table, self.questions)
            act = nowhere(NOW + after_s)
            return job_status.status(gateway, self.desk.user, self.service.job_id, act).body
        return ""

    def hold_now(self) -> Hold:
        return hold_items.read(self.desk.stored(self.hold))

    @property
    def state(self) -> str:
        return str(self.desk.stored(self.hold)["state"])


@pytest.fixture
def job(gateway: Gateway) -> Watched:
    return Watched(gateway)


def test_one_negative_answer_is_no_proof_however_old_it_is(job: Watched) -> None:
    """A poll that does not ask itself must not decide by a 404 that was stored long ago."""
    job.ask(GONE, 1)
    seen: list[str] = []

    def another_poll() -> None:
        job.service.meanwhile = nothing
        seen.append(job.ask(DONE, FORGOTTEN_AFTER_S + 30))

    job.service.meanwhile = another_poll
    text = job.ask(DONE, FORGOTTEN_AFTER_S + 30)
    assert seen == [""]
    assert '"text":"the words"' in text and '"credit":"captured"' in text
    assert (job.state, job.desk.explained()) == (CAPTURED, (0, 0))
    assert job.desk.types() == ["api_add", "spend", "capture"]


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([(GONE, 1), (GONE, 120)], OPEN),
        ([(GONE, 1), (GONE, 121)], RELEASED),
        ([(GONE, 1), (RUNS, 60), (GONE, 130), (GONE, 249)], OPEN),
        ([(GONE, 1), (RUNS, 60), (GONE, 130), (GONE, 250)], RELEASED),
        ([(GONE, 1), (ODD, 60), (GONE, 130)], OPEN),
        ([(GONE, 1), (None, 130)], OPEN),
        ([(GONE, 1), ((410, {}), 121)], RELEASED),
        ([(ODD, 1), (ODD, 300)], OPEN),
        ([(ODD, 1), (ODD, 301)], RELEASED),
        ([(ODD, 1), (GONE, 150), (ODD, 301)], RELEASED),
        ([(ODD, 1), (RUNS, 150), (ODD, 301)], OPEN),
        ([(ODD, 1), (DONE, 400)], CAPTURED),
        ([((200, {"status": "completed"}), 1), ((200, {"status": "completed"}), 301)], RELEASED),
        ([((200, {}), 1), ((200, {"status": 7}), 301)], RELEASED),
        ([((200, {"status": "completed"}), 1), (DONE, 10)], CAPTURED),
    ],
)
def test_a_job_ends_by_fresh_evidence(
    job: Watched, answers: list[tuple[tuple[int, dict[str, Any]] | None, int]], state: str
) -> None:
    for says, after_s in answers:
        with suppress(UpstreamFailed):
            job.ask(says, after_s)
    assert job.state == state
    job.desk.explained()


SAYINGS = {"gone": GONE, "runs": RUNS, "odd": ODD, "done": DONE, "away": None}


class Reference:
    """What must become of a job, from all that upstream said of it."""

    def __init__(self) -> None:
        self.state = OPEN
        self.since: dict[str, int] = {}

    def hear(self, says: str, now: int) -> None:
        """An end is final; a text charges also after a release; a doubt lasts until it is answered."""
        if says == "away" or self.state == CAPTURED:
            return
        if says == "done":
            self.state = CAPTURED
        ends = {"runs": ("gone", "odd"), "odd": ("gone",)}.get(says, ())
        self.since = {doubt: at for doubt, at in self.since.items() if doubt not in ends}
        limit_s = {"gone": FORGOTTEN_AFTER_S, "odd": UNCLEAR_AFTER_S}.get(says)
        if limit_s is not None and now - self.since.setdefault(says, now) >= limit_s:
            self.state = RELEASED


WAITS_S = (1, 2, 59, 60, 119, 120, 121, 299, 300)


@given(st.lists(st.tuples(st.sampled_from(sorted(SAYINGS)), st.sampled_from(WAITS_S)), max_size=8))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_no_sequence_of_answers_ends_a_job_without_its_evidence(
    gateway: Gateway, sayings: list[tuple[str, int]]
) -> None:
    """The text is told exactly where it was charged."""
    job, reference, now = Watched(gateway), Reference(), 0
    for says, later_s in sayings:
        now += later_s
        told = ""
        with suppress(UpstreamFailed):
            told = job.ask(SAYINGS[says], now)
        reference.hear(says, now)
        assert job.state == reference.state
        assert ("the words" in told) == (reference.state == CAPTURED)
    assert job.desk.explained() == {OPEN: (0, 1), CAPTURED: (0, 0), RELEASED: (1, 0)}[job.state]


@pytest.mark.parametrize(
    "word",
    [
        "failed", "FAILED", "error", "cancelled", "canceled", "Canceled", "expired", "rejected", "timeout",
        "timed-out", "timed out", "not_found", "NOT FOUND", "deleted", "aborted", "failed_refunded",
        "download_failed", "removed", "refused", "terminated", "notFound", "TimedOut", "errors",
        "crash", "interrupted", "evicted", "unsuccessful", "cancelling", "failed\0",
        "\uff26\uff21\uff29\uff2c\uff25\uff24",
    ],
)  # fmt: skip
def test_a_word_that_ends_a_job_badly_gives_the_credit_back_at_once(
    job: Watched, word: str
) -> None:
    told = job.ask((200, {"status": word, "result": WORDS, "text": "the words"}), 1)
    assert "the words" not in told and '"credit":"released"' in told
    assert (job.state, job.desk.explained()) == (RELEASED, (1, 0))


@pytest.mark.parametrize(
    "word",
    ["completed", "Completed", "done", "succeeded", "finished", "OK", " success ", "transcribed"],
)
def test_a_word_that_completes_a_job_charges_where_its_text_is_there(word: str) -> None:
    assert end_of({"status": word, "result": WORDS}) == CAPTURED
    assert end_of({"status": word}) is None and is_unclear({"status": word})


@pytest.mark.parametrize(
    "word",
    ["in_progress", "inProgress", "In Progress", "IN-PROGRESS", "audio_extraction", "Queued"],
)
def test_a_word_of_progress_holds_the_credit_in_any_form(job: Watched, word: str) -> None:
    for after_s in (1, UNCLEAR_AFTER_S + 1, 2 * UNCLEAR_AFTER_S + 2):
        told = job.ask((200, {"status": word}), after_s)
        assert '"credit":"held"' in told
    assert job.state == OPEN


FORMS: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "separated": lambda word: " - ".join(re.findall("..?", word)),
    "full width": lambda word: "".join(chr(ord(letter) + 0xFEE0) for letter in word),
    "surrounded": lambda word: f" {word}!\n",
}


@pytest.mark.parametrize("name", ["transcription", "transcript", "text"])
@pytest.mark.parametrize("place", ["result", "top"])
def test_a_text_in_any_member_that_clients_read_is_charged_and_told(
    job: Watched, place: str, name: str
) -> None:
    found = {name: "the words"}
    members = {"status": "completed", **({"result": found} if place == "result" else found)}
    told = job.ask((200, members), 1)
    assert '"text":"the words"' in told and '"credit":"captured"' in told
    assert job.state == CAPTURED


def test_a_silent_video_has_an_empty_text(job: Watched) -> None:
    assert text_of({"result": {"transcription": ""}}) == ""
    assert text_of({"result": {"transcription": " ", "text": "words"}}) == "words"
    assert text_of({"text": "", "transcript": " ", "result": {"text": ""}}) is None
    job.ask((200, {"status": "completed", "result": {"transcription": ""}}), 1)
    assert job.state == CAPTURED


@pytest.mark.parametrize("form", FORMS)
def test_a_known_word_is_known_in_any_form(form: str) -> None:
    failed = (*FAILED_WORDS, *FAILED_STEMS)
    for words, end in ((failed, RELEASED), (COMPLETED_WORDS, CAPTURED), (RUNNING_WORDS, None)):
        for word in words:
            members = {"status": FORMS[form](word), "result": WORDS}
            assert (end_of(members), is_unclear(members)) == (end, False), members


TEXTS = dict.fromkeys(("transcription", "transcript", "text"), "the words")
HIDDEN: dict[str, dict[str, Any]] = {
    "result": {"result": TEXTS},
    "top": TEXTS,
    "a list": {"result": {"transcription": ["the words"]}},
    "an object": {"transcript": {"en": "the words"}},
    "instead of the result": {"result": "the words"},
    "a list of results": {"result": [{"alternatives": "the words"}]},
    "parts": {"segments": [{"start": 0, "line": "the words"}], "SRT": "1 the words"},
    "deep": {"data": [{"result": {"Text": "the words"}}]},
}


@pytest.mark.parametrize("place", HIDDEN)
def test_the_text_of_a_job_that_is_not_paid_for_is_not_told(job: Watched, place: str) -> None:
    told = job.ask((200, {"status": "processing", **HIDDEN[place]}), 1)
    assert "the words" not in told and '"credit":"held"' in told
    assert job.state == OPEN


@pytest.mark.parametrize(
    "stored", [Heard(None, missing_since=NOW), Heard({"status": "simmering"}, unclear_since=NOW)]
)
def test_a_stored_doubt_decides_nothing_however_old_it_is(stored: Heard) -> None:
    assert stored.outcome(NOW + 86_400) is None
    fresh = replace(stored, is_fresh=True).outcome(NOW + 86_400)
    assert fresh is not None and fresh[0] == RELEASED


def test_an_unclear_status_is_logged_once(job: Watched) -> None:
    with caught() as lines:
        for after_s in (1, 2, 3):
            job.ask(ODD, after_s)
    found = [line for line in lines.json if line["message"] == "upstream's status is unclear"]
    assert [(line["status"], line["job"]) for line in found] == [("simmering", job.service.job_id)]


def test_a_poll_that_saw_the_job_missing_and_lost_to_its_text_tells_the_text(job: Watched) -> None:
    """Its own 404 is fresh, and another call has charged for the text in the meantime."""
    job.ask(GONE, 1)
    other = Service(job.service.job_id, says=DONE)

    def charged_elsewhere() -> None:
        gateway, act = proxy(other, job.desk.table), nowhere(NOW + 151)
        job_status.status(gateway, job.desk.user, other.job_id, act)

    told = job.ask(GONE, 150, table=Interrupted(job.desk.table, charged_elsewhere, at=3))
    assert '"text":"the words"' in told and '"credit":"captured"' in told
    assert job.desk.types() == ["api_add", "spend", "capture"]


class ReadTwice(Table):
    """`action` happens once, after the first read."""

    def __init__(self, table: Table, action: Callable[[], object]) -> None:
        super().__init__(table._client, table.name)
        self._actions = [action]

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        found = super().get(pk, sk, consistent=consistent)
        if self._actions:
            self._actions.pop()()
        return found


def test_a_poll_that_read_the_job_before_another_one_charged_for_it_tells_the_text(
    job: Watched,
) -> None:
    """It finds the hold captured, and reads the job again."""
    job.ask(GONE, 1)
    other = Service(job.service.job_id, says=DONE)

    def charged_elsewhere() -> None:
        gateway, act = proxy(other, job.desk.table), nowhere(NOW + 200)
        job_status.status(gateway, job.desk.user, other.job_id, act)

    told = job.ask(GONE, 1, table=ReadTwice(job.desk.table, charged_elsewhere))
    assert '"text":"the words"' in told and '"credit":"captured"' in told


@pytest.mark.parametrize("spent_elsewhere", [False, True])
def test_a_text_that_lost_to_a_refund_is_charged_again_or_kept_back(
    job: Watched, spent_elsewhere: bool
) -> None:
    def given_back() -> None:
        job.desk.settle(job.hold_now(), RELEASED)
        if spent_elsewhere:
            job.desk.hold()

    told = job.ask(DONE, 1, table=Interrupted(job.desk.table, given_back, at=3))
    assert ("the words" in told) == (not spent_elsewhere)
    assert job.state == (RELEASED if spent_elsewhere else CAPTURED)
    assert job.desk.explained() == ((0, 1) if spent_elsewhere else (0, 0))


def test_a_job_that_is_read_by_many_is_charged_once_and_told_only_when_charged(
    gateway: Gateway,
) -> None:
    """A second poll in between any two writes of the first one."""
    for at in range(1, 5):
        job = Watched(gateway)
        job.ask(GONE, 1)
        told: list[str] = []
        other = Service(job.service.job_id, says=DONE)

        def poll(job: Watched = job, other: Service = other, told: list[str] = told) -> None:
            gateway_ = proxy(other, job.desk.table)
            with suppress(JobNotFound):
                act = nowhere(NOW + 200)
                told.append(job_status.status(gateway_, job.desk.user, other.job_id, act).body)

        action: Callable[[], None] = poll
        told.append(job.ask(DONE, 200, table=Interrupted(job.desk.table, action, at=at)))
        assert job.desk.explained() == (0, 0)
        assert job.desk.types() == ["api_add", "spend", "capture"]
        assert all("the words" in text for text in told if '"credit":"captured"' in text)
