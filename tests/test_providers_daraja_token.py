"""All instances share one token of Daraja: one asks for it, and a refused one is replaced once."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from engine.platform.errors import Busy
from engine.platform.sealing import Sealer
from engine.platform.table import Item, Table, Update
from engine.providers.daraja_token import LEASE_S, PK, Fetched, SharedToken
from engine.providers.wire import NotSent, Refused, Unknown
from tests.support import deployed
from tests.support.gateway import Gateway

LIFE_S = 3599
START = 1_900_000_000
_accounts = itertools.count(1)


class Provider:
    """Daraja's token service: each token makes the last one invalid."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.trouble: Exception | None = None
        self.meanwhile: Callable[[], Any] = lambda: None

    def __call__(self) -> Fetched:
        self.meanwhile()
        if self.trouble is not None:
            raise self.trouble
        self.made.append(f"token-{len(self.made) + 1}")
        return Fetched(self.made[-1], LIFE_S)


class Fleet:
    """Several instances that share an account at Daraja."""

    def __init__(self, table: Table, sealer: Sealer) -> None:
        self.table = table
        self.provider = Provider()
        self.now = START
        self.slept = 0.0
        self.account = f"account-{next(_accounts)}"
        self._sealer = sealer

    def instance(self, table: Table | None = None) -> SharedToken:
        return SharedToken(
            table or self.table,
            self._sealer,
            self.account,
            self.provider,
            lambda: self.now,
            self._sleep,
        )

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds

    def item(self) -> Item:
        found = self.table.get(PK, self.instance()._sk)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def sealer(endpoint: str) -> Sealer:
    settings: Any = deployed.client_settings(endpoint)
    kms: Any = boto3.client("kms", **settings)
    return Sealer(kms, kms.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def fleet(gateway: Gateway, sealer: Sealer) -> Fleet:
    return Fleet(gateway.ledger.table, sealer)


def test_all_instances_use_the_token_that_one_asked_for(fleet: Fleet) -> None:
    tokens = {fleet.instance().get() for _ in range(5)}
    assert tokens == {"token-1"}
    assert fleet.provider.made == ["token-1"]


def test_the_stored_token_cannot_be_read_and_passes_away(fleet: Fleet) -> None:
    fleet.instance().get()
    item = fleet.item()
    assert "token-1" not in repr(item)
    assert (item["renew_at"], item["expires_at"]) == (START + LIFE_S * 80 // 100, START + LIFE_S)
    assert item["ttl"] > item["expires_at"]
    assert "lease_by" not in item and "token-1" not in repr(Fetched("token-1", 1))


def test_an_instance_reads_the_item_once_and_again_at_four_fifths_of_its_life(fleet: Fleet) -> None:
    instance = fleet.instance()
    instance.get()
    fleet.now += LIFE_S * 80 // 100 - 1
    assert instance.get() == "token-1"
    fleet.now += 1
    assert instance.get() == "token-2"
    assert fleet.instance().get() == "token-2"


def test_many_instances_at_once_ask_once(fleet: Fleet) -> None:
    together = threading.Barrier(8)

    def ask(_: int) -> str:
        instance = fleet.instance()
        instance._sleep = threading.Event().wait  # type: ignore[assignment]
        together.wait()
        return instance.get()

    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(ask, range(8)))
    assert tokens == {"token-1"} and fleet.provider.made == ["token-1"]


def test_while_one_renews_the_others_go_on_with_the_old_one(fleet: Fleet) -> None:
    fleet.instance().get()
    fleet.now += LIFE_S * 9 // 10
    seen: list[str] = []
    fleet.provider.meanwhile = lambda: seen.append(fleet.instance().get())
    assert fleet.instance().get() == "token-2"
    assert (seen, fleet.slept) == (["token-1"], 0.0)


def test_without_a_usable_token_an_instance_waits_for_the_one_who_asks(fleet: Fleet) -> None:
    def waiting() -> None:
        with pytest.raises(NotSent):
            fleet.instance().get()

    fleet.provider.meanwhile = waiting
    assert fleet.instance().get() == "token-1"
    assert 4 < fleet.slept < 6


def test_a_lease_that_nobody_ended_is_taken_over(fleet: Fleet) -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    fleet.provider.meanwhile = die
    with pytest.raises(Killed):
        fleet.instance().get()
    fleet.provider.meanwhile = lambda: None
    with pytest.raises(NotSent):
        fleet.instance().get()
    fleet.now += LEASE_S
    assert fleet.instance().get() == "token-1"


def test_a_refused_token_is_replaced_once_for_all(fleet: Fleet) -> None:
    first, second = fleet.instance(), fleet.instance()
    assert first.get() == second.get() == "token-1"
    assert first.instead_of("token-1") == "token-2"
    # The second still has the first token, and finds that it was replaced.
    assert second.get() == "token-1"
    assert second.instead_of("token-1") == "token-2"
    assert second.get() == "token-2"
    assert fleet.provider.made == ["token-1", "token-2"]


def test_an_old_refusal_does_not_replace_a_newer_token(fleet: Fleet) -> None:
    instance = fleet.instance()
    instance.get()
    instance.instead_of("token-1")
    assert instance.instead_of("token-1") == "token-2"
    assert fleet.provider.made == ["token-1", "token-2"]


def test_a_slow_asker_takes_the_token_of_the_faster_one(fleet: Fleet) -> None:
    def overtaken() -> None:
        fleet.provider.meanwhile = lambda: None
        fleet.now += LEASE_S
        fleet.instance().get()

    fleet.provider.meanwhile = overtaken
    # What it asked for itself was made later here, but its lease was over: the stored one counts.
    assert fleet.instance().get() == "token-1"
    assert fleet.provider.made == ["token-1", "token-2"]


def test_a_token_stored_between_a_look_and_the_claim_is_taken(fleet: Fleet) -> None:
    class Late:
        """A table whose second look is followed by another's renewal."""

        looks = 0

        def get(self, *key: str) -> Item | None:
            found = fleet.table.get(*key)
            self.looks += 1
            if self.looks == 2:
                assert fleet.instance().get() == "token-2"
            return found

        def write(self, write: Any) -> Item:
            return fleet.table.write(write)

    fleet.instance().get()
    fleet.now += LIFE_S * 9 // 10
    assert fleet.instance(Late()).get() == "token-2"  # type: ignore[arg-type]
    assert fleet.provider.made == ["token-1", "token-2"]


@pytest.mark.parametrize("trouble", [NotSent("broken"), Refused(400), Unknown("timeout")])
def test_trouble_at_daraja_frees_the_lease_and_the_old_token_serves_on(
    fleet: Fleet, trouble: Exception
) -> None:
    fleet.provider.trouble = trouble
    with pytest.raises(type(trouble)):
        fleet.instance().get()
    fleet.provider.trouble = None
    instance = fleet.instance()
    assert instance.get() == "token-1"
    fleet.now += LIFE_S * 9 // 10
    fleet.provider.trouble = trouble
    assert instance.get() == "token-1"
    assert "lease_by" not in fleet.item()
    with pytest.raises(type(trouble)):
        instance.instead_of("token-1")
    fleet.now += LIFE_S
    with pytest.raises(type(trouble)):
        instance.get()


def test_trouble_after_the_lease_does_not_free_that_of_another(fleet: Fleet) -> None:
    def taken_over() -> None:
        taken = {":until": fleet.now + LEASE_S, ":lease": "of another"}
        change = "SET lease_until = :until, lease_by = :lease"
        fleet.table.write(Update(PK, fleet.instance()._sk, change, "", values=taken))

    fleet.provider.meanwhile = taken_over
    fleet.provider.trouble = NotSent("broken")
    with pytest.raises(NotSent):
        fleet.instance().get()
    assert fleet.item()["lease_by"] == "of another"


def test_a_store_that_does_not_answer_is_busy(fleet: Fleet) -> None:
    class Away:
        def get(self, *_: Any, **__: Any) -> Any:
            raise Busy()

    with pytest.raises(Busy):
        fleet.instance(Away()).get()  # type: ignore[arg-type]


def test_accounts_do_not_share_a_token(fleet: Fleet) -> None:
    fleet.instance().get()
    fleet.account += "-live"
    assert fleet.instance().get() == "token-2"


def test_a_restored_process_reads_the_item_again(fleet: Fleet) -> None:
    instance = fleet.instance()
    instance.get()
    fleet.instance().instead_of("token-1")
    instance.forget()
    assert instance.get() == "token-2"
