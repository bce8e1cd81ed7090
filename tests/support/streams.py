"""The table's stream as Lambda delivers it, and histories of accounts to fill it with."""

import itertools
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.ledger import origins
from engine.ledger.items import (
    Account,
    Entry,
    Move,
    account_pk,
    account_sk,
    next_entry,
    read_entry,
)
from engine.platform.act import Act
from engine.platform.aws_json import ErrorAnswer, NoAnswer
from engine.platform.table import Item, Table, marshal

_numbers = itertools.count(1)
SALT = "salt-of-a-test"
ORIGIN = Act("user:tester", "r-1", "203.0.113.7", "pluct-tests/1", "because", at=0)
STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/pluct/stream/2026-01-01T00:00:00.000"


def fresh(name: str) -> str:
    """An id that no other test uses."""
    return f"{name}-{next(_numbers)}"


@dataclass(frozen=True)
class Context:
    """What Lambda says of an invocation."""

    left_ms: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


class Book:
    """One account's history, made in memory and stored as the ledger stores it."""

    def __init__(self, user: str, unit: str = "credits", at: int | None = None) -> None:
        self.user = user
        self.unit = unit
        self.at = int(time.time()) if at is None else at
        self.account = Account(user, unit, origin_salt=SALT)
        self.entries: list[Entry] = []

    def post(
        self,
        type: str,
        amount: int,
        held: int = 0,
        *,
        subject: str = "",
        reverses: int | None = None,
        **more: Any,
    ) -> Entry:
        """`more` are further members of `Move`."""
        act = replace(ORIGIN, at=self.at)
        move = Move(self.user, type, amount, held, act, subject, reverses, **more)
        entry = next_entry(self.account, move)
        self.entries.append(entry)
        self.account = Account(
            self.user,
            self.unit,
            True,
            entry.available_after,
            entry.held_after,
            entry.seq,
            entry.hash,
            origin_salt=SALT,
            recent_origins=(entry.origin_id,),
            owed=entry.owed_after,
        )
        return entry

    def grant(self, amount: int) -> Entry:
        return self.post("api_add" if self.entries else "user_creation", amount)

    def vend(self) -> Entry:
        return self.post("spend", -1, 1, subject=fresh("jti"))

    def end(self, vended: Entry, type: str) -> Entry:
        """`capture` or `refund` of what `vended` holds."""
        amount = 1 if type == "refund" else 0
        return self.post(type, amount, -1, subject=vended.subject, reverses=vended.seq)

    def random_moves(self, seed: int, count: int) -> None:
        """`count` entries that an account may have, over several days."""
        dice = random.Random(seed)
        held: list[Entry] = []
        for _ in range(count):
            self.at += dice.choice([0, 60, 90_000])
            choices: list[Callable[[], Any]] = [lambda: self.grant(dice.randint(0, 6))]
            if self.account.available:
                choices += [
                    lambda: held.append(self.vend()),
                    lambda: self.post("spend", -1, subject=fresh("jti")),
                    lambda: self.post("admin_deduct", -1),
                ]
            if held:
                choices += [lambda: self.end(held.pop(), dice.choice(["capture", "refund"]))]
            dice.choice(choices)()

    def items(self) -> list[Item]:
        account = {
            "pk": account_pk(self.user),
            "sk": account_sk(self.unit),
            "user": self.user,
            "unit": self.unit,
            "available": self.account.available,
            "held": self.account.held,
            "seq": self.account.seq,
            "head": self.account.head,
            "rate_from": 0,
            "rate_used": 0,
            "created_at": self.at,
            "updated_at": self.at,
            "origin_salt": SALT,
            "recent_origins": self.account.recent_origins,
        }
        if self.account.owed:
            account["owed"] = self.account.owed
        return [account, *self._origin(), *(entry.item() for entry in self.entries)]

    def _origin(self) -> list[Item]:
        known = self.account.recent_origins
        return [origins.put(self.user, self.unit, name, ORIGIN).item for name in known]

    def store(self, dynamodb: Any, table_name: str) -> None:
        """Put the account and its entries as they are now."""
        for batch in _batches(self.items(), 25):
            requests = [{"PutRequest": {"Item": marshal(item)}} for item in batch]
            dynamodb.batch_write_item(RequestItems={table_name: requests})


def _batches(items: Sequence[Item], size: int) -> Iterable[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def record(item: Item, number: int | None = None, name: str = "INSERT") -> dict[str, Any]:
    """The stream's record of `item`."""
    keys = marshal({"pk": item["pk"], "sk": item["sk"]})
    return {
        "eventID": f"{number or next(_numbers):032x}",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_800_000_000,
            "Keys": keys,
            "NewImage": marshal(item),
            "SequenceNumber": str(100_000_000_000_000_000_000 + (number or next(_numbers))),
            "SizeBytes": 600,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": STREAM,
    }


def records(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    return [record(entry.item()) for entry in entries]


def event(batch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"Records": list(batch)}


def stored_entries(table: Table, user: str, unit: str = "credits") -> list[Entry]:
    """Oldest first."""
    items = table.ascending(account_pk(user), f"E#{unit}#", f"E#{unit}#~", consistent=True)
    return [read_entry(item) for item in items]


class Client:
    """A DynamoDB client that does what it is asked, and what a test adds to that."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class AnswersLost(Client):
    """The first `count` transactions take effect, but their answers are lost."""

    def __init__(self, inner: Any, count: int) -> None:
        super().__init__(inner)
        self.left = count

    def transact_write_items(self, **request: Any) -> Any:
        answer = self._inner.transact_write_items(**request)
        if self.left:
            self.left -= 1
            raise NoAnswer("timeout")
        return answer


class Refusing(Client):
    """Transactions that write a key with `word` in it are refused with `code`, the first `count`."""

    def __init__(self, inner: Any, code: str, word: str = "", count: int = 10**9) -> None:
        super().__init__(inner)
        self.code = code
        self.word = word
        self.left = count

    def transact_write_items(self, **request: Any) -> Any:
        if self.left and self.word in str(request):
            self.left -= 1
            raise self._refusal(len(request["TransactItems"]))
        return self._inner.transact_write_items(**request)

    def _refusal(self, writes: int) -> ErrorAnswer:
        if self.code != "TransactionConflict":
            return ErrorAnswer(self.code)
        reasons = [{"Code": "None"}] * (writes - 1) + [{"Code": self.code}]
        return ErrorAnswer("TransactionCanceledException", 400, {"CancellationReasons": reasons})


class SmallPages(Client):
    """Answers queries and scans three items at a time."""

    def query(self, **request: Any) -> Any:
        return self._inner.query(**request | {"Limit": min(3, request.get("Limit", 3))})

    def scan(self, **request: Any) -> Any:
        return self._inner.scan(**request | {"Limit": 3})


def at_once(_: float) -> None:
    """A pause without a wait."""


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
