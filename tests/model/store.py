"""A table as a value: one call makes another table and an answer, as DynamoDB would give it.

Upstream is kept in the same place: a job is an item under `UPSTREAM`, so that its state is part of
the state that is explored.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.platform.table import marshal, unmarshal
from tests.model.expressions import Context, changed, condition

Key = tuple[str, str]
Content = Mapping[Key, Mapping[str, Any]]
"""The items of a table by their keys; never changed in place."""

Answer = Mapping[str, Any]
"""`{"ok": ...}`, `{"error": code}` with `item`, `{"reasons": [...]}`, `{"timeout": True}`, or for
upstream `{"status": ..., "members": ...}`, `{"not_sent": True}`."""

UPSTREAM = "UPSTREAM"
READS = frozenset({"get_item", "query", "upstream_status"})


@dataclass(frozen=True)
class Call:
    """One call to DynamoDB or upstream; `request` has the form of botocore's arguments."""

    kind: str
    request: Mapping[str, Any]

    @property
    def text(self) -> str:
        return self.kind + json.dumps(self.request, sort_keys=True, default=bytes.hex)

    @property
    def is_read(self) -> bool:
        return self.kind in READS

    @property
    def may_be_old(self) -> bool:
        """Whether it reads an item that need not be the latest."""
        return self.kind == "get_item" and not self.request.get("ConsistentRead")


@dataclass(frozen=True)
class Operation:
    """One write with its literal condition: `put` with `fresh`, or `update` with `change`."""

    kind: str
    key: Key
    condition: str
    change: str
    fresh: Mapping[str, Any]
    names: Mapping[str, str]
    values: Mapping[str, Any]

    @property
    def family(self) -> str:
        """Which kind of write this is, such as `put H#`."""
        pk, sk = self.key
        prefix = sk.partition("#")[0] + "#" if "#" in sk else pk.partition("#")[0] + "#"
        return f"{self.kind} {prefix}"


Rewrite = Callable[[Operation], str]
"""The condition to evaluate in place of the literal one."""


def literal(operation: Operation) -> str:
    return operation.condition


def applied(content: Content, call: Call, rewrite: Rewrite = literal) -> tuple[Content, Answer]:
    """The table after `call`, and its answer."""
    match call.kind:
        case "get_item":
            return content, _got(content, call.request)
        case "query":
            return content, _queried(content, call.request)
        case "transact_write_items":
            return _transacted(content, call.request["TransactItems"], rewrite)
        case "put_item" | "update_item":
            return _written(content, call, rewrite)
        case "upstream_transcribe":
            return _started(content, call.request)
        case "upstream_status":
            return content, _looked_up(content, call.request["job_id"])
    raise NotImplementedError(call.kind)


def operations(call: Call) -> list[Operation]:
    """The writes of `call` to the table."""
    if call.kind == "transact_write_items":
        return [_operation(write) for write in call.request["TransactItems"]]
    if call.kind in ("put_item", "update_item"):
        return [_operation({call.kind.removesuffix("_item").title(): call.request})]
    return []


SEQ = "seq = :seq"


def is_outrun(content: Content, call: Call, rewrite: Rewrite = literal) -> bool:
    """Whether `call` is refused from now on: it asks for a `seq` that its item has left, and the `seq` of an
    account only grows.
    """
    for operation in operations(call):
        clauses = rewrite(operation).split(" AND ")
        seq = content.get(operation.key, {}).get("seq", 0)
        if SEQ in clauses and " OR " not in rewrite(operation) and seq > operation.values[":seq"]:
            return True
    return False


def _got(content: Content, request: Mapping[str, Any]) -> Answer:
    item = content.get(_key(request["Key"]))
    return {"ok": {} if item is None else {"Item": marshal(item)}}


def _queried(content: Content, request: Mapping[str, Any]) -> Answer:
    """Also of an index, as it is once it has caught up: its reader reads the items again."""
    holds = condition(request["KeyConditionExpression"])
    names = request.get("ExpressionAttributeNames", {})
    values = unmarshal(request["ExpressionAttributeValues"])
    found = [item for item in content.values() if holds(Context(item, names, values))]
    found.sort(key=lambda item: str(item["sk"]), reverse=not request.get("ScanIndexForward", True))
    return {"ok": {"Items": [marshal(item) for item in found[: request.get("Limit")]]}}


def _transacted(
    content: Content, writes: Sequence[Mapping[str, Any]], rewrite: Rewrite
) -> tuple[Content, Answer]:
    tried = [_tried(content, _operation(write), rewrite) for write in writes]
    if any("Code" in outcome for _, outcome in tried):
        return content, {"reasons": [_reason(outcome) for _, outcome in tried]}
    return {**content, **dict(outcome for outcome in tried)}, {"ok": {}}


def _reason(outcome: Mapping[str, Any]) -> Mapping[str, Any]:
    return outcome if "Code" in outcome else {"Code": "None"}


def _written(content: Content, call: Call, rewrite: Rewrite) -> tuple[Content, Answer]:
    (operation,) = operations(call)
    key, outcome = _tried(content, operation, rewrite)
    if "Code" in outcome:
        return content, {"error": outcome["Code"] + "Exception", "item": outcome.get("Item")}
    answer = {"Attributes": marshal(outcome)} if call.kind == "update_item" else {}
    return {**content, key: outcome}, {"ok": answer}


def _tried(
    content: Content, operation: Operation, rewrite: Rewrite
) -> tuple[Key, Mapping[str, Any]]:
    """The item that `operation` leaves, or the reason why it is refused (with `Code`)."""
    old = content.get(operation.key)
    context = Context(old, operation.names, operation.values)
    if not condition(rewrite(operation))(context):
        reason: dict[str, Any] = {"Code": "ConditionalCheckFailed"}
        return operation.key, reason | ({"Item": marshal(old)} if old is not None else {})
    if operation.kind == "put":
        return operation.key, operation.fresh
    pk, sk = operation.key
    try:
        return operation.key, {"pk": pk, "sk": sk} | changed(operation.change, context)
    except ArithmeticError:
        return operation.key, {"Code": "ValidationError"}


def _operation(write: Mapping[str, Any]) -> Operation:
    ((kind, request),) = write.items()
    fresh = unmarshal(request.get("Item", {}))
    return Operation(
        kind.lower(),
        _key(request["Key"] if kind == "Update" else request["Item"]),
        request.get("ConditionExpression", ""),
        request.get("UpdateExpression", ""),
        fresh,
        request.get("ExpressionAttributeNames", {}),
        unmarshal(request.get("ExpressionAttributeValues", {})),
    )


def _key(item: Mapping[str, Any]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def job_of(request_id: str) -> str:
    """Upstream's id of the job that it was asked for as `request_id`."""
    return "up" + request_id


def _started(content: Content, request: Mapping[str, Any]) -> tuple[Content, Answer]:
    """Every call starts a job; `starts` counts them, as upstream is not idempotent."""
    job_id = job_of(request["request_id"])
    old = content.get((UPSTREAM, job_id), {"starts": 0})
    job = {"pk": UPSTREAM, "sk": job_id, "state": "processing", "starts": old["starts"] + 1}
    members = {"id": job_id, "status": "processing"}
    return {**content, (UPSTREAM, job_id): job}, {"status": 202, "members": members}


def _looked_up(content: Content, job_id: str) -> Answer:
    job = content.get((UPSTREAM, job_id))
    if job is None or job["state"] == "missing":
        return {"status": 404, "members": {}}
    text = {"result": {"transcription": "text"}} if job["state"] == "completed" else {}
    return {"status": 200, "members": {"id": job_id, "status": job["state"], **text}}
