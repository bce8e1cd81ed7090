"""Recorded mutants of the decisions about holds, as in `decisions`."""

from typing import Final

HOLDS: Final = [
    ("credits.placing.expired-is-not-earlier", 'item.get("ttl", self._now) < self._now', "False"),
    (
        "credits.placing.earlier-at-its-last-second",
        'item.get("ttl", self._now) < self._now',
        'item.get("ttl", self._now) <= self._now',
    ),
    (
        "credits.placing.balance-after",
        "            **stored_product(made),\n        }\n        if made.state",
        '            "balance_after": 0,\n        }\n        if made.state',
    ),
    ("credits.placing.open-has-a-shard", "        if made.state == OPEN:\n", "        if False:\n"),
    (
        "credits.placing.open-has-no-ttl",
        '            item["expires_at"]',
        '            item["ttl"] = made.issued_at + request_ids.KEEP_S\n            item["expires_at"]',
    ),
    (
        "credits.placing.spent-has-a-ttl",
        '            item["ttl"] = made.issued_at + request_ids.KEEP_S',
        "            pass",
    ),
    ("credits.holds.told-in-its-state", "state=self.step.state", "state=self.hold.state"),
    (
        "credits.holds.told-with-what-it-was-charged",
        "committed=_charged_before(self.hold) + entry.charged",
        "committed=self.hold.committed",
    ),
    (
        "credits.holds.told-with-what-went-back",
        "released=self.hold.released + entry.amount",
        "released=self.hold.released",
    ),
    (
        "credits.holds.told-with-its-claim",
        "claim=self.hold.claim if beside.claim is None else beside.claim",
        "claim=self.hold.claim",
    ),
    (
        "credits.holds.resolved-has-a-ttl",
        '"#state": "state", "#ttl": "ttl"',
        '"#state": "state", "#ttl": "x"',
    ),
    (
        "credits.holds.resolved-is-kept",
        '":ttl": self.now + max(request_ids.KEEP_S, self.beside.keep_s)',
        '":ttl": self.now',
    ),
    ("credits.holds.resolved-leaves-the-index", ' + " REMOVE open_shard"', ""),
    (
        "credits.holds.seen-by-its-jti",
        'seen == (item["jti"], item["state"], item.get("claim"), item.get("parts", b""))',
        'seen[1:3] == (item["state"], item.get("claim"))',
    ),
    (
        "credits.holds.seen-by-its-state",
        'seen == (item["jti"], item["state"], item.get("claim"), item.get("parts", b""))',
        'seen[:3:2] == (item["jti"], item.get("claim"))',
    ),
    (
        "credits.holds.seen-by-its-claim",
        'seen == (item["jti"], item["state"], item.get("claim"), item.get("parts", b""))',
        'seen[:2] == (item["jti"], item["state"])',
    ),
    (
        "credits.holds.reconciled-is-noted",
        "        if self.step.reconciles:\n",
        "        if False:\n",
    ),
    (
        "credits.holds.claimed-with-it",
        "        if self.beside.claim is not None:\n",
        "        if False:\n",
    ),
    (
        "credits.holds.claim-is-not-demanded-away",
        "        if self.hold.claim is None:\n",
        "        if True:\n",
    ),
    (
        "credits.holds.unclaimed-stays-unclaimed",
        "        if self.hold.claim is None:\n",
        "        if False:\n",
    ),
    ("credits.placing.vend-holds", "held=template.amount if vend.state == OPEN else 0", "held=0"),
    (
        "credits.placing.vend-at-once-holds-nothing",
        "held=template.amount if vend.state == OPEN else 0",
        "held=template.amount",
    ),
    (
        "credits.placing.vend-takes-its-price",
        "        amount=-template.amount,\n",
        "        amount=0,\n",
    ),
    ("credits.placing.same-payload", "if latest.fingerprint != vend.fingerprint:", "if False:"),
    (
        "credits.holds.open-captured",
        "(hold.reserved - charge, -hold.reserved)",
        "(hold.reserved - charge, 0)",
    ),
    (
        "credits.holds.open-captured-gives-back-the-rest",
        "(hold.reserved - charge, -hold.reserved)",
        "(0, -hold.reserved)",
    ),
    (
        "credits.holds.open-released-amount",
        "(hold.reserved, -hold.reserved)",
        "(0, -hold.reserved)",
    ),
    ("credits.holds.open-released-held", "(hold.reserved, -hold.reserved)", "(hold.reserved, 0)"),
    (
        "credits.holds.spent-captured",
        "    (SPENT, CAPTURED): Step(",
        "    (SPENT, SPENT): Step(",
    ),
    (
        "credits.holds.spent-captured-amount",
        "(hold.amount - charge, 0)",
        "(hold.amount - charge - 1, 0)",
    ),
    ("credits.holds.spent-released", "lambda hold, _: (hold.amount, 0)", "lambda hold, _: (0, 0)"),
    (
        "credits.holds.captured-released",
        "lambda hold, _: (hold.committed, 0)",
        "lambda hold, _: (0, 0)",
    ),
    (
        "credits.holds.captured-released-what-was-charged",
        "lambda hold, _: (hold.committed, 0)",
        "lambda hold, _: (hold.amount, 0)",
    ),
    (
        "credits.holds.captured-released-once",
        "lambda hold, _: (hold.committed, 0), reconciles=True",
        "lambda hold, _: (hold.committed, 0)",
    ),
    ("credits.holds.released-captured", "lambda _, charge: (-charge, 0)", "lambda *_: (0, 0)"),
    (
        "credits.holds.released-captured-once",
        "lambda _, charge: (-charge, 0), reconciles=True",
        "lambda _, charge: (-charge, 0)",
    ),
    (
        "credits.holds.charged-at-most-what-was-held",
        "most if charge is None else min(charge, most)",
        "most if charge is None else charge",
    ),
    (
        "credits.holds.committed-follows",
        '":committed": _charged_before(self.hold) + entry.charged',
        '":committed": _charged_before(self.hold)',
    ),
    (
        "credits.holds.released-follows",
        '":released": self.hold.released + entry.amount',
        '":released": self.hold.released',
    ),
    (
        "credits.holds.reconciled-once",
        "step.reconciles and hold.reconciled",
        "step.reconciles and False",
    ),
    ("credits.holds.reconciled-at-all", "step.reconciles and hold.reconciled", "step.reconciles"),
    (
        "credits.hold_items.newest-entry-of-a-resolved-hold",
        "self.resolved_seq or self.last_seq or self.seq",
        "self.last_seq or self.seq",
    ),
    (
        "credits.hold_items.newest-entry-of-a-hold-with-parts",
        "self.resolved_seq or self.last_seq or self.seq",
        "self.resolved_seq or self.seq",
    ),
    (
        "credits.holds.part-charges-what-was-charged-before",
        "charged = self.hold.committed + entry.charged",
        "charged = entry.charged",
    ),
    (
        "credits.holds.part-keeps-those-before",
        "hold_parts.read(hold.parts)[gone:]",
        "[]",
    ),
    (
        "credits.holds.new-list-is-empty",
        "hold_parts.read(hold.parts)[gone:]",
        "hold_parts.read(hold.parts)",
    ),
    ("credits.holds.pages-are-counted", '":pages"] = hold.pages + 1', '":pages"] = hold.pages'),
    (
        "credits.hold_parts.pages-are-looked-through",
        "chain([hold.parts], _pages(table, hold), _carried(table, hold))",
        "chain([hold.parts], _carried(table, hold))",
    ),
    (
        "credits.hold_parts.what-entries-carry-is-looked-through",
        "chain([hold.parts], _pages(table, hold), _carried(table, hold))",
        "chain([hold.parts], _pages(table, hold))",
    ),
    (
        "credits.hold_parts.entries-that-carry-name-the-one-before",
        "[hold.carried_by, write(parts[:number])]",
        "[0, write(parts[:number])]",
    ),
    (
        "credits.hold_parts.entry-carries-what-leaves-the-list",
        "[hold.carried_by, write(parts[:number])]",
        "[hold.carried_by, write(parts[1:number])]",
    ),
    (
        "credits.hold_parts.entry-carries-what-it-has-room-for",
        "len(write(parts[: number + 1])) <= room",
        "room",
    ),
    (
        "credits.hold_parts.hold-has-room-for-its-parts",
        "return bool(hold.parts) and size + _TWO_PARTS > ITEM_SIZE",
        "return False",
    ),
    (
        "credits.holds.hold-names-the-entry-that-carries",
        "if self.gone and self.kind == EXTEND:",
        "if False:",
    ),
    (
        "credits.backend_holds.extension-carries-only-where-the-hold-is-full",
        "if not hold_parts.is_full(hold):",
        "if False:",
    ),
    (
        "credits.backend_holds.extension-counts-against-the-pages",
        "        _require_pages(hold)\n        return hold_parts.load(hold, move)",
        "        return hold_parts.load(hold, move)",
    ),
    ("credits.hold_parts.page-is-of-one-hold", 'f"PARTS#{hold.jti}#"', '"PARTS#"'),
    ("credits.hold_parts.page-is-kept", '"ttl": now + PAGE_KEPT_S', '"ttl": now'),
    ("credits.hold_parts.page-is-of-its-content", "sha256(hold.parts)", 'sha256(b"")'),
    (
        "credits.backend_holds.page-is-written",
        "        self.ledger.table.write(hold_parts.page(hold, act.at))\n",
        "",
    ),
    (
        "credits.backend_holds.pages-are-limited",
        "if hold.pages >= hold_parts.MOST_PAGES:",
        "if False:",
    ),
    (
        "credits.backend_holds.pages-limit-is-exact",
        "if hold.pages >= hold_parts.MOST_PAGES:",
        "if hold.pages > hold_parts.MOST_PAGES:",
    ),
    (
        "credits.backend_holds.commit-is-looked-up",
        '(hold_id, "commit", ids,',
        '(hold_id, "show", ids,',
    ),
    (
        "credits.backend_holds.extension-is-looked-up",
        '(hold_id, "extend", ids,',
        '(hold_id, "show", ids,',
    ),
    (
        "credits.backend_holds.release-is-looked-up",
        '(hold_id, "release", ids,',
        '(hold_id, "show", ids,',
    ),
    (
        "credits.backend_holds.looked-up-again-once-released",
        "None if after is hold else self._earlier(after, operation, ids)",
        "None",
    ),
    (
        "credits.backend_holds.looked-up-before-it-is-released",
        "        earlier = self._earlier(hold, operation, ids)\n        if earlier is not None:",
        "        earlier = None\n        if earlier is not None:",
    ),
    ("credits.backend_holds.grace", "act.at < hold.grace_ends_at", "act.at < hold.ends_at"),
    (
        "credits.backend_holds.grace-ends",
        "if hold.state != OPEN or act.at < hold.grace_ends_at:",
        "if hold.state != OPEN or act.at <= hold.grace_ends_at:",
    ),
    (
        "credits.backend_holds.late-is-bounded",
        "charge if product.overage == OWED else min(charge, hold.released)",
        "charge",
    ),
    (
        "credits.backend_holds.late-is-refused",
        "            if product.overage == REJECT:\n                raise HoldExpired()\n",
        "",
    ),
    (
        "credits.backend_holds.more-is-refused",
        "charge > taken and product.overage == REJECT",
        "False",
    ),
    (
        "credits.backend_holds.more-is-cut",
        "charge - taken if product.overage == OWED else 0",
        "charge - taken",
    ),
    (
        "credits.backend_holds.last-of-late",
        "hold.state == EXPIRED and not hold.is_final",
        "hold.state == EXPIRED",
    ),
    (
        "credits.backend_holds.end-moves-forward",
        "max(hold.ends_at, request.act.at + (seconds or 0))",
        "request.act.at + (seconds or 0)",
    ),
    (
        "credits.backend_holds.most-units",
        "hold.reserved + hold.committed + more > product.price(product.most_units)",
        "False",
    ),
    (
        "credits.backend_holds.part-leaves-the-rest",
        "held=-taken, left=rest",
        "held=-hold.reserved, left=0",
    ),
    (
        "credits.backend_holds.same-payload",
        "if hold.fingerprint != template.fingerprint:",
        "if False:",
    ),
    (
        "credits.backend_holds.room-for-the-end",
        "0 if final else self._made_room(",
        "self._made_room(",
    ),
    (
        "ledger.items.beyond-takes-what-there-is",
        "min(account.available, move.beyond)",
        "move.beyond",
    ),
    ("ledger.items.beyond-is-owed", "move.beyond - taken if move.may_owe else 0", "0"),
    (
        "ledger.items.beyond-is-not-owed",
        "move.beyond - taken if move.may_owe else 0",
        "move.beyond - taken",
    ),
    ("ledger.items.closed-hold-is-not-listed", "if name != self.closes", "if name"),
    (
        "ledger.posting.open-holds-are-limited",
        "len(account.open_holds) >= move.opens.most",
        "False",
    ),
    (
        "ledger.posting.open-holds-limit-is-exact",
        "len(account.open_holds) >= move.opens.most",
        "len(account.open_holds) > move.opens.most",
    ),
    (
        "credits.hold_items.found-by-its-whole-jti",
        'is_it = item is not None and (item["jti"], item["user"]) == (jti, user)',
        "is_it = item is not None",
    ),
]
