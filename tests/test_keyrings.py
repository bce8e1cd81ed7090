"""Key rings: read in one call, cached, used while the store does not answer, never shown."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.access.keyrings import (
    FIRST_RETRY_S,
    KEEP_S,
    RETRY_S,
    SPREAD,
    Key,
    KeyRings,
    Ring,
    parse,
    ring_at,
    spread,
    unfit_to_import,
)
from engine.platform.errors import Busy
from local.engine import json_client
from tests.support.loglines import caught
from tests.support.stubs import Stub

NAMES = ("ONE", "TWO")
NOWHERE = "http://127.0.0.1:9"


class Store:
    """A parameter store whose next answers are given beforehand, and a clock that stands still."""

    def __init__(self) -> None:
        self.client = json_client("ssm", NOWHERE)
        self.stub = Stub(self.client)
        self.now = 1_800_000_000.0
        self.rings = KeyRings(self.client, "/p/", NAMES, clock=lambda: self.now, spread=float)

    def gives(self, **values: str) -> None:
        parameters = [{"Name": f"/p/{name}", "Value": value} for name, value in values.items()]
        asked = {"Names": ["/p/ONE", "/p/TWO"], "WithDecryption": True}
        self.stub.add_response("get_parameters", {"Parameters": parameters}, asked)

    def pending(self) -> bool:
        """Whether an answer was given that nobody has asked for yet."""
        return self.stub.is_pending()

    def fails(self, code: str = "InternalServerError", status: int = 500) -> None:
        self.stub.add_client_error("get_parameters", code, http_status_code=status)


@pytest.fixture
def store() -> Iterator[Store]:
    """Fails where an answer that was given was not asked for, or another one was."""
    store = Store()
    yield store
    assert not store.pending()


def ring(*secrets: str) -> str:
    return json.dumps(
        {"keys": [{"secret": s, "createdAt": "2026-01-01T00:00:00Z"} for s in secrets]}
    )


def test_all_rings_of_a_function_are_read_in_one_call(store: Store) -> None:
    store.gives(ONE=ring("a"), TWO=ring("b", "c"))
    assert store.rings["ONE"].secrets == ("a",)
    assert store.rings["TWO"].secrets == ("b", "c")


def test_rings_are_cached_for_five_minutes(store: Store) -> None:
    store.gives(ONE=ring("a"), TWO=ring("b"))
    store.gives(ONE=ring("a", "new"), TWO=ring("b"))
    assert store.rings["ONE"].signing == "a"
    store.now += KEEP_S - 1
    assert store.rings["ONE"].signing == "a"
    store.now += 1
    assert store.rings["ONE"].signing == "new"
    assert store.rings["ONE"].matches("a")


def test_a_key_verifies_at_once_and_signs_from_its_time_on(store: Store) -> None:
    keys = [
        {"secret": "a", "createdAt": "2026-01-01T00:00:00Z"},
        {"secret": "b", "createdAt": "2026-02-01T00:00:00Z", "signsFrom": "2027-01-15T08:01:00Z"},
        {"secret": "c", "createdAt": "2026-02-01T00:00:00Z", "signsFrom": "2027-01-15T08:02:00Z"},
    ]
    store.gives(ONE=json.dumps({"keys": keys}), TWO=ring("b"))
    seen = []
    for second in (0, 59, 60, 119, 120):
        store.now = 1_800_000_000 + second
        seen.append(store.rings["ONE"].signing)
        assert store.rings["ONE"].secrets == ("a", "b", "c")
        assert store.rings["ONE"].matches("c")
    assert seen == ["a", "a", "b", "b", "c"]


def test_the_oldest_key_signs_before_any_signing_time() -> None:
    early = (Key("a", 100, 100), Key("b", 200, 200))
    assert ring_at(early, 50).signing == "a"


def test_a_clock_set_back_does_not_extend_the_cache(store: Store) -> None:
    store.gives(ONE=ring("a"), TWO=ring("b"))
    store.gives(ONE=ring("a", "new"), TWO=ring("b"))
    assert store.rings["ONE"].signing == "a"
    store.now -= 3600
    assert store.rings["ONE"].signing == "new"


def test_a_key_does_not_show_its_secret() -> None:
    assert "hidden" not in repr(Key("hidden", 1, 2))


def test_cached_rings_are_used_while_the_store_does_not_answer(store: Store) -> None:
    store.gives(ONE=ring("a"), TWO=ring("b"))
    store.fails()
    store.gives(ONE=ring("new"), TWO=ring("b"))
    assert store.rings["ONE"].signing == "a"
    store.now += KEEP_S
    assert store.rings["ONE"].signing == "a"
    store.now += RETRY_S - 1
    assert store.rings["ONE"].signing == "a"
    store.now += 1
    assert store.rings["ONE"].signing == "new"


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "AccessDeniedException", "InternalServerError"]
)
def test_without_any_ring_the_answer_is_busy(store: Store, code: str) -> None:
    store.fails(code, 400)
    with pytest.raises(Busy) as busy:
        store.rings["ONE"]
    assert (busy.value.status, busy.value.headers) == (503, {"Retry-After": "1"})
    store.gives(ONE=ring("a"), TWO=ring("b"))
    store.now += FIRST_RETRY_S
    assert store.rings["ONE"].signing == "a"


def test_a_read_that_failed_is_not_repeated_by_every_request(store: Store) -> None:
    """Where the store throttles, each wait is twice as long as the one before, up to a limit."""
    waits = [1, 2, 4, 8, RETRY_S, RETRY_S]
    for wait in waits:
        store.fails("ThrottlingException", 400)
        for second in range(wait):
            for name in (*NAMES, *NAMES):
                with pytest.raises(Busy):
                    store.rings[name]
            store.now += 1
            assert not store.pending(), f"asked too late, second {second} of {wait}"
    store.gives(ONE=ring("a"), TWO=ring("b"))
    assert store.rings["ONE"].signing == "a"


def test_after_a_good_read_the_waits_begin_anew(store: Store) -> None:
    for _ in range(2):
        store.rings.forget()
        for wait in (1, 2):
            store.fails("ThrottlingException", 400)
            with pytest.raises(Busy):
                store.rings["ONE"]
            store.now += wait
        store.gives(ONE=ring("a"), TWO=ring("b"))
        assert store.rings["ONE"].signing == "a"


def test_a_clock_that_is_set_back_does_not_prolong_a_wait(store: Store) -> None:
    store.fails("ThrottlingException", 400)
    with pytest.raises(Busy):
        store.rings["ONE"]
    store.now -= 3600
    store.gives(ONE=ring("a"), TWO=ring("b"))
    assert store.rings["ONE"].signing == "a"


def test_what_was_read_can_be_forgotten(store: Store) -> None:
    store.gives(ONE=ring("a"), TWO=ring("b"))
    store.gives(ONE=ring("rotated"), TWO=ring("b"))
    assert store.rings["ONE"].signing == "a"
    store.rings.forget()
    assert store.rings["ONE"].secrets == ("rotated",)


def test_readers_that_began_together_do_not_read_together() -> None:
    """No ring is kept longer than `KEEP_S`, which rotation counts on."""
    waits = [spread(KEEP_S) for _ in range(200)]
    assert max(waits) <= KEEP_S
    assert min(waits) >= KEEP_S * (1 - SPREAD)
    assert max(waits) - min(waits) > KEEP_S * SPREAD / 2
    assert len(set(waits)) > 100


def test_a_store_that_cannot_be_reached_is_busy() -> None:
    client = json_client("ssm", NOWHERE)
    with pytest.raises(Busy):
        KeyRings(client, "/p/", NAMES)["ONE"]
    client.close()


def test_a_missing_secret_is_busy_and_found_once_created(store: Store) -> None:
    store.gives(ONE=ring("a"))
    assert store.rings["ONE"].signing == "a"
    store.gives(ONE=ring("a"), TWO=ring("b"))
    with pytest.raises(Busy):
        store.rings["TWO"]
    store.now += RETRY_S
    assert store.rings["TWO"].signing == "b"


def test_a_secret_that_is_not_there_is_not_asked_for_by_every_request(store: Store) -> None:
    """`PROVISIONING_API_KEY` after a first deployment: the others go on, and it is asked for rarely."""
    for _ in range(3):
        store.gives(ONE=ring("a"))
        for _ in range(RETRY_S):
            for _ in range(10):
                with pytest.raises(Busy):
                    store.rings["TWO"]
                assert store.rings["ONE"].signing == "a"
            store.now += 1
        assert not store.pending()


MALFORMED = {
    "nothing": "",
    "a bare secret": "just-a-secret",
    "a list": "[]",
    "a number": "7",
    "null": "null",
    "no keys": "{}",
    "keys that are no list": '{"keys":7}',
    "no key at all": '{"keys":[]}',
    "a key that is a string": '{"keys":["abc"]}',
    "a key without a secret": '{"keys":[{}]}',
    "an empty secret": '{"keys":[{"secret":""}]}',
    "a secret that is null": '{"keys":[{"secret":null}]}',
    "a secret that is a number": '{"keys":[{"secret":7}]}',
    "a secret that is a list": '{"keys":[{"secret":["a"]}]}',
    "a secret that is true": '{"keys":[{"secret":true}]}',
    "a time that is none": '{"keys":[{"secret":"a","createdAt":"soon"}]}',
    "a time without a zone": '{"keys":[{"secret":"a","createdAt":"2026-01-01T00:00:00"}]}',
    "a time that is a number": '{"keys":[{"secret":"a","signsFrom":7}]}',
    "a time that is null": '{"keys":[{"secret":"a","signsFrom":[]}]}',
}
malformed = pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED.keys())


@malformed
def test_a_parameter_that_is_not_a_ring_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(value)


@malformed
def test_a_parameter_that_is_no_ring_is_busy_and_nothing_verifies_with_it(
    store: Store, value: str
) -> None:
    store.gives(ONE=value, TWO=ring("b"))
    with pytest.raises(Busy):
        store.rings["ONE"]


def test_a_damaged_parameter_leaves_the_cached_ring(store: Store) -> None:
    store.gives(ONE=ring("a"), TWO=ring("b"))
    store.gives(ONE="spoiled", TWO=ring("b"))
    assert store.rings["ONE"].signing == "a"
    store.now += KEEP_S
    assert store.rings["ONE"].signing == "a"


def test_what_is_written_by_the_rotation_is_read_here(endpoint: str) -> None:
    client = json_client("ssm", endpoint)
    value = ring("older", "newer")
    client.put_parameter(Name="/read-here/ONE", Value=value, Type="SecureString")
    assert KeyRings(client, "/read-here/", ("ONE",))["ONE"].secrets == ("older", "newer")
    client.close()


@pytest.mark.parametrize("presented", ["a-secret", "b-secret", "c-s\u00e9cret"])
def test_a_secret_of_the_ring_matches(presented: str) -> None:
    assert Ring(("a-secret", "b-secret", "c-s\u00e9cret")).matches(presented)


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "a",
        "a-secre",
        "a-secret ",
        " a-secret",
        "A-SECRET",
        "a-secretb-secret",
        "\x00",
    ],
)
def test_anything_else_does_not_match(presented: str) -> None:
    assert Ring(("a-secret", "b-secret")).matches(presented) is False


def test_every_secret_is_compared_even_after_a_match(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How long it takes does not say which one matched."""
    compared: list[bytes] = []

    def counting(ours: bytes, theirs: bytes) -> bool:
        compared.append(ours)
        return ours == theirs

    monkeypatch.setattr("engine.access.keyrings.hmac.compare_digest", counting)
    assert Ring(("a", "b", "c")).matches("a")
    assert compared == [b"a", b"b", b"c"]


def test_a_ring_is_never_empty_and_never_shows_its_secrets() -> None:
    for secrets in ((), ("",), ("a", "")):
        with pytest.raises(ValueError, match="ring"):
            Ring(secrets)
    assert "hidden" not in repr(Ring(("hidden", "hidden-too")))


def test_the_newest_signs_and_its_name_does_not_give_it_away() -> None:
    both = Ring(("older", "newer"))
    assert both.signing == "newer"
    assert both.kid == Ring(("newer",)).kid != Ring(("older",)).kid
    assert "newer" not in both.kid and len(both.kid) == 8
    assert both.only(Ring(("older",)).kid) == Ring(("older",))
    assert both.only("rotated-out") == both


PEM = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"
BAD_ENTRIES = [
    None, 7, "a", [], {}, {"secret": ""}, {"secret": None}, {"secret": ["a"]}, {"secret": PEM},
    {"secret": "ssh-rsa AAAAB3NzaC1yc2E ann@example.test"}, {"secret": "x", "createdAt": "soon"},
    {"secret": "x", "signsFrom": 7}, {"secret": "\ud800" * 20}, {"secret": " \t " * 8},
    {"secret": "---- BEGIN SSH2 PUBLIC KEY ----"}, {"secret": "-----begin public key-----"},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_ENTRIES, ids=str)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_bad_entry_is_passed_over_and_reported(store: Store, bad: Any, at: int) -> None:
    entries: list[Any] = [{"secret": "older"}, {"secret": "newer"}]
    entries.insert(at, bad)
    with caught() as lines:
        store.gives(ONE=json.dumps({"keys": entries}), TWO=ring("b"))
        assert store.rings["ONE"].secrets == ("older", "newer")
    (line,) = [line for line in lines.json if line["message"] == "be:not-rotated"]
    assert line["secret"] == "ONE"
    assert sum(one.get("NotRotated", 0) for one in lines.json) == 1
    assert PEM not in lines.text


def test_a_ring_without_a_usable_key_is_busy(store: Store) -> None:
    store.gives(ONE=json.dumps({"keys": [{"secret": PEM}]}), TWO=ring("b"))
    with pytest.raises(Busy):
        store.rings["ONE"]


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("abc", "3 characters"),
        ("", "0 characters"),
        ("a" * 15, "15 characters"),
        (PEM, "control characters"),
        (PEM.replace("\n", "\\n"), "PEM"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "PEM or SSH"),
        ("---- BEGIN SSH2 PUBLIC KEY ----", "PEM or SSH"),
        ("-----begin certificate----- MIIB", "PEM or SSH"),
        ('{"kty":"oct","k":"c2VjcmV0LW9mLXRlc3Rz"}', "JSON web key"),
        ('{"keys":[{"kty": "RSA", "n": "x"}]}', "JSON web key"),
        ("0123456789abcde\ud800", "control"),
        ("0123456789abcdef ", "blanks"),
        ("0123456789\tabcdef", "control"),
        ("0123456789abcdef", ""),
        ("pass phrase of 26 letters", ""),
    ],
)
def test_a_secret_to_import_is_checked(secret: str, reason: str) -> None:
    found = unfit_to_import(secret)
    assert reason in found and bool(found) == bool(reason)
