"""Who did something and from where, as the ledger and the audit keep it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """`actor` is `user:<id>`, `webhook`, `api-key:<id>`, `admin:<name>`, `operator:<name>` or
    `system:<part>`.
    """

    actor: str
    request_id: str
    address: str
    user_agent: str
    reason: str = ""
