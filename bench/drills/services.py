"""Drills of what is behind and beside: upstream down, the projector standing still, a poison record."""

from __future__ import annotations

import time

from bench.drills.scene import Record, Reply, Scene, all_are, becomes, statuses
from engine.ledger_items import CREDITS, account_pk, entry_sk
from engine.table import Put

DOWN_S = 20.0
"""Stands for the hour: nothing in the gateway counts longer than the breaker's minute."""

BREAKER_S = 90.0
CATCH_UP_S = 60.0


def upstream_down(scene: Scene, record: Record) -> None:
    """TTTranscribe answers 503 to everything for a while, and apps go on asking."""
    user = scene.user(balance=200)
    scene.upstream({"route": "*", "action": {"kind": "status", "status": 503}, "times": None})
    asked: dict[str, Reply] = {}
    ends_at = time.monotonic() + DOWN_S
    while time.monotonic() < ends_at:
        number = len(asked)
        vended = scene.vend(user, f"down-{number}")
        asked[str(number)] = scene.transcribe(vended, 6718335390845000000 + number)
    record.saw(f"{len(asked)} vends and calls in {DOWN_S:.0f} s: {statuses(asked)}")
    honest = {502, 503, 202}
    record.promise(
        "each was answered at once or taken over, none 500",
        {reply.status_code for reply in asked.values()} <= honest,
    )
    handed_over = sum(reply.status_code == 202 for reply in asked.values())
    available, held = scene.balance(user)
    record.saw(f"balance {available}, held {held}, taken over {handed_over}")
    record.promise("no credit is gone", available + held == 200)
    record.promise("only what was taken over is still held", held <= handed_over)
    scene.upstream()
    vended = scene.vend(user, "after")
    back = becomes(lambda: scene.transcribe(vended, 6718335390845095173).ok, BREAKER_S)
    if back is None:
        vended = scene.vend(user, "after-release")
        back = becomes(lambda: scene.transcribe(vended, 6718335390845095173).ok, BREAKER_S)
    record.saw(
        f"first accepted call {back:.1f} s after it was well again" if back is not None else ""
    )
    record.promise("calls pass again by themselves", back is not None)
    record.promise("the ledger adds up", scene.findings() == [])


def projector_behind(scene: Scene, record: Record) -> None:
    """The projector gets nothing for a while, as after a deployment that broke it, then again."""
    user = scene.user(balance=30)
    functions = scene.aws("lambda")
    (mapping,) = [
        found["UUID"]
        for found in functions.list_event_source_mappings()["EventSourceMappings"]
        if "ProjectorFunction" in found["FunctionArn"]
    ]
    becomes(lambda: scene.differences() == [], CATCH_UP_S)
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    sold = scene.vends(user, [f"behind-{number}" for number in range(20)])
    missing = len(scene.differences())
    record.saw(f"vends meanwhile: {statuses(sold)}; read models behind in {missing} places")
    record.promise("selling does not wait for read models", all_are(sold, 200))
    record.promise("the comparison says that they are behind", missing > 0)
    functions.update_event_source_mapping(UUID=mapping, Enabled=True)
    scene.vend(user, "next")
    took = becomes(lambda: scene.differences() == [], CATCH_UP_S)
    record.saw(
        f"caught up {took:.1f} s after it ran again" if took is not None else "not caught up"
    )
    record.promise("read models are those of the ledger again", took is not None)
    record.promise("the ledger adds up", scene.findings() == [])


def poison_record(scene: Scene, record: Record) -> None:
    """A record that no code of ours writes appears among an account's entries."""
    user, poisoned = scene.user(balance=10), scene.user(balance=10)
    becomes(lambda: scene.differences() == [], CATCH_UP_S)
    next_seq = scene.ledger.account(poisoned.id).seq + 1
    entry = {
        "pk": account_pk(poisoned.id),
        "sk": entry_sk(CREDITS, next_seq),
        "user": poisoned.id,
        "seq": next_seq,
        "amount": "much",
    }
    scene.table.write(Put(entry, condition=""))
    sold = scene.vends(user, [f"poison-{number}" for number in range(5)])
    record.promise("others are served", all_are(sold, 200))
    refused = scene.vend(poisoned, "poisoned")
    record.saw(f"a vend of the account itself: {refused.status_code}")
    record.promise("nothing is sold on top of what can not be explained", not refused.ok)
    took = becomes(lambda: not _others(scene, poisoned.id), CATCH_UP_S)
    record.saw(
        f"others' read models were right {took:.1f} s later" if took is not None else "never right"
    )
    record.saw(f"left: {_others(scene, poisoned.id)}")
    record.promise("the projector goes on behind it", took is not None)
    named = {finding.split(":")[0] for finding in scene.findings()}
    record.promise("the check names this account and no other", named == {poisoned.id})


def _others(scene: Scene, user: str) -> list[str]:
    """Differences of read models that are not about `user`'s own summary."""
    return [key for key in scene.differences() if user not in key]
