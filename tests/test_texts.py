"""What was charged can be read for as long as the deployment says, however large it is."""

import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.access.tokens import VENDED_LIFETIME_S
from engine.credits.hold_items import CAPTURED, OPEN
from engine.platform.table import Put
from engine.transcription import jobs
from engine.transcription import status as job_status
from engine.transcription.gateway import Questions
from engine.transcription.upstream import SIZE_LIMIT, UpstreamAnswer, parse
from tests.mutation.desk import NOW, Desk, Service, fresh, nowhere, proxy, submit
from tests.support.studio import Studio, opened
from tests.test_replays import expire

DAY_S = 86_400
START = 1_900_000_000
ITEM_LIMIT = 400 * 1024


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    module_studio.gateway.now = START
    return module_studio


def charged(studio: Studio, *, own: bool = False) -> tuple[str, str]:
    """A user and the id of a job whose text the sweeper has charged, as nobody asked."""
    user, _ = studio.gateway.user(balance=1)
    token = studio.gateway.vend(studio.gateway.user_headers(user)).json["token"]
    job = studio.submit({"authorization": f"Bearer {token}"}).json["jobId"]
    studio.upstream.forward(60)
    studio.pass_(VENDED_LIFETIME_S + 60)  # The sweeper looks when the token's time is over.
    studio.sweep()
    assert studio.hold(user).state == CAPTURED
    return user, jobs.own_id(studio.hold(user).jti) if own else job


@pytest.mark.parametrize("own", [False, True], ids=["upstream's id", "our own id"])
@pytest.mark.parametrize("days", [3, 29])
def test_a_user_who_comes_back_after_days_reads_the_text(
    studio: Studio, days: int, own: bool
) -> None:
    user, job = charged(studio, own=own)
    studio.pass_(days * DAY_S)
    expire(studio)
    told = studio.told(studio.gateway.user_headers(user), job)
    assert (told.status, told.json["credit"], bool(told.json["text"])) == (200, "captured", True)


def erase(studio: Studio, user: str) -> dict[str, Any]:
    body = {"reason": "asked by letter", "confirm": user}
    path = f"/admin/users/{user}/erase"
    reply = studio.gateway.call("POST", path, body, headers=studio.gateway.admin)
    assert reply.status == 200
    return reply.json


def test_an_erasure_removes_the_text_and_the_address_of_the_video(studio: Studio) -> None:
    user, job = charged(studio)
    own = jobs.own_id(studio.hold(user).jti)
    assert erase(studio, user)["jobs"] == 2
    for name in (job, own):
        item = studio.gateway.ledger.table.get(f"J#{name}", "JOB")
        assert item is not None and item["erased_at"]
        assert item.keys().isdisjoint({"said", "said_packed", "url"})
        assert studio.told(studio.gateway.user_headers(user), name).status == 404
    assert erase(studio, user)["jobs"] == 0
    studio.sweep()
    assert studio.hold(user).state == CAPTURED


def test_an_erasure_leaves_a_job_that_is_running(studio: Studio) -> None:
    user, _ = studio.gateway.user(balance=1)
    token = studio.gateway.vend(studio.gateway.user_headers(user)).json["token"]
    job = studio.submit({"authorization": f"Bearer {token}"}).json["jobId"]
    assert erase(studio, user)["jobs"] == 0
    studio.upstream.forward(60)
    studio.pass_(400)
    studio.sweep()
    assert studio.told(studio.gateway.user_headers(user), job).json["credit"] == "captured"


@pytest.mark.parametrize(("days", "status"), [(6, 200), (8, 404)])
def test_the_deployment_says_how_long_a_text_is_kept(
    studio: Studio, days: int, status: int
) -> None:
    module: Any = studio.gateway.function("sweeper")
    usual = module.settings
    module.settings = replace(usual, text_days=7)
    try:
        user, job = charged(studio)
    finally:
        module.settings = usual
    studio.pass_(days * DAY_S)
    expire(studio)
    assert studio.told(studio.gateway.user_headers(user), job).status == status


class Large(Service):
    """Upstream's answer as it came over the wire."""

    raw = b""

    def status(self, *_: object) -> UpstreamAnswer:
        return UpstreamAnswer(200, parse(self.raw))


NUMBERS = b'{"status":"%s","result":{"transcription":"words","confidences":[%s]}}'


@pytest.mark.parametrize(("word", "state"), [(b"completed", CAPTURED), (b"processing", OPEN)])
def test_an_answer_that_grows_when_it_is_written_is_kept(
    studio: Studio, word: bytes, state: str
) -> None:
    """`1e15` is four bytes and becomes eighteen: more than an item takes."""
    desk, service = Desk(studio.gateway, balance=1), Large()
    service.raw = NUMBERS % (word, b",".join([b"1e15"] * 50_000))
    assert len(service.raw) < SIZE_LIMIT < ITEM_LIMIT < len(json.dumps(parse(service.raw)))
    hold = desk.hold()
    submit(desk, hold, service)
    for later_s in (1, 2):
        gateway, act = proxy(service, desk.table), nowhere(NOW + later_s)
        told = json.loads(job_status.status(gateway, desk.user, service.job_id, act).body)
        assert told["result"]["confidences"] == [1e15] * 50_000
        assert told["text"] == ("words" if state == CAPTURED else None)
    assert desk.stored(hold)["state"] == state


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text() | st.floats(-1e18, 1e18),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=40,
)  # fmt: skip


@given(st.dictionaries(st.text(), values, max_size=8), st.integers(1, 10**6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_answer_that_is_read_is_too_large_to_be_kept(body: dict[str, Any], seed: int) -> None:
    """Filled up to the limit of reading with what packs worst."""
    noise = random.Random(seed)
    room = SIZE_LIMIT - len(json.dumps(body).encode()) - 40
    filled = {
        **body,
        "noise": "".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(room // 3)),
    }
    raw = json.dumps(filled, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(raw) <= SIZE_LIMIT:
        kept = jobs._packed(json.loads(raw.decode("utf-8", "surrogatepass")))
        assert len(kept) < ITEM_LIMIT * 3 // 4
        assert json.loads(zlib.decompress(kept)) == filled


def test_a_text_that_an_earlier_version_kept_is_read(studio: Studio) -> None:
    """As 57e622b wrote it: `said` as text, neither packed nor kept for long."""
    user, _ = studio.gateway.user(balance=1)
    headers = studio.gateway.user_headers(user)
    token = studio.gateway.vend(headers).json["token"]
    job = studio.submit({"authorization": f"Bearer {token}"}).json["jobId"]
    said = {"id": job, "status": "completed", "result": {"transcription": "an old text"}}
    studio.gateway.ledger.table.write(
        Put(
            {
                "pk": f"J#{job}",
                "sk": "JOB",
                "user": user,
                "jti": studio.hold(user).jti,
                "created_at": START,
                "asked_at": START,
                "said": json.dumps(said),
                "said_at": START,
                "is_final": True,
                "ttl": START + 4 * DAY_S,
            },
            "",
        )
    )
    module: Any = studio.gateway.function("transcription")
    module.questions = Questions()
    told = studio.told(headers, job)
    assert (told.json["text"], told.json["credit"]) == ("an old text", "captured")
    assert len(studio.upstream.calls("status")) == 0


@pytest.mark.parametrize(
    ("since_s", "status", "credit"), [(0, 404, "held"), (150, 200, "released")]
)
def test_an_earlier_version_s_note_of_a_missing_job_counts(
    studio: Studio, since_s: int, status: int, credit: str
) -> None:
    user, _ = studio.gateway.user(balance=1)
    headers = studio.gateway.user_headers(user)
    token = studio.gateway.vend(headers).json["token"]
    job = studio.submit({"authorization": f"Bearer {token}"}).json["jobId"]
    table = studio.gateway.ledger.table
    item = table.get(f"J#{job}", "JOB")
    assert item is not None
    table.write(Put({**item, "missing_since": START - since_s}, ""))
    studio.upstream.order("restart")
    told = studio.status(headers, job)
    assert (told.status, told.json["credit"]) == (status, credit)


def test_a_text_that_went_on_in_an_earlier_version_is_the_newer_one() -> None:
    """Both versions run while a deployment shifts; the earlier one does not know the packed form."""
    packed = jobs._packed({"status": "processing"})
    item = {"pk": f"J#{fresh('job')}", "sk": "JOB", "said_packed": packed}
    assert jobs.heard_in(item).members == {"status": "processing"}
    newer = {**item, "said": '{"status":"failed"}', "is_final": True}
    assert jobs.heard_in(newer).members == {"status": "failed"}
