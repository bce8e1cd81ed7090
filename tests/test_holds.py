"""Holds of back ends: each request counts once, a repeat gets the first answer, and no credit is lost."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jwt
import pytest

from engine.credits import hold_items, hold_parts, verification
from engine.credits.backend_holds import name_of
from engine.ledger.items import account_pk, account_sk
from engine.platform.table import Item
from engine.products.catalogue import Catalogue
from engine.readmodels import folds
from tests.support.gateway import Gateway, Reply
from tests.support.streams import fresh
from tests.support.template import ROOT

NOW = 1_800_000_000
STEPS = {
    "version": 0, "label": "Steps", "unit": "call", "creditsPerUnit": 5, "mostUnits": 100,
    "scope": "steps:run", "audience": "steps", "lifetimeSeconds": 3600, "graceSeconds": 120,
    "reason": "a product",
}  # fmt: skip


def new_key(gateway: Gateway, *scopes: str) -> dict[str, str]:
    body = {"description": "back end", "scopes": list(scopes)}
    made = gateway.call("POST", "/admin/generate-key", body, headers=gateway.admin).json
    return {"x-api-key": made["key"]}


class Backend:
    """A back end with a key of its own, a product for each overage, and a user."""

    def __init__(self, gateway: Gateway, balance: int = 500) -> None:
        self.gateway = gateway
        self.key = new_key(gateway, "holds:write")
        self.user, self.headers = gateway.user(balance)

    def product(self, overage: str) -> str:
        code = f"steps_{overage}"
        body = STEPS | {"code": code, "overage": overage}
        self.gateway.call("POST", "/admin/products", body, headers=self.gateway.admin)
        for name in ("holds", "tokens"):
            self.gateway.function(name).products.forget()
        return code

    def place(self, hold_id: str = "", overage: str = "reject", **more: Any) -> Reply:
        body = {
            "userId": self.user,
            "holdId": hold_id or fresh("hold"),
            "product": self.product(overage),
        }
        if not {"units", "amount"} & more.keys():
            more["amount"] = 100
        return self.gateway.call("POST", "/v1/holds", body | more, headers=self.key)

    def held(self, overage: str = "reject", **more: Any) -> str:
        reply = self.place(overage=overage, **more)
        assert reply.status == 200, reply.text
        return str(reply.json["holdId"])

    def ask(
        self, hold_id: str, operation: str, *, key: str = "", headers: Any = None, **body: Any
    ) -> Reply:
        path = f"/v1/holds/{hold_id}/{operation}"
        body["clientRequestId"] = key or fresh("request")
        return self.gateway.call("POST", path, body, headers=headers or self.key)

    def show(self, hold_id: str) -> Reply:
        return self.gateway.call("GET", f"/v1/holds/{hold_id}", headers=self.key)

    @property
    def caller(self) -> str:
        keys = self.gateway.call("GET", "/admin/keys", headers=self.gateway.admin).json["keys"]
        (mine,) = [one for one in keys if self.key["x-api-key"].startswith(one["hint"])]
        return f"api-key:{mine['id']}"

    def item(self, hold_id: str) -> Item:
        name = name_of(self.caller, hold_id)
        item = self.gateway.ledger.table.get(f"HOLD#{name}", "HOLD")
        assert item is not None
        return item

    def figures(self) -> tuple[int, int, int]:
        """Available, held and owed; explained by the entries, and verified with all holds."""
        self.gateway.assert_explained(self.user)
        found = verification.verify_user(self.gateway.ledger.table, "credits", self.user)
        assert found.findings == []
        account = self.gateway.ledger.account(self.user)
        stats = folds.stats(folds.fold(self.gateway.entries(self.user)).counts)  # type: ignore[union-attr]
        assert (stats.available, stats.held, stats.owed) == (
            account.available, account.held, account.owed,
        )  # fmt: skip
        assert stats.issued + stats.owed == stats.spent + stats.available + stats.held
        return account.available, account.held, account.owed

    def listed(self) -> tuple[str, ...]:
        return self.gateway.ledger.account(self.user).open_holds


@pytest.fixture
def backend(gateway: Gateway) -> Iterator[Backend]:
    gateway.now = NOW
    yield Backend(gateway)
    gateway.now = None


def told(reply: Reply) -> tuple[Any, ...]:
    names = ("state", "reserved", "committed", "released", "available", "owed")
    return tuple(reply.json[name] for name in names)


def sweep(gateway: Gateway) -> dict[str, int]:
    sweeper = gateway.function("sweeper")
    sweeper.clock = gateway.clock

    class Context:
        aws_request_id = "sweep"

        def get_remaining_time_in_millis(self) -> int:
            return 100_000

    found: dict[str, int] = sweeper.lambda_handler({}, Context())
    return found


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


def test_a_hold_keeps_a_limited_number_of_requests_and_room_for_its_end(backend: Backend) -> None:
    hold = backend.held()
    for _ in range(hold_parts.MOST - 1):
        assert backend.ask(hold, "commit", amount=1).status == 200
    for operation in ("commit", "extend"):
        reply = backend.ask(hold, operation, amount=1)
        assert (reply.status, reply.code) == (409, "hold_full")
    assert told(backend.ask(hold, "commit", amount=2, final=True))[2] == hold_parts.MOST + 1
    assert backend.figures() == (500 - hold_parts.MOST - 1, 0, 0)


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


def test_another_callers_hold_is_not_there(backend: Backend) -> None:
    hold = backend.held()
    other = new_key(backend.gateway, "holds:write")
    shown = backend.gateway.call("GET", f"/v1/holds/{hold}", headers=other)
    assert (shown.status, shown.code) == (404, "hold_not_found")
    for operation in ("commit", "extend", "release"):
        reply = backend.ask(hold, operation, amount=1, headers=other)
        assert (reply.status, reply.code) == (404, "hold_not_found")
    mine = backend.gateway.call(
        "POST", "/v1/holds",
        {"userId": backend.user, "holdId": hold, "product": "steps_reject", "amount": 1}, headers=other,
    )  # fmt: skip
    assert mine.json["reserved"] == 1
    assert backend.figures() == (399, 101, 0)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_key_needs_the_scope_and_others_need_a_credential(backend: Backend, method: str) -> None:
    path = "/v1/holds" if method == "POST" else "/v1/holds/x"
    for headers, status in (
        (new_key(backend.gateway, "credits:write"), 403), ({}, 401), (backend.headers, 401),
        (backend.gateway.api_key, 401), ({"authorization": "Bearer x"}, 401),
    ):  # fmt: skip
        reply = backend.gateway.call(
            method, path, {} if method == "POST" else None, headers=headers
        )
        assert reply.status == status, headers


def own_token(backend: Backend, **body: Any) -> tuple[str, dict[str, str]]:
    """The holdId of a token's own hold, and its bearer's headers."""
    headers = backend.gateway.user_headers(backend.user)
    reply = backend.gateway.call("POST", "/v1/vend-token", body, headers=headers)
    token = reply.json["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    return claims["jti"], {"authorization": f"Bearer {token}"}


def test_a_token_commits_its_own_hold(backend: Backend) -> None:
    code = backend.product("reject")
    hold, bearer = own_token(backend, product=code, units=20)
    other, _ = own_token(backend, product=code, units=1)
    assert told(backend.ask(hold, "commit", amount=30, headers=bearer)) == (
        "open",
        70,
        30,
        0,
        395,
        0,
    )
    assert backend.figures() == (395, 75, 0)
    assert backend.ask(other, "commit", amount=1, headers=bearer).code == "hold_not_found"
    placed = backend.gateway.call("POST", "/v1/holds", {}, headers=bearer)
    assert placed.status in (401, 403)
    assert told(backend.ask(hold, "commit", amount=5, final=True, headers=bearer))[:4] == (
        "committed", 0, 35, 65,
    )  # fmt: skip
    assert backend.figures() == (460, 5, 0)
    assert backend.listed() == ()


def test_the_sweeper_gives_back_the_rest_of_a_tokens_hold(backend: Backend) -> None:
    hold, bearer = own_token(backend, product=backend.product("reject"), units=20)
    backend.ask(hold, "commit", amount=30, headers=bearer)
    backend.gateway.now = NOW + 3600 + 121
    sweep(backend.gateway)
    assert backend.figures() == (470, 0, 0)
    item = backend.gateway.ledger.table.get(account_pk(backend.user), hold_items.sk_of(hold))
    assert item is not None and (item["state"], item["committed"]) == ("expired", 30)


def test_a_token_for_transcriptions_has_no_hold_here(backend: Backend) -> None:
    hold, bearer = own_token(backend)
    reply = backend.gateway.call("GET", f"/v1/holds/{hold}", headers=bearer)
    assert (reply.status, reply.code) == (404, "hold_not_found")


# Limits and refusals


def test_an_account_has_a_limited_number_of_open_holds(gateway: Gateway) -> None:
    own = Gateway(gateway.endpoint, OPEN_HOLDS="2")
    backend = Backend(own)
    first = backend.held()
    backend.held()
    for dry in (False, True):
        reply = backend.place(dryRun=dry)
        assert (reply.status, reply.code, reply.details) == (409, "too_many_holds", {"limit": 2})
    assert backend.figures() == (300, 200, 0)
    backend.ask(first, "release")
    assert backend.place().status == 200


def test_a_dry_run_changes_nothing(backend: Backend) -> None:
    before = backend.gateway.ledger.account(backend.user)
    reply = backend.place("dry-1", units=3, dryRun=True)
    assert (told(reply), reply.json["dryRun"]) == (("open", 15, 0, 0, 485, 0), True)
    assert backend.gateway.ledger.account(backend.user) == before
    assert backend.show("dry-1").code == "hold_not_found"
    short = backend.place("dry-2", units=100, dryRun=True)
    assert short.status == 200
    assert backend.place("dry-3", amount=499, dryRun=True).status == 200
    backend.held(amount=450)
    poor = backend.place("dry-4", amount=100, dryRun=True)
    assert (poor.status, poor.details["price"], poor.details["balance"]) == (402, 100, 50)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"units": 101}, 400, "units_over_limit"), ({"amount": 501}, 400, "units_over_limit"),
        ({"units": 1, "amount": 1}, 400, "invalid_request"), ({"units": None}, 400, "invalid_request"),
        ({"amount": 0}, 400, "invalid_request"), ({"expiresInSeconds": 3601}, 400, "invalid_request"),
        ({"holdId": "a b"}, 400, "invalid_request"), ({"product": "none"}, 404, "product_not_found"),
        ({"userId": "nobody"}, 402, "insufficient_credits"),
    ],
)  # fmt: skip
def test_a_hold_of_what_is_not_sold_is_refused(
    backend: Backend, body: dict[str, Any], status: int, code: str
) -> None:
    reply = backend.place(**body)
    assert (reply.status, reply.code) == (status, code)
    assert backend.figures() == (500, 0, 0)


@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [
        ("commit", {}, "invalid_request"), ("commit", {"amount": 0}, "invalid_request"),
        ("commit", {"amount": 1, "units": 1}, "invalid_request"), ("extend", {}, "invalid_request"),
        ("extend", {"expiresInSeconds": 3601}, "invalid_request"),
        ("extend", {"amount": 401}, "units_over_limit"),
        ("extend", {"units": -1}, "invalid_request"), ("commit", {"amount": True}, "invalid_request"),
    ],
)  # fmt: skip
def test_a_request_that_asks_for_nothing_or_too_much_is_refused(
    backend: Backend, operation: str, body: dict[str, Any], code: str
) -> None:
    hold = backend.held()
    reply = backend.ask(hold, operation, **body)
    assert (reply.status, reply.code) == (400, code)
    assert backend.figures() == (400, 100, 0)


def test_an_extension_that_the_account_cannot_pay_is_refused(backend: Backend) -> None:
    hold = backend.held(amount=300)
    backend.held(amount=150)
    reply = backend.ask(hold, "extend", amount=51, expiresInSeconds=3600)
    assert (reply.status, reply.json["balance"]) == (402, 50)
    assert backend.figures() == (50, 450, 0)
    assert "parts" not in backend.item(hold)


def test_a_refused_hold_is_in_the_audit(backend: Backend) -> None:
    backend.held(amount=450)
    backend.place(amount=100)
    (record,) = backend.gateway.ledger.table.query(f"AUDIT#{backend.user}", "2", limit=5)
    assert (record["action"], record["ok"], record["code"]) == (
        "hold",
        False,
        "insufficient_credits",
    )


# Operators


def test_an_operator_sees_and_ends_holds(backend: Backend) -> None:
    hold = backend.held()
    backend.ask(hold, "commit", amount=30)
    token, _ = own_token(backend)
    query = {"user": backend.user}
    shown = backend.gateway.call("GET", "/admin/holds", headers=backend.gateway.admin, query=query)
    assert [(one["holdId"], one["reserved"], one["state"]) for one in shown.json["holds"]] == [
        (None, 1, "open"), (hold, 70, "open"),
    ]  # fmt: skip
    user = backend.gateway.call(
        "GET", f"/admin/users/{backend.user}", headers=backend.gateway.admin
    )
    assert [one["holdId"] for one in user.json["openHolds"]] == [None, hold]
    for subject in (backend.item(hold)["jti"], token):
        body = {"userId": backend.user, "hold": subject, "reason": "the back end is gone"}
        ended = backend.gateway.call(
            "POST", "/admin/holds/end", body, headers=backend.gateway.admin
        )
        assert (ended.status, ended.json["hold"]["state"]) == (200, "released")
        again = backend.gateway.call(
            "POST", "/admin/holds/end", body, headers=backend.gateway.admin
        )
        assert again.headers["idempotency-replayed"] == "true"
    assert backend.figures() == (470, 0, 0)
    assert backend.listed() == ()
    entry = backend.gateway.entries(backend.user)[-1]
    assert (entry.actor, entry.reason) == ("admin:secret", "the back end is gone")
    records = backend.gateway.ledger.table.query(f"AUDIT#{backend.user}", "2", limit=9)
    assert [one["action"] for one in records].count("hold_end") == 2
    assert told(backend.show(hold)) == ("released", 0, 30, 70, 470, 0)
    query |= {"state": "any"}
    shown = backend.gateway.call("GET", "/admin/holds", headers=backend.gateway.admin, query=query)
    assert [one["state"] for one in shown.json["holds"]] == ["released", "released"]


def test_an_operator_cannot_end_what_is_not_there(backend: Backend) -> None:
    hold = backend.held()
    other, _ = backend.gateway.user(balance=1)
    body = {"userId": other, "hold": backend.item(hold)["jti"], "reason": "x"}
    reply = backend.gateway.call("POST", "/admin/holds/end", body, headers=backend.gateway.admin)
    assert (reply.status, reply.code) == (404, "hold_not_found")
    query = {"user": "nobody"}
    shown = backend.gateway.call("GET", "/admin/holds", headers=backend.gateway.admin, query=query)
    assert shown.status == 404


# Samples of events, the check, the size of what is stored


def test_the_samples_of_events_are_answered(gateway: Gateway) -> None:
    own = Gateway(gateway.endpoint)
    backend = Backend(own)
    backend.product("reject")

    def sent(name: str, function: str, headers: Mapping[str, str], **body: Any) -> dict[str, Any]:
        event = json.loads((ROOT / "events" / name).read_text())
        event["headers"] |= headers
        if "body" in event:
            event["body"] = json.dumps(json.loads(event["body"]) | body)
        if "queryStringParameters" in event:
            event["queryStringParameters"]["user"] = backend.user
        answer: dict[str, Any] = own.function(function).lambda_handler(event, None)
        assert answer["statusCode"] == 200, answer["body"]
        return answer

    sent("hold_place.json", "holds", backend.key, userId=backend.user)
    sent("hold.json", "holds", backend.key)
    sent("hold_extend.json", "holds", backend.key)
    sent("admin_holds.json", "admin", own.admin)
    sent("hold_commit.json", "holds", backend.key)
    assert backend.figures() == (499, 0, 0)
    sent("hold_place.json", "holds", backend.key, userId=backend.user, holdId="two")
    jti = backend.item("two")["jti"]
    sent("admin_end_hold.json", "admin", own.admin, userId=backend.user, hold=jti)
    hold = backend.held()
    event = json.loads((ROOT / "events" / "hold_release.json").read_text())
    event["headers"] |= backend.key
    event["pathParameters"]["holdId"] = hold
    assert own.function("holds").lambda_handler(event, None)["statusCode"] == 200
    assert backend.figures() == (499, 0, 0)


@pytest.mark.parametrize(
    ("edit", "kind"),
    [
        ({"left": 71}, "hold"), ({"committed": 29}, "hold"), ({"last_seq": 2}, "hold"),
        ({"state": "released"}, "hold"), ({"open_shard": "other"}, "hold"), ({"amount": 99}, "hold"),
    ],
)  # fmt: skip
def test_the_check_finds_an_edited_hold(backend: Backend, edit: dict[str, Any], kind: str) -> None:
    hold = backend.held()
    backend.ask(hold, "commit", amount=30)
    table = backend.gateway.ledger.table
    table.write(hold_put(backend.item(hold) | edit))
    found = verification.verify_user(table, "credits", backend.user).findings
    assert kind in {finding.kind for finding in found}


def hold_put(item: Item) -> Any:
    from engine.platform.table import Put

    return Put(item, "")


def test_the_check_compares_the_list_of_open_holds(backend: Backend) -> None:
    backend.held()
    table = backend.gateway.ledger.table
    account = table.get(account_pk(backend.user), account_sk("credits"))
    assert account is not None
    table.write(hold_put(account | {"open_holds": [*account["open_holds"], "x" * 22]}))
    (found,) = verification.verify_user(table, "credits", backend.user).findings
    assert "lists a hold that is not open" in found.text
    table.write(hold_put(account | {"open_holds": []}))
    found, *_ = verification.verify_user(table, "credits", backend.user).findings
    assert found.kind in ("hold", "unresolved")


def size(item: Item) -> int:
    """The bytes of an item, by DynamoDB's rules."""

    def of(value: Any) -> int:
        if isinstance(value, bool) or value is None:
            return 1
        if isinstance(value, int):
            return (len(str(abs(value))) + 1) // 2 + 2
        if isinstance(value, str | bytes):
            return len(value.encode() if isinstance(value, str) else value)
        if isinstance(value, list | tuple):
            return 3 + sum(1 + of(one) for one in value)
        return 3 + sum(1 + len(name) + of(one) for name, one in value.items())

    return sum(len(name.encode()) + of(value) for name, value in item.items())


def test_hold_account_and_entry_stay_below_a_unit(backend: Backend) -> None:
    """Also a hold with all its parts, and an account with all its holds."""
    hold = backend.held(holdId="h" * 36)
    for _ in range(hold_parts.MOST - 1):
        backend.ask(hold, "extend", amount=1, expiresInSeconds=3600)
    assert size(backend.item(hold)) < 1024
    for _ in range(19):
        backend.held(amount=1)
    account = backend.gateway.ledger.table.get(account_pk(backend.user), account_sk("credits"))
    assert account is not None and len(account["open_holds"]) == 20
    assert size(account) < 1024
    assert size(backend.gateway.entries(backend.user)[-1].item()) < 1024


def test_the_catalogue_of_the_function_is_cached(backend: Backend) -> None:
    backend.held()
    assert isinstance(backend.gateway.function("holds").products, Catalogue)
