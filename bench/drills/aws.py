"""Drills of AWS failures: a throttled table; Parameter Store unavailable, slow or with malformed answers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from bench.drills.fault_proxy import Fault, Trouble, refusal
from bench.drills.scene import Record, Scene, User, all_are, becomes, statuses
from engine.access.keyrings import RETRY_S

THROTTLED = refusal(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
WRITES = ("PutItem", "UpdateItem", "TransactWriteItems")
VENDS = 12
RECOVERS_WITHIN_S = 2.0 * RETRY_S
"""A process that could not read its secrets asks again after at most `RETRY_S`."""

SLOWER_S = 5.0
"""Longer than the two-second timeout of the Parameter Store client."""

AWAY = refusal(503, "ServiceUnavailable")
RUBBISH = {
    "a page of HTML": b"<html><body>Bad gateway</body></html>",
    "nothing": b"",
    "half of an answer": b'{"Parameters": [{"Name": "/plu',
    "another shape": b'{"Parameters": "none"}',
    "a list": b"[]",
    "a parameter that is no ring": b'{"Parameters": [{"Name": "/pluct", "Value": "x"}]}',
}


def table_throttled(scene: Scene, record: Record) -> None:
    """The table throttles calls: all, two of three, one of three, all writes."""
    user = scene.user(balance=100)
    numbers = count()
    kinds: dict[str, Trouble] = {
        "all calls": _throttle,
        "two of three": lambda operation: _throttle(operation) if next(numbers) % 3 else None,
        "one of three": lambda operation: None if next(numbers) % 3 else _throttle(operation),
        "all writes": lambda operation: _throttle(operation) if _writes(operation) else None,
    }
    for kind, trouble in kinds.items():
        _throttled(scene, record, user, kind, trouble)
    record.promise("the ledger adds up", scene.findings() == [])


def _throttled(scene: Scene, record: Record, user: User, kind: str, trouble: Trouble) -> None:
    keys = [f"{kind.replace(' ', '-')}-{number}" for number in range(VENDS)]
    held_before = scene.balance(user)[1]
    scene.between.met.clear()
    with scene.between.failing(trouble):
        first = scene.vends(user, keys)
    sold = sum(reply.ok for reply in first.values())
    record.saw(f"{kind} refused: {statuses(first)}; refused calls {dict(scene.between.met)}")
    if kind.startswith("all"):
        record.promise("no token is vended", sold == 0)
    refused = {key: reply for key, reply in first.items() if not reply.ok}
    record.promise(
        "each other is answered 503 and told when to come again",
        all(
            reply.status_code == 503 and "retry-after" in reply.headers
            for reply in refused.values()
        ),
    )
    record.promise("only vended tokens are charged", scene.balance(user)[1] == held_before + sold)
    again = scene.vends(user, keys)
    record.promise(f"the same {VENDS} requests afterwards: each its token", all_are(again, 200))
    same = all(again[key].content == reply.content for key, reply in first.items() if reply.ok)
    record.promise("repeated requests get their first answers byte for byte", same)
    record.promise("each was charged once", scene.balance(user)[1] == held_before + VENDS)


def _throttle(operation: str) -> Fault | None:
    return THROTTLED if operation.startswith("DynamoDB") else None


def _writes(operation: str) -> bool:
    return operation.endswith(WRITES)


TROUBLES = {
    "away": AWAY,
    "slow": Fault(after_s=SLOWER_S),
    **{name: Fault(body=body) for name, body in RUBBISH.items()},
}


def secrets_away(scene: Scene, record: Record, kinds: Mapping[str, Fault] = TROUBLES) -> None:
    """Parameter Store fails while a function starts; a function that runs continues."""
    user = scene.user(balance=30)
    scene.vend(user, "before")
    for kind, fault in kinds.items():
        _without_secrets(scene, record, user, kind, fault)
    keys = [*kinds, "before"]
    took_s = becomes(lambda: all_are(scene.vends(user, keys), 200), RECOVERS_WITHIN_S)
    record.saw(f"afterwards, without any deployment: {statuses(scene.vends(user, keys))}")
    record.promise("vending recovers by itself", took_s is not None)
    sold = len(kinds) + 1
    record.promise("each vend was charged once", scene.balance(user) == (30 - sold, sold))


def _without_secrets(scene: Scene, record: Record, user: User, kind: str, fault: Fault) -> None:
    """A cold start of the tokens function, and calls of two running functions."""
    scene.kill("TokensFunction")
    with scene.between.failing(
        lambda operation: fault if operation.startswith("AmazonSSM") else None
    ):
        cold = scene.vends(user, [kind])
        warm = scene.call("GET", "/v1/credits/balance", user.headers)
        health = scene.call("GET", "/health")
    record.saw(
        f"{kind}: {statuses(cold)} in {cold[kind].elapsed.total_seconds():.1f} s by a fresh one"
    )
    record.promise("a new process vends nothing and answers 503", all_are(cold, 503))
    record.promise("a running process continues with its keys", warm.status_code == 200)
    record.promise("the health check answers", health.status_code == 200)
