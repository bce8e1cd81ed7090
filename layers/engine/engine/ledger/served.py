"""The accounts that this process has just served, as its last move left them.

A move that begins with such an account needs no read. Its transaction is refused if anybody has changed the
account since, and then the move goes on from the stored one. So memory saves a read and decides nothing: a
move that it would refuse is looked at with a fresh read.
"""

from engine.ledger.items import Account
from engine.platform import snapshots
from engine.web.recent import Recent

KEEP_S = 5
"""A refused transaction costs more than 35 reads, so only what is very likely to be true is kept."""
MOST_ACCOUNTS = 500


class Served:
    """The accounts by user; `now` is in epoch seconds."""

    def __init__(self) -> None:
        self._accounts: Recent[tuple[int, Account]] = Recent(MOST_ACCOUNTS)
        snapshots.renews(self, Served.forget)

    def forget(self) -> None:
        self._accounts.clear()

    def keep(self, account: Account, now: int) -> None:
        with self._accounts.lock:
            self._accounts.put(account.user, (now, account))

    def take(self, user: str, now: int) -> Account | None:
        """The account, which is no longer kept: what becomes of it now is not known yet."""
        with self._accounts.lock:
            kept = self._accounts.pop(user)
        return kept[1] if kept is not None and 0 <= now - kept[0] <= KEEP_S else None
