"""The drill of a corrupt item as the newest entry of an account: poison for projector and ledger."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from bench.drills.scene import Record, Scene, all_are, becomes
from engine.ledger.items import CREDITS, account_pk, entry_sk
from engine.platform.table import Put, marshal
from engine.readmodels import figures
from local.settings import ROOT
from local.template import load_template

CATCH_UP_S = 60.0
QUEUE = "ProjectorDeadLetters"
ALARM = "ProjectorGaveUp"


def poison_record(scene: Scene, record: Record) -> None:
    """An item without the members of an entry becomes an account's newest entry, also in the stream."""
    user, poisoned = scene.user(balance=10), scene.user(balance=10)
    becomes(lambda: scene.differences() == [], CATCH_UP_S)
    next_seq = scene.ledger.account(poisoned.id).seq + 1
    poison = {"pk": account_pk(poisoned.id), "sk": entry_sk(CREDITS, next_seq)}
    scene.table.write(Put(poison, condition=""))
    sold = scene.vends(user, [f"poison-{number}" for number in range(5)])
    record.promise("others are served", all_are(sold, 200))
    refused = scene.vend(poisoned, "poisoned")
    record.saw(f"a vend of the account itself: {refused.status_code}")
    record.promise("no token is vended after a corrupt entry", not refused.ok)
    took = becomes(lambda: _others(scene, poisoned.id) == [], CATCH_UP_S)
    record.promise("the projector continues after it", took is not None)
    _delivered_as_lambda_does(scene, record, poisoned.id)
    _given_up(scene, record)
    named = {finding.split(":")[0] for finding in scene.findings()}
    record.promise("the check names this account and no other", named == {poisoned.id})
    record.saw(f"the comparison: {[key for key in scene.differences() if poisoned.id in key]}")
    _taken_away(scene, poison)
    record.promise(
        "after its removal the account vends again",
        scene.vend(poisoned, "poisoned").status_code == 200,
    )
    took = becomes(lambda: scene.differences() == [], CATCH_UP_S)
    record.promise("its next entry repairs its read models without a rebuild", took is not None)
    record.promise("the ledger adds up", scene.findings() == [])


def _delivered_as_lambda_does(scene: Scene, record: Record, poisoned: str) -> None:
    """Delivers the stream's records to the deployed function repeatedly, each time from the record that it
    reports, as Lambda does and the engine does not.
    """
    records = _records(scene)
    (place,) = [
        number
        for number, one in enumerate(records)
        if one["dynamodb"]["Keys"]["pk"]["S"] == account_pk(poisoned)
        and "seq" not in one["dynamodb"]["NewImage"]
    ]
    retries = load_template(ROOT / "template.yaml")["Resources"]["ProjectorMapping"]["Properties"][
        "MaximumRetryAttempts"
    ]
    before = _entries_counted(scene)
    answers = Counter([_failed(scene, records)])
    answers.update(_failed(scene, records[place:]) for _ in range(retries))
    wanted = records[place]["dynamodb"]["SequenceNumber"]
    record.saw(
        f"record {place + 1} of {len(records)}: {retries + 1} deliveries answer {_told(answers, wanted)}"
    )
    record.promise("each answer reports the corrupt record as failed", set(answers) == {wanted})
    record.promise("the records after it do not fail", _failed(scene, records[place + 1 :]) is None)
    record.promise("repeated records are counted once", _entries_counted(scene) == before)


def _given_up(scene: Scene, record: Record) -> None:
    """The dead letter that Lambda sends after its retries, and how an operator notices it."""
    queues, alarms = scene.aws("sqs"), scene.aws("cloudwatch")
    (url,) = [url for url in queues.list_queues()["QueueUrls"] if QUEUE in url]
    queues.send_message(QueueUrl=url, MessageBody=json.dumps({"DDBStreamBatchInfo": {}}))
    admin = {"authorization": f"Bearer {scene.run['adminSecret']}"}
    waiting = scene.call("GET", "/admin/stats", admin).json()["deadLetters"]
    (alarm,) = [
        one for one in alarms.describe_alarms()["MetricAlarms"] if ALARM in one["AlarmName"]
    ]
    states = []
    for depth in (waiting, 0):
        # The engine reports no queue metrics, unlike AWS.
        figure = {"MetricName": alarm["MetricName"], "Dimensions": alarm["Dimensions"]}
        alarms.put_metric_data(
            Namespace=alarm["Namespace"], MetricData=[{**figure, "Value": float(depth)}]
        )
        states.append(_state(alarms, alarm["AlarmName"]))
    watched = {one["Value"] for one in alarm["Dimensions"]}
    record.saw(f"dead letters on the dashboard: {waiting}; the alarm on {watched}: {states[0]}")
    record.promise("the dashboard counts the letter", waiting == 1)
    record.promise("the alarm watches this queue", watched == {url.rpartition("/")[2]})
    record.promise("the alarm goes off", states[0] == "ALARM")
    queues.purge_queue(QueueUrl=url)


def _state(alarms: Any, name: str) -> str:
    return str(alarms.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"])


def _records(scene: Scene) -> list[dict[str, Any]]:
    """All new entries in the table's stream, as Lambda delivers them."""
    streams = scene.aws("dynamodbstreams")
    arn = scene.aws("dynamodb").describe_table(TableName=scene.table.name)["Table"][
        "LatestStreamArn"
    ]
    found: list[dict[str, Any]] = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        place = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            page = streams.get_records(ShardIterator=place)
            found += page["Records"]
            place = page.get("NextShardIterator")
            if not page["Records"] or place is None:
                break
    return [one for one in found if one["eventName"] == "INSERT" and _is_entry(one)]


def _is_entry(record: dict[str, Any]) -> bool:
    return str(record["dynamodb"]["Keys"]["sk"]["S"]).startswith("E#")


def _failed(scene: Scene, records: list[dict[str, Any]]) -> str | None:
    """The record that the deployed projector reports as failed."""
    functions = scene.aws("lambda")
    (name,) = [
        one["FunctionName"]
        for one in functions.list_functions()["Functions"]
        if "ProjectorFunction" in one["FunctionName"]
    ]
    answer = functions.invoke(
        FunctionName=f"{name}:live", Payload=json.dumps({"Records": records}, default=str)
    )
    failures = json.loads(answer["Payload"].read())["batchItemFailures"]
    return str(failures[0]["itemIdentifier"]) if failures else None


def _entries_counted(scene: Scene) -> int:
    return figures.totals(scene.table, CREDITS).entries


def _taken_away(scene: Scene, item: dict[str, Any]) -> None:
    """Removes the item, as an operator does once it is clear that no transaction wrote it."""
    scene.aws("dynamodb").delete_item(TableName=scene.table.name, Key=marshal(item))


def _told(answers: Counter[str | None], wanted: str) -> str:
    return ", ".join(
        f"{count} x {'the poison' if name == wanted else name}" for name, count in answers.items()
    )


def _others(scene: Scene, user: str) -> list[str]:
    """Differences of read models that are not about `user`'s own summary."""
    return [key for key in scene.differences() if user not in key]
