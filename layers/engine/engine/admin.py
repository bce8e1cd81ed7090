"""What an operator sees of one user: balance, open holds, last transactions, totals, and the check."""

from typing import Any

from engine import figures, holds, users
from engine.holds import OPEN, Hold
from engine.ids import iso
from engine.ledger import Ledger
from engine.ledger_items import account_pk
from engine.verify import Finding, Verification, verify_user

LAST_TRANSACTIONS = 20
MOST_HOLDS = 100


def user_members(ledger: Ledger, user: str, build: dict[str, str]) -> dict[str, Any] | None:
    """All of it, None where there is no such user. Raises `Busy`."""
    account = ledger.account(user)
    if not account.exists:
        return None
    items = ledger.table.query(account_pk(user), "H#", limit=MOST_HOLDS, consistent=True)
    summary = figures.get_summary(ledger.table, ledger.unit, user)
    return {
        **users.balance_members(account, build),
        "openHolds": [_hold_members(holds.read(item)) for item in items if item["state"] == OPEN],
        "transactions": [
            users.transaction_members(entry)
            for entry in ledger.entries(user, limit=LAST_TRANSACTIONS)
        ],
        "totals": None if summary is None else dict(summary.counts),
        "verification": _verification_members(verify_user(ledger.table, ledger.unit, user)),
    }


def _hold_members(hold: Hold) -> dict[str, Any]:
    return {
        "jti": hold.jti,
        "amount": hold.amount,
        "seq": hold.seq,
        "heldSince": iso(hold.issued_at),
        "jobId": hold.job_id,
        "used": hold.claim is not None,
    }


def _verification_members(found: Verification) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "entries": found.entries,
        "findings": [_finding_members(finding) for finding in found.findings],
    }


def _finding_members(finding: Finding) -> dict[str, Any]:
    return {"kind": finding.kind, "seq": finding.seq, "text": finding.text}
