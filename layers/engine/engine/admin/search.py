"""One search over everything that a customer, a log line or a provider may quote.

First come exact look-ups by key, each of them a few reads: users, entries, jobs by either id, videos, tokens
and holds, payments, intents and pay codes, requests for credits, operators, API keys. If none of them finds
anything, or `deep` is set, the ids of users are searched for the text as a part, in any case, and the newest
transactions for it. Both are bounded; the answer says how much was searched, and its cursor continues.
Everything here raises `Busy`.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from engine.access import api_keys, operators
from engine.access.callers import Caller
from engine.credits import backend_holds, hold_items
from engine.ledger.idempotency import earlier_payments
from engine.ledger.items import CREDITS, Entry, account_pk, entry_sk, read_entry
from engine.ledger.posting import Ledger
from engine.metadata import links
from engine.payments import intents, rows
from engine.platform import ids
from engine.platform.errors import InvalidUrl, NotFound
from engine.platform.times import iso
from engine.readmodels import feed, figures
from engine.readmodels.feed import EntryFilter
from engine.transcription import job_records, jobs
from engine.wallet import credit_requests
from engine.web.forms import DEFAULT_PROVIDER
from engine.web.scopes import ADMIN, KEYS_WRITE

MOST: Final = 20
"""Results of one kind."""

MOST_WAITING: Final = 100
LEAST_PART: Final = 2
"""Characters of a user id that are searched for as a part."""

PROVIDERS: Final = (DEFAULT_PROVIDER, *intents.PROVIDERS)
ENTRY_SEQ_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Hit:
    """One result. `user` and `seq` lead to an entry of the user's story; `at` in epoch seconds."""

    kind: str
    id: str
    user: str | None = None
    seq: int | None = None
    at: int | None = None
    text: str = ""
    """What it is, in a few words."""

    def members(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "id": self.id,
            "userId": self.user,
            "seq": self.seq,
            "timestamp": iso(self.at) if self.at is not None else None,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Searched:
    """How much of something was searched: not all of it, if `complete` is false."""

    what: str
    looked: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Office:
    """Where is searched, and for whom: kinds that the caller may not read are left out."""

    ledger: Ledger
    caller: Caller


def search(office: Office, text: str, *, deep: bool, cursor: str | None) -> dict[str, Any]:
    """The answer to a search for `text`; with a `cursor`, only further transactions are searched.

    Raises `InvalidRequest` for a malformed cursor.
    """
    hits: list[Hit] = []
    searched: list[Searched] = []
    if cursor is None:
        hits = list(_exact(office, text))
        if deep or not hits:
            found, looked = _users_with(office, text)
            known = {hit.user for hit in hits if hit.kind == "user"}
            hits += [hit for hit in found if hit.user not in known]
            searched += looked
    following = None
    if deep or cursor is not None or not hits:
        page = feed.page(office.ledger, EntryFilter(text=text), cursor, MOST)
        known_entries = {(hit.user, hit.seq) for hit in hits}
        mine = (_of_entry(entry) for entry in page.entries)
        hits += [hit for hit in mine if (hit.user, hit.seq) not in known_entries]
        searched.append(Searched("transactions", page.looked, page.cursor is None))
        following = page.cursor
    return {
        "ok": True,
        "q": text,
        "results": [hit.members() for hit in hits],
        "searched": [
            {"what": one.what, "looked": one.looked, "complete": one.complete} for one in searched
        ],
        "truncated": any(not one.complete for one in searched),
        "nextCursor": following,
    }


def _exact(office: Office, text: str) -> Iterator[Hit]:
    """What has exactly this name. One thing may be found twice, by two of its names; it is told once."""
    told = set[tuple[str, str, str | None]]()
    for hit in chain.from_iterable(finder(office, text) for finder in _FINDERS):
        name = (hit.kind, hit.id, hit.user)
        if name not in told:
            told.add(name)
            yield hit


def _user(office: Office, text: str) -> Iterator[Hit]:
    if ids.is_user_id(text):
        account = office.ledger.account(text)
        if account.exists:
            yield Hit("user", text, text, at=account.updated_at, text=_balance(account.available))


def _entry(office: Office, text: str) -> Iterator[Hit]:
    """`<user>:<seq>`, as entries are named."""
    user, _, seq = text.rpartition(":")
    is_seq = seq.isascii() and seq.isdigit() and len(seq) <= ENTRY_SEQ_DIGITS
    if ids.is_user_id(user) and is_seq:
        ledger = office.ledger
        item = ledger.table.get(account_pk(user), entry_sk(ledger.unit, int(seq)))
        if item is not None:
            yield _of_entry(read_entry(item))


def _job(office: Office, text: str) -> Iterator[Hit]:
    """By our own id or by upstream's, however long ago."""
    if ids.is_job_id(text):
        owner = jobs.owner(office.ledger.table, text)
        if owner is not None:
            yield _of_job(office, text, *owner)


def _video(office: Office, text: str) -> Iterator[Hit]:
    """The jobs of a video, by its address or its id."""
    is_id = text.isascii() and text.isdigit() and len(text) >= links.LEAST_ID
    address = f"https://www.tiktok.com/@/video/{text}" if is_id else text
    with suppress(InvalidUrl):
        for job_id in jobs.of_video(office.ledger.table, address, limit=MOST):
            owner = jobs.owner(office.ledger.table, job_id)
            if owner is not None:
                yield _of_job(office, job_id, *owner)


def _hold(office: Office, text: str) -> Iterator[Hit]:
    """By a token's id, also an unused one, or by the id that a back end gave its hold."""
    ledger = office.ledger
    for entry in feed.of_subject(ledger.table, ledger.unit, text):
        yield Hit("hold", text, entry.user, entry.seq, entry.at, _size(-entry.amount))
    callers = [f"api-key:{key.id}" for key in api_keys.listed(ledger.table)]
    names = [backend_holds.name_of(caller, text) for caller in (*callers, "api-key:engine")]
    for hold in hold_items.find_many_of_backends(ledger.table, names):
        yield Hit("hold", text, hold.user, hold.seq, hold.issued_at, hold.state)


def _payment(office: Office, text: str) -> Iterator[Hit]:
    """By the provider's id, which of M-Pesa is the receipt, or `<provider>:<id>` as entries name it."""
    given, _, rest = text.partition(":")
    names = [(provider, text) for provider in PROVIDERS]
    if rest and ids.is_provider(given):
        names.append((given, rest))
    for provider, payment_id in names:
        row = rows.find(office.ledger.table, provider, payment_id)
        if row is not None:
            seq = row.seq or None if row.unit in ("", CREDITS) else None
            said = f"{provider}: {row.state}"
            yield Hit("payment", f"{provider}:{row.id}", row.user or None, seq, _when(row), said)
    for item in earlier_payments(office.ledger.table, text):
        seq = item["seq"] if item["unit"] == CREDITS else None
        yield Hit("payment", text, item.get("user"), seq, None, "granted")


def _intent(office: Office, text: str) -> Iterator[Hit]:
    """By its id or by its pay code, as a person types it."""
    table = office.ledger.table
    intent = intents.find(table, text) or intents.by_code(table, text)
    if intent is not None:
        said = f"{intent.provider}: {intent.state}, pay code {intent.pay_code}"
        yield Hit("intent", intent.id, intent.user, None, intent.created_at, said)
        if intent.payment:
            yield from _payment(office, f"{intent.provider}:{intent.payment}")


def _credit_request(office: Office, text: str) -> Iterator[Hit]:
    """By its id; of those that wait, also by the receipt."""
    table, found = office.ledger.table, []
    with suppress(NotFound):
        found.append(credit_requests.find(table, text))
    waiting = credit_requests.waiting(table, MOST_WAITING)
    found += [item for item in waiting if _is_same(item.get("receipt"), text)]
    for item in found:
        said = f"{item['state']}, receipt {item.get('receipt') or 'not named'}"
        yield Hit(
            "credit_request", item["id"], item["user"], item.get("seq"), item["created_at"], said
        )


def _operator(office: Office, text: str) -> Iterator[Hit]:
    if office.caller.may(ADMIN):
        operator = operators.get(office.ledger.table, text.lower())
        if operator is not None:
            yield Hit("operator", operator.name, at=operator.created_at, text=operator.role)


def _api_key(office: Office, text: str) -> Iterator[Hit]:
    """By its id, its hint, or a part of its description."""
    if not office.caller.may(KEYS_WRITE) or len(text) < LEAST_PART:
        return
    wanted = text.casefold()
    for key in api_keys.listed(office.ledger.table):
        names = (key.id, key.hint)
        if text.removeprefix("api-key:") in names or wanted in key.description.casefold():
            yield Hit("api_key", key.id, at=key.created_at, text=key.description)


Finder = Callable[[Office, str], Iterator[Hit]]
_FINDERS: Final[tuple[Finder, ...]] = (
    _user, _entry, _job, _video, _hold, _payment, _intent, _credit_request, _operator, _api_key,
)  # fmt: skip


def _users_with(office: Office, text: str) -> tuple[list[Hit], list[Searched]]:
    """Users whose id has `text` as a part, in any case; those that begin with it first."""
    if len(text) < LEAST_PART or not ids.is_part_of_user_id(text):
        return [], []
    table, unit = office.ledger.table, office.ledger.unit
    found = figures.ids_with(table, unit, text, most=MOST)
    hits = [Hit("user", user, user) for user in found.users]
    return hits, [Searched("users", found.looked, found.complete)]


def _of_job(office: Office, job_id: str, user: str, jti: str) -> Hit:
    ledger = office.ledger
    record = job_records.of(ledger.table, [(user, jti)], 0).get((user, jti))
    entry = next(feed.of_subject(ledger.table, ledger.unit, jti, user), None)
    said = "" if record is None else record.state
    if record is not None and record.cause:
        said = f"{said}: {record.cause}"
    at = record.submitted_at if record is not None else None
    own = jobs.own_id(jti)
    return Hit(
        "job", own if job_id == own else job_id, user, entry.seq if entry else None, at, said
    )


def _of_entry(entry: Entry) -> Hit:
    name = f"{entry.user}:{entry.seq}"
    said = f"{entry.type} {entry.amount:+d}"
    return Hit("transaction", name, entry.user, entry.seq, entry.at, said)


def _when(row: rows.Row) -> int | None:
    return row.paid_at or row.seen_at or None


def _is_same(receipt: Any, text: str) -> bool:
    return isinstance(receipt, str) and receipt.casefold() == text.casefold()


def _balance(available: int) -> str:
    return f"balance {available}"


def _size(amount: int) -> str:
    return f"{amount} {'credit' if amount == 1 else 'credits'}"
