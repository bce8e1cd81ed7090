"""Each transition of a provider key is refused where the item is no longer as it was seen."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from engine.platform.ids import new_id
from engine.platform.table import ConditionFailed, Item, Put, Table, Update
from engine.subscriptions import provider_keys as keys
from engine.subscriptions.provider_keys import (
    CLOSED,
    INTENDED,
    LIVE,
    LOST,
    RETIRING,
    SETTLING,
    Place,
    ProviderKey,
)
from tests.support.gateway import Gateway

NOW = 1_900_000_000
SINCE = NOW - 600


@dataclass(frozen=True)
class Step:
    """A transition, the states that it starts from, and what else the item may have become meanwhile."""

    write: Callable[[ProviderKey], Update]
    states: tuple[str, ...]
    meanwhile: tuple[dict[str, Any], ...] = ()
    missing_since: int = 0


def charged(key: ProviderKey) -> Update:
    return keys.charge(key, replace(key, usage=key.usage + 5, held=key.held - 5), NOW)


STEPS = {
    "storing": Step(lambda key: keys.storing(key, NOW), (INTENDED,)),
    "abandonment": Step(lambda key: keys.abandonment(key, LOST, NOW), (INTENDED,)),
    "retirement": Step(lambda key: keys.retirement(key.user, key.number, NOW), (LIVE,)),
    "disabling": Step(lambda key: keys.disabling(key, NOW), (RETIRING,)),
    "postponement": Step(lambda key: keys.postponement(key, 1, NOW), (LIVE, SETTLING)),
    "delay": Step(lambda key: keys.delay(key, NOW + 60), (LIVE, LOST), ({"expires_at": NOW + 9},)),
    "missing": Step(
        lambda key: keys.missing(key, NOW, NOW), (LIVE, RETIRING), ({"missing_since": SINCE},)
    ),
    "presence": Step(keys.presence, (LIVE, RETIRING), ({"missing_since": SINCE + 1},), SINCE),
    "charge": Step(charged, (LIVE,), ({"usage": 8}, {"held": 8})),
    "closing": Step(lambda key: keys.closing(key, NOW), (SETTLING,), ({"usage": 8},)),
    "closing of a missing one": Step(
        lambda key: keys.closing_missing(key, NOW),
        (LIVE,),
        ({"usage": 8}, {"missing_since": SINCE + 1}),
        SINCE,
    ),
    "forgetting": Step(keys.forgetting, (LOST,)),
}
STATES = (INTENDED, LIVE, RETIRING, SETTLING, LOST, CLOSED)
CASES = [(name, state) for name, step in STEPS.items() for state in step.states]
CHANGES = [
    (name, changed)
    for name, step in STEPS.items()
    for changed in (*step.meanwhile, *({"state": state} for state in STATES))
    if changed.get("state") != step.states[0] and not (name == "charge" and "state" in changed)
]


@pytest.fixture(scope="module")
def table(endpoint: str) -> Table:
    return Gateway(endpoint).ledger.table


def stored(table: Table, state: str, missing_since: int) -> tuple[ProviderKey, Item]:
    """A key in `state`, as it was seen, and its item."""
    key = keys.new("tests", new_id("user"), 1, 1000, NOW)
    key = replace(key, state=state, missing_since=missing_since)
    item = dict(keys.intention(key).item)
    if missing_since:
        item["missing_since"] = missing_since
    table.write(Put(item, ""))
    return key, item


def now_there(table: Table, item: Item) -> Item | None:
    return table.get(item["pk"], item["sk"])


@pytest.mark.parametrize(("name", "state"), CASES)
def test_a_key_goes_on_from_where_it_was_seen(table: Table, name: str, state: str) -> None:
    key, item = stored(table, state, STEPS[name].missing_since)
    table.write(STEPS[name].write(key))
    assert now_there(table, item) != item


@pytest.mark.parametrize(("name", "changed"), CHANGES)
def test_a_key_that_has_changed_meanwhile_is_left_alone(
    table: Table, name: str, changed: dict[str, Any]
) -> None:
    key, item = stored(table, STEPS[name].states[0], STEPS[name].missing_since)
    table.write(Put(item | changed, ""))
    with pytest.raises(ConditionFailed):
        table.write(STEPS[name].write(key))
    assert now_there(table, item) == item | changed


def test_a_key_is_intended_once(table: Table) -> None:
    key, item = stored(table, LIVE, 0)
    with pytest.raises(ConditionFailed):
        table.write(keys.intention(replace(key, state=INTENDED)))
    assert now_there(table, item) == item


@pytest.mark.parametrize("later_s", [0, 1])
def test_only_what_is_due_is_set_aside(table: Table, later_s: int) -> None:
    _, item = stored(table, LIVE, 0)
    table.write(Put(item | {"expires_at": NOW + later_s}, ""))
    write = keys.set_aside(Place(item["pk"], item["sk"]), NOW)
    if later_s:
        with pytest.raises(ConditionFailed):
            table.write(write)
    else:
        assert table.write(write)["expires_at"] == NOW + keys.SET_ASIDE_S
