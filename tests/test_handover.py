"""Calls that an app cannot wait for: the worker makes them, once, and the app reads the job from then on."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.credits.hold_items import OPEN, RELEASED
from engine.transcription.handover import NotHandedOver, QueueHandover, read_message
from engine.transcription.upstream import NotSent
from tests.support.loglines import caught
from tests.support.studio import VIDEO, Studio, assert_failed, opened


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    return module_studio


def unsent(studio: Studio, name: str, tries: int) -> Any:
    """Lets the function's next `tries` calls find nobody to connect to."""
    upstream = studio.gateway.function(name).upstream  # type: ignore[attr-defined]
    real, left = type(upstream).transcribe, [tries]

    def transcribe(*arguments: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise NotSent()
        return real(upstream, *arguments)

    upstream.transcribe = transcribe
    return upstream


@pytest.fixture(autouse=True)
def _mended(studio: Studio) -> Iterator[None]:
    yield
    for name in ("transcription", "transcription_worker"):
        vars(studio.gateway.function(name).upstream).pop("transcribe", None)  # type: ignore[attr-defined]


def test_what_could_not_be_sent_is_tried_again_by_the_worker(studio: Studio) -> None:
    _, headers, vended = studio.vend()
    unsent(studio, "transcription", 1)
    unsent(studio, "transcription_worker", 3)
    with studio.handing_over() as worker:
        reply = studio.submit(vended)
    assert (reply.status, reply.json["url"]) == (202, VIDEO)
    assert reply.json["statusUrl"].startswith("http://api.example.test/ttt/status/")
    assert worker.naps == [0, 1, 2, 4]
    assert len(studio.upstream.calls("transcribe")) == 1
    assert studio.status(headers, reply.json["id"]).json["credit"] == "held"
    assert studio.submit(vended).text == reply.text


def test_what_cannot_be_sent_at_all_gives_the_credit_back(studio: Studio) -> None:
    user, headers, vended = studio.vend()
    unsent(studio, "transcription", 1)
    unsent(studio, "transcription_worker", 4)
    with studio.handing_over():
        reply = studio.submit(vended)
    assert_failed(reply, 502, "upstream_error")
    assert reply.details == {"reason": "unreachable"}
    assert (reply.json["credit"], studio.credits(user)) == ("released", (1, 0))
    assert studio.upstream.calls("transcribe") == []
    own = f"job-{studio.hold(user).jti}"
    told = studio.status(headers, own).json
    assert (told["status"], told["credit"]) == ("failed", "released")
    assert "given back" in told["guidance"]


def test_without_a_worker_the_front_gives_the_credit_back_itself(studio: Studio) -> None:
    user, _, vended = studio.vend()
    unsent(studio, "transcription", 1)
    assert_failed(studio.submit(vended), 502, "upstream_error")
    assert studio.credits(user) == (1, 0)


def test_while_upstream_is_slow_the_worker_makes_the_call_and_waits_for_it(studio: Studio) -> None:
    """The first call times out, and the webhook brings its result; later calls wait in the worker."""
    _, _, first = studio.vend()
    user, headers, vended = studio.vend()
    studio.upstream.fault("transcribe", "delay", seconds=60)
    with studio.impatient(), studio.handing_over() as worker:
        assert studio.submit(first).status == 202
        assert worker.messages == []
        worker.at_once = False
        reply = studio.submit(vended)
        assert (reply.status, reply.json["status"]) == (202, "processing")
        own = reply.json["jobId"]
        assert own == f"job-{studio.hold(user).jti}"
        assert studio.status(headers, own).json["status"] == "processing"
        (message,) = worker.messages
        assert worker.work(message) == []
    said = studio.status(headers, own).json
    assert (said["status"], said["credit"]) == ("queued", "held")
    assert studio.submit(vended).json["id"] == said["id"]


def test_a_message_that_comes_again_starts_nothing_again(studio: Studio) -> None:
    user, _, vended = studio.vend()
    unsent(studio, "transcription", 1)
    with studio.handing_over() as worker:
        studio.submit(vended)
        with caught() as lines:
            assert worker.work(worker.messages[0]) == []
    assert len(studio.upstream.calls("transcribe")) == 1
    assert "be:call outcome=done-before" in lines.messages
    assert (studio.hold(user).state, studio.credits(user)) == (OPEN, (0, 1))


def test_a_call_whose_credit_went_back_meanwhile_is_not_made(studio: Studio) -> None:
    user, _, vended = studio.vend()
    unsent(studio, "transcription", 1)
    with studio.impatient(), studio.handing_over() as worker:
        worker.at_once = False
        studio.submit(vended)
        studio.pass_(921)
        studio.sweep()
        assert studio.hold(user).state == RELEASED
        assert worker.work(worker.messages[0]) == []
    assert studio.upstream.calls("transcribe") == []
    assert studio.credits(user) == (1, 0)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"user": 7, "jti": "x"}',
        '{"user": "u", "jti": ""}',
        '{"user": "../", "jti": "x"}',
    ],
)
def test_a_message_that_is_none_comes_again_and_ends_with_the_dead_ones(
    studio: Studio, body: str
) -> None:
    with studio.handing_over() as worker:
        assert worker.work(body) == ["1"]
    with pytest.raises(ValueError, match=r"call|Expecting"):
        read_message(body)


@pytest.mark.parametrize("named", ["user", "jti"])
def test_a_message_about_nothing_that_is_here_is_done_with(studio: Studio, named: str) -> None:
    user, _, vended = studio.vend()
    studio.submit(vended)
    message = {"user": user, "jti": studio.hold(user).jti} | {named: "somebody-else"}
    calls = len(studio.upstream.calls("transcribe"))
    with studio.handing_over() as worker:
        assert worker.work(json.dumps(message)) == []
    assert len(studio.upstream.calls("transcribe")) == calls


class Queue:
    """A queue's client that keeps what it is sent, or has trouble."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.trouble = trouble
        self.sent: list[dict[str, str]] = []

    def send_message(self, **request: str) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.sent.append(request)


def test_a_call_goes_into_the_queue_as_the_worker_reads_it() -> None:
    queue = Queue()
    QueueHandover("https://queue.test/calls", lambda: queue).send("ann", "jti-1")  # type: ignore[arg-type, return-value]
    (request,) = queue.sent
    assert request["QueueUrl"] == "https://queue.test/calls"
    assert read_message(request["MessageBody"]) == ("ann", "jti-1")


def test_a_queue_in_trouble_takes_nothing() -> None:
    gone = {"Error": {"Code": "AWS.SimpleQueueService.NonExistentQueue", "Message": ""}}
    queue = Queue(ClientError(gone, "SendMessage"))  # type: ignore[arg-type]
    with pytest.raises(NotHandedOver):
        QueueHandover("https://queue.test/calls", lambda: queue).send("ann", "jti-1")  # type: ignore[arg-type, return-value]
