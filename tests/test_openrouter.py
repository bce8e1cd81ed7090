"""Calls to OpenRouter: amounts are exact, and the outcomes say whether anything was done."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from engine.platform.outgoing import NotSent, Unknown
from engine.subscriptions.openrouter import OpenRouter, ProviderBalance, Refused
from engine.subscriptions.plans import micros, shown
from tests.support.openrouter import MANAGEMENT_KEY, STARTED_AT, Standin, serving

pytestmark = pytest.mark.enable_socket
ENDS_AT = STARTED_AT + 86_400
UNREADABLE = [
    ("garbage", {}),
    ("html", {}),
    ("empty", {}),
    ("not_object", {}),
    ("truncated", {}),
    ("oversized", {"megabytes": 2}),
    ("redirect", {"location": "http://127.0.0.1:1/"}),
    ("status", {"status": 500}),
    ("status", {"status": 503}),
    ("status", {"status": 408}),
]


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with serving(total_credits="100.5") as running:
        yield running


@pytest.fixture
def provider(standin: Standin) -> Iterator[OpenRouter]:
    standin.sound()
    yield OpenRouter(standin.base, lambda: MANAGEMENT_KEY)
    standin.sound()


def test_a_key_is_created_with_the_given_limit_and_end(
    provider: OpenRouter, standin: Standin
) -> None:
    made = provider.create("sub:ann:t.1", 123_457, ENDS_AT)
    (state,) = [key for key in standin.state()["keys"] if key["hash"] == made.hash]
    assert (state["name"], state["limit_usd"], state["live"]) == ("sub:ann:t.1", "0.123457", True)
    facts = provider.read(made.hash)
    assert facts is not None and (facts.usage, facts.disabled) == (0, False)
    assert made.secret not in repr(made)
    standin.forward(86_400)
    assert not standin.spend(made.secret, "0.01")


def test_usage_is_read_to_the_micro_dollar(provider: OpenRouter, standin: Standin) -> None:
    made = provider.create("sub:ann:t.2", 1_000_000, ENDS_AT + 10**6)
    for usd, total in (("0.1", 100_000), ("0.2", 300_000), ("0.000001", 300_001)):
        assert standin.spend(made.hash, usd)
        facts = provider.read(made.hash)
        assert facts is not None and facts.usage == total


def test_disabling_and_deleting_can_be_repeated_and_a_deleted_key_reads_as_none(
    provider: OpenRouter, standin: Standin
) -> None:
    made = provider.create("sub:ann:t.3", 1_000_000, ENDS_AT + 10**6)
    for _ in range(2):
        assert provider.disable(made.hash)
    facts = provider.read(made.hash)
    assert facts is not None and facts.disabled
    assert provider.delete(made.hash)
    assert not provider.delete(made.hash)
    assert provider.read(made.hash) is None
    assert not provider.disable(made.hash)


def test_the_list_has_pages_of_a_hundred_with_disabled_keys_in_it() -> None:
    with serving() as standin:
        provider = OpenRouter(standin.base, lambda: MANAGEMENT_KEY)
        made = [provider.create(f"sub:u:t.{n}", 1, ENDS_AT) for n in range(101)]
        provider.disable(made[100].hash)
        pages = provider.page(0), provider.page(100)
        first, rest = (page.keys for page in pages)
        assert [page.size for page in pages] == [100, len(rest)]
        assert [facts.hash for facts in first[:2]] == [made[100].hash, made[99].hash]
        assert first[0].disabled and not first[1].disabled
        assert len(first) == 100 and {facts.name for facts in rest} > {"sub:u:t.0"}


def test_a_workspace_limits_what_is_created_and_listed() -> None:
    workspace = "11111111-2222-4333-8444-555555555555"
    with serving() as standin:
        inside = OpenRouter(standin.base, lambda: MANAGEMENT_KEY, workspace)
        outside = OpenRouter(standin.base, lambda: MANAGEMENT_KEY)
        made = inside.create("sub:u:t.1", 1, ENDS_AT)
        assert [facts.hash for facts in inside.page(0).keys] == [made.hash]
        assert made.hash not in {facts.hash for facts in outside.page(0).keys}


def test_the_operators_balance_is_read(provider: OpenRouter) -> None:
    balance = provider.balance()
    assert balance.granted == 100_500_000 and balance.left == 100_500_000 - balance.used
    assert ProviderBalance(5, 7).left == -2


@pytest.mark.parametrize(("kind", "options"), UNREADABLE, ids=str)
def test_a_creation_without_a_readable_answer_is_unknown(
    provider: OpenRouter, standin: Standin, kind: str, options: dict[str, Any]
) -> None:
    standin.fault("create_key", kind, **options)
    with pytest.raises(Unknown):
        provider.create("sub:ann:t.4", 1, ENDS_AT + 10**6)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_broken_connection_is_unknown(provider: OpenRouter, standin: Standin, when: str) -> None:
    standin.fault("create_key", "drop", when=when)
    with pytest.raises(Unknown):
        provider.create("sub:ann:t.5", 1, ENDS_AT + 10**6)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 429])
def test_a_refusal_carries_status_and_retry_after(
    provider: OpenRouter, standin: Standin, status: int
) -> None:
    standin.fault("create_key", "status", status=status, headers={"Retry-After": "7"})
    with pytest.raises(Refused) as refused:
        provider.create("sub:ann:t.6", 1, ENDS_AT + 10**6)
    assert (refused.value.status, refused.value.retry_after_s) == (status, 7)


@pytest.mark.parametrize(
    ("said", "wait_s"), [("0", 1), ("999", 60), ("soon", 5), ("-1", 5), ("1e9", 5), ("9" * 40, 5)]
)
def test_retry_after_is_bounded(
    provider: OpenRouter, standin: Standin, said: str, wait_s: int
) -> None:
    standin.fault("credits", "status", status=429, headers={"Retry-After": said})
    with pytest.raises(Refused) as refused:
        provider.balance()
    assert refused.value.retry_after_s == wait_s


@pytest.mark.parametrize(
    "spoiled",
    [
        {"data.usage": "1"},
        {"data.usage": -1},
        {"data.usage": True},
        {"data.usage": None},
        {"data.usage": 1e13},
        {"data.hash": "../keys"},
        {"data.hash": "another-key-of-somebody"},
        {"data.name": None},
        {"data.disabled": "no"},
        {"data": []},
    ],
    ids=str,
)
def test_an_answer_of_another_form_is_unknown(
    provider: OpenRouter, standin: Standin, spoiled: dict[str, Any]
) -> None:
    made = provider.create("sub:ann:t.7", 1, ENDS_AT + 10**6)
    standin.fault("get_key", "members", set=spoiled)
    with pytest.raises(Unknown):
        provider.read(made.hash)


@pytest.mark.parametrize("spoiled", [{"key": ""}, {"key": None}, {"key": "a b" * 20}], ids=str)
def test_a_creation_without_a_usable_key_is_unknown(
    provider: OpenRouter, standin: Standin, spoiled: dict[str, Any]
) -> None:
    standin.fault("create_key", "members", set=spoiled)
    with pytest.raises(Unknown):
        provider.create("sub:ann:t.8", 1, ENDS_AT + 10**6)


def test_a_refused_connection_is_not_sent() -> None:
    with pytest.raises(NotSent):
        OpenRouter("http://127.0.0.1:9", lambda: MANAGEMENT_KEY).page(0)


def test_without_the_management_key_nothing_is_sent(standin: Standin) -> None:
    def none() -> str:
        raise NotSent()

    before = standin.counts()
    with pytest.raises(NotSent):
        OpenRouter(standin.base, none).page(0)
    assert standin.counts() == before


@pytest.mark.parametrize(
    ("dollars", "amount"),
    [("0", 0), ("1", 10**6), ("0.30000000000000004", 300_000), ("0.7999999999999999", 800_000),
     ("1e-6", 1), ("0.0000014", 1), ("999999.999999", 999_999_999_999)],
)  # fmt: skip
def test_dollars_are_whole_micro_dollars(dollars: str, amount: int) -> None:
    assert micros(Decimal(dollars)) == amount


@pytest.mark.parametrize("dollars", ["-0.1", "NaN", "Infinity", "1e12"])
def test_an_invalid_amount_is_refused(dollars: str) -> None:
    with pytest.raises(ValueError, match="no amount"):
        micros(Decimal(dollars))


@pytest.mark.parametrize("amount", [0, 1, 10, 123_457, 999_999, 9_450_000, 10**12 - 1])
def test_an_amount_is_shown_to_the_micro_dollar(amount: int) -> None:
    assert micros(Decimal(repr(shown(amount)))) == amount
