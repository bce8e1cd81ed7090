"""Login attempts, counted by account and by address; each failure lengthens the wait before the next.

An attempt is counted by a conditional write before the password is checked, so a thousand concurrent
attempts get no further than sequential ones. Failures expire an hour after the last one.
"""

from dataclasses import dataclass

from engine.platform.errors import Busy, TooManyAttempts
from engine.platform.ids import digest
from engine.platform.table import ConditionFailed, Item, Put, Table, Update

FORGOTTEN_AFTER_S = 3600
TRIES = 20
SK = "ATTEMPTS"


@dataclass(frozen=True, slots=True)
class Backoff:
    """`free` failures cause no wait; each later one doubles it, up to `longest_s`."""

    free: int
    longest_s: int

    def wait_s(self, failures: int) -> int:
        beyond = failures - self.free
        return 0 if beyond < 0 else min(self.longest_s, 2 ** min(beyond, 20))


ACCOUNT = Backoff(free=5, longest_s=300)
"""Guessing at one name locks its owner out for at most five minutes after the last attempt."""

ADDRESS = Backoff(free=20, longest_s=900)
"""Several operators share an office's address."""


def account(name: str) -> str:
    """The subject that counts attempts at `name`, whether or not an operator has this name."""
    return f"LOGIN#name#{digest(name)}"


def address(subject: str) -> str:
    """The subject that counts attempts from an address; `subject` is that of `rate_limits.of_address`."""
    return f"LOGIN#{subject}"


def take(table: Table, subject: str, backoff: Backoff, now: int) -> None:
    """Counts an attempt as a failure until `succeeded` says otherwise. Raises `TooManyAttempts`."""
    for _ in range(TRIES):
        seen = table.get(subject, SK)
        if seen is not None and seen["free_at"] > now:
            raise TooManyAttempts(min(backoff.longest_s, seen["free_at"] - now))
        try:
            table.write(_count(subject, seen, backoff, now))
        except ConditionFailed:
            continue
        return
    raise Busy()


def succeeded(table: Table, name: str, subject: str) -> None:
    """Clears the account's failures, and removes this attempt from the address's."""
    cleared = "SET failures = :zero, free_at = :zero"
    _settle(table, account(name), cleared, "attribute_exists(pk)", {":zero": 0})
    given_back = "SET failures = failures - :one, free_at = :zero"
    values = {":one": 1, ":zero": 0}
    _settle(table, address(subject), given_back, "failures >= :one", values)


def _count(subject: str, seen: Item | None, backoff: Backoff, now: int) -> Put:
    recent = seen is not None and now - seen["last_at"] < FORGOTTEN_AFTER_S
    failures = (seen["failures"] if seen is not None and recent else 0) + 1
    item: Item = {
        "pk": subject,
        "sk": SK,
        "failures": failures,
        "last_at": now,
        "free_at": now + backoff.wait_s(failures),
        "ttl": now + FORGOTTEN_AFTER_S,
    }
    if seen is None:
        return Put(item, "attribute_not_exists(pk)", mark="counted_by")
    condition = "failures = :failures AND last_at = :last_at"
    values = {":failures": seen["failures"], ":last_at": seen["last_at"]}
    return Put(item, condition, values=values, mark="counted_by")


def _settle(table: Table, subject: str, text: str, condition: str, values: dict[str, int]) -> None:
    try:
        table.write(Update(subject, SK, text, condition, values=values))
    except ConditionFailed:  # A concurrent success cleared it first.
        return
