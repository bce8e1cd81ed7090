"""Who may use a hold of a back end, what is refused, and what operators and the check see of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import jwt
import pytest

from engine.credits import hold_items, hold_parts, verification
from engine.ledger.items import account_pk, account_sk
from engine.platform.table import Item
from engine.products.catalogue import Catalogue
from tests.support.backend import NOW, Backend, new_key, sweep, told
from tests.support.gateway import Gateway
from tests.support.template import ROOT


@pytest.fixture
def backend(gateway: Gateway) -> Iterator[Backend]:
    gateway.now = NOW
    yield Backend(gateway)
    gateway.now = None


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


@pytest.mark.parametrize("end", ["commit", "release", "expire"])
@pytest.mark.parametrize(
    "edit",
    [
        {"committed": 29}, {"committed": 31}, {"resolved_seq": 2}, {"state": "open"}, {"jti": "other"},
        {"parts": b"\xc1"}, {"parts": "text"}, {"pages": "2"},
    ],
    ids=str,
)  # fmt: skip
def test_the_check_finds_an_edited_hold_that_has_ended(
    backend: Backend, end: str, edit: dict[str, Any]
) -> None:
    hold = _ended_hold(backend, end)
    assert backend.figures() == (470, 0, 0)
    table = backend.gateway.ledger.table
    table.write(hold_put(backend.item(hold) | edit))
    found = verification.verify_user(table, "credits", backend.user).findings
    assert {finding.kind for finding in found} == {"hold"}


def _ended_hold(backend: Backend, end: str) -> str:
    """A hold of 100 of which 30 were charged, with its end."""
    hold = backend.held(expiresInSeconds=600)
    backend.ask(hold, "commit", amount=30)
    if end == "commit":
        backend.ask(hold, "commit", units=0, final=True)
    elif end == "release":
        backend.ask(hold, "release")
    else:
        backend.gateway.now = NOW + 720
        assert backend.show(hold).json["state"] == "expired"
    return hold


@pytest.mark.parametrize("end", ["release", "expire"])
def test_the_check_compares_what_went_back_with_the_entry(backend: Backend, end: str) -> None:
    hold = _ended_hold(backend, end)
    table = backend.gateway.ledger.table
    table.write(hold_put(backend.item(hold) | {"released": 69}))
    (found,) = verification.verify_user(table, "credits", backend.user).findings
    assert "69 went back, but entry 5 gives 70 back" in found.text


def test_the_check_finds_a_request_of_a_hold_that_no_entry_explains(backend: Backend) -> None:
    hold = _ended_hold(backend, "release")
    table, item = backend.gateway.ledger.table, backend.item(hold)
    first, *rest = hold_parts.read(item["parts"])
    for changed in (replace(first, charged=29), replace(first, seq=1), replace(first, seq=99)):
        table.write(hold_put(item | {"parts": hold_parts.write([changed, *rest])}))
        (found,) = verification.verify_user(table, "credits", backend.user).findings
        assert "does not explain" in found.text


def test_the_check_passes_over_a_hold_whose_record_may_have_passed(backend: Backend) -> None:
    """An account with many holds is not read hold by hold for ever."""
    hold = _ended_hold(backend, "release")
    table = backend.gateway.ledger.table
    table.write(hold_put(backend.item(hold) | {"committed": 29}))
    backend.gateway.now = NOW + 48 * 3600 + 1
    assert (
        backend.gateway.call(
            "POST",
            "/v1/credits/add",
            {"userId": backend.user, "amount": 1},
            headers=backend.gateway.api_key,
        ).status
        == 200
    )
    assert verification.verify_user(table, "credits", backend.user).findings == []


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


def test_a_key_has_a_limit_of_requests(gateway: Gateway) -> None:
    """Another key has its own, and the next minute begins anew."""
    own = Gateway(gateway.endpoint, HOLD_RATE_LIMIT="20", RATE_LIMIT="1000")
    own.now = NOW
    backend, other = Backend(own), Backend(own)
    hold = backend.held()
    assert [backend.show(hold).status for _ in range(19)] == [200] * 19
    for reply in (backend.show(hold), backend.place(), backend.ask(hold, "commit", amount=1)):
        assert (reply.status, reply.code) == (429, "rate_limited")
        assert reply.headers["ratelimit-policy"] == '"default";q=20;w=60'
        assert reply.headers["retry-after"] == "60"
    window = own.ledger.table.get(f"CALLER#{backend.caller}", "RATE#hold")
    assert window is not None and (window["rate_used"], window["ttl"]) == (20, NOW + 3600)
    assert other.place().status == 200
    own.now = NOW + 60
    assert backend.ask(hold, "commit", amount=1).status == 200
    assert backend.figures() == (400, 99, 0)


def test_the_catalogue_of_the_function_is_cached(backend: Backend) -> None:
    backend.held()
    assert isinstance(backend.gateway.function("holds").products, Catalogue)
