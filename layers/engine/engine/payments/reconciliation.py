"""The reconciler: what providers list and what we have, compared in both directions and repaired where the
provider proves it. This module alone writes its items.

A round does, in this order: open intents that are due, purchases of which the store must still be told, each
provider's lists since the last pass, reports of payers that wait, and our own grants of the last days against
their provider and against the ledger. What cannot be repaired becomes a finding: a row with its age, until it
is found in order. What cannot be handled becomes a finding too and stops nothing. A pass that runs out of
time continues where it ended. Two rounds at once are safe: everything is settled by conditional writes.

| item | key |
|---|---|
| pass over a list | `RECONCILE` / `<list>` |
| finding | `FINDING#<provider>` / `<kind>#<id>` |
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any, Final

from engine.ledger.items import account_pk, entry_sk, read_entry
from engine.payments import by_mpesa, by_play, by_stripe, intents, rows
from engine.payments.buying import Shop
from engine.payments.intents import GOOGLE, MPESA, STRIPE, Intent
from engine.payments.rows import Row
from engine.platform import logs
from engine.platform.act import Act
from engine.platform.errors import EngineError
from engine.platform.ids import shard
from engine.platform.table import Item, Put, Table, Update
from engine.platform.times import DAY_S, EVER, HOUR_S, iso
from engine.providers.daraja import LONGEST_PULL_S
from engine.providers.daraja_callbacks import receipt_of
from engine.providers.daraja_results import PulledPayment
from engine.providers.play import VOIDED_KEPT_S
from engine.providers.play_messages import Voided
from engine.providers.stripe import EVENTS_KEPT_S
from engine.providers.stripe_events import Event
from engine.providers.stripe_objects import Charge, Dispute, Refund
from engine.providers.wire import NotSent, Page, Refused, Unknown
from engine.readmodels import feed
from engine.readmodels.feed import EntryFilter
from engine.wallet import credit_requests

PASSES_PK: Final = "RECONCILE"
BATCH = 50
MOST_OPEN = 1000
"""How many open findings and waiting reports a round looks at: nothing makes an old one leave its list."""

RESERVE_S = 12.0
"""Nothing is started with less time left than a call to a provider takes."""

OVERLAP_S = HOUR_S
"""How much of the last pass is read again: lists lag behind."""

EVERY_S = HOUR_S
"""The time between two passes over one list."""

PULL_WINDOW_S = LONGEST_PULL_S - HOUR_S
PULL_LAGS_S = HOUR_S
"""How long a payment of M-Pesa may not be listed by Pull yet."""

OWN_EVERY_S = 6 * HOUR_S
OWN_DAYS = 2
LATER_S = 600
"""When an intent or a purchase that could not be handled is looked at again."""

SHARDS = 4
NOT_PAID, DISAGREES, UNREADABLE, SHORT = (
    "granted_not_paid",
    "ledger_disagrees",
    "unreadable",
    "short",
)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a pass over a list stands: it began at `begun` and lists what is newer than `since`. An empty
    `after` says that no pass is under way.
    """

    since: int = 0
    begun: int = 0
    after: str = ""


@dataclass(slots=True)
class Round:
    """What one round did: counts by word, and whether time was left at its end."""

    counts: Counter[str] = field(default_factory=Counter)
    is_done: bool = True


class Reconciler:
    """Rounds over one deployment; `remaining_s` tells how much time is left."""

    def __init__(self, shop: Shop, act: Act, remaining_s: Callable[[], float]) -> None:
        self._shop = shop
        self._act = act
        self._remaining_s = remaining_s
        self._table = shop.book.table
        self._round = Round()
        self._open: set[tuple[str, str]] = set()

    def run(self, *, is_forced: bool = False) -> Round:
        """One round; `is_forced` begins passes that are not due yet. Raises `Busy`."""
        self._open = {(one["pk"], one["sk"]) for one in open_findings(self._table, MOST_OPEN)}
        self._look_at_intents()
        self._finish()
        for provider in self._shop.settings.payment_providers:
            for part in self._lists(provider):
                self._guard(provider, provider, part, is_forced)
        self._match_requests()
        self._guard("ledger", "own", self._check_own, is_forced)
        return self._round

    def _look_at_intents(self) -> None:
        now = self._act.at
        for number in range(intents.SHARDS):
            places = self._table.due(intents.INDEX, f"intents#{number}", now + 1, page=BATCH)
            for place in islice(places, BATCH):
                if not self._has_time():
                    return
                item = self._table.get(place["pk"], place["sk"])
                if item is not None and item.get("state") == intents.PENDING:
                    self._guard("intents", place["pk"].partition("#")[2], self._look_at, item)

    def _look_at(self, item: Item) -> None:
        """One open intent; one that cannot be read is looked at again later, behind the others."""
        try:
            intent = intents.read(item)
        except (KeyError, TypeError):
            intents.set_aside(self._table, item, self._act.at + LATER_S)
            raise
        self._guard(intent.provider, intent.id, self._look, intent)
        self._postpone(intent)

    def _look(self, intent: Intent) -> None:
        """What became of an open intent at its provider; one past its time ends."""
        book, clients = self._shop.book, self._shop.clients
        self._round.counts["intents"] += 1
        settled = None
        if intent.reference and intent.provider == STRIPE:
            session = clients.stripe.session(intent.reference)
            if session is not None:
                settled = by_stripe.settle_session(book, clients.stripe, session, self._act)
        elif intent.reference and intent.provider == MPESA:
            settled = by_mpesa.look(book, clients.daraja, intent, self._act)
        self._count(settled)

    def _postpone(self, intent: Intent) -> None:
        """The next look, or the end of an intent whose time is over."""
        now = self._act.at
        seen = intents.find(self._table, intent.id)
        if seen is None or seen.state != intents.PENDING:
            return
        if now >= seen.ends_at:
            intents.close(self._table, seen, intents.EXPIRED, "expired")
            return
        waits = intents.LOOKS_S
        wait = waits[seen.looks + 1] if seen.looks + 1 < len(waits) else HOUR_S // 2
        intents.postpone(self._table, seen, now + wait)

    def _finish(self) -> None:
        """Purchases of which the store must still be told that they were delivered."""
        for row in rows.unfinished(self._table, self._act.at, BATCH):
            if not self._has_time():
                return
            self._guard(row.provider, row.id, self._finish_one, row)

    def _finish_one(self, row: Row) -> None:
        # Later first: one that fails every time must not be the first of every round.
        lacks_receipt, now = row.to_finish == by_mpesa.RECEIPT, self._act.at
        later = row.paid_at + by_mpesa.RECEIPT_S if lacks_receipt else now + LATER_S
        is_over = lacks_receipt and later <= now
        waits = replace(row, to_finish="") if is_over else replace(row, look_at=later)
        row_, play = rows.write(self._table, row, waits), self._shop.clients.play
        if row_ is None or lacks_receipt:
            return
        if row_.to_finish == by_play.CLAIM:
            self._count(by_play.settle_voided(self._shop.book, play, row_.handle, self._act))
            return
        after = by_play.finish(self._shop.book, play, row_)
        self._round.counts["unfinished" if after.to_finish else "finished"] += 1

    def _match_requests(self) -> None:
        """Reports of payers that wait, against the payments of the inbox."""
        for item in credit_requests.waiting(self._table, MOST_OPEN):
            if not self._has_time():
                return
            self._guard(MPESA, item["id"], self._match, item)

    def _match(self, item: Item) -> None:
        settled = by_mpesa.match_request(self._shop.book, item, self._act)
        self._count(settled)
        if settled is None:
            self._ask(str(item.get("receipt") or ""))

    def _ask(self, receipt: str) -> None:
        """Asks M-Pesa for a payment that a report names and nothing has proved."""
        shop = self._shop
        base = shop.settings.public_base or by_mpesa.registered_base(self._table)
        is_askable = bool(shop.settings.mpesa_initiator and base and receipt_of(receipt))
        if not is_askable or rows.find(self._table, MPESA, receipt) is not None:
            return
        if by_mpesa.may_ask(self._table, receipt, self._act.at):
            replies = shop.clients.replies(base, "status", receipt)
            shop.clients.daraja.ask_status(receipt, replies)
            self._round.counts["asked"] += 1

    def _lists(self, provider: str) -> list[Callable[[bool], None]]:
        lists: dict[str, list[Callable[[bool], None]]] = {
            STRIPE: [self._events, self._charges, self._refunds, self._disputes],
            MPESA: [self._pulled],
            GOOGLE: [self._voided],
        }
        return lists.get(provider, [])

    def _events(self, is_forced: bool) -> None:
        stripe = self._shop.clients.stripe

        def hear(event: Event) -> None:
            self._count(by_stripe.hear(self._shop.book, stripe, event, self._act))

        self._pass(_Listed("stripe:events", EVENTS_KEPT_S, stripe.undelivered, hear), is_forced)

    def _charges(self, is_forced: bool) -> None:
        stripe = self._shop.clients.stripe

        def settle(charge: Charge) -> None:
            if charge.is_paid:
                self._settle_payment(charge.payment)

        self._pass(_Listed("stripe:charges", EVENTS_KEPT_S, stripe.charges, settle), is_forced)

    def _refunds(self, is_forced: bool) -> None:
        stripe = self._shop.clients.stripe

        def settle(refund: Refund) -> None:
            self._settle_payment(refund.payment)

        self._pass(_Listed("stripe:refunds", EVENTS_KEPT_S, stripe.refunds, settle), is_forced)

    def _disputes(self, is_forced: bool) -> None:
        stripe = self._shop.clients.stripe

        def settle(dispute: Dispute) -> None:
            self._settle_payment(dispute.payment)

        self._pass(_Listed("stripe:disputes", EVENTS_KEPT_S, stripe.disputes, settle), is_forced)

    def _settle_payment(self, payment: str | None) -> None:
        if payment is not None:
            stripe = self._shop.clients.stripe
            self._count(by_stripe.settle_payment(self._shop.book, stripe, payment, self._act))

    def _pulled(self, is_forced: bool) -> None:
        def settle(paid: PulledPayment) -> None:
            self._count(by_mpesa.hear_pulled(self._shop.book, paid, self._act))

        self._pass(_Listed("mpesa:pull", PULL_WINDOW_S, self._pull, settle), is_forced)

    def _pull(self, since: int, after: str | None) -> Page[PulledPayment]:
        return self._shop.clients.daraja.pull(since, self._act.at, int(after or 0))

    def _voided(self, is_forced: bool) -> None:
        play = self._shop.clients.play

        def page(since: int, after: str | None) -> Page[Voided]:
            return play.voided(since * 1000, after)

        def settle(voided: Voided) -> None:
            self._count(by_play.settle_voided(self._shop.book, play, voided.token, self._act))

        self._pass(_Listed("google:voided", VOIDED_KEPT_S - HOUR_S, page, settle), is_forced)

    def _pass(self, listed: "_Listed", is_forced: bool) -> None:
        """Read on in a list, from where the last pass over it ended."""
        now = self._act.at
        cursor = self._cursor(listed.name)
        if not cursor.after:
            if 0 <= now - cursor.since < EVERY_S and not is_forced:
                return
            cursor = replace(cursor, begun=now)
        # A time ahead of ours came from a wrong clock.
        since = max(min(cursor.since, now) - OVERLAP_S, now - listed.kept_s)
        while self._has_time():
            page = listed.page(since, cursor.after or None)
            for row in page.rows:
                self._guard(listed.name, _name_of(row), listed.settle, row)
            self._round.counts["listed"] += len(page.rows)
            self._round.counts["unreadable"] += page.unreadable
            if page.after is None:
                self._keep(listed.name, Cursor(since=cursor.begun))
                return
            cursor = replace(cursor, after=page.after)
            self._keep(listed.name, cursor)

    def _cursor(self, name: str) -> Cursor:
        item = self._table.get(PASSES_PK, name) or {}
        return Cursor(item.get("since", 0), item.get("begun", 0), item.get("after", ""))

    def _keep(self, name: str, cursor: Cursor) -> None:
        item: Item = {
            "pk": PASSES_PK,
            "sk": name,
            "since": cursor.since,
            "begun": cursor.begun,
            "after": cursor.after,
        }
        self._table.write(Put(item, condition=""))

    def _check_own(self, is_forced: bool) -> None:
        """Every grant of the last days: the provider has it, and its entries are what its row says."""
        now, name = self._act.at, "own:grants"
        if 0 <= now - self._cursor(name).since < OWN_EVERY_S and not is_forced:
            return
        days = iso(now - (OWN_DAYS - 1) * DAY_S)[:10], iso(now)[:10]
        book = self._shop.book
        for ledger, type_ in ((book.credits, "purchase"), (book.dollars, "top_up")):
            cursor = None
            while True:
                wanted = EntryFilter(type=type_, first=days[0], last=days[1])
                found = feed.page(ledger, wanted, cursor, BATCH)
                for entry in found.entries:
                    if not self._has_time():
                        return
                    provider, _, payment = entry.subject.partition(":")
                    self._check_payment(provider, payment)
                if found.cursor is None:
                    break
                cursor = found.cursor
        for provider, payment in self._reported():
            self._check_payment(provider, payment)
        self._keep(name, Cursor(since=now))

    def _reported(self) -> set[tuple[str, str]]:
        """The payments of open findings, which may be older."""
        names = ((pk.partition("#")[2], sk.partition("#")) for pk, sk in self._open)
        return {(provider, found[2]) for provider, found in names if found[0] != UNREADABLE}

    def _check_payment(self, provider: str, payment: str) -> None:
        row = rows.find(self._table, provider, payment)
        if row is not None and row.is_granted and not rows.is_reported_otherwise(row):
            self._guard(provider, payment, self._check_row, row)

    def _check_row(self, row: Row) -> None:
        self._round.counts["checked"] += 1
        is_right = self._net(row) == row.granted - row.clawed
        self._note(DISAGREES, row.provider, row.id, is_found=not is_right)
        self._note(SHORT, row.provider, row.id, is_found=bool(row.short))
        is_paid = row.clawed >= row.granted or self._is_paid(row)
        if is_paid is not None:
            self._note(NOT_PAID, row.provider, row.id, is_found=not is_paid)

    def _net(self, row: Row) -> int:
        """What the entries about a payment have given, less what they took or made the account owe."""
        net, seq = 0, row.seq
        while seq:
            item = self._table.get(account_pk(row.user), entry_sk(row.unit, seq))
            if item is None:
                return -1
            entry = read_entry(item)
            net += entry.amount - entry.owed
            seq = entry.reverses or 0
        return net

    def _is_paid(self, row: Row) -> bool | None:
        """Whether the provider has the payment; None where it cannot say, or not yet."""
        clients = self._shop.clients
        if row.provider == STRIPE and row.receipt:
            try:
                by_stripe.read_payment(clients.stripe, row.id)
            except by_stripe.NotPaid:
                return False
        if row.provider == GOOGLE:
            return clients.play.purchase(row.handle) is not None
        if row.provider == MPESA:
            # When it became known, because who forges a payment chooses its time.
            if not PULL_LAGS_S <= self._act.at - row.seen_at <= PULL_WINDOW_S:
                return None
            return by_mpesa.is_listed(self._shop.book, clients.daraja, row, self._receipts)
        return True

    @cached_property
    def _receipts(self) -> frozenset[str]:
        """The receipts of all payments that Pull lists. Raises `NotSent`, `Refused`, `Unknown`."""
        found: set[str] = set()
        page: Page[PulledPayment] = Page((), "0")
        while page.after is not None:
            page = self._pull(self._act.at - PULL_WINDOW_S, page.after)
            found |= {paid.receipt for paid in page.rows}
        return frozenset(found)

    def _guard(self, provider: str, id_: str, step: Callable[[Any], None], about: Any) -> None:
        """One step. A provider or a store that does not answer now is tried in a later round; what cannot be
        handled becomes a finding.
        """
        try:
            step(about)
        except (NotSent, Unknown, Refused, EngineError) as trouble:
            self._round.counts["later"] += 1
            logs.not_reconciled(provider, id_, type(trouble).__name__)
        except Exception as trouble:  # noqa: BLE001 - one row must not stop the round for the others.
            logs.set_aside("reconciler", f"{provider} {id_}", type(trouble).__name__)
            self._note(UNREADABLE, provider, id_, is_found=True)
        else:
            self._note(UNREADABLE, provider, id_, is_found=False)

    def _note(self, kind: str, provider: str, id_: str, *, is_found: bool) -> None:
        """Records a finding, or that what was found before is in order now."""
        pk, sk = f"FINDING#{provider}", f"{kind}#{id_}"
        if is_found:
            self._round.counts["findings"] += 1
            change = (
                "SET kind = :kind, provider = :provider, payment = :payment, last_at = :now, "
                "open_shard = :shard, expires_at = if_not_exists(expires_at, :now)"
            )
            values = {
                ":kind": kind,
                ":provider": provider,
                ":payment": id_,
                ":now": self._act.at,
                ":shard": f"findings#{shard(sk, SHARDS)}",
            }
            self._table.write(Update(pk, sk, change, "", values=values))
        elif (pk, sk) in self._open:
            self._round.counts["resolved"] += 1
            change = "SET resolved_at = :now REMOVE open_shard"
            values = {":now": self._act.at}
            self._table.write(Update(pk, sk, change, "", values=values))

    def _count(self, settled: Any) -> None:
        if settled is not None:
            self._round.counts[settled.outcome] += 1

    def _has_time(self) -> bool:
        if self._remaining_s() > RESERVE_S:
            return True
        self._round.is_done = False
        return False


@dataclass(frozen=True, slots=True)
class _Listed:
    """A list of a provider: `page` answers rows since a time, `kept_s` is how long the provider has them."""

    name: str
    kept_s: int
    page: Callable[[int, str | None], Page[Any]]
    settle: Callable[[Any], None]


def open_findings(table: Table, limit: int) -> list[Item]:
    """Findings that are not resolved, the oldest first. Raises `Busy`."""
    found: list[Item] = []
    for number in range(SHARDS):
        places = table.due(intents.INDEX, f"findings#{number}", EVER, page=limit)
        found += table.get_many([(one["pk"], one["sk"]) for one in islice(places, limit)])
    waiting = [item for item in found if "open_shard" in item]
    return sorted(waiting, key=lambda item: (item["expires_at"], item["sk"]))[:limit]


def finding_members(item: Item, now: int) -> dict[str, Any]:
    """A finding as operators see it."""
    return {
        "kind": item["kind"],
        "provider": item["provider"],
        "paymentId": item["payment"],
        "firstSeenAt": iso(item["expires_at"]),
        "lastSeenAt": iso(item["last_at"]),
        "ageSeconds": max(0, now - item["expires_at"]),
    }


def passes(table: Table) -> list[dict[str, Any]]:
    """Each list that is read, with when its last pass began and whether one is under way. Raises `Busy`."""
    found = table.ascending(PASSES_PK, "!", "~")
    return [
        {
            "list": item["sk"],
            "since": iso(item["since"]) if item["since"] else None,
            "isUnderWay": bool(item.get("after")),
        }
        for item in found
    ]


def _name_of(row: Any) -> str:
    """The id of a listed row, for logs and findings."""
    return str(getattr(row, "id", "") or getattr(row, "receipt", "") or getattr(row, "order", ""))
