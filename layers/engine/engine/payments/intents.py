"""Payment intents: what a user wants to buy, recorded before any provider is called. This module alone
writes their items.

An intent names the exact version of the pack, the price and the currency; its id goes into every place that a
provider echoes, and its pay code is short enough for a person to type. It grants at most one payment, also
after it has expired or failed: the money has come in by then.

| item | key |
|---|---|
| intent | `INTENT#<id>` / `INTENT` |
| pay code | `PAYCODE#<code>` / `CODE` |
| request of an intent | `A#<user>` / `PAYREQUEST#<digest of the request id>` |
| prompt of a user | `A#<user>` / `PAYTURN` |
| account at Google Play | `PLAYACCOUNT#<digest of the user>` / `USER` |
| intent of a user | `A#<user>` / `PAY#<epoch seconds, 12 digits>#<id>` |
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any, Final

from engine.ledger.items import account_pk
from engine.payments.packs import Pack
from engine.platform.errors import Busy, KeyReused
from engine.platform.ids import digest, fits_key, new_id, shard
from engine.platform.table import Cancelled, ConditionFailed, Item, Put, Table, Update, Write
from engine.platform.times import EVER, HOUR_S
from engine.providers import pay_codes
from engine.web.request_ids import RequestKey

PENDING, GRANTED, FAILED, EXPIRED = "pending", "granted", "failed", "expired"
STRIPE, MPESA, GOOGLE = "stripe", "mpesa", "google"
PROVIDERS = (STRIPE, MPESA, GOOGLE)

LIFETIME_S = 23 * HOUR_S
"""How long an intent is open; the longest session of Stripe lasts 24 hours from its creation."""

LOOKS_S: Sequence[int] = (60, 120, 420)
"""The waits before an open intent is looked at: one, three and ten minutes after it was made."""

TRIES = 5
TURN_S = 120
"""How long a prompt of M-Pesa is on the phone; Safaricom refuses the same one for as long."""
SHARDS = 4
INDEX: Final = "open-holds"
NOT_CALLED, CALLING, CALLED, UNKNOWN, REFUSED = "", "calling", "called", "unknown", "refused"
"""What is known of the call to the provider. `UNKNOWN`: its answer was lost, so the provider may have it."""

_PREFIX = "PAY#"
_TIME_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Intent:
    """One purchase that a user began; `amount` in minor units of `currency`, times in epoch seconds."""

    id: str
    user: str
    pack: str
    """The pack with its version, `<code>@<version>`."""
    unit: str
    grants: int
    """What the pack grants, in `unit`."""
    amount: int
    currency: str
    provider: str
    pay_code: str
    created_at: int
    ends_at: int
    look_at: int
    """When the reconciler looks at it next; while it is open."""
    state: str = PENDING
    call: str = NOT_CALLED
    reference: str = ""
    """The provider's object, such as a Checkout session or a CheckoutRequestID."""
    url: str = ""
    """Where the buyer pays, if the provider gave an address."""
    payment: str = ""
    """The provider's id of the payment that was granted."""
    receipt: str = ""
    trouble: str = ""
    """Why the provider says that it was not paid."""
    looks: int = 0
    revision: int = 1

    def status(self, now: int) -> str:
        """The state at `now`; an open intent past its time has expired."""
        is_over = self.state == PENDING and now >= self.ends_at
        return EXPIRED if is_over else self.state


_FACTS = tuple(one.name for one in fields(Intent))
"""`look_at` is stored as `expires_at`, the key of the index."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A purchase that a user asks for; `asked` has the client's request id."""

    user: str
    pack: Pack
    provider: str
    currency: str
    asked: RequestKey
    now: int


def create(table: Table, wanted: Wanted) -> tuple[Intent, bool]:
    """The intent of the request, and whether an earlier request made it.

    Raises `KeyReused`, `Busy`, `OutcomeUnknown`.
    """
    request_pk, request_sk = _request_key(wanted)
    for _ in range(TRIES):
        intent = _new(wanted)
        record: Item = {
            "pk": request_pk,
            "sk": request_sk,
            "intent": intent.id,
            "fingerprint": wanted.asked.fingerprint,
        }
        writes: list[Write] = [
            Put(record, condition="attribute_not_exists(pk)"),
            _code_put(intent),
            *creation(intent),
        ]
        try:
            table.transact(writes)
        except Cancelled:
            earlier = _earlier(table, wanted)
            if earlier is not None:
                return earlier, True
            continue
        return intent, False
    raise Busy()


def creation(intent: Intent) -> list[Write]:
    """The writes of a new intent without a pay code."""
    pointer: Item = {
        "pk": account_pk(intent.user),
        "sk": f"{_PREFIX}{intent.created_at:0{_TIME_DIGITS}d}#{intent.id}",
        "intent": intent.id,
    }
    item = _item(intent)
    if intent.state == PENDING:
        item["open_shard"] = shard_of(intent.id)
    return [
        Put(item, condition="attribute_not_exists(pk)"),
        Put(pointer, condition=""),  # Its key has the intent's id, whose condition is above.
    ]


def find(table: Table, intent_id: str) -> Intent | None:
    """The intent, None if there is none. Raises `Busy`."""
    item = table.get(_pk(intent_id), "INTENT") if intent_id and fits_key(intent_id) else None
    return None if item is None else read(item)


def by_code(table: Table, typed: str) -> Intent | None:
    """The intent of a pay code as a person typed it, None if there is none: blanks and case do not matter,
    nothing else is corrected. Raises `Busy`.
    """
    code = pay_codes.typed(typed)
    item = table.get(f"PAYCODE#{code}", "CODE") if code is not None else None
    return None if item is None else find(table, item["intent"])


def of_user(
    table: Table, user: str, *, limit: int, before: str | None
) -> tuple[list[Intent], str | None]:
    """A user's intents, newest first, and the cursor of the next page. Raises `Busy`."""
    sk = f"{_PREFIX}{before}" if before else None
    pointers = table.query(account_pk(user), _PREFIX, limit=limit + 1, before=sk, consistent=True)
    page = pointers[:limit]
    found = table.get_many([(_pk(pointer["intent"]), "INTENT") for pointer in page])
    by_id = {item["id"]: read(item) for item in found}
    shown = [by_id[pointer["intent"]] for pointer in page if pointer["intent"] in by_id]
    is_more = len(pointers) > limit
    return shown, page[-1]["sk"].removeprefix(_PREFIX) if is_more else None


def waiting(table: Table, limit: int) -> list[Intent]:
    """At most `limit` open intents of each shard; the index may lag by a moment. Raises `Busy`."""
    keys = [
        (place["pk"], place["sk"])
        for number in range(SHARDS)
        for place in islice(table.due(INDEX, f"intents#{number}", EVER, page=limit), limit)
    ]
    return [read(item) for item in table.get_many(keys) if _FACTS[0] in item]


def paid_of(table: Table, user: str) -> Iterator[tuple[str, str]]:
    """Provider and id of every payment that was granted for the user's intents. Raises `Busy`."""
    pointers = table.ascending(account_pk(user), _PREFIX, _PREFIX + "~", consistent=True)
    for pointer in pointers:
        intent = find(table, pointer["intent"])
        if intent is not None and intent.payment:
            yield intent.provider, intent.payment


def begin_call(table: Table, intent: Intent, *, is_repeatable: bool) -> Intent | None:
    """Elects this process to call the provider, None if it must not. A call that cannot be repeated safely
    is made once for ever; one that can be is made again as long as its answer is missing.

    Raises `Busy`, `OutcomeUnknown`.
    """
    if intent.state != PENDING or intent.call in (CALLED, REFUSED):
        return None
    if intent.call != NOT_CALLED:
        return intent if is_repeatable else None
    return _changed(table, intent, call=CALLING)


def may_call(intent: Intent) -> bool:
    """Whether a call that is made once for ever may be made for the intent."""
    return intent.state == PENDING and intent.call == NOT_CALLED


def take_turn(table: Table, intent: Intent, now: int) -> bool:
    """Whether the intent's user may be prompted for it now: one prompt at a time, which is open for `TURN_S`.
    An intent that took its turn and was not begun may take it again.

    Raises `Busy`, `OutcomeUnknown`.
    """
    turn = Update(
        account_pk(intent.user),
        "PAYTURN",
        "SET free_at = :until, intent = :intent, #ttl = :until",
        "attribute_not_exists(free_at) OR free_at <= :now OR intent = :intent",
        names={"#ttl": "ttl"},
        values={":until": now + TURN_S, ":now": now, ":intent": intent.id},
        mark="changed_by",
    )
    try:
        table.write(turn)
    except ConditionFailed:
        return False
    return True


def end_turn(table: Table, user: str) -> None:
    """The user may be prompted again at once: the prompt was not sent. Raises `Busy`, `OutcomeUnknown`."""
    end = Update(account_pk(user), "PAYTURN", "SET free_at = :now", "", values={":now": 0})
    table.write(end)


def name_account(table: Table, user: str, account: str) -> None:
    """Records whose the account is that the app names to Google Play. Raises `OutcomeUnknown`, `Busy`."""
    item: Item = {"pk": f"PLAYACCOUNT#{account}", "sk": "USER", "user": user}
    table.write(Put(item, condition=""))


def user_of_account(table: Table, account: str) -> str:
    """The user of an account that Google Play names, empty if nobody's. Raises `Busy`."""
    item = table.get(f"PLAYACCOUNT#{account}", "USER") if account else None
    return "" if item is None else str(item["user"])


def record_call(table: Table, intent: Intent, **facts: Any) -> Intent | None:
    """Records what the provider answered: `call`, `reference`, `url`, `state`, `trouble`, `look_at`.

    None if the intent has changed meanwhile. Raises `Busy`, `OutcomeUnknown`.
    """
    return _changed(table, intent, **facts)


def grant(intent: Intent, provider: str, payment: str, receipt: str) -> Update:
    """Marks the intent as granted by `payment` of `provider`, which may be another one than was chosen;
    refused if another payment was granted for it.
    """
    return Update(
        _pk(intent.id),
        "INTENT",
        "SET #state = :granted, provider = :provider, payment = :payment, receipt = :receipt, "
        "revision = revision + :one REMOVE open_shard",
        "payment = :none",
        names={"#state": "state"},
        values={
            ":granted": GRANTED,
            ":provider": provider,
            ":payment": payment,
            ":receipt": receipt,
            ":one": 1,
            ":none": "",
        },
    )


def granted(intent: Intent, payment: str, receipt: str) -> Intent:
    """A new intent that `payment` has granted already."""
    return replace(intent, state=GRANTED, payment=payment, receipt=receipt)


def attach_receipt(intent: Intent, receipt: str) -> Update:
    """Adds the receipt of a payment that was granted without one."""
    return Update(
        _pk(intent.id),
        "INTENT",
        "SET receipt = :receipt, revision = revision + :one",
        "payment = :payment AND receipt = :none",
        values={":receipt": receipt, ":payment": intent.payment, ":one": 1, ":none": ""},
    )


def close(table: Table, intent: Intent, state: str, trouble: str) -> Intent | None:
    """Ends an open intent as failed or expired; a payment that is proved later still grants.

    None if it has changed meanwhile. Raises `Busy`, `OutcomeUnknown`.
    """
    if intent.state != PENDING:
        return None
    return _changed(table, intent, state=state, trouble=trouble)


def end(table: Table, intent_id: str, state: str, trouble: str, reference: str) -> None:
    """Ends an open intent as its provider says of `reference`, also if it changes meanwhile: the provider may
    tell the end before its answer to the call is recorded. Nothing happens to an intent that is not there,
    has ended, or has another reference. Raises `Busy`, `OutcomeUnknown`.
    """
    for _ in range(TRIES):
        intent = find(table, intent_id)
        if intent is None or intent.state != PENDING or intent.reference not in ("", reference):
            return
        if close(table, intent, state, trouble) is not None:
            return
    raise Busy()


def postpone(table: Table, intent: Intent, look_at: int) -> Intent | None:
    """Sets when the reconciler looks next; None if the intent has changed meanwhile."""
    return _changed(table, intent, look_at=look_at, looks=intent.looks + 1)


def set_aside(table: Table, item: Item, look_at: int) -> None:
    """Looks at an item that cannot be read again later. Raises `Busy`, `OutcomeUnknown`."""
    later = Update(
        item["pk"], item["sk"], "SET expires_at = :later", "", values={":later": look_at}
    )
    table.write(later)


def read(item: Mapping[str, Any]) -> Intent:
    facts = {name: item[name] for name in _FACTS if name in item}
    return Intent(**{**facts, "look_at": item["expires_at"]})


def shard_of(intent_id: str) -> str:
    """The partition of the index in which the open intent lies."""
    return f"intents#{shard(intent_id, SHARDS)}"


def _new(wanted: Wanted) -> Intent:
    pack, now = wanted.pack, wanted.now
    return Intent(
        id=new_id("pin"),
        user=wanted.user,
        pack=pack.name,
        unit=pack.unit,
        grants=pack.amount,
        amount=pack.prices[wanted.currency],
        currency=wanted.currency,
        provider=wanted.provider,
        pay_code=pay_codes.new(),
        created_at=now,
        ends_at=now + LIFETIME_S,
        look_at=now + LOOKS_S[0],
    )


def _earlier(table: Table, wanted: Wanted) -> Intent | None:
    """The intent of the same earlier request, None if there is none. Raises `KeyReused`, `Busy`."""
    record = table.get(*_request_key(wanted))
    if record is None:
        return None
    if record["fingerprint"] != wanted.asked.fingerprint:
        raise KeyReused()
    return find(table, record["intent"])


def _request_key(wanted: Wanted) -> tuple[str, str]:
    return account_pk(wanted.user), f"PAYREQUEST#{digest(wanted.asked.key or '')}"


def _code_put(intent: Intent) -> Put:
    item: Item = {"pk": f"PAYCODE#{intent.pay_code}", "sk": "CODE", "intent": intent.id}
    return Put(item, condition="attribute_not_exists(pk)")


def _pk(intent_id: str) -> str:
    return f"INTENT#{intent_id}"


def _item(intent: Intent) -> Item:
    facts = {name: getattr(intent, name) for name in _FACTS}
    look_at = facts.pop("look_at")
    return {"pk": _pk(intent.id), "sk": "INTENT", **facts, "expires_at": look_at}


def _changed(table: Table, intent: Intent, **facts: Any) -> Intent | None:
    """The intent with these facts; None if it has changed since it was read."""
    changed = replace(intent, **facts, revision=intent.revision + 1)
    stored = {"expires_at" if name == "look_at" else name: facts[name] for name in facts}
    terms = ", ".join(f"#{name} = :{name}" for name in stored)
    change = f"SET {terms}, revision = :next"
    if changed.state != PENDING:
        change += " REMOVE open_shard"
    update = Update(
        _pk(intent.id),
        "INTENT",
        change,
        "revision = :seen",
        names={f"#{name}": name for name in stored},
        values={
            **{f":{name}": value for name, value in stored.items()},
            ":seen": intent.revision,
            ":next": changed.revision,
        },
        mark="changed_by",
    )
    try:
        table.write(update)
    except ConditionFailed:
        return None
    return changed
