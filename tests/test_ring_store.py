"""A ring is changed by several writers at once, and by writers that die, without losing a key."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.access import keyrings, ring_store
from engine.access.keyrings import Key
from engine.access.ring_store import Contested, Stored, TooLarge
from engine.platform.aws_json import ErrorAnswer
from local.engine import json_client

NOW = 1_800_000_000
STAGE_S = 3600
_numbers = itertools.count(1)


@pytest.fixture
def ssm(endpoint: str) -> Iterator[Any]:
    client = json_client("ssm", endpoint)
    yield client
    client.close()


@pytest.fixture
def path(ssm: Any) -> str:
    """A ring of one key, "first"."""
    name = f"/ring-store/{next(_numbers)}"
    value = ring_store.document(Stored((key("first", NOW - 9999),)))
    ssm.put_parameter(Name=name, Value=value, Type="SecureString")
    return name


def key(secret: str, at: int = NOW, signs_from: int | None = None) -> Key:
    return Key(secret, at, at if signs_from is None else signs_from)


def adding(secret: str, signs_from: int = NOW + STAGE_S) -> Callable[[Stored], Stored]:
    return lambda stored: stored.with_key(key(secret, NOW, signs_from))


def taking(secret: str) -> Callable[[Stored], Stored]:
    return lambda stored: stored.without(frozenset({keyrings.key_name(secret)}))


def change(ssm: Any, path: str, decide: Callable[[Stored], Stored], now: int = NOW) -> Stored:
    return ring_store.change(ssm, path, decide, now=now, stage_s=STAGE_S)


def stored_secrets(ssm: Any, path: str) -> list[str]:
    """What a function would read."""
    value = ssm.get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"]
    return [key.secret for key in keyrings.parse(value)]


class Meddled:
    """A client whose first writes are each preceded by somebody else's, done in between."""

    def __init__(self, client: Any, *acts: Callable[[], object], dies: bool = False) -> None:
        self._client = client
        self._acts = list(acts)
        self._dies = dies

    def get_parameters(self, **asked: Any) -> Any:
        return self._client.get_parameters(**asked)

    def put_parameter(self, **asked: Any) -> Any:
        if self._acts:
            self._acts.pop(0)()
        answer = self._client.put_parameter(**asked)
        if self._dies:
            raise KeyboardInterrupt
        return answer


def test_a_change_is_what_functions_read(ssm: Any, path: str) -> None:
    after = change(ssm, path, adding("second"))
    assert [key.secret for key in after.keys] == ["first", "second"] == stored_secrets(ssm, path)
    assert ring_store.read(ssm, path, now=NOW, stage_s=STAGE_S) == after
    assert after.keys[1].signs_from == NOW + STAGE_S


def test_nothing_is_written_where_nothing_changes(ssm: Any, path: str) -> None:
    change(ssm, path, lambda stored: stored)
    assert ssm.get_parameter(Name=path)["Parameter"]["Version"] == 1


def test_a_ring_that_is_not_there_is_begun(ssm: Any) -> None:
    path = f"/ring-store/{next(_numbers)}"
    assert ring_store.read(ssm, path, now=NOW, stage_s=0) == Stored(())
    change(ssm, path, adding("only"))
    assert stored_secrets(ssm, path) == ["only"]
    found = ssm.get_parameter(Name=path)["Parameter"]
    assert found["Type"] == "SecureString"


def test_a_key_that_came_in_between_is_kept_and_waits_anew(ssm: Any, path: str) -> None:
    meddled = Meddled(ssm, lambda: change(ssm, path, adding("theirs")))
    after = change(meddled, path, adding("ours"), now=NOW + 60)
    assert {key.secret for key in after.keys} == {"first", "ours", "theirs"}
    assert set(stored_secrets(ssm, path)) == {"first", "ours", "theirs"}
    (theirs,) = [key for key in after.keys if key.secret == "theirs"]
    assert theirs.signs_from == NOW + 60 + STAGE_S


def test_what_the_other_took_out_stays_out(ssm: Any, path: str) -> None:
    change(ssm, path, adding("second", NOW))
    meddled = Meddled(ssm, lambda: change(ssm, path, taking("first")))
    change(meddled, path, adding("ours"))
    assert stored_secrets(ssm, path) == ["second", "ours"]


def test_two_who_take_out_all_but_one_each_leave_one(ssm: Any, path: str) -> None:
    change(ssm, path, adding("second", NOW))
    meddled = Meddled(ssm, lambda: change(ssm, path, taking("first")))
    change(meddled, path, taking("second"))
    assert len(stored_secrets(ssm, path)) == 1


def test_a_writer_that_dies_after_covering_a_key_is_repaired_by_the_next(
    ssm: Any, path: str
) -> None:
    meddled = Meddled(ssm, lambda: change(ssm, path, adding("theirs")), dies=True)
    with pytest.raises(KeyboardInterrupt):
        change(meddled, path, adding("ours"))
    assert stored_secrets(ssm, path) == ["first", "ours"]
    seen = ring_store.read(ssm, path, now=NOW, stage_s=STAGE_S)
    assert {key.secret for key in seen.keys} == {"first", "ours", "theirs"}
    change(ssm, path, lambda stored: stored)
    assert set(stored_secrets(ssm, path)) == {"first", "ours", "theirs"}


def test_several_in_between_are_all_kept(ssm: Any, path: str) -> None:
    def others() -> None:
        for n in range(5):
            change(ssm, path, adding(f"other-{n}"))

    change(Meddled(ssm, others, others), path, adding("ours"))
    assert len(set(stored_secrets(ssm, path))) == 1 + 5 + 1


@pytest.mark.parametrize("attempt", range(3))
def test_eight_writers_at_once_lose_no_key(endpoint: str, path: str, attempt: int) -> None:
    start = threading.Barrier(8)

    def write(n: int) -> None:
        client = json_client("ssm", endpoint)
        start.wait()
        for turn in range(3):
            change(client, path, adding(f"{attempt}-{n}-{turn}"))
        client.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    client: Any = json_client("ssm", endpoint)
    found = ring_store.read(client, path, now=NOW, stage_s=STAGE_S)
    wanted = {f"{attempt}-{n}-{turn}" for n in range(8) for turn in range(3)} | {"first"}
    assert {key.secret for key in found.keys} == wanted
    assert sorted(stored_secrets(client, path)) == sorted(wanted)
    client.close()


def test_who_is_always_outrun_says_so_and_the_ring_is_whole(
    ssm: Any, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring_store, "PAUSE_S", 0.0)
    monkeypatch.setattr(ring_store, "ATTEMPTS", 3)
    acts = [lambda n=n: change(ssm, path, adding(f"t{n}")) for n in range(9)]
    with pytest.raises(Contested):
        change(Meddled(ssm, *acts), path, adding("ours"))
    found = change(ssm, path, lambda stored: stored)
    assert {key.secret for key in found.keys} == {"first", "ours", "t0", "t1", "t2"}


def test_a_store_that_takes_no_write_just_now_is_asked_again(ssm: Any, path: str) -> None:
    def busy() -> None:
        raise ErrorAnswer("TooManyUpdates")

    change(Meddled(ssm, busy), path, adding("ours"))
    assert stored_secrets(ssm, path) == ["first", "ours"]


def test_any_other_refusal_of_the_store_is_raised(ssm: Any, path: str) -> None:
    def refused() -> None:
        raise ErrorAnswer("AccessDeniedException")

    with pytest.raises(ErrorAnswer):
        change(Meddled(ssm, refused), path, adding("ours"))


def test_a_ring_that_would_not_fit_into_a_parameter_is_refused(ssm: Any, path: str) -> None:
    with pytest.raises(TooLarge):
        change(ssm, path, adding("x" * 5000))
    assert stored_secrets(ssm, path) == ["first"]


def test_what_was_written_by_hand_is_taken_as_it_is(ssm: Any, path: str) -> None:
    change(ssm, path, adding("second"))
    ssm.put_parameter(
        Name=path, Value='{"keys":[{"secret":"by-hand"}]}', Type="SecureString", Overwrite=True
    )
    change(ssm, path, adding("third"))
    assert stored_secrets(ssm, path) == ["by-hand", "third"]


@pytest.mark.parametrize("value", ["", "bare", '{"keys":[{"secret":"a"}],"onto":"x"}'])
def test_what_is_no_ring_is_not_written_over(ssm: Any, path: str, value: str) -> None:
    ssm.put_parameter(Name=path, Value=value or " ", Type="SecureString", Overwrite=True)
    with pytest.raises(ValueError, match=r"."):
        change(ssm, path, adding("ours"))
    assert ssm.get_parameter(Name=path)["Parameter"]["Version"] == 2


def test_a_document_has_what_is_needed_and_no_more() -> None:
    imported = Key("b", NOW, NOW + STAGE_S, imported=True)
    value = json.loads(ring_store.document(Stored((key("a"), imported), ("gone",), 7)))
    assert value == {
        "keys": [
            {"secret": "a", "createdAt": "2027-01-15T08:00:00.000Z"},
            {
                "secret": "b",
                "createdAt": "2027-01-15T08:00:00.000Z",
                "signsFrom": "2027-01-15T09:00:00.000Z",
                "imported": True,
            },
        ],
        "onto": 7,
        "dropped": ["gone"],
    }
    assert keyrings.parse(json.dumps(value)) == (key("a"), imported)
