"""The record of a client's request id: which hold pays for the job that it asked for.

`A#<user>` / `R#transcribe#<digest of the id>` holds `jti`, `fingerprint` (the claim), `ttl`. No other module
writes it.
"""

from engine.ledger.items import account_pk
from engine.platform.ids import digest
from engine.platform.table import Item, Put, Table
from engine.web.request_ids import KEEP_S


def find(table: Table, user: str, key: str) -> Item | None:
    """The record of `user`'s request id `key`. Raises `Busy`."""
    return table.get(account_pk(user), _sk(key))


def put(user: str, key: str, jti: str, claim: str, now: int) -> Put:
    """Records that the hold of `jti` pays for what `key` asks for, where no record is in force."""
    item = {
        "pk": account_pk(user),
        "sk": _sk(key),
        "jti": jti,
        "fingerprint": claim,
        "ttl": now + KEEP_S,
    }
    return Put(
        item,
        condition="attribute_not_exists(pk) OR #ttl < :now",
        names={"#ttl": "ttl"},
        values={":now": now},
    )


def _sk(key: str) -> str:
    return f"R#transcribe#{digest(key)}"
