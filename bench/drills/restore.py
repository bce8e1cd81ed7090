"""The drill of restoring the table to an earlier time, and of recovering what happened after it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from bench.drills.scene import Record, Reply, Scene, User, all_are, becomes, statuses
from cli.commands.ledger import compare
from cli.commands.ledger.compare import AHEAD, FORKED, Comparison
from engine.credits import verification
from engine.readmodels import rebuild
from engine.readmodels.projection import Projector

VIDEO = 6718335390845070000
PAYMENT = "drill-payment"
JOB_S = 4.0
SETTLED_WITHIN_S = 40.0
LOW_BALANCE = 3
AUDIT_DAYS = 400


def restored_table(scene: Scene, record: Record) -> None:
    """The table is backed up, vending continues, then the restored backup replaces the table."""
    busy, waiting, idle = (scene.user(balance=10) for _ in range(3))
    scene.job_seconds(1.0)
    _sell(scene, busy, ["first", "second"])
    becomes(lambda: scene.balance(busy)[1] == 0, SETTLED_WITHIN_S)
    scene.job_seconds(JOB_S)
    under_way = scene.transcribe(scene.vend(waiting, "under-way"), VIDEO + 100).json()["jobId"]
    scene.job_seconds(1.0)
    old, new = scene.table.name, f"{scene.table.name}-restored"
    backup = _back_up(scene, old)
    lost = _sell(scene, busy, ["third", "fourth", "fifth"])
    unused = scene.vend(busy, "unused")
    scene.pay(busy, 5, PAYMENT)
    late = scene.user(balance=4)
    becomes(lambda: scene.balance(busy)[1] == 1, SETTLED_WITHIN_S)
    settled = becomes(lambda: _status(scene, waiting, under_way) == "captured", SETTLED_WITHIN_S)
    before = {user.id: scene.balance(user) for user in (busy, waiting, idle, late)}
    record.saw(f"since that moment: {statuses(lost)} vends and jobs, a payment, a new user")
    record.promise("a job that was running at the backup has ended", settled is not None)
    _restore(scene, backup, new)
    restored = scene.table.beside(new)
    whole = [finding for one in verification.verify_all(restored) for finding in one.findings]
    record.promise("the restored table adds up: transactions are complete", whole == [])
    lacks = compare.compare(scene.table, restored)
    record.saw(f"the copy lacks {_told(lacks)}")
    named = {one.user: one.state for one in lacks.differences}
    wanted = dict.fromkeys((busy.id, waiting.id, late.id), AHEAD)
    record.promise(
        "the comparison reports each account that changed, and no other", named == wanted
    )
    _switch(scene, new)
    scene.use(new)
    rebuild.write(
        Projector(restored, low_balance=LOW_BALANCE, audit_days=AUDIT_DAYS), now=scene.now()
    )
    record.promise("read models are rebuilt", scene.differences() == [])
    _bring_back(scene, record, old, lacks)
    again = becomes(lambda: _status(scene, waiting, under_way) == "captured", SETTLED_WITHIN_S)
    record.promise("the result of the job comes from upstream", again is not None)
    after = {user.id: scene.balance(user) for user in (busy, waiting, idle, late)}
    # Its token is no longer valid, so the credit that was held for it is available again.
    before[busy.id] = (before[busy.id][0] + 1, 0)
    record.saw(f"available and held: {list(after.values())}")
    scene.pay(busy, 5, PAYMENT)
    record.promise(
        "a payment that is delivered again grants nothing", scene.balance(busy) == after[busy.id]
    )
    record.promise("every balance is as before, and a lost token costs nothing", after == before)
    refused = scene.transcribe(unused, VIDEO + 101)
    record.promise("a token that the restored table does not have starts no job", not refused.ok)
    record.promise("vending continues", all_are(_sell(scene, busy, ["sixth"]), 202))
    becomes(lambda: scene.balance(busy)[1] == 0, SETTLED_WITHIN_S)
    record.promise("the ledger adds up", scene.findings() == [])
    took = becomes(lambda: scene.differences() == [], SETTLED_WITHIN_S)
    record.promise("the projector reads the new table's stream", took is not None)
    states = {
        one.state for one in compare.compare(scene.table.beside(old), scene.table).differences
    }
    record.promise("both histories remain readable", FORKED in states)


def _sell(scene: Scene, user: User, keys: list[str]) -> dict[str, Reply]:
    return {key: scene.transcribe(scene.vend(user, key), VIDEO + sum(key.encode())) for key in keys}


def _status(scene: Scene, user: User, job: str) -> Any:
    reply = scene.call("GET", f"/ttt/status/{job}", user.headers)
    return reply.json()["credit"] if reply.ok else None


def _back_up(scene: Scene, table: str) -> str:
    """Creates an on-demand backup, because the engine has no point-in-time recovery; returns its ARN."""
    made = scene.aws("dynamodb").create_backup(TableName=table, BackupName="drill")
    arn: str = made["BackupDetails"]["BackupArn"]
    return arn


def _restore(scene: Scene, backup: str, table: str) -> None:
    store = scene.aws("dynamodb")
    store.restore_table_from_backup(BackupArn=backup, TargetTableName=table)
    store.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    store.update_table(TableName=table, StreamSpecification=stream)


def _switch(scene: Scene, table: str) -> None:
    """Switches all functions to `table`, and the projector to its stream."""
    functions = scene.aws("lambda")
    for found in functions.list_functions()["Functions"]:
        if "TABLE_NAME" in found.get("Environment", {}).get("Variables", {}):
            _look_at(functions, found["FunctionName"], table)
    _follow(scene, functions, table)


def _look_at(functions: Any, name: str, table: str) -> None:
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**variables, "TABLE_NAME": table}}
    )
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=version)


def _follow(scene: Scene, functions: Any, table: str) -> None:
    """Replaces the projector's mapping by one of the new table's stream."""
    stream = scene.aws("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
    for found in functions.list_event_source_mappings()["EventSourceMappings"]:
        if "ProjectorFunction" in found["FunctionArn"]:
            functions.delete_event_source_mapping(UUID=found["UUID"])
            functions.create_event_source_mapping(
                EventSourceArn=stream,
                FunctionName=found["FunctionArn"],
                StartingPosition="TRIM_HORIZON",
                BatchSize=100,
            )


def _bring_back(scene: Scene, record: Record, old: str, lacks: Comparison) -> None:
    """Sends the file of `pluct ledger compare --adjustments` twice."""
    here = scene.table.beside(old)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "restored.csv"
        (rows,) = compare.write_adjustments(compare.rows(here, lacks), path)
        (calls,) = compare.write_payments(compare.payments(lacks), path)
        content, payments = rows.read_bytes(), calls.read_text().splitlines()
    first, again = (scene.adjust(content).json()["counts"] for _ in range(2))
    record.saw(f"rows of the adjustments: {json.dumps(first)}; sent again: {json.dumps(again)}")
    record.promise("each transaction is applied again", set(first) == {"done"})
    record.promise("and applied only once", again == {"repeated": sum(first.values())})
    for line in 2 * payments:
        call = json.loads(line)
        scene.paid(call["path"], call["body"]).raise_for_status()
    record.saw(f"{len(payments)} payment under its own id, twice")


def _told(lacks: Comparison) -> str:
    return ", ".join(
        f"{len(one.here)} entries of an account that agrees up to {one.agree_to}"
        for one in lacks.differences
    )
