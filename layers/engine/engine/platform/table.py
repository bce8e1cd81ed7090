"""DynamoDB: values in and out, refused conditions, limits on every call.

Failure policy: a call waits 1 s to connect and 2 s for its answer, and the client tries three times, with
jitter between (see `engine.platform.aws_json`). After that, reads raise `Busy` and writes raise
`OutcomeUnknown`, because without an answer it is unknown whether the write took effect. Both are 503 with
`Retry-After`.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from engine.platform import aws_json
from engine.platform.aws_json import AwsError, Client, ErrorAnswer, NoAnswer
from engine.platform.errors import Busy, OutcomeUnknown
from engine.platform.ids import new_mark

Item = dict[str, Any]
"""Attribute values as str, int, bool, bytes, None, or lists and maps of them. Never a float."""

LIMITS = aws_json.Limits(attempts=3)
CONFLICT = "TransactionConflictException"
IN_PROGRESS = "TransactionInProgressException"
CONFLICT_TRIES = 8
CONFLICT_PAUSE_S = 0.05
BATCH = 100
"""Items that one BatchGetItem may ask for."""


class ConditionFailed(Exception):
    """A condition refused the write. `item` is the stored item, None if there was none."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("condition refused")
        self.item = item


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one write of a transaction was refused; `item` is the stored item, if it was returned."""

    code: str
    item: Item | None = None

    @property
    def is_condition(self) -> bool:
        return self.code == "ConditionalCheckFailed"


class Cancelled(Exception):
    """A transaction was cancelled; `refusals` follow the order of its writes, None for those not refused."""

    def __init__(self, refusals: Sequence[Refusal | None]) -> None:
        super().__init__([refusal.code if refusal else None for refusal in refusals])
        self.refusals = tuple(refusals)


@dataclass(frozen=True, slots=True)
class Put:
    """Put `item` if `condition` holds; an empty condition always holds."""

    item: Item
    condition: str
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """Change the item at (`pk`, `sk`) by `change` if `condition` holds; an empty condition always holds."""

    pk: str
    sk: str
    change: str
    condition: str
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    mark: str = ""
    """The attribute that tells which write changed the item: `Table.write` sets it to a mark of its own, by
    which a writer whose first answer was lost knows that it was not refused. The condition may name it as
    `:mark`. In a transaction it has no meaning: its retries are safe without."""


Write = Put | Update


class _MetTransaction(Exception):
    """A single write conflicted with a transaction on the same item and did nothing."""


def connect() -> Client:
    """A client with this module's limits; region and endpoint come from the environment."""
    return aws_json.Client("dynamodb", LIMITS)


class Table:
    """One table with the keys `pk` and `sk`."""

    def __init__(
        self,
        client: Client,
        name: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        new_mark: Callable[[], str] = new_mark,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._new_mark = new_mark
        self.name = name

    def beside(self, name: str) -> "Table":
        """Another table, with the same client."""
        return Table(self._client, name, sleep=self._sleep, new_mark=self._new_mark)

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        """The item, or None. Raises `Busy`."""
        answer = self._read(
            "get_item", Key=_key(pk, sk), ConsistentRead=consistent, TableName=self.name
        )
        return unmarshal(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Sequence[tuple[str, str]], *, consistent: bool = False) -> list[Item]:
        """The existing items of these `pk` and `sk`, in no order; keys must be distinct.

        Raises `Busy`, also if the store repeatedly leaves keys unprocessed.
        """
        found: list[Item] = []
        for start in range(0, len(keys), BATCH):
            left: Any = [_key(*key) for key in keys[start : start + BATCH]]
            for _ in range(CONFLICT_TRIES):
                asked = {"Keys": left, "ConsistentRead": consistent}
                answer = self._read("batch_get_item", RequestItems={self.name: asked})
                found += [unmarshal(item) for item in answer["Responses"].get(self.name, [])]
                left = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
                if not left:
                    break
                self._sleep(random.uniform(0, CONFLICT_PAUSE_S))
            else:
                raise Busy()
        return found

    def query(
        self,
        pk: str,
        prefix: str,
        *,
        limit: int,
        before: str | None = None,
        consistent: bool = False,
    ) -> list[Item]:
        """Items of `pk` whose `sk` starts with `prefix`, newest first, below `before`."""
        condition = "pk = :pk AND sk BETWEEN :low AND :high"
        values = {":pk": pk, ":low": prefix, ":high": before or prefix + "\uffff"}
        answer = self._read(
            "query",
            TableName=self.name,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=marshal(values),
            ScanIndexForward=False,
            ConsistentRead=consistent,
            Limit=limit + 1 if before else limit,
        )
        items = [unmarshal(item) for item in answer["Items"]]
        return [item for item in items if item["sk"] != before][:limit]

    def query_index(
        self,
        index: str,
        attribute: str,
        value: str,
        *,
        limit: int,
        before: str | int | None = None,
        sort_by: str = "sk",
    ) -> list[Item]:
        """Items of the index partition `attribute` = `value`, highest `sort_by` first, below `before`.

        An index lags behind the table. Raises `Busy`.
        """
        condition = "#pk = :value"
        values: dict[str, str | int] = {":value": value}
        names = {"#pk": attribute}
        if before is not None:
            condition += " AND #sk < :before"
            names["#sk"] = sort_by
            values[":before"] = before
        answer = self._read(
            "query",
            TableName=self.name,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=marshal(values),
            ScanIndexForward=False,
            Limit=limit,
        )
        return [unmarshal(item) for item in answer["Items"]]

    def due(self, index: str, shard: str, before: int, *, page: int) -> Iterator[Item]:
        """Keys in the index of open holds whose `expires_at` is below `before`, oldest first, read `page`
        at a time as the iterator advances. Raises `Busy`.
        """
        request = {
            "TableName": self.name,
            "IndexName": index,
            "KeyConditionExpression": "open_shard = :shard AND expires_at < :before",
            "ExpressionAttributeValues": marshal({":shard": shard, ":before": before}),
            "Limit": page,
        }
        return self._pages("query", request)

    def latest(
        self,
        index: str,
        shard: str,
        between: tuple[int, int],
        *,
        after: tuple[int, str, str] | None = None,
        page: int,
        is_reversed: bool = False,
    ) -> Iterator[Item]:
        """Keys in the index of open holds with `expires_at` in `between`, both included, highest first; with
        `is_reversed` lowest first. They are read `page` at a time as the iterator advances. `after` is the
        `expires_at`, `pk` and `sk` of the item to continue after. Raises `Busy`.
        """
        values = {":shard": shard, ":low": between[0], ":high": between[1]}
        request = {
            "TableName": self.name,
            "IndexName": index,
            "KeyConditionExpression": "open_shard = :shard AND expires_at BETWEEN :low AND :high",
            "ExpressionAttributeValues": marshal(values),
            "ScanIndexForward": is_reversed,
            "Limit": page,
        }
        if after is not None:
            at, pk, sk = after
            start = {"open_shard": shard, "expires_at": at, "pk": pk, "sk": sk}
            request["ExclusiveStartKey"] = marshal(start)
        return self._pages("query", request)

    def ascending(
        self,
        pk: str,
        low: str,
        high: str,
        *,
        limit: int | None = None,
        consistent: bool = False,
        keys_only: bool = False,
    ) -> Iterator[Item]:
        """Items of `pk` from `low` to `high`, both included, in ascending order, read page by page as the
        iterator advances; at most `limit`. `keys_only` reduces what is sent, not what is read. Raises `Busy`.
        """
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :low AND :high",
            "ExpressionAttributeValues": marshal({":pk": pk, ":low": low, ":high": high}),
            "ConsistentRead": consistent,
        }
        if limit is not None:
            request["Limit"] = limit
        if keys_only:
            request["ProjectionExpression"] = "pk, sk"
        return islice(self._pages("query", request), limit)

    def scan(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        names: Mapping[str, str] | None = None,
        after: tuple[str, str] | None = None,
        keys_only: bool = False,
    ) -> Iterator[Item]:
        """Items of the whole table that match `condition`: for operators' commands only.

        `after` is the `pk` and `sk` of the item to continue after, in the table's own order. `keys_only`
        reduces what is sent, not what is read. Raises `Busy`.
        """
        request: dict[str, Any] = {
            "TableName": self.name,
            "FilterExpression": condition,
            "ExpressionAttributeValues": marshal(values),
            "ConsistentRead": True,
        }
        if names:
            request["ExpressionAttributeNames"] = dict(names)
        if after is not None:
            request["ExclusiveStartKey"] = _key(*after)
        if keys_only:
            request["ProjectionExpression"] = "pk, sk"
        return self._pages("scan", request)

    def write(self, write: Write) -> Item:
        """Do one write; returns the item after it (for a Put, the item that was put).

        A write that conflicts with a transaction is retried a few times with jitter: the client does not
        retry it. A write with a `mark` that took effect is told from one that another writer refused, also
        if the client repeated it. Raises `ConditionFailed`, `Busy` or `OutcomeUnknown`.
        """
        if not write.mark:
            return self._patiently(write)
        mark = self._new_mark()
        try:
            return self._patiently(_marked(write, mark))
        except ConditionFailed as refused:
            if refused.item is None or refused.item.get(write.mark) != mark:
                raise
            return refused.item
        except OutcomeUnknown:
            found = self.get(*_place(write))
            if found is None or found.get(write.mark) != mark:
                raise
            return found

    def _patiently(self, write: Write) -> Item:
        for _ in range(CONFLICT_TRIES):
            try:
                return self._write(write)
            except _MetTransaction:
                self._sleep(random.uniform(0, CONFLICT_PAUSE_S))
        raise Busy()

    def _write(self, write: Write) -> Item:
        request = self._expression(write)
        name = "put_item" if isinstance(write, Put) else "update_item"
        if isinstance(write, Update):
            request["ReturnValues"] = "ALL_NEW"
        try:
            answer = getattr(self._client, name)(**request)
        except ErrorAnswer as error:
            if error.code == "ConditionalCheckFailedException":
                old = error.members.get("Item")
                raise ConditionFailed(unmarshal(old) if old else None) from None
            if error.code == CONFLICT and not error.is_unknown:
                raise _MetTransaction() from None
            raise _store_error(error) from error
        except NoAnswer as error:
            raise OutcomeUnknown() from error
        return unmarshal(answer["Attributes"]) if isinstance(write, Update) else dict(write.item)

    def transact(self, writes: Sequence[Write]) -> None:
        """Do all `writes` or none. Raises `Cancelled` or `OutcomeUnknown`.

        The client retries under one client request token, so its retries are safe. It does not retry
        `TransactionConflict`: the caller does, after reading again.
        """
        items = [
            {"Put" if isinstance(write, Put) else "Update": self._expression(write)}
            for write in writes
        ]
        try:
            self._client.transact_write_items(TransactItems=items)
        except ErrorAnswer as error:
            if error.code == "TransactionCanceledException":
                raise Cancelled(_refusals(error)) from None
            if error.code == IN_PROGRESS:
                raise Cancelled([Refusal("TransactionConflict")] * len(writes)) from None
            raise _store_error(error) from error
        except NoAnswer as error:
            raise OutcomeUnknown() from error

    def _pages(self, name: str, request: dict[str, Any]) -> Iterator[Item]:
        while True:
            answer = self._read(name, **request)
            yield from (unmarshal(item) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            request = request | {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _read(self, name: str, **request: Any) -> Any:
        try:
            return getattr(self._client, name)(**request)
        except AwsError as error:
            raise Busy() from error

    def _expression(self, write: Write) -> dict[str, Any]:
        request: dict[str, Any] = {"TableName": self.name}
        if write.condition:
            request["ConditionExpression"] = write.condition
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if isinstance(write, Put):
            request["Item"] = marshal(write.item)
        else:
            request["Key"] = _key(write.pk, write.sk)
            request["UpdateExpression"] = write.change
        if write.names:
            request["ExpressionAttributeNames"] = dict(write.names)
        if write.values:
            request["ExpressionAttributeValues"] = marshal(write.values)
        return request


def _marked(write: Write, mark: str) -> Write:
    """`write`, which also sets its mark's attribute."""
    named = ":mark" in write.condition
    if isinstance(write, Put):
        values = {**write.values, ":mark": mark} if named else write.values
        return replace(write, item={**write.item, write.mark: mark}, values=values)
    rest = write.change.removeprefix("SET ")
    joint = ", " if rest != write.change else " "
    change = f"SET {write.mark} = :mark{joint}{rest}"
    return replace(write, change=change, values={**write.values, ":mark": mark})


def _place(write: Write) -> tuple[str, str]:
    """The key of the item that is written."""
    return (
        (write.pk, write.sk) if isinstance(write, Update) else (write.item["pk"], write.item["sk"])
    )


def marshal(item: Mapping[str, Any]) -> dict[str, Any]:
    """Attribute values as DynamoDB's JSON. Raises `TypeError` for a float or an unsupported type."""
    return {name: _marshal(value) for name, value in item.items()}


def unmarshal(item: Mapping[str, Any]) -> Item:
    """DynamoDB's JSON as plain values; every stored number is an integer."""
    return {name: _unmarshal(value) for name, value in item.items()}


def _marshal(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str() | bytes():
            return {"S" if isinstance(value, str) else "B": value}
        case int():
            return {"N": str(value)}
        case dict():
            return {"M": marshal(value)}
        case list() | tuple():
            return {"L": [_marshal(member) for member in value]}
    raise TypeError(f"cannot store a {type(value).__name__}")


def _unmarshal(value: Mapping[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    match kind:
        case "N":
            return int(inner)
        case "M":
            return unmarshal(inner)
        case "L":
            return [_unmarshal(member) for member in inner]
        case "NULL":
            return None
    return inner


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _store_error(error: ErrorAnswer) -> Busy:
    """An error answer below 500 means that nothing was written, unless an earlier attempt of the same call
    had no answer, or a 5xx.
    """
    return OutcomeUnknown() if error.is_unknown else Busy()


def _refusals(error: ErrorAnswer) -> list[Refusal | None]:
    reasons: Any = error.members.get("CancellationReasons", [])
    return [_refusal(reason) for reason in reasons]


def _refusal(reason: Mapping[str, Any]) -> Refusal | None:
    code = reason.get("Code", "None")
    if code == "None":
        return None
    return Refusal(code, unmarshal(reason["Item"]) if reason.get("Item") else None)
