"""The record of a client's request id: which hold pays for the job that it asked for.

`A#<user>` / `R#transcribe#<digest of the id>` holds `jti`, `fingerprint` (the claim), `ttl`. No other module
writes it.
"""

from dataclasses import dataclass

from engine.ledger.items import account_pk
from engine.platform.ids import digest
from engine.platform.table import Item, Put, Table
from engine.web.request_ids import KEEP_S


@dataclass(frozen=True, slots=True)
class Request:
    """A request id `key` of `user`, asked with the token of `jti` for what `claim` names, at `at`."""

    user: str
    key: str
    jti: str
    claim: str
    at: int


def find(table: Table, request: Request) -> Item | None:
    """The record of the request's id. Raises `Busy`."""
    return table.get(account_pk(request.user), _sk(request.key))


def put(request: Request, replaced: str | None) -> Put:
    """Records that the request's hold pays for what it asks for, where no record is in force or the one
    there names the hold of `replaced`.
    """
    item = {
        "pk": account_pk(request.user),
        "sk": _sk(request.key),
        "jti": request.jti,
        "fingerprint": request.claim,
        "ttl": request.at + KEEP_S,
    }
    return Put(
        item,
        condition="attribute_not_exists(pk) OR #ttl < :now OR jti = :replaced",
        names={"#ttl": "ttl"},
        values={":now": request.at, ":replaced": replaced or ""},
    )


def _sk(key: str) -> str:
    return f"R#transcribe#{digest(key)}"
