"""Erasure of personal data, after which the ledger still verifies.

Erased are the origins of the user's moves (their texts, and the salts of their ids), address and user agent
in audit records of refusals, the device's secret, the profile, the phone, the messages of reported payments,
a subscription's e-mail and user name, the texts of jobs that have ended with the addresses of their videos
and the causes of their failures, and who paid for the user's purchases.
Kept are the user id, the ids of jobs, and the amounts, times, types and reasons of entries, which are the
accounts' books. A job that is running is given a TTL; holds and quotes have one.

Each step can be repeated and no step reverts another, so the next call completes an interrupted erasure.
Texts are erased after the salt of their ids was replaced, and a move requires the account's current salt:
so no text of an old salt is missed, even if a move runs at the same time. A move after the erasure stores
its origin as usual.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from engine.access.identity import DEVICE_SK
from engine.credits import hold_items
from engine.credits.users import PROFILE_SK
from engine.ledger import audit as audit_records
from engine.ledger import origins
from engine.ledger.audit import Audit, Record
from engine.ledger.items import CREDITS, account_pk, entry_prefix
from engine.payments import intents, rows
from engine.platform.act import Act
from engine.platform.errors import NotFound
from engine.platform.table import ConditionFailed, Item, Table, Update
from engine.subscriptions import subscription as subscriptions
from engine.transcription import job_records, jobs
from engine.wallet import credit_requests, devices

MOST = 2000
"""The most texts that one call erases: each is a write, and a caller waits at most 30 s."""

AT_ONCE = 40
"""Holds whose jobs are read together."""

ACTION = "erase_personal_data"
_ACCOUNTS = ("ACCOUNT#", "ACCOUNT#~")


@dataclass(frozen=True, slots=True)
class Erased:
    """What one call erased. If `complete` is false, the same call again erases more."""

    origins: int
    audit_records: int
    jobs: int
    payments: int
    device: bool
    profile: bool
    subscription: bool
    complete: bool


def erase(audit: Audit, user: str, act: Act) -> Erased:
    """Erase the personal data of `user`, after recording actor and reason in the audit.

    Raises `NotFound` if no account ever existed, `Busy`, `OutcomeUnknown`.
    """
    table = audit.table
    accounts = list(table.ascending(account_pk(user), *_ACCOUNTS, consistent=True))
    if not accounts:
        raise NotFound()
    audit.keep(Record(user, ACTION, True, "", act))
    for update in (*devices.erasures(table, user), *credit_requests.erasures(table, user)):
        _did(table, update)
    device = _did(table, _device(user))
    profile = _did(table, _profile(user, act.at))
    subscription = _did(table, subscriptions.erasure(user, act.at))
    for account in accounts:
        table.write(_salted_anew(account, act.at))
    writes = list(islice(_texts(table, user, act.at), MOST + 1))
    kinds = [kind for kind, write in writes[:MOST] if _did(table, write)]
    return Erased(
        origins=kinds.count("origin"),
        audit_records=kinds.count("audit"),
        jobs=kinds.count("job"),
        payments=kinds.count("payment"),
        device=device,
        profile=profile,
        subscription=subscription,
        complete=len(writes) <= MOST,
    )


def erased_accounts(table: Table) -> list[tuple[str, int]]:
    """Users whose data was erased, with the time of the last erasure, by id. Reads the whole table: for
    operators' commands. Raises `Busy`.
    """
    condition = "begins_with(sk, :account) AND attribute_exists(erased_at)"
    found = dict[str, int]()
    for account in table.scan(condition, {":account": "ACCOUNT#"}):
        user = str(account["user"])
        found[user] = max(found.get(user, 0), account["erased_at"])
    return sorted(found.items())


def _texts(table: Table, user: str, now: int) -> Iterator[tuple[str, Update]]:
    """The write that erases each remaining text.

    Origins are listed before the salts are read: a listed origin that matches no current salt has a
    replaced one, also if two erasures run at the same time.
    """
    listed = [item for item in origins.of_user(table, user) if not origins.is_erased(item)]
    accounts = table.ascending(account_pk(user), *_ACCOUNTS, consistent=True)
    salts = [account["origin_salt"] for account in accounts]
    for item in listed:
        if not any(origins.is_genuine(item, salt) for salt in salts):
            yield "origin", origins.blank(user, item["sk"], now)
    for record in audit_records.with_texts(table, user):
        yield "audit", audit_records.blank(record, now)
    yield from _jobs(table, user, now)
    for row in rows.with_payer(table, intents.paid_of(table, user)):
        yield "payment", rows.erase_payer(row, now)


def _jobs(table: Table, user: str, now: int) -> Iterator[tuple[str, Update]]:
    """The writes for the jobs of all tokens of the user; the ledger names the tokens."""
    prefix = entry_prefix(CREDITS)
    kept = table.ascending(account_pk(user), prefix, prefix + "~", consistent=True)
    spent = dict.fromkeys(item["subject"] for item in kept if item["type"] == "spend")
    subjects = filter(job_records.is_token, spent)
    while some := list(islice(subjects, AT_ONCE)):
        holds = hold_items.find_many(table, [(user, jti) for jti in some])
        running = {hold.jti for hold in holds if not hold.is_resolved}
        for job in jobs.of_subjects(table, some, holds):
            if job["jti"] in running and "ttl" not in job:
                yield "running job", jobs.expiring(job, now)
            elif job["jti"] not in running and jobs.is_telling(job):
                yield "job", jobs.erasure(job, now)


def _salted_anew(account: Item, now: int) -> Update:
    return Update(
        account["pk"],
        account["sk"],
        "SET origin_salt = :salt, recent_origins = :none, erased_at = :now",
        condition="",
        values={":salt": origins.new_salt(), ":none": [], ":now": now},
    )


def _device(user: str) -> Update:
    """The device can no longer get user tokens."""
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


def _did(table: Table, update: Update) -> bool:
    """Whether there was anything to change; a record that expires meanwhile is not created again."""
    try:
        table.write(update)
    except ConditionFailed:
        return False
    return True
