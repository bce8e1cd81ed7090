"""Designs of fulfilments that break: the checker must find how. Each is today's code without one rule."""

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from engine.credits import holds, placing
from engine.credits.hold_items import Hold, find
from engine.ledger.items import Account, Entry, account_pk
from engine.platform.table import Put, Table, Update
from engine.wallet import fulfilment
from engine.wallet.videos import LastJob
from tests.model import wallet_scenarios as made
from tests.model.broken_jobs import under
from tests.model.scenario import Scenario


def broken_wallet() -> list[Scenario]:
    return [
        under("a pointer that is put whatever is there", made.one_video(2), _unconditional),
        under("a pointer that is put after the charge", made.one_video(2), _apart),
        under("want of credits that is told without a second look", made.one_video(1), _no_look),
        under("a used token gives up its credit", made.an_unused_token, _gives_up_used),
        under("a balance that counts a token twice", made.a_balance, _counted_twice),
    ]


def _unconditional() -> AbstractContextManager[Any]:
    """The video's pointer is put without a look at what another fulfilment has put."""
    follow = LastJob.followed_by

    def put(self: LastJob, jti: str, until: int, *, at_once: bool) -> Put:
        return follow(self, jti, until, at_once=True)

    return patch.object(LastJob, "followed_by", put)


def _apart() -> AbstractContextManager[Any]:
    """The pointer is a write of its own."""
    place = placing.place

    def placed(ledger: Any, vend: Any, *, rate_limit: int, beside: Any = None) -> Any:
        hold, posted = place(ledger, vend, rate_limit=rate_limit)
        for write in beside(hold.jti) if beside is not None else ():
            ledger.table.write(replace(write, condition="", values={}))
        return hold, posted

    return patch.object(placing, "place", placed)


def _no_look() -> AbstractContextManager[Any]:
    """A fulfilment that finds the balance spent does not look whether that was for its own video."""
    return patch.object(fulfilment, "_can_pay_now", lambda *_: False)


def _gives_up_used() -> AbstractContextManager[Any]:
    """The refund does not ask whether the token was used since it was read."""
    write = holds.ResolveOnce.write

    def blind(self: holds.ResolveOnce, entry: Entry) -> Update:
        update = write(self, entry)
        clause = " AND attribute_not_exists(claim)"
        return replace(update, condition=update.condition.replace(clause, ""))

    return patch.object(holds.ResolveOnce, "write", blind)


def _counted_twice() -> AbstractContextManager[Any]:
    """The token's credit is added to a balance that was read before it was vended."""

    def seen(table: Table, account: Account) -> Account:
        hold: Hold | None = None
        item = table.get(account_pk(account.user), placing.UNUSED_SK) if account.held else None
        if item is not None:
            hold = find(table, account.user, str(item["jti"]))
        if hold is None or not hold.is_unused:
            return account
        return replace(account, available=account.available + hold.amount)

    return patch.object(placing, "as_the_app_sees", seen)
