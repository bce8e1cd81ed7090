"""Requests on one account's holds at once, on stores whose writes are atomic; and what a request costs.

MiniStack is always there; dynoxide is raced on where it is installed, and counts the units.
"""

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Barrier
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.engines import DYNOXIDE, running
from bench.meter import Meter
from engine.credits import backend_holds, hold_items, hold_parts, payments, verification
from engine.credits.backend_holds import HoldDesk, Placing, Request, Told, Wanted
from engine.credits.hold_items import EXPIRED, OPEN
from engine.credits.payments import Grant
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import EngineError
from engine.platform.table import Table
from engine.products.product import Product
from local.engine import create_table, json_client
from tests.mutation.desk import NOW, nowhere
from tests.support.properties import PROPERTY
from tests.support.streams import fresh

SOLD = Product("steps", 1, "Steps", "call", 1, 10_000, "s", "steps", 3600, 120, "owed")
CALLER = "api-key:key_0123456789abcdef"


class One:
    """A catalogue of one product."""

    def at(self, code: str, version: int) -> Product:
        return SOLD


@dataclass
class Yard:
    """A table in a store, and an account with 500 credits in it."""

    table: Table
    user: str

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.table)

    @property
    def desk(self) -> HoldDesk:
        return HoldDesk(self.ledger, One(), CALLER)

    def place(self, hold_id: str, amount: int = 75, most_open: int = 20) -> Told:
        act = replace(nowhere(NOW), actor=CALLER, address="203.0.113.7", user_agent="pluct-tests/1")
        asked = Placing(self.user, CALLER, hold_id, SOLD, 0, amount, 600, f"print-{amount}", act)
        return backend_holds.place(self.ledger, asked, most_open=most_open)

    def request(self, key: str = "", now: int = NOW) -> Request:
        act = replace(nowhere(now), actor=CALLER, address="203.0.113.7", user_agent="pluct-tests/1")
        return Request(key or fresh("key"), "print", act)

    def commit(
        self, hold_id: str, amount: int, *, final: bool = False, key: str = "", now: int = NOW
    ) -> Told:
        request = self.request(key, now)
        return self.desk.commit(hold_id, Wanted(amount=amount), request, final=final)

    def extend(
        self, hold_id: str, amount: int = 0, seconds: int | None = None, now: int = NOW
    ) -> Told:
        wanted = Wanted(amount=amount or None)
        return self.desk.extend(hold_id, wanted, self.request(now=now), seconds=seconds)

    def figures(self) -> tuple[int, int, int]:
        found = verification.verify_user(self.table, "credits", self.user)
        assert found.findings == []
        return found.available, found.held, found.owed


def grant(table: Table, user: str, amount: int) -> None:
    asked = Grant(user, amount, "api_add", "shop", None, None, "print", nowhere(NOW))
    payments.grant(Ledger(table), asked)


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """What came of `acts`, all begun at the same moment; an error stands as its code."""
    gate = Barrier(len(acts))

    def one(act: Callable[[], Any]) -> Any:
        gate.wait()
        try:
            return act()
        except EngineError as error:
            return error.code

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


@pytest.fixture(scope="module", params=["ministack", "dynoxide"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        if request.param == "dynoxide":
            if not DYNOXIDE.exists():
                pytest.skip("dynoxide is not installed in .cache/dynoxide")
            yield stack.enter_context(running()).dynamodb
        else:
            yield request.getfixturevalue("endpoint")


_numbers = itertools.count(1)


@pytest.fixture
def yard(store: str) -> Yard:
    client = json_client("dynamodb", store)
    name = f"holds-{next(_numbers)}"
    create_table(client, name)
    made = Yard(Table(client, name), fresh("racer"))
    grant(made.table, made.user, 500)
    return made


def test_twenty_holds_of_75_at_once_against_500_credits_grant_exactly_six(yard: Yard) -> None:
    acts = [lambda n=n: yard.place(f"hold-{n}") for n in range(20)]  # type: ignore[misc]
    found = at_once(acts)
    refused = Counter(one for one in found if isinstance(one, str))
    assert refused == {"insufficient_credits": 14}
    assert yard.figures() == (50, 450, 0)
    assert len(yard.ledger.account(yard.user).open_holds) == 6


def test_the_limit_of_open_holds_is_exact(yard: Yard) -> None:
    acts = [lambda n=n: yard.place(f"hold-{n}", 1, 5) for n in range(12)]  # type: ignore[misc]
    found = at_once(acts)
    assert Counter(one for one in found if isinstance(one, str)) == {"too_many_holds": 7}
    assert yard.figures() == (495, 5, 0)


def test_one_hold_id_at_once_is_one_hold(yard: Yard) -> None:
    found = at_once([lambda: yard.place("same")] * 8)
    assert [one.replayed for one in found].count(False) == 1
    assert yard.figures() == (425, 75, 0)


def test_one_commit_at_once_is_charged_once(yard: Yard) -> None:
    yard.place("hold")
    found = at_once([lambda: yard.commit("hold", 30, key="same")] * 6)
    assert {one.committed for one in found} == {30}
    assert [one.replayed for one in found].count(False) == 1
    assert yard.figures() == (425, 45, 0)


def test_two_final_commits_at_once_end_the_hold_once(yard: Yard) -> None:
    yard.place("hold")
    found = at_once([lambda n=n: yard.commit("hold", 10 + n, final=True) for n in range(4)])  # type: ignore[misc]
    assert Counter(one for one in found if isinstance(one, str)) == {"hold_closed": 3}
    (ended,) = [one for one in found if not isinstance(one, str)]
    assert yard.figures() == (500 - ended.committed, 0, 0)


def test_commits_and_a_release_at_once_charge_or_give_back_each_credit_once(yard: Yard) -> None:
    yard.place("hold")
    acts: list[Callable[[], Any]] = [lambda: yard.commit("hold", 10) for _ in range(4)]
    found = at_once([*acts, lambda: yard.desk.release("hold", yard.request())])
    charged = sum(not isinstance(one, str) for one in found[:4]) * 10
    assert found[4].released == 75 - found[4].committed
    assert yard.figures() == (500 - charged, 0, 0)


def test_an_extension_races_with_the_end_of_the_hold(yard: Yard) -> None:
    """Either it is extended and stays open, or it has ended and all of it went back."""
    for n in range(5):
        hold_id = f"hold-{n}"
        yard.place(hold_id)
        seen = yard.desk.find(hold_id)
        found = at_once([
            lambda h=hold_id: yard.extend(h, seconds=900, now=NOW + 700),  # type: ignore[misc]
            lambda s=seen: backend_holds.expired(yard.ledger, s, nowhere(NOW + 720)),  # type: ignore[misc]
        ])  # fmt: skip
        hold = yard.desk.find(hold_id)
        if isinstance(found[0], str):
            assert (found[0], hold.state) == ("hold_expired", EXPIRED)
        else:
            assert (hold.state, hold.ends_at, hold.reserved) == (OPEN, NOW + 1600, 75)
            yard.desk.release(hold_id, yard.request())
    assert yard.figures() == (500, 0, 0)


def test_late_commits_at_once_are_each_charged_once(yard: Yard) -> None:
    yard.place("hold", 300)
    found = at_once([lambda: yard.commit("hold", 200, now=NOW + 800)] * 4)
    assert all(one.state == EXPIRED for one in found)
    assert yard.figures() == (0, 0, 300)


def test_overage_at_once_owes_what_the_balance_lacks(yard: Yard) -> None:
    for n in range(4):
        yard.place(f"hold-{n}", 100)
    at_once([lambda n=n: yard.commit(f"hold-{n}", 150, final=True) for n in range(4)])  # type: ignore[misc]
    assert yard.figures() == (0, 0, 100)
    at_once([lambda: grant(yard.table, yard.user, 30)] * 5)
    assert yard.figures() == (50, 0, 0)


def test_requests_that_begin_new_lists_at_once_count_once_each(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is sent twice, while others turn the page; afterwards each repeat gets the first answer."""
    monkeypatch.setattr(hold_parts, "PAGE", 2)
    yard.place("hold", 100)
    keys = [f"step-{n}" for n in range(9)]
    at_once([lambda key=key: yard.commit("hold", 1, key=key) for key in keys * 2])  # type: ignore[misc]
    first = [yard.commit("hold", 1, key=key) for key in keys]
    assert yard.desk.find("hold").committed == len(keys)
    assert [yard.commit("hold", 1, key=key).committed for key in keys] == [
        told.committed for told in first
    ]
    assert sorted(told.committed for told in first) == list(range(1, 10))
    assert yard.figures() == (400, 91, 0)


# What a request costs


@dataclass
class Costs:
    yard: Yard
    meter: Meter

    def of(self, act: Callable[[], object]) -> float:
        """The write units of `act`, of the table and its indexes."""
        return sum(part.write for part in self.meter.units(act))


@pytest.fixture
def costs(yard: Yard) -> Costs:
    meter = Meter()
    meter.watch(yard.table._client)
    yard.place("first", 1)  # Its origin is stored; that of the others is known.
    yard.place("hold", 100)
    return Costs(yard, meter)


@pytest.mark.parametrize("amount", [1, 75, 390])
def test_a_hold_of_any_size_writes_what_a_vend_writes(costs: Costs, amount: int) -> None:
    assert costs.of(lambda: costs.yard.place("another", amount)) == 7


def test_a_part_an_extension_and_an_end_have_their_budgets(costs: Costs) -> None:
    yard = costs.yard
    assert costs.of(lambda: yard.commit("hold", 10)) == 6
    assert costs.of(lambda: yard.extend("hold", 10, 900)) == 6
    assert costs.of(lambda: yard.extend("hold", seconds=1200)) <= 2
    assert costs.of(lambda: yard.commit("hold", 10, key="again")) == 6
    assert costs.of(lambda: yard.commit("hold", 10, key="again")) == 0
    assert costs.of(lambda: yard.commit("hold", 10, final=True)) == 7
    assert costs.of(lambda: yard.desk.release("first", yard.request())) == 7


def test_a_commit_that_begins_a_new_list_costs_a_unit_more(costs: Costs) -> None:
    """An extension that reserves more leaves it to others while it can, and then needs no page."""
    yard = costs.yard
    for _ in range(12):
        yard.extend("hold", 1, 900)
    assert costs.of(lambda: yard.extend("hold", 1, 900)) == 6
    assert costs.of(lambda: yard.commit("hold", 1)) == 7
    for _ in range(11):
        yard.commit("hold", 1)
    assert costs.of(lambda: yard.extend("hold", seconds=1200)) <= 3
    assert yard.desk.find("hold").pages == 2


def test_the_last_part_of_a_hold_costs_what_the_first_did(costs: Costs) -> None:
    yard = costs.yard
    for _ in range(14):
        yard.extend("hold", 1, 900)
    assert costs.of(lambda: yard.extend("hold", 1, 900)) == 6
    assert len(yard.desk.find("hold").parts) < 600
    assert hold_items.find_of_backend(yard.table, yard.desk.find("hold").name) is not None


@dataclass(frozen=True)
class Texts:
    """How long the texts of a hold and its requests are, and what a request says."""

    user: int
    hold_id: int
    product: int
    request_id: int
    reason: str
    units: int


SHORT = Texts(2, 1, 1, 1, "", 1)
LONGEST = Texts(128, 64, 32, 64, "r" * 200, 1000)
"""As long as the routes allow; a reason of 200 letters that take a byte each."""

texts = st.builds(
    Texts,
    user=st.integers(20, 128),
    hold_id=st.integers(1, 64),
    product=st.integers(1, 32),
    request_id=st.integers(1, 64),
    reason=st.sampled_from(["", "r" * 60, "r" * 200]),
    units=st.integers(1, 1000),
)
steps = st.lists(st.sampled_from(["commit", "more", "longer"]), min_size=1, max_size=60)
MOST_UNITS = {"place": 7, "commit": 7, "more": 6, "longer": 3, "end": 7}


@dataclass
class Sized(Yard):
    """A yard whose ids, products and reasons are as long as `texts` says."""

    texts: Texts = SHORT

    @property
    def sold(self) -> Product:
        return replace(SOLD, code="p" * self.texts.product, version=999_999, most_units=10**6)

    @property
    def desk(self) -> HoldDesk:
        return HoldDesk(self.ledger, self, CALLER)

    def at(self, code: str, version: int) -> Product:
        return self.sold

    def act(self) -> Act:
        request_id = f"{next(_numbers)}".rjust(self.texts.request_id, "i")
        return Act(CALLER, request_id, "203.0.113.7", "pluct-tests/1", self.texts.reason, at=NOW)

    def placed(self, hold_id: str) -> Told:
        asked = Placing(
            self.user, CALLER, hold_id, self.sold, self.texts.units, self.texts.units, 86_400,
            "f" * 22, self.act(),
        )  # fmt: skip
        return backend_holds.place(self.ledger, asked, most_open=20)

    def step(self, hold_id: str, kind: str, key: str) -> Told:
        request = Request(key, "print", self.act())
        if kind == "commit":
            return self.desk.commit(hold_id, Wanted(units=1), request, final=False)
        if kind == "end":
            return self.desk.commit(hold_id, Wanted(units=0), request, final=True)
        wanted = Wanted(units=self.texts.units) if kind == "more" else Wanted()
        return self.desk.extend(hold_id, wanted, request, seconds=86_400)


def sized(store: str, texts: Texts) -> Sized:
    client = json_client("dynamodb", store)
    name = f"sizes-{next(_numbers)}"
    create_table(client, name)
    made = Sized(Table(client, name), fresh("u").ljust(texts.user, "u")[: texts.user], texts)
    grant(made.table, made.user, 10**8)
    made.placed("first")  # Its origin is stored; that of the others is known.
    for n in range(18):
        made.placed(f"open-{n}")
    return made


@example(SHORT, ["more"] * 60)
@example(LONGEST, ["more"] * 60)
@example(LONGEST, ["commit", "more", "longer"] * 20)
@example(LONGEST, ["commit"] * 15 + ["longer"] * 15)
@settings(PROPERTY, max_examples=PROPERTY.max_examples // 25)
@given(texts, steps)
def test_no_request_on_a_hold_of_any_texts_and_any_past_exceeds_its_units(
    store: str, texts: Texts, steps: list[str]
) -> None:
    """Beside 19 open holds. Each request, repeated at the end, gets its first answer and costs nothing."""
    yard, hold_id = sized(store, texts), "h" * texts.hold_id
    meter = Meter()
    meter.watch(yard.table._client)

    def asked(kind: str, key: str) -> tuple[Told, float]:
        told: list[Told] = []
        units = meter.units(lambda: told.append(yard.step(hold_id, kind, key)))
        return told[0], sum(part.write for part in units)

    placing = sum(part.write for part in meter.units(lambda: yard.placed(hold_id)))
    requests = [(kind, f"key-{n}") for n, kind in enumerate([*steps, "end"])]
    first = [asked(*request) for request in requests]
    used = [
        ("place", placing),
        *((kind, units) for (kind, _), (_, units) in zip(requests, first, strict=True)),
    ]
    assert [one for one in used if one[1] > MOST_UNITS[one[0]]] == []
    for request, (told, _) in zip(requests, first, strict=True):
        again, units = asked(*request)
        assert (replace(again, hold=told.hold, replayed=False), units) == (told, 0)
    assert yard.figures()[1] == 19 * texts.units
