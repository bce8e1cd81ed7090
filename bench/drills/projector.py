"""The drill of read models that lag: a backlog of two days, and lost records."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench.drills.scene import AUDIT_DAYS, Record, Scene, all_are, becomes, statuses
from engine.ledger.audit import audit_pk
from engine.ledger.idempotency import Request, RequestOnce
from engine.ledger.items import CREDITS, Move
from engine.platform.act import Act
from engine.readmodels import figures, folds, rebuild
from engine.readmodels.projection import Projector

ACCOUNTS = 300
TAKEN = 9
"""Transactions of each account after its first grant; half of them yesterday."""

LOST = 40
LOW_BALANCE = 3
DAY_S = 86_400
CATCH_UP_S = 300.0
HEALED_WITHIN_S = 30.0


@dataclass(frozen=True)
class Crowd:
    """Accounts with transactions at chosen times, written by the ledger's code."""

    scene: Scene
    users: list[str]

    @property
    def entries(self) -> int:
        return len(self.users) * (TAKEN + 1)

    def fill(self, midnight: int) -> None:
        """Each gets ten credits shortly before midnight and spends nine until shortly after."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda user: self._fill(user, midnight), self.users))

    def _fill(self, user: str, midnight: int) -> None:
        self.move(user, "user_creation", TAKEN + 1, midnight - 60, "begin")
        for number in range(TAKEN):
            at = midnight - 30 + 60 * (number >= TAKEN // 2)
            self.move(user, "admin_deduct", -1, at, str(number))

    def move(self, user: str, type: str, amount: int, at: int, key: str) -> None:
        act = Act("admin:drill", "", "", "", "drill", at=at)
        once = RequestOnce(self.scene.ledger, Request(user, "drill", key, "", act), {})
        self.scene.ledger.post(Move(user, type, amount, 0, act), once)

    def told(self) -> Counter[str]:
        """The number of their low-balance notices and audit records."""
        told: Counter[str] = Counter()
        for user in self.users:
            told["notices"] += len(figures.notices(self.scene.table, user, limit=9))
            told["audit"] += len(list(self.scene.table.ascending(audit_pk(user), "0", "9")))
        return told


def projector_behind(scene: Scene, record: Record) -> None:
    """The projector stops while thousands of entries of two days accumulate; later records are lost."""
    becomes(lambda: scene.differences() == [], CATCH_UP_S)
    crowd = Crowd(scene, [f"crowd-{number}" for number in range(ACCOUNTS)])
    midnight = scene.now() // DAY_S * DAY_S
    _backlog(scene, record, crowd, midnight)
    _lost(scene, record, crowd)


def _backlog(scene: Scene, record: Record, crowd: Crowd, midnight: int) -> None:
    functions, mapping = scene.aws("lambda"), _mapping(scene)
    projected = _projected(scene)
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    crowd.fill(midnight)
    user = scene.user(balance=30)
    sold = scene.vends(user, [f"behind-{number}" for number in range(20)])
    record.saw(f"{crowd.entries} entries of {ACCOUNTS} accounts meanwhile; vends: {statuses(sold)}")
    record.promise("vending does not depend on read models", all_are(sold, 200))
    record.promise("none of it is projected", _projected(scene) == projected)
    functions.update_event_source_mapping(UUID=mapping, Enabled=True)
    wanted = projected + crowd.entries + scene.ledger.account(user.id).seq
    took = becomes(lambda: _projected(scene) >= wanted, CATCH_UP_S)
    rate = (wanted - projected) / took if took else 0
    record.saw(f"{wanted - projected} entries caught up in {took or 0:.1f} s, {rate:.0f} a second")
    record.promise("read models agree with the ledger again", scene.differences() == [])
    days = [_entries_of(scene, folds.day_of(midnight + offset)) for offset in (-60, 60)]
    share = ACCOUNTS * (1 + TAKEN // 2)
    record.saw(f"entries of the day before and of this one: {days}")
    record.promise("each is in the figures of its own day", days[0] == share)
    told = crowd.told()
    record.saw(f"notices and audit records of them: {dict(told)}")
    record.promise("each low balance has one notice", told["notices"] == ACCOUNTS)
    record.promise("each action has one audit record", told["audit"] == ACCOUNTS * TAKEN)


def _lost(scene: Scene, record: Record, crowd: Crowd) -> None:
    """Records older than a day are no longer in the stream; the projector restarts after them."""
    before = crowd.told()
    arn = _forget(scene)
    lost = crowd.users[:LOST]
    now = scene.now()
    for user in lost:
        crowd.move(user, "admin_add", 5, now, "lost")
        crowd.move(user, "admin_deduct", -4, now, "lost-too")
    _follow_from_now(scene, arn)
    healed, standing = lost[0], lost[1:]
    crowd.move(healed, "admin_add", 1, now, "next")
    took = becomes(lambda: healed not in _behind(scene), HEALED_WITHIN_S)
    record.saw(f"{2 * LOST} entries of {LOST} accounts were never delivered")
    record.promise("an account's next entry repairs its read models", took is not None)
    record.promise(
        "the comparison reports the other accounts only", _behind(scene) == set(standing)
    )
    projector = Projector(scene.table, low_balance=LOW_BALANCE, audit_days=AUDIT_DAYS)
    started = time.monotonic()
    rebuilt = rebuild.write(projector, now=scene.now())
    took_s = time.monotonic() - started
    record.saw(f"rebuilt: {rebuilt.accounts} accounts in {took_s:.1f} s")
    record.promise("read models agree with the ledger again", scene.differences() == [])
    for user in standing:
        crowd.move(user, "admin_add", 1, now, "later")
    took = becomes(lambda: scene.differences() == [], CATCH_UP_S)
    record.promise("later entries are projected", took is not None)
    told = crowd.told()
    audited = {"notices": before["notices"] + LOST, "audit": before["audit"] + 3 * LOST}
    record.saw(f"notices and audit records now: {dict(told)}")
    record.promise("none is duplicated or missing", told == audited)
    record.promise("the ledger adds up", scene.findings() == [])


def _behind(scene: Scene) -> set[str]:
    """The accounts whose summaries differ."""
    named = (key.split(" ") for key in scene.differences())
    return {words[1] for words in named if words[0].startswith("USERS#")}


def _mapping(scene: Scene) -> str:
    (found,) = _mappings(scene)
    return str(found["UUID"])


def _mappings(scene: Scene) -> Iterator[dict[str, Any]]:
    found = scene.aws("lambda").list_event_source_mappings()["EventSourceMappings"]
    return (one for one in found if "ProjectorFunction" in one["FunctionArn"])


def _forget(scene: Scene) -> dict[str, Any]:
    """Deletes the event source mapping; returns it."""
    (mapping,) = _mappings(scene)
    scene.aws("lambda").delete_event_source_mapping(UUID=mapping["UUID"])
    return mapping


def _follow_from_now(scene: Scene, mapping: dict[str, Any]) -> None:
    names = ("EventSourceArn", "BatchSize", "FilterCriteria")
    kept = {name: mapping[name] for name in names if name in mapping}
    scene.aws("lambda").create_event_source_mapping(
        FunctionName=mapping["FunctionArn"], StartingPosition="LATEST", **kept
    )


def _projected(scene: Scene) -> int:
    """The number of entries in the totals."""
    return figures.totals(scene.table, CREDITS).entries


def _entries_of(scene: Scene, day: str) -> int:
    found = figures.days(scene.table, CREDITS, day, day)
    return found[day].entries if day in found else 0
