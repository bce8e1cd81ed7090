"""Origins of moves: stored once, named by the entry, covered by its hash, and stored nowhere else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.admin import erasure
from engine.credits.verification import verify_user
from engine.ledger import origins
from engine.ledger.audit import Audit
from engine.ledger.items import account_pk
from engine.ledger.origins import REMEMBERED, Texts
from engine.platform.act import Act
from engine.platform.table import Item
from tests.mutation.desk import Desk
from tests.support.gateway import Gateway
from tests.support.properties import PROPERTY

AGENT = "pluct-app/7"
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


def vend(gateway: Gateway, user: str, address: str, agent: str = AGENT) -> None:
    headers = gateway.user_headers(user) | {"user-agent": agent}
    reply = gateway.call("POST", "/v1/vend-token", {}, headers=headers, address=address)
    assert reply.status == 200


def kept(gateway: Gateway, user: str) -> dict[str, Texts]:
    items = origins.of_user(gateway.ledger.table, user)
    return {item["sk"]: Texts(item["address"], item["user_agent"]) for item in items}


ORIGIN = st.tuples(st.sampled_from(["salt-one", "salt-two"]), TEXT, TEXT)


@PROPERTY
@given(ORIGIN, ORIGIN)
def test_an_id_depends_on_salt_address_and_user_agent(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    made = [origins.origin_id(*parts) for parts in (one, other)]
    if any(one[1:]) or any(other[1:]):
        assert (made[0] == made[1]) == (one == other)


def test_an_empty_origin_has_no_id() -> None:
    assert origins.origin_id("salt", "", "") == ""


def test_salts_are_never_the_same() -> None:
    assert len({origins.new_salt() for _ in range(100)}) == 100


def test_an_origin_is_stored_once_and_entries_name_it(gateway: Gateway) -> None:
    user, _ = gateway.user(balance=9)
    places = ["198.51.100.1", "198.51.100.2", "198.51.100.1", "198.51.100.1"]
    for place in places:
        vend(gateway, user, place)
    vends = [entry for entry in gateway.entries(user) if entry.type == "spend"]
    assert [gateway.origin(entry) for entry in vends] == [Texts(place, AGENT) for place in places]
    texts = list(kept(gateway, user).values())
    assert sorted(text.address for text in texts if text.user_agent == AGENT) == sorted(set(places))
    gateway.assert_explained(user)


def test_only_origin_items_contain_an_address_or_a_user_agent(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    user, _ = gateway.user(balance=2)
    vend(gateway, user, "198.51.100.77")
    items = list(gateway.ledger.table.scan("sk > :lowest", {":lowest": " "}))
    with_texts = {
        item["pk"] for item in items if "198.51.100.77" in str(item) or AGENT in str(item)
    }
    assert with_texts == {origins.partition(user)}


def test_a_remembered_origin_costs_no_write(gateway: Gateway) -> None:
    user, _ = gateway.user(balance=3)
    vend(gateway, user, "198.51.100.1")
    sizes: list[int] = []
    tokens: Any = gateway.function("tokens")
    transact: Callable[..., Any] = tokens.ledger.table.transact

    def counted(writes: Any) -> None:
        sizes.append(len(writes))
        transact(writes)

    tokens.ledger.table.transact = counted
    try:
        vend(gateway, user, "198.51.100.1")
        vend(gateway, user, "198.51.100.2")
    finally:
        del tokens.ledger.table.transact
    assert sizes == [3, 4]


def test_the_account_lists_a_limited_number_of_origins(gateway: Gateway) -> None:
    user, _ = gateway.user(balance=20)
    for number in range(REMEMBERED + 2):
        vend(gateway, user, f"198.51.100.{number}")
    account = gateway.ledger.account(user)
    newest = [entry.origin_id for entry in gateway.entries(user)][-REMEMBERED:]
    assert account.recent_origins == tuple(newest)
    vend(gateway, user, "198.51.100.0")
    assert len(kept(gateway, user)) == REMEMBERED + 3, "an origin that was forgotten is kept once"


def test_one_address_has_different_ids_for_two_users(gateway: Gateway) -> None:
    users = [gateway.user(balance=1)[0] for _ in range(2)]
    for user in users:
        vend(gateway, user, "198.51.100.1")
    ids = [gateway.entries(user)[-1].origin_id for user in users]
    assert ids[0] != ids[1]


def test_a_move_requires_the_salt_it_was_computed_with(gateway: Gateway) -> None:
    """An erasure that comes in between is before the move: the move's origin is known."""
    desk = Desk(gateway, balance=3)
    first, second = (Act("user:x", key, "198.51.100.5", AGENT, at=0) for key in ("r-1", "r-2"))
    desk.grant(1, origin=first)

    def erase() -> None:
        admin = Act("admin:test", "e", "", "", "asked", at=0)
        erasure.erase(Audit(desk.table, 1), desk.user, replace(admin, at=1))

    desk.grant(1, table=desk.interrupted(erase), origin=second)
    entries = gateway.entries(desk.user)
    assert [gateway.origin(entry) for entry in entries[-2:]] == [
        origins.UNKNOWN, Texts("198.51.100.5", AGENT),
    ]  # fmt: skip
    desk.explained()
    assert verify_user(desk.table, "credits", desk.user).ok


def test_texts_that_were_edited_are_found(gateway: Gateway) -> None:
    user, _ = gateway.user(balance=2)
    vend(gateway, user, "198.51.100.5")
    table = gateway.ledger.table
    (item,) = [one for one in origins.of_user(table, user) if one["address"] == "198.51.100.5"]
    forged: Item = {**item, "address": "192.0.2.66"}
    assert verify_user(table, "credits", user).ok
    table.write(origins.Put(forged, condition=""))
    (finding,) = verify_user(table, "credits", user).findings
    assert (finding.kind, item["sk"] in finding.text) == ("origin", True)
    assert table.get(account_pk(user), "ACCOUNT#credits") is not None


def test_many_origins_are_read_in_batches_and_each_once(gateway: Gateway) -> None:
    table = gateway.ledger.table
    names = []
    for number in range(130):
        origin = Act("a", "r", f"198.51.100.{number}", "", at=0)
        table.write(origins.put("batched", "credits", f"id{number:03}", origin))
        names.append(("batched", f"id{number:03}"))
    known = origins.texts(table, [*names, *names, ("batched", "missing"), ("batched", "")])
    assert len(known) == 131
    assert known["batched", "id129"] == Texts("198.51.100.129")
    assert known["batched", "missing"] == origins.UNKNOWN
