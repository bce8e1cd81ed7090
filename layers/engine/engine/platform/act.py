"""An act: who does something, when, why and from where, as the ledger and the audit keep it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Act:
    """`actor` is `user:<id>`, `header:<id>` (a user known by headers alone), `webhook`, `api-key:<id>`,
    `admin:<name>`, `operator:<name>` or `system:<part>`; `at` is the time in epoch seconds, UTC.
    """

    actor: str
    request_id: str
    address: str
    user_agent: str
    reason: str = ""
    at: int = field(kw_only=True)


def by_system(part: str, request_id: str, reason: str, *, at: int) -> Act:
    """An act of a `part` of this system, such as the sweeper. It has no address."""
    return Act(f"system:{part}", request_id, "", "", reason, at=at)
