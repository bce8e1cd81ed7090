"""Recorded mutants of where moves come from, and of its erasure."""

from typing import Final

ERASURE: Final = [
    (
        "ledger.posting.origin-is-kept",
        "if not entry.origin_id or entry.origin_id in account.recent_origins:",
        "if True:",
    ),
    (
        "ledger.posting.origin-is-kept-once",
        "if not entry.origin_id or entry.origin_id in account.recent_origins:",
        "if not entry.origin_id:",
    ),
    (
        "ledger.posting.origin-is-remembered",
        "    if recent != account.recent_origins:\n",
        "    if False:\n",
    ),
    ("ledger.items.salted-id", "origin_id(account.origin_salt, ", 'origin_id("", '),
    ("admin.erasure.new-salt", '":salt": origins.new_salt()', '":salt": account["origin_salt"]'),
    ("admin.erasure.forgets-recent", '":none": []', '":none": account["recent_origins"]'),
    (
        "admin.erasure.only-of-old-salts",
        "if not any(origins.is_genuine(item, salt) for salt in salts):",
        "if True:",
    ),
    ("admin.erasure.says-when-there-is-more", "complete=len(writes) <= MOST", "complete=True"),
    ("admin.erasure.at-most", "for kind, write in writes[:MOST]", "for kind, write in writes"),
    (
        "admin.erasure.audited-first",
        '    audit.keep(Record(user, ACTION, True, "", act))\n',
        "",
    ),
    ("ledger.origins.texts-are-blanked", "REMOVE address, user_agent SET", "REMOVE address SET"),
    ("ledger.audit.texts-are-blanked", "REMOVE address, user_agent SET", "REMOVE address SET"),
    ("ledger.audit.operators-stay", 'not str(item["actor"]).startswith(OPERATORS)', "True"),
]
