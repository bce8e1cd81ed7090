"""Drills of what follows the ledger: the projector standing still, a poison record."""

from __future__ import annotations

from bench.drills.scene import Record, Scene, all_are, becomes
from engine.ledger_items import CREDITS, account_pk, entry_sk
from engine.table import Put

CATCH_UP_S = 60.0


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
