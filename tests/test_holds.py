"""Holds of back ends: each request counts once, a repeat gets the first answer, and no credit is lost."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.credits import hold_items, hold_parts
from engine.ledger.items import entry_sk, read_entry
from engine.platform.table import Item, Put
from tests.support.backend import NOW, Backend, sweep, told
from tests.support.gateway import Gateway, Reply
from tests.support.streams import fresh


@pytest.fixture
def backend(gateway: Gateway) -> Iterator[Backend]:
    gateway.now = NOW
    yield Backend(gateway)
    gateway.now = None


# The life of a hold


def test_a_hold_reserves_the_price_of_its_units(backend: Backend) -> None:
    reply = backend.place("stream-1", units=20, expiresInSeconds=600, reason="a stream")
    assert reply.status == 200
    assert reply.json == {
        "ok": True, "holdId": "stream-1", "userId": backend.user, "state": "open", "reserved": 100,
        "committed": 0, "released": 0, "available": 400, "owed": 0,
        "expiresAt": "2027-01-15T08:10:00.000Z", "product": {"code": "steps_reject", "version": 1},
        "units": 20,
    }  # fmt: skip
    assert backend.figures() == (400, 100, 0)
    item = backend.item("stream-1")
    assert (item["state"], item["amount"], item["units"]) == ("open", 100, 20)
    assert (item["ends_at"], item["expires_at"]) == (NOW + 600, NOW + 720)
    assert item["open_shard"] == hold_items.shard_of(item["name"])
    assert backend.listed() == (item["name"],)
    entry = backend.gateway.entries(backend.user)[-1]
    assert (entry.type, entry.amount, entry.held, entry.product, entry.units) == (
        "spend", -100, 100, "steps_reject@1", 20,
    )  # fmt: skip
    assert (entry.reason, entry.actor, entry.subject) == ("a stream", backend.caller, item["jti"])


def test_a_job_that_is_committed_in_parts_costs_what_came(backend: Backend) -> None:
    hold = backend.held()
    assert told(backend.ask(hold, "commit", amount=30)) == ("open", 70, 30, 0, 400, 0)
    assert told(backend.ask(hold, "commit", units=2)) == ("open", 60, 40, 0, 400, 0)
    assert told(backend.ask(hold, "extend", amount=20)) == ("open", 80, 40, 0, 380, 0)
    assert backend.figures() == (380, 80, 0)
    reply = backend.ask(hold, "commit", amount=15, final=True)
    assert told(reply) == ("committed", 0, 55, 65, 445, 0)
    assert (reply.json["charged"], reply.json["owedAdded"]) == (15, 0)
    assert backend.figures() == (445, 0, 0)
    assert told(backend.show(hold)) == ("committed", 0, 55, 65, 445, 0)
    item = backend.item(hold)
    assert (item["state"], item["committed"], item["released"]) == ("captured", 55, 65)
    assert "open_shard" not in item and item["ttl"] > NOW
    assert backend.listed() == ()
    types = [(e.type, e.amount, e.held, e.left) for e in backend.gateway.entries(backend.user)[2:]]
    assert types == [
        ("spend", -100, 100, None), ("capture", 0, -30, 70), ("capture", 0, -10, 60),
        ("spend", -20, 20, 80), ("capture", 65, -80, None),
    ]  # fmt: skip


def test_a_release_after_a_part_gives_back_the_rest_alone(backend: Backend) -> None:
    hold = backend.held()
    backend.ask(hold, "commit", amount=30)
    assert told(backend.ask(hold, "release")) == ("released", 0, 30, 70, 470, 0)
    assert backend.figures() == (470, 0, 0)
    assert backend.listed() == ()


def test_a_hold_that_is_wholly_committed_stays_open_until_it_is_ended(backend: Backend) -> None:
    hold = backend.held()
    assert told(backend.ask(hold, "commit", amount=100)) == ("open", 0, 100, 0, 400, 0)
    assert told(backend.ask(hold, "extend", units=1)) == ("open", 5, 100, 0, 395, 0)
    assert told(backend.ask(hold, "commit", final=True, units=0)) == (
        "committed",
        0,
        100,
        5,
        400,
        0,
    )
    assert backend.figures() == (400, 0, 0)


def test_a_final_commit_of_nothing_gives_all_back(backend: Backend) -> None:
    hold = backend.held()
    reply = backend.ask(hold, "commit", final=True)
    assert told(reply) == ("committed", 0, 0, 100, 500, 0)
    assert backend.figures() == (500, 0, 0)


def test_a_first_version_of_a_transcript_can_be_held_too(backend: Backend) -> None:
    hold = backend.held(product="transcript", units=1)
    assert told(backend.ask(hold, "commit", units=0, final=True)) == ("committed", 0, 0, 1, 500, 0)
    assert backend.figures() == (500, 0, 0)


# Repeats


def same(first: Reply, again: Reply) -> None:
    assert (again.status, again.text) == (200, first.text)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"


def test_a_repeated_request_gets_the_first_answer(backend: Backend) -> None:
    hold = fresh("hold")
    body = {"amount": 100, "expiresInSeconds": 600}
    placed = backend.place(hold, **body)
    made: list[tuple[str, dict[str, Any], Reply]] = []
    for operation, asked in (
        ("commit", {"amount": 30}), ("extend", {"expiresInSeconds": 900}), ("extend", {"amount": 10}),
        ("commit", {"amount": 5}), ("release", {}),
    ):  # fmt: skip
        key = fresh("key")
        made.append(
            (operation, asked | {"key": key}, backend.ask(hold, operation, key=key, **asked))
        )
        backend.gateway.add(backend.user, 1)
        backend.gateway.now = (backend.gateway.now or 0) + 10
    before = backend.figures()
    for operation, asked, first in made:
        same(first, backend.ask(hold, operation, **asked))
    same(placed, backend.place(hold, **body))
    assert backend.figures() == before


def test_one_id_with_another_payload_is_refused(backend: Backend) -> None:
    hold = backend.held()
    assert backend.place(hold, amount=99).code == "idempotency_key_reused"
    backend.ask(hold, "commit", key="one", amount=30)
    reply = backend.ask(hold, "commit", key="one", amount=31)
    assert (reply.status, reply.code) == (422, "idempotency_key_reused")
    assert told(backend.ask(hold, "extend", key="one", amount=30))[1] == 100
    assert backend.figures() == (370, 100, 0)


def test_a_request_without_an_id_is_refused(backend: Backend) -> None:
    hold = backend.held()
    for operation in ("commit", "extend", "release"):
        path = f"/v1/holds/{hold}/{operation}"
        reply = backend.gateway.call("POST", path, {"amount": 1}, headers=backend.key)
        assert (reply.status, reply.code) == (400, "request_id_required")
    assert backend.figures() == (400, 100, 0)


def test_a_second_final_commit_is_refused_and_the_first_is_repeated(backend: Backend) -> None:
    hold = backend.held()
    first = backend.ask(hold, "commit", key="last", amount=30, final=True)
    same(first, backend.ask(hold, "commit", key="last", amount=30, final=True))
    for operation, body in (
        ("commit", {"amount": 1, "final": True}),
        ("extend", {"amount": 1}),
        ("release", {}),
    ):
        reply = backend.ask(hold, operation, **body)
        assert (reply.status, reply.code) == (409, "hold_closed")
        assert reply.details == {"state": "committed"}
    assert backend.figures() == (470, 0, 0)


def pages_of(backend: Backend, hold: str) -> list[Item]:
    table, pk = backend.gateway.ledger.table, backend.item(hold)["pk"]
    return list(table.ascending(pk, "PARTS#", "PARTS#~"))


def test_a_job_of_many_steps_charges_each_once_and_repeats_each(backend: Backend) -> None:
    hold = backend.held()
    first = [backend.ask(hold, "commit", key=f"step-{n}", amount=1) for n in range(30)]
    assert told(first[-1]) == ("open", 70, 30, 0, 400, 0)
    item, pages = backend.item(hold), pages_of(backend, hold)
    assert (item["pages"], len(hold_parts.read(item["parts"]))) == (2, 6)
    assert [len(hold_parts.read(page["parts"])) for page in pages] == [12, 12]
    assert {page["ttl"] for page in pages} == {NOW + hold_parts.PAGE_KEPT_S}
    for n in (0, 11, 12, 23, 24, 29):
        same(first[n], backend.ask(hold, "commit", key=f"step-{n}", amount=1))
    reused = backend.ask(hold, "commit", key="step-3", amount=2)
    assert (reused.status, reused.code) == (422, "idempotency_key_reused")
    same(
        backend.ask(hold, "commit", key="last", amount=5, final=True),
        backend.ask(hold, "commit", key="last", amount=5, final=True),
    )
    same(first[3], backend.ask(hold, "commit", key="step-3", amount=1))
    assert backend.figures() == (465, 0, 0)


def test_a_request_of_another_kind_under_the_id_of_one_on_a_page_is_its_own(
    backend: Backend,
) -> None:
    hold = backend.held()
    for n in range(13):
        backend.ask(hold, "commit", key=f"step-{n}", amount=1)
    assert told(backend.ask(hold, "extend", key="step-0", amount=1))[1:3] == (88, 13)
    assert backend.figures() == (399, 88, 0)


@pytest.mark.parametrize(
    ("operation", "body", "pages"),
    [
        ("commit", {"amount": 1}, 1),
        ("extend", {"expiresInSeconds": 3600}, 1),
        ("extend", {"amount": 1}, 0),
        ("commit", {"amount": 1, "final": True}, 0),
        ("release", {}, 0),
    ],
)
def test_a_list_of_twelve_is_begun_anew_by_a_request_that_has_a_write_unit_to_spare(
    backend: Backend, operation: str, body: dict[str, Any], pages: int
) -> None:
    hold = backend.held()
    for _ in range(12):
        backend.ask(hold, "extend", amount=1)
    assert backend.ask(hold, operation, **body).status == 200
    assert len(pages_of(backend, hold)) == backend.item(hold).get("pages", 0) == pages
    backend.figures()


def test_a_commit_on_a_hold_with_fifteen_requests_puts_them_on_a_page(backend: Backend) -> None:
    """As many as a hold of earlier versions kept."""
    hold = backend.held()
    first = [backend.ask(hold, "extend", key=f"more-{n}", amount=1) for n in range(12)]
    full = [*first, *(backend.ask(hold, "extend", key=f"more-{n}", amount=1) for n in (12, 13))]
    assert pages_of(backend, hold) == []
    assert backend.ask(hold, "commit", amount=1).status == 200
    (page,) = pages_of(backend, hold)
    assert len(hold_parts.read(page["parts"])) == len(full)
    same(first[0], backend.ask(hold, "extend", key="more-0", amount=1))
    backend.figures()


def test_extensions_in_a_row_are_carried_by_entries_and_repeat_their_answers(
    backend: Backend,
) -> None:
    """The entry is what it was: its hash, its copies and the check of the account do not know of them."""
    hold = backend.held()
    first = [backend.ask(hold, "extend", key=f"more-{n}", amount=1) for n in range(40)]
    assert told(first[-1]) == ("open", 140, 0, 0, 360, 0)
    item, table = backend.item(hold), backend.gateway.ledger.table
    assert pages_of(backend, hold) == []
    entry = table.get(f"A#{backend.user}", entry_sk("credits", item["carried_by"]))
    assert entry is not None and entry["carried"]
    assert read_entry(entry).item() == {k: v for k, v in entry.items() if k != "carried"}
    for n in range(40):
        same(first[n], backend.ask(hold, "extend", key=f"more-{n}", amount=1))
    reused = backend.ask(hold, "extend", key="more-3", amount=2)
    assert (reused.status, reused.code) == (422, "idempotency_key_reused")
    for n in range(14):
        backend.ask(hold, "commit", key=f"step-{n}", amount=1)
    assert len(pages_of(backend, hold)) + 2 <= backend.item(hold)["pages"]
    same(first[0], backend.ask(hold, "extend", key="more-0", amount=1))
    assert backend.figures() == (360, 126, 0)


def test_an_extension_on_a_full_hold_is_refused_where_it_has_all_its_pages(
    backend: Backend,
) -> None:
    hold = backend.held()
    for _ in range(14):
        backend.ask(hold, "extend", amount=1)
    table = backend.gateway.ledger.table
    while not hold_parts.is_full(hold_items.read(backend.item(hold))):
        backend.ask(hold, "extend", amount=1)
    table.write(Put(backend.item(hold) | {"pages": hold_parts.MOST_PAGES}, ""))
    reply = backend.ask(hold, "extend", amount=1)
    assert (reply.status, reply.code) == (409, "hold_full")
    assert backend.ask(hold, "commit", amount=1, final=True).status == 200


def test_a_hold_whose_name_is_given_anew_does_not_answer_from_old_pages(backend: Backend) -> None:
    """Nor once it has pages of its own."""
    hold = backend.held()
    for n in range(13):
        backend.ask(hold, "commit", key=f"step-{n}", amount=1)
    backend.ask(hold, "release")
    backend.gateway.now = backend.item(hold)["ttl"]
    assert backend.place(hold).headers["idempotency-replayed"] == "true"
    backend.gateway.now += 1
    assert "idempotency-replayed" not in backend.place(hold, amount=50).headers
    for n in range(13):
        backend.ask(hold, "commit", key=f"new-{n}", amount=1)
    assert len(pages_of(backend, hold)) == 2
    assert told(backend.ask(hold, "commit", key="step-0", amount=1)) == (
        "open", 36, 14, 0, 437, 0,
    )  # fmt: skip


def test_a_hold_has_a_limit_of_pages_and_room_for_its_end(backend: Backend) -> None:
    hold = backend.held()
    for _ in range(12):
        backend.ask(hold, "commit", amount=1)
    table = backend.gateway.ledger.table
    table.write(Put(backend.item(hold) | {"pages": hold_parts.MOST_PAGES - 1}, ""))
    assert backend.ask(hold, "commit", amount=1).status == 200
    for _ in range(11):
        backend.ask(hold, "commit", amount=1)
    for body in ({"amount": 1}, {"expiresInSeconds": 3600}):
        operation = "commit" if "amount" in body else "extend"
        reply = backend.ask(hold, operation, **body)
        assert (reply.status, reply.code) == (409, "hold_full")
        assert reply.details == {"limit": 1200}
    assert told(backend.ask(hold, "commit", amount=2, final=True))[2] == 26
    assert backend.figures() == (474, 0, 0)


# Time


def test_an_extension_moves_the_end_and_never_back(backend: Backend) -> None:
    hold = backend.held(expiresInSeconds=600)
    later = backend.ask(hold, "extend", expiresInSeconds=1200)
    assert later.json["expiresAt"] == "2027-01-15T08:20:00.000Z"
    earlier = backend.ask(hold, "extend", expiresInSeconds=60)
    assert earlier.json["expiresAt"] == "2027-01-15T08:20:00.000Z"
    item = backend.item(hold)
    assert (item["ends_at"], item["expires_at"]) == (NOW + 1200, NOW + 720)
    backend.gateway.now = NOW + 721
    assert sweep(backend.gateway)["waiting"] >= 1
    assert backend.item(hold)["expires_at"] == NOW + 1320
    assert backend.figures() == (400, 100, 0)
    backend.gateway.now = NOW + 1321
    sweep(backend.gateway)
    assert told(backend.show(hold)) == ("expired", 0, 0, 100, 500, 0)
    assert backend.figures() == (500, 0, 0)


def test_a_commit_within_the_grace_counts(backend: Backend) -> None:
    hold = backend.held(expiresInSeconds=600)
    backend.gateway.now = NOW + 719
    assert told(backend.ask(hold, "commit", amount=30)) == ("open", 70, 30, 0, 400, 0)
    backend.gateway.now = NOW + 720
    reply = backend.ask(hold, "commit", amount=30)
    assert (reply.status, reply.code) == (409, "hold_expired")
    assert told(backend.show(hold)) == ("expired", 0, 30, 70, 470, 0)
    assert backend.figures() == (470, 0, 0)
    for operation in ("extend", "release"):
        assert backend.ask(hold, operation, amount=1).code == "hold_expired"


@pytest.mark.parametrize("first", ["sweep", "show"])
def test_whoever_comes_first_after_the_grace_releases_the_rest(
    backend: Backend, first: str
) -> None:
    hold = backend.held(expiresInSeconds=600)
    backend.ask(hold, "commit", amount=30)
    backend.gateway.now = NOW + 721
    if first == "sweep":
        assert sweep(backend.gateway)["released"] >= 1
        assert backend.item(hold)["state"] == "expired"
    assert told(backend.show(hold)) == ("expired", 0, 30, 70, 470, 0)
    sweep(backend.gateway)
    assert backend.figures() == (470, 0, 0)
    assert backend.listed() == ()
    assert backend.gateway.entries(backend.user)[-1].reason == "the hold's time was over"


# More than is reserved, and later than it is


def test_more_than_is_reserved_is_refused_cut_or_owed(backend: Backend) -> None:
    refused = backend.held("reject")
    reply = backend.ask(refused, "commit", amount=101)
    assert (reply.status, reply.code, reply.details) == (409, "exceeds_hold", {"reserved": 100})
    cut = backend.ask(backend.held("cap"), "commit", amount=101, final=True)
    assert (told(cut), cut.json["charged"]) == (("committed", 0, 100, 0, 300, 0), 100)
    owed = backend.ask(backend.held("owed"), "commit", amount=250, final=True)
    assert told(owed) == ("committed", 0, 250, 0, 50, 0)
    assert (owed.json["charged"], owed.json["owedAdded"]) == (250, 0)
    assert backend.figures() == (50, 100, 0)


@pytest.mark.parametrize("final", [False, True])
def test_what_the_balance_lacks_is_owed_and_paid_by_the_next_grant(
    backend: Backend, final: bool
) -> None:
    hold = backend.held("owed")
    reply = backend.ask(hold, "commit", amount=530, final=final)
    state = "committed" if final else "open"
    assert told(reply) == (state, 0, 530, 0, 0, 30)
    assert (reply.json["charged"], reply.json["owedAdded"]) == (530, 30)
    assert backend.figures() == (0, 0, 30)
    balance = backend.gateway.call(
        "GET", "/v1/credits/balance", headers=backend.gateway.user_headers(backend.user)
    ).json
    assert (balance["balance"], balance["owed"]) == (0, 30)
    backend.gateway.add(backend.user, 20)
    assert backend.figures() == (0, 0, 10)
    backend.gateway.add(backend.user, 20)
    assert backend.figures() == (10, 0, 0)


def late(backend: Backend, overage: str) -> str:
    """A hold of 100, of which 30 were committed before its time was over."""
    hold = backend.held(overage, expiresInSeconds=600)
    backend.ask(hold, "commit", amount=30)
    backend.gateway.now = NOW + 800
    return hold


def test_a_late_commit_is_charged_at_most_what_was_held(backend: Backend) -> None:
    hold = late(backend, "cap")
    assert told(backend.ask(hold, "commit", amount=50)) == ("expired", 0, 80, 20, 420, 0)
    reply = backend.ask(hold, "commit", amount=50, final=True)
    assert (told(reply), reply.json["charged"]) == (("expired", 0, 100, 0, 400, 0), 20)
    assert backend.figures() == (400, 0, 0)
    again = backend.ask(hold, "commit", amount=1)
    assert (again.status, again.code) == (409, "hold_closed")


def test_a_late_commit_takes_what_the_balance_has(backend: Backend) -> None:
    hold = late(backend, "cap")
    backend.show(hold)
    body = {"userId": backend.user, "amount": 460, "reason": "gone"}
    backend.gateway.call("POST", "/admin/deduct-credits", body, headers=backend.gateway.admin)
    reply = backend.ask(hold, "commit", amount=50)
    assert (told(reply), reply.json["charged"]) == (("expired", 0, 40, 60, 0, 0), 10)
    assert backend.figures() == (0, 0, 0)


def test_a_late_commit_may_be_owed(backend: Backend) -> None:
    hold = late(backend, "owed")
    reply = backend.ask(hold, "commit", key="late", amount=500)
    assert told(reply) == ("expired", 0, 530, 0, 0, 30)
    same(reply, backend.ask(hold, "commit", key="late", amount=500))
    assert backend.figures() == (0, 0, 30)


# Who may
