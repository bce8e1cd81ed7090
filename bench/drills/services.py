"""Drills of what follows the ledger: the projector standing still, a poison record."""

from __future__ import annotations

from bench.drills.scene import Record, Scene, all_are, becomes, statuses
from engine.ledger_items import CREDITS, account_pk, entry_sk
from engine.table import Put

CATCH_UP_S = 60.0


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
