"""Erasing what is kept of a person, so that the ledger goes on adding up.

Erased are: where the user's moves came from (the texts of the origins, and the salts that make their
ids), address and user agent in audit records of refusals, the device's secret, the profile, and a
subscription's e-mail and user name. What stays: the user id, amounts, times, types and reasons of entries,
which are the books. Jobs, their texts, holds and records of requests pass by TTL within four days.

Each step can be repeated and none is undone by a later one, so an erasure that was cut off is finished
by the next. The texts of a salt are erased after the salt is gone, and a move is only made under the salt
that the account has: whatever was under way, no text outlives its salt unseen. A move that is made after the
erasure keeps its origin as any other does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from engine.credits.users import DEVICE_SK, PROFILE_SK
from engine.ledger import audit as audit_records
from engine.ledger import origins
from engine.ledger.audit import Audit, Record
from engine.ledger.items import account_pk
from engine.platform.act import Act
from engine.platform.errors import NotFound
from engine.platform.table import ConditionFailed, Item, Table, Update
from engine.subscriptions.items import SUBSCRIPTION_SK

MOST = 2000
"""Texts that one call erases: each is a write, and a caller waits at most 30 s."""

ACTION = "erase_personal_data"
_ACCOUNTS = ("ACCOUNT#", "ACCOUNT#~")


@dataclass(frozen=True, slots=True)
class Erased:
    """What one call erased. `complete` is false where there is more: the same call again goes on."""

    origins: int
    audit_records: int
    device: bool
    profile: bool
    subscription: bool
    complete: bool


def erase(audit: Audit, user: str, act: Act) -> Erased:
    """Erase what is kept of `user`, after a record of who does it, and why, has gone into the audit.

    Raises `NotFound` where no account was ever, `Busy`, `OutcomeUnknown`.
    """
    table = audit.table
    accounts = list(table.ascending(account_pk(user), *_ACCOUNTS, consistent=True))
    if not accounts:
        raise NotFound()
    audit.keep(Record(user, ACTION, True, "", act))
    device = _did(table, _device(user))
    profile = _did(table, _profile(user, act.at))
    subscription = _did(table, _subscription(user, act.at))
    for account in accounts:
        table.write(_salted_anew(account, act.at))
    writes = list(islice(_texts(table, user, act.at), MOST + 1))
    kinds = [kind for kind, write in writes[:MOST] if _did(table, write)]
    return Erased(
        origins=kinds.count("origin"),
        audit_records=kinds.count("audit"),
        device=device,
        profile=profile,
        subscription=subscription,
        complete=len(writes) <= MOST,
    )


def erased_accounts(table: Table) -> list[tuple[str, int]]:
    """Users whose data was erased, and when last, in the order of their ids. Reads the whole table: for
    operators' commands. Raises `Busy`.
    """
    condition = "begins_with(sk, :account) AND erased_at > :never"
    found = dict[str, int]()
    for account in table.scan(condition, {":account": "ACCOUNT#", ":never": 0}):
        user = str(account["user"])
        found[user] = max(found.get(user, 0), account["erased_at"])
    return sorted(found.items())


def _texts(table: Table, user: str, now: int) -> Iterator[tuple[str, Update]]:
    """The write that erases each text that is left.

    The origins are listed before the salts are read: what was listed and is not of a salt that was in
    use later is of one that is gone, also where two erasures meet.
    """
    listed = [item for item in origins.of_user(table, user) if not origins.is_erased(item)]
    accounts = table.ascending(account_pk(user), *_ACCOUNTS, consistent=True)
    salts = [account["origin_salt"] for account in accounts]
    for item in listed:
        if not any(origins.is_genuine(item, salt) for salt in salts):
            yield "origin", origins.blank(user, item["sk"], now)
    for record in audit_records.with_texts(table, user):
        yield "audit", audit_records.blank(record, now)


def _salted_anew(account: Item, now: int) -> Update:
    return Update(
        account["pk"],
        account["sk"],
        "SET origin_salt = :salt, recent_origins = :none, erased_at = :now",
        condition="",
        values={":salt": origins.new_salt(), ":none": [], ":now": now},
    )


def _device(user: str) -> Update:
    """Ends the device's way to fresh tokens."""
    return Update(
        account_pk(user), DEVICE_SK, "REMOVE secret_hash", "attribute_exists(secret_hash)"
    )


def _profile(user: str, now: int) -> Update:
    return Update(
        account_pk(user),
        PROFILE_SK,
        "SET profile = :empty, updated_at = :now",
        "attribute_exists(pk) AND profile <> :empty",
        values={":empty": "{}", ":now": now},
    )


def _subscription(user: str, now: int) -> Update:
    return Update(
        account_pk(user),
        SUBSCRIPTION_SK,
        "REMOVE email, username SET updated_at = :now",
        "attribute_exists(email) OR attribute_exists(username)",
        values={":now": now},
    )


def _did(table: Table, update: Update) -> bool:
    """Whether there was anything to change; a record that passes by TTL meanwhile is not made anew."""
    try:
        table.write(update)
    except ConditionFailed:
        return False
    return True
