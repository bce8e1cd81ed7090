"""Drills of what AWS may do: a throttled table, a parameter store that is away."""

from __future__ import annotations

from bench.drills.scene import Record, Scene, all_are, statuses

THROTTLED = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
KEYS = [f"drill-{number}" for number in range(12)]


def table_throttled(scene: Scene, record: Record) -> None:
    """The table refuses every call for lack of throughput, then lets them pass again."""
    user = scene.user(balance=20)
    with scene.between.failing(
        lambda operation: (400, THROTTLED) if operation.startswith("DynamoDB") else None
    ):
        refused = scene.vends(user, KEYS)
    record.saw(f"vends meanwhile: {statuses(refused)}; the table refused {dict(scene.between.met)}")
    told = all("retry-after" in reply.headers for reply in refused.values())
    record.promise(
        "each was answered 503 and told when to come again", all_are(refused, 503) and told
    )
    record.promise("nothing was charged", scene.balance(user) == (20, 0))
    again = scene.vends(user, KEYS)
    record.saw(f"the same requests afterwards: {statuses(again)}")
    record.promise("each got its token", all_are(again, 200))
    record.promise("each was charged once", scene.balance(user) == (8, 12))
    record.promise("the ledger adds up", scene.findings() == [])


def secrets_away(scene: Scene, record: Record) -> None:
    """Parameter Store is away while a function starts, and while another one already runs."""
    user = scene.user(balance=5)
    scene.vend(user, "before")
    ended = scene.kill("TokensFunction")
    with scene.between.failing(
        lambda operation: (503, "ServiceUnavailable") if operation.startswith("AmazonSSM") else None
    ):
        cold = scene.vends(user, ["cold"])
        warm = scene.call("GET", "/v1/credits/balance", user.headers)
        health = scene.call("GET", "/health")
    record.saw(f"{ended} processes ended; a vend by a fresh one: {statuses(cold)}")
    record.promise("a fresh process sells nothing and answers 503", all_are(cold, 503))
    record.promise("a running one goes on with the keys it has", warm.status_code == 200)
    record.promise("the health check answers", health.status_code == 200)
    again = scene.vends(user, ["cold", "before"])
    record.saw(f"afterwards, without any deployment: {statuses(again)}")
    record.promise("it sells again by itself", all_are(again, 200))
    record.promise("each vend was charged once", scene.balance(user) == (3, 2))
