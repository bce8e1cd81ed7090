"""Requests for credits: a user reports a payment, and an operator approves or rejects it.

A request grants nothing. The message is stored redacted. One receipt is one request of its user, whatever the
request id: its id is a digest of the user and the receipt, or of the text where there is no receipt.

`CREDITREQ#<id>` / `REQUEST` is a request: `user`, `state` (`pending`, `approved`, `rejected`), `receipt`,
`text`, `created_at`; `open_shard` and `expires_at`, by which operators find it in the index of open holds
(when it was made, once answered when that was); then `resolved_at`, `resolved_by`, `answer` (for the user),
`credits`, `proof`, `seq`.
`A#<user>` / `CREDITREQS` lists those of a user: `ids` (the newest `MOST_KEPT`), `pending` (a number) and
`version`.

No other module writes them. Every change is one transaction over both, so that no user has more than
`MOST_PENDING` that wait; an approval is the move of the ledger, in the same transaction. A receipt is the id
of a payment at its provider, so it is never added twice, whichever way it came.
"""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from engine.credits.adjustments import ADD
from engine.ledger.audit import Audit, Record
from engine.ledger.idempotency import Payment, PaymentOnce, facts_of
from engine.ledger.items import Entry, Move, account_pk
from engine.ledger.posting import AlreadyDone, BesideRefused, Ledger
from engine.platform.act import Act
from engine.platform.errors import Busy, NotFound
from engine.platform.ids import digest, fits_key
from engine.platform.table import Cancelled, Item, Put, Table, Update, Write
from engine.platform.times import EVER, iso
from engine.wallet import payment_messages
from engine.wallet.errors import ReceiptUsed, RequestResolved, TooManyRequestsOpen
from engine.web.desk_forms import ApproveForm
from engine.web.request_ids import fingerprint

PENDING: Final = "pending"
APPROVED: Final = "approved"
REJECTED: Final = "rejected"
PROVED: Final = "Your payment has arrived."
MOST_PENDING = 5
MOST_KEPT = 50
TRIES = 20
PAUSE_S = 0.1
"""The longest wait between tries, where another report of the same user came first."""

INDEX: Final = "open-holds"
SHARD: Final = "credit-requests"
"""The partition of the index that has the pending ones, oldest first."""

ANSWERED_SHARD: Final = "credit-requests-answered"
"""The partition that has the answered ones."""


@dataclass(frozen=True, slots=True)
class Made:
    """A request as it stands; `is_new` if this call has made it."""

    item: Item
    is_new: bool


def ask(ledger: Ledger, user: str, text: str, act: Act) -> Made:
    """Keep the user's report of a payment, once for its receipt.

    Raises `TooManyRequestsOpen`, `Busy`, `OutcomeUnknown`.
    """
    reported = payment_messages.read(text)
    request_id = _id_of(user, reported.receipt or reported.text.casefold())
    for _ in range(TRIES):
        known = ledger.table.get(_pk(request_id), "REQUEST")
        if known is not None:
            return Made(known, is_new=False)
        mine = _of_user(ledger.table, user)
        if mine["pending"] >= MOST_PENDING:
            raise TooManyRequestsOpen()
        item = _item(request_id, user, reported, act)
        put = Put(item, condition="attribute_not_exists(pk)")
        try:
            ledger.transact_patiently([put, _listed(user, mine, request_id)])
        except Cancelled:
            time.sleep(random.uniform(0, PAUSE_S))
            continue
        return Made(item, is_new=True)
    raise Busy()


def of_user(table: Table, user: str) -> list[dict[str, Any]]:
    """The user's requests, newest first. Raises `Busy`."""
    return [members(item) for item in _items_of(table, user)]


def all_of(table: Table, user: str) -> list[dict[str, Any]]:
    """The same for operators. Raises `Busy`."""
    return [for_operators(item) for item in _items_of(table, user)]


def pending(table: Table, limit: int) -> list[dict[str, Any]]:
    """The requests that wait, oldest first; the index may lag by a moment. Raises `Busy`."""
    keys: list[tuple[str, str]] = []
    for key in table.due(INDEX, SHARD, EVER, page=limit):
        keys.append((key["pk"], key["sk"]))
        if len(keys) == limit:
            break
    found = [item for item in table.get_many(keys) if item["state"] == PENDING]
    return [for_operators(item) for item in sorted(found, key=lambda item: int(item["created_at"]))]


def answered(
    table: Table, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """The requests that were answered, newest first, and the cursor of the next page. Raises `Busy`."""
    at, _, name = (cursor or "").partition(".")
    after = (int(at), _pk(name), "REQUEST") if cursor else None
    places = table.latest(INDEX, ANSWERED_SHARD, (0, EVER), after=after, page=limit + 1)
    keys = [(place["pk"], place["sk"]) for place in islice(places, limit + 1)]
    found = {item["pk"]: item for item in table.get_many(keys[:limit])}
    page = [found[pk] for pk, _ in keys[:limit] if pk in found]
    more = f"{page[-1]['resolved_at']}.{page[-1]['id']}" if len(keys) > limit else None
    return [for_operators(item) for item in page], more


def of_receipt(table: Table, user: str, receipt: str) -> Item | None:
    """The user's request with this receipt that waits; None if there is none. Raises `Busy`."""
    item = table.get(_pk(_id_of(user, receipt)), "REQUEST") if fits_key(user, receipt) else None
    return item if item is not None and item["state"] == PENDING else None


def waiting(table: Table, limit: int) -> list[Item]:
    """The stored requests that wait, oldest first. Raises `Busy`."""
    keys = [
        (key["pk"], key["sk"]) for key in islice(table.due(INDEX, SHARD, EVER, page=limit), limit)
    ]
    found = [item for item in table.get_many(keys) if item["state"] == PENDING]
    return sorted(found, key=lambda item: int(item["created_at"]))


def completion(audit: Audit, item: Item, amount: int, act: Act) -> list[Write]:
    """The writes that approve the pending request `item`, whose receipt is a payment that its provider has
    proved: they join the transaction that grants `amount`, and refuse it where the request is answered.
    """
    answer = {"answer": PROVED, "credits": amount, "proof": item["receipt"]}
    return _resolution(audit, item, APPROVED, answer, act)


def approve(
    ledger: Ledger, audit: Audit, request_id: str, form: ApproveForm, act: Act
) -> dict[str, Any]:
    """Add the credits for the payment that the receipt proves, once for the receipt and the request.

    The same approval again has the same result. Raises `NotFound`, `RequestResolved`, `ReceiptUsed`,
    `Busy`, `OutcomeUnknown`.
    """
    item = find(ledger.table, request_id)
    user = str(item["user"])
    print_ = fingerprint({"user": user, "amount": form.credits})
    payment = Payment(form.provider, form.receipt, user, print_)
    facts = {**facts_of(act), "credit_request": request_id}
    subject = f"{form.provider}:{form.receipt}"
    move = Move(user, ADD, form.credits, 0, act, subject, pays_owed=True)
    answer = {"answer": form.reason, "credits": form.credits, "proof": form.receipt}

    def beside(entry: Entry) -> list[Write]:
        return _resolution(audit, item, APPROVED, {**answer, "seq": entry.seq}, act)

    try:
        ledger.post(move, PaymentOnce(ledger, payment, facts), also=beside)
    except AlreadyDone as done:
        if done.item["facts"].get("credit_request") != request_id:
            raise ReceiptUsed() from None
        if done.item["fingerprint"] != print_:
            raise RequestResolved() from None
    except BesideRefused:
        raise RequestResolved() from None
    return for_operators(find(ledger.table, request_id))


def reject(ledger: Ledger, audit: Audit, request_id: str, reason: str, act: Act) -> dict[str, Any]:
    """Answer the request with a reason that the user can read. The same answer again changes nothing.

    Raises `NotFound`, `RequestResolved`, `Busy`, `OutcomeUnknown`.
    """
    item = find(ledger.table, request_id)
    try:
        ledger.transact_patiently(_resolution(audit, item, REJECTED, {"answer": reason}, act))
    except Cancelled:
        after = find(ledger.table, request_id)
        if (after["state"], after.get("answer")) != (REJECTED, reason):
            raise RequestResolved() from None
        return for_operators(after)
    return for_operators(find(ledger.table, request_id))


def members(item: Item) -> dict[str, Any]:
    """A request as its user sees it."""
    return {
        "id": item["id"],
        "status": item["state"],
        "receipt": item.get("receipt"),
        "createdAt": iso(item["created_at"]),
        "answeredAt": iso(item["resolved_at"]) if "resolved_at" in item else None,
        "answer": item.get("answer"),
        "credits": item.get("credits"),
    }


def for_operators(item: Item) -> dict[str, Any]:
    """A request as operators see it."""
    return {
        **members(item),
        "userId": item["user"],
        "message": item.get("text"),
        "said": payment_messages.said(item.get("text", ""), item.get("receipt")),
        "answeredBy": item.get("resolved_by"),
        "proof": item.get("proof"),
    }


def erasures(table: Table, user: str) -> list[Update]:
    """The writes that erase the messages of the user's requests. Raises `Busy`."""
    return [
        Update(
            item["pk"],
            item["sk"],
            "REMOVE #text, receipt",
            condition="",
            names={"#text": "text"},
        )
        for item in _items_of(table, user)
        if "text" in item
    ]


def _resolution(
    audit: Audit, item: Item, state: str, answer: Mapping[str, Any], act: Act
) -> list[Write]:
    """The writes by which a pending request is answered; refused where it is not pending."""
    values: dict[str, Any] = {f":{name}": value for name, value in answer.items()}
    change = "".join(f", {name} = :{name}" for name in answer)
    resolved = Update(
        _pk(item["id"]),
        "REQUEST",
        "SET #state = :state, resolved_at = :now, resolved_by = :by, open_shard = :answered, "
        f"expires_at = :now{change}",
        "#state = :pending",
        names={"#state": "state"},
        values={
            ":state": state,
            ":pending": PENDING,
            ":now": act.at,
            ":by": act.actor,
            ":answered": ANSWERED_SHARD,
            **values,
        },
    )
    fewer = Update(
        account_pk(item["user"]),
        "CREDITREQS",
        "SET pending = pending - :one, version = version + :one",
        condition="",
        values={":one": 1},
    )
    record = audit.write(Record(item["user"], f"credit_request_{state}", True, "", act))
    return [resolved, fewer, record]


def _listed(user: str, mine: Item, request_id: str) -> Put:
    """The user's requests with one more, where none was added or answered in the meantime."""
    item = {
        "pk": account_pk(user),
        "sk": "CREDITREQS",
        "ids": [request_id, *mine["ids"]][:MOST_KEPT],
        "pending": mine["pending"] + 1,
        "version": mine["version"] + 1,
    }
    condition = "attribute_not_exists(pk) OR version = :seen"
    return Put(item, condition, values={":seen": mine["version"]})


def _item(
    request_id: str, user: str, reported: payment_messages.Reported, act: Act
) -> dict[str, Any]:
    item = {
        "pk": _pk(request_id),
        "sk": "REQUEST",
        "id": request_id,
        "user": user,
        "state": PENDING,
        "text": reported.text,
        "created_at": act.at,
        "open_shard": SHARD,
        "expires_at": act.at,
    }
    return item | ({"receipt": reported.receipt} if reported.receipt else {})


def _of_user(table: Table, user: str) -> Item:
    none = {"ids": [], "pending": 0, "version": 0}
    return table.get(account_pk(user), "CREDITREQS") or none


def _items_of(table: Table, user: str) -> list[Item]:
    ids = _of_user(table, user)["ids"]
    found = table.get_many([(_pk(one), "REQUEST") for one in ids])
    return sorted(found, key=_newest_first)


def find(table: Table, request_id: str) -> Item:
    """The request with this id. Raises `NotFound`, `Busy`."""
    is_one = request_id.startswith("cr_") and fits_key(request_id)
    item = table.get(_pk(request_id), "REQUEST") if is_one else None
    if item is None:
        raise NotFound()
    return item


def _newest_first(item: Item) -> tuple[int, str]:
    return -int(item["created_at"]), str(item["id"])


def _id_of(user: str, reported: str) -> str:
    """The id of the user's request with a receipt, or a text without one."""
    return "cr_" + digest(user, reported)


def _pk(request_id: str) -> str:
    return f"CREDITREQ#{request_id}"
