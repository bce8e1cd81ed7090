"""What the parts of a purchase share: the table, the ledgers of both units, the catalogue, the audit."""

from dataclasses import dataclass

from engine.ledger.audit import Audit
from engine.ledger.items import CREDITS
from engine.ledger.posting import Ledger
from engine.payments.notices import Notices
from engine.payments.packs import Catalogue
from engine.platform.config import Settings
from engine.platform.table import Table
from engine.subscriptions.plans import UNIT as DOLLARS


@dataclass(frozen=True, slots=True)
class Book:
    """`is_live` says whether payments with real money count; those of the other kind never do."""

    table: Table
    credits: Ledger
    dollars: Ledger
    packs: Catalogue
    audit: Audit
    notices: Notices
    is_live: bool

    def ledger(self, unit: str) -> Ledger:
        """The ledger of `unit`."""
        return self.dollars if unit == DOLLARS else self.credits


def opened(settings: Settings, table: Table) -> Book:
    """The book of this deployment."""
    return Book(
        table=table,
        credits=Ledger(table, CREDITS),
        dollars=Ledger(table, DOLLARS),
        packs=Catalogue(table),
        audit=Audit(table, settings.audit_days),
        notices=Notices(bool(settings.notify_url)),
        is_live=settings.payments_live,
    )
