"""The OpenRouter stand-in has the contract of the management API, and its amounts add up."""

import asyncio
import hashlib
import json
import re
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from standins import openrouter
from standins.clock import Clock
from standins.harness import Client, calls, fault, forward, order, play

pytestmark = pytest.mark.enable_socket

MANAGEMENT = "sk-or-v1-management-key-of-the-tests"
WEDNESDAY_NOON = 1_761_739_200.0  # 2025-10-29T12:00:00Z
DAY = 86_400.0
OTHER_WORKSPACE = "11111111-2222-4333-8444-555555555555"


def app(**settings: Any) -> web.Application:
    return openrouter.create_app(MANAGEMENT, clock=Clock(lambda: WEDNESDAY_NOON), **settings)


async def call(
    client: Client, method: str, path: str, body: Any = None, token: str = MANAGEMENT
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"/api/v1{path}"
    async with client.request(method, url, json=body, headers=headers) as answer:
        return answer.status, json.loads(await answer.text(), parse_float=Decimal)


async def create(client: Client, **body: Any) -> dict[str, Any]:
    status, answer = await call(client, "POST", "/keys", {"name": "sub:user-1", **body})
    assert status == 201
    return {**answer["data"], "key": answer["key"]}


async def read(client: Client, key: dict[str, Any]) -> dict[str, Any]:
    status, answer = await call(client, "GET", f"/keys/{key['hash']}")
    assert status == 200
    found: dict[str, Any] = answer["data"]
    return found


async def spend(client: Client, key: dict[str, Any], usd: str, **more: bool) -> int:
    body = {"hash": key["hash"], "usd": usd, **more}
    async with client.post("/_control/spend", json=body) as answer:
        return answer.status


async def state(client: Client) -> dict[str, Any]:
    truth: dict[str, Any] = await order(client, "state", method="GET")
    return truth


def test_a_new_key_has_every_documented_member_and_is_shown_once() -> None:
    async def scenario(client: Client) -> None:
        wanted = {"limit": 0.5, "limit_reset": "monthly", "expires_at": "2027-12-31T23:59:59Z"}
        status, answer = await call(client, "POST", "/keys/", {"name": "sub:user-1", **wanted})
        key, data = answer["key"], answer["data"]
        assert status == 201 and set(answer) == {"data", "key"}
        assert re.fullmatch(r"sk-or-v1-[0-9a-f]{64}", key)
        assert re.fullmatch(r"[0-9a-f]{64}", data["hash"])
        assert data["hash"] != hashlib.sha256(key.encode()).hexdigest()
        assert data == {
            "hash": data["hash"],
            "name": "sub:user-1",
            "label": f"{key[:12]}...{key[-4:]}",
            "disabled": False,
            "limit": Decimal("0.5"),
            "limit_remaining": Decimal("0.5"),
            "limit_reset": "monthly",
            "include_byok_in_limit": False,
            "usage": 0,
            "usage_daily": 0,
            "usage_weekly": 0,
            "usage_monthly": 0,
            "byok_usage": 0,
            "byok_usage_daily": 0,
            "byok_usage_weekly": 0,
            "byok_usage_monthly": 0,
            "created_at": "2025-10-29T12:00:00Z",
            "updated_at": None,
            "expires_at": "2027-12-31T23:59:59Z",
            "creator_user_id": data["creator_user_id"],
            "workspace_id": openrouter.DEFAULT_WORKSPACE,
        }
        assert await read(client, data) == data
        _, listed = await call(client, "GET", "/keys/")
        assert key not in json.dumps(listed, default=str)

    play(app(), scenario)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"name": ""},
        {"name": 7},
        {"name": "a", "limit": -1},
        {"name": "a", "limit": "1"},
        {"name": "a", "limit": True},
        {"name": "a", "limit_reset": "hourly"},
        {"name": "a", "include_byok_in_limit": 1},
        {"name": "a", "workspace_id": "mine"},
        {"name": "a", "expires_at": "2027-12-31T23:59:59+02:00"},
        {"name": "a", "expires_at": "2027-12-31T23:59:59"},
        {"name": "a", "expires_at": "soon"},
        {"name": "a", "expires_at": "2001-01-01T00:00:00Z"},
    ],
)
def test_an_invalid_creation_is_400_and_creates_no_key(body: Any) -> None:
    async def scenario(client: Client) -> None:
        status, answer = await call(client, "POST", "/keys", body)
        assert (status, answer["error"]["code"]) == (400, 400)
        assert (await state(client))["keys"] == []

    play(app(), scenario)


def test_each_operation_requires_its_credential() -> None:
    async def scenario(client: Client) -> None:
        key = await create(client)
        missing = await call(client, "GET", "/keys", token="")
        assert missing == (
            401,
            {"error": {"code": 401, "message": "Missing Authentication header"}},
        )
        assert (await call(client, "GET", "/keys", token="sk-or-v1-unknown"))[0] == 401
        assert (await call(client, "GET", "/keys", token=key["key"]))[0] == 401
        status, answer = await call(client, "POST", "/keys", {"name": "a"}, token=key["key"])
        assert (status, answer["error"]["message"]) == (
            403,
            "Only management keys can perform this operation",
        )
        assert (await call(client, "GET", "/credits", token=key["key"]))[0] == 403
        assert (await call(client, "GET", "/key"))[0] == 401
        status, own = await call(client, "GET", "/key", token=key["key"])
        assert status == 200 and own["data"]["label"] == key["label"]
        assert "hash" not in own["data"] and key["key"] not in json.dumps(own, default=str)

    play(app(), scenario)


def test_a_page_has_the_100_newest_keys_without_disabled_ones_and_other_workspaces() -> None:
    async def scenario(client: Client) -> None:
        made = [(await create(client, name=f"k{place}"))["hash"] for place in range(120)]
        elsewhere = await create(client, workspace_id=OTHER_WORKSPACE)
        await call(client, "PATCH", f"/keys/{made[119]}", {"disabled": True})

        async def hashes(query: str) -> list[str]:
            _, answer = await call(client, "GET", f"/keys?{query}")
            return [key["hash"] for key in answer["data"]]

        assert await hashes("") == made[19:119][::-1]
        assert (await hashes("offset=100"))[:19] == made[:19][::-1]
        assert len(await hashes("offset=100")) == 19 + 3
        assert await hashes("include_disabled=true") == made[20:][::-1]
        assert await hashes(f"workspace_id={OTHER_WORKSPACE}") == [elsewhere["hash"]]
        for bad in ("offset=-1", "include_disabled=1", "workspace_id=x"):
            assert (await call(client, "GET", f"/keys?{bad}"))[0] == 400

    play(app(), scenario)


def test_a_key_can_be_changed_and_deleted() -> None:
    async def scenario(client: Client) -> None:
        key = await create(client, limit=1)
        path = f"/keys/{key['hash']}"
        status, answer = await call(client, "PATCH", path, {"disabled": True, "limit": None})
        assert status == 200
        assert answer["data"]["disabled"] is True and answer["data"]["limit_remaining"] is None
        assert answer["data"]["updated_at"] == "2025-10-29T12:00:00Z"
        assert (await call(client, "PATCH", path, {"disabled": "yes"}))[0] == 400
        assert (await call(client, "GET", "/key", token=key["key"]))[0] == 401
        assert await call(client, "DELETE", path) == (200, {"deleted": True})
        for method in ("GET", "DELETE", "PATCH"):
            status, answer = await call(client, method, path, {})
            assert (status, answer["error"]["message"]) == (404, "Resource not found")

    play(app(), scenario)


def test_usage_never_resets_and_the_rest_of_a_limit_follows_the_window() -> None:
    async def scenario(client: Client) -> None:
        keys = {
            reset: await create(client, limit=1, limit_reset=reset)
            for reset in (None, "daily", "weekly", "monthly")
        }
        left: dict[str | None, list[str]] = {reset: [] for reset in keys}
        for _ in range(6):
            for reset, key in keys.items():
                await spend(client, key, "0.1")
                left[reset].append(str((await read(client, key))["limit_remaining"]))
            await forward(client, DAY)
        # Wednesday to Monday; Saturday is the first of November.
        assert left[None] == ["0.9", "0.8", "0.7", "0.6", "0.5", "0.4"]
        assert left["daily"] == ["0.9"] * 6
        assert left["weekly"] == ["0.9", "0.8", "0.7", "0.6", "0.5", "0.9"]
        assert left["monthly"] == ["0.9", "0.8", "0.7", "0.9", "0.8", "0.7"]
        usage = await read(client, keys["daily"])
        assert [usage[name] for name in ("usage", "usage_daily")] == [Decimal("0.6"), 0]

    play(app(), scenario)


def test_a_limit_applies_and_amounts_are_exact() -> None:
    async def scenario(client: Client) -> None:
        key = await create(client, limit=0.3)
        assert [await spend(client, key, "0.1") for _ in range(4)] == [200, 200, 200, 402]
        assert (await read(client, key))["limit_remaining"] == 0
        assert await spend(client, key, "0.000001") == 402
        assert await spend(client, key, "0.25", overshoot=True) == 200
        after = await read(client, key)
        assert (after["usage"], after["limit_remaining"]) == (Decimal("0.55"), 0)
        await call(client, "PATCH", f"/keys/{key['hash']}", {"disabled": True})
        assert await spend(client, key, "0.01", overshoot=True) == 402
        assert await spend(client, key, "0.01", overshoot=True, in_flight=True) == 200
        await call(client, "DELETE", f"/keys/{key['hash']}")
        truth = await state(client)
        assert (truth["spent_usd"], truth["keys"][0]["spent_usd"]) == ("0.56", "0.56")
        assert truth["live_by_name"] == {}
        _, house = await call(client, "GET", "/credits")
        assert house == {"data": {"total_credits": 5, "total_usage": Decimal("1.31")}}
        rich = await create(client)
        assert await spend(client, rich, "3.7") == 402, "the account itself is empty"

    play(app(total_credits="5"), scenario)


def test_usage_is_shown_late_and_the_limit_applies_at_once() -> None:
    async def scenario(client: Client) -> None:
        key = await create(client, limit=1)
        assert await spend(client, key, "1") == 200
        early = await read(client, key)
        assert (early["usage"], early["limit_remaining"]) == (0, 1)
        assert await spend(client, key, "0.01") == 402
        await forward(client, 30)
        late = await read(client, key)
        assert (late["usage"], late["limit_remaining"]) == (1, 0)

    play(app(usage_lag_seconds=30), scenario)


def test_an_expired_key_is_not_live() -> None:
    async def scenario(client: Client) -> None:
        key = await create(client, expires_at="2025-10-29T12:01:00+00:00")
        assert (await state(client))["live_by_name"] == {"sub:user-1": 1}
        await forward(client, 60)
        assert (await state(client))["live_by_name"] == {}
        assert await spend(client, key, "0.01") == 402

    play(app(), scenario)


def test_calls_beyond_the_rate_get_429_with_retry_after() -> None:
    async def scenario(client: Client) -> None:
        assert [(await call(client, "GET", "/keys"))[0] for _ in range(3)] == [200, 200, 429]
        headers = {"Authorization": f"Bearer {MANAGEMENT}"}
        async with client.get("/api/v1/credits", headers=headers) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
            assert answer.headers["X-RateLimit-Remaining"] == "0"
        await forward(client, 60)
        assert (await call(client, "GET", "/keys"))[0] == 200

    play(app(rate_limit_per_minute=2), scenario)


@pytest.mark.parametrize(("when", "live"), [("before", {}), ("after", {"sub:user-1": 1})])
def test_a_creation_can_fail_before_or_after_its_effect(when: str, live: dict[str, int]) -> None:
    async def scenario(client: Client) -> None:
        await fault(client, "create_key", {"kind": "drop", "when": when})
        with pytest.raises(aiohttp.ClientError):
            await create(client)
        assert (await state(client))["live_by_name"] == live
        await fault(client, "create_key", {"kind": "status", "status": 500, "when": when})
        status, answer = await call(client, "POST", "/keys", {"name": "other"})
        assert (status, answer["error"]["message"]) == (500, "Internal Server Error")
        assert (await state(client))["calls"] == {"create_key": 2}
        assert [one["fault"] for one in await calls(client, "create_key")] == ["drop", "status"]

    play(app(), scenario)


def test_changes_of_the_owners_other_keys_are_recorded() -> None:
    async def scenario(client: Client) -> None:
        truth = await state(client)
        assert len(truth["foreign"]) == 3 and truth["foreign_writes"] == 0
        await call(client, "PATCH", f"/keys/{truth['foreign'][1]['hash']}", {"disabled": True})
        await call(client, "DELETE", f"/keys/{truth['foreign'][2]['hash']}")
        truth = await state(client)
        assert truth["foreign_writes"] == 2
        assert [key["live"] for key in truth["foreign"]] == [True, False, False]

    play(app(), scenario)


def test_concurrent_calls_lose_no_update() -> None:
    async def scenario(client: Client) -> None:
        keys = await asyncio.gather(*(create(client, name=f"n{place % 5}") for place in range(25)))
        await asyncio.gather(*(spend(client, key, "0.000001") for key in keys for _ in range(4)))
        truth = await state(client)
        assert truth["live_by_name"] == {f"n{place}": 5 for place in range(5)}
        assert truth["spent_usd"] == "0.000100"

    play(app(), scenario)
