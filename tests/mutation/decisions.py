"""Recorded mutants of the decisions beside the conditions: id, what is there once, what comes there."""

from typing import Final

from tests.mutation.erasure_decisions import ERASURE
from tests.mutation.subscription_decisions import SUBSCRIPTIONS
from tests.mutation.transcription_decisions import CLAIMS, SWEEPS

LEDGER: Final = [
    (
        "ledger.posting.once-item-is-not-looked-at",
        "                self._raise_if_done(cancelled, once)\n",
        "",
    ),
    (
        "ledger.posting.account-before-once-item",
        "                self._raise_if_done(cancelled, once)\n",
        "                cancelled.refusals[ACCOUNT] or self._raise_if_done(cancelled, once)\n",
    ),
    ("ledger.posting.reason-of-the-entry", "cancelled.refusals[ONCE]", "cancelled.refusals[ENTRY]"),
    (
        "ledger.posting.refused-before-earlier",
        "            earlier = once.earlier()\n",
        "            earlier = None\n",
    ),
    (
        "ledger.posting.refused-beside",
        "if any(beside and beside.is_condition for beside in cancelled.refusals[ONCE + 1 :]):",
        "if False:",
    ),
    (
        "ledger.posting.conflict-beside-is-no-refusal",
        "if any(beside and beside.is_condition for beside in",
        "if any(beside for beside in",
    ),
    (
        "ledger.posting.once-item-before-what-is-beside",
        "            if item is not None:\n                raise AlreadyDone(item)\n",
        "            if item and not any(cancelled.refusals[3:]):\n                raise AlreadyDone(item)\n",
    ),
    ("ledger.posting.new-account", "if account.exists and new_account is not None", "if False"),
    (
        "ledger.posting.rate-limit-is-exact",
        "window.used > window.limit",
        "window.used >= window.limit",
    ),
    ("ledger.posting.rate-limit-is-kept", "window.used > window.limit", "False"),
    (
        "ledger.posting.last-credit-can-be-spent",
        "account.available + move.amount < 0",
        "account.available + move.amount <= 0",
    ),
    (
        "ledger.posting.balance-is-looked-at",
        "elif account.available + move.amount < 0",
        "elif False",
    ),
    ("ledger.posting.needed", '":needed": max(0, -entry.amount)', '":needed": 0'),
    ("ledger.posting.released", '":released": max(0, -entry.held)', '":released": 0'),
    ("ledger.posting.held-follows", '":held_change": entry.held', '":held_change": 0'),
    ("ledger.posting.amount-follows", '":amount": entry.amount', '":amount": 0'),
    ("ledger.posting.seq-follows", '":next": entry.seq', '":next": account.seq'),
    ("ledger.posting.head-follows", '":head": entry.hash', '":head": account.head'),
    (
        "ledger.posting.refusal-is-final",
        "refusal and refusal.is_condition for refusal",
        "False for _",
    ),
    (
        "ledger.posting.conflict-is-not-final",
        "refusal and refusal.is_condition for refusal",
        "True for _",
    ),
    ("ledger.posting.window-is-counted", ".counted(now)", ""),
    ("ledger.items.next-seq", '"seq": account.seq + 1', '"seq": account.seq + 2'),
    ("ledger.items.same-seq", '"seq": account.seq + 1', '"seq": max(1, account.seq)'),
    (
        "ledger.items.available-after",
        '"available_after": account.available + amount',
        '"available_after": account.available',
    ),
    (
        "ledger.items.held-after",
        '"held_after": account.held + move.held',
        '"held_after": account.held',
    ),
    ("ledger.items.chain", '"prev": account.head', '"prev": START'),
    (
        "ledger.items.owed-after",
        '"owed_after": account.owed + owed',
        '"owed_after": account.owed',
    ),
    (
        "ledger.items.grant-pays-what-is-owed",
        "min(account.owed, move.amount) if move.pays_owed else 0",
        "0",
    ),
    (
        "ledger.items.only-a-grant-pays",
        "min(account.owed, move.amount) if move.pays_owed else 0",
        "min(account.owed, max(0, move.amount))",
    ),
    (
        "ledger.items.pays-no-more-than-is-owed",
        "min(account.owed, move.amount) if move.pays_owed else 0",
        "move.amount if move.pays_owed else 0",
    ),
    ("ledger.items.format-is-hashed", '**later, "format": FORMAT}', "**later}"),
    ("ledger.posting.owed-follows", '":owed_change": entry.owed', '":owed_change": 0'),
    ("ledger.posting.repaid", '":repaid"] = -entry.owed', '":repaid"] = 0'),
    (
        "ledger.posting.owed-of-a-new-account",
        '        item["owed"] = entry.owed_after\n',
        "        pass\n",
    ),
    (
        "credits.adjustments.undo-owes-again",
        "        owed=-original.owed,\n",
        "        owed=0,\n",
    ),
    (
        "credits.adjustments.deduction-pays-nothing",
        "pays_owed=asked.amount > 0",
        "pays_owed=True",
    ),
]

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
        "        if self.hold.claim is None or self.beside.claim is not None:\n",
        "        if True:\n",
    ),
    (
        "credits.holds.claimed-by-the-first",
        "if self.hold.claim is None or self.beside.claim is not None:",
        "if self.hold.claim is None:",
    ),
    (
        "credits.holds.unclaimed-stays-unclaimed",
        "if self.hold.claim is None or self.beside.claim is not None:",
        "if self.beside.claim is not None:",
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
        "[*hold_parts.read(hold.parts), *parts]",
        "[*parts]",
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
        "            earlier = self._earlier(hold, operation, ids)\n",
        "",
    ),
    (
        "credits.backend_holds.looked-up-before-it-is-released",
        "        earlier = self._earlier(hold, operation, ids)\n        if earlier is None:",
        "        earlier = None\n        if earlier is None:",
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
        "hold_parts.MOST - (0 if is_end else 1)",
        "hold_parts.MOST",
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

REQUESTS: Final = [
    (
        "ledger.idempotency.item-is-looked-up",
        "return self._table.get(self._pk, self._sk) or self._older()",
        "return None",
    ),
    (
        "ledger.idempotency.balance-after",
        '"balance_after": entry.available_after,',
        '"balance_after": 0,',
    ),
    ("ledger.idempotency.same-payload", 'if item["fingerprint"] != fingerprint:', "if False:"),
    (
        "ledger.idempotency.names-its-caller",
        "digest(request.caller or request.act.actor, key)",
        "digest(key, key)",
    ),
    (
        "ledger.idempotency.older-item-counts",
        "if not self._looked_for_older and (older := self._older()) is not None:",
        "if (older := None) is not None:",
    ),
    (
        "ledger.idempotency.older-request-of-its-caller",
        "if item is None or not is_by(",
        "if item is None or is_by(",
    ),
    (
        "ledger.idempotency.payment-of-its-unit",
        '(str(item["fingerprint"]), item["unit"]) == (payment.fingerprint, unit)',
        'item["fingerprint"] == payment.fingerprint',
    ),
    (
        "ledger.idempotency.older-payment-of-the-default-provider",
        "        if self._payment.provider != DEFAULT_PROVIDER:\n            return None\n",
        "",
    ),
    (
        "ledger.idempotency.older-payment-that-matches",
        "key=lambda item: not is_of(",
        "key=lambda item: is_of(",
    ),
    ("credits.payments.payment-once", "    if asked.payment_id is None:\n", "    if True:\n"),
    (
        "credits.payments.key-beside",
        "request.write_beside_payment(entry) if asked.key is not None else []",
        "[]",
    ),
    (
        "credits.payments.same-payment",
        "        if not idempotency.is_of(done.item, payment, ledger.unit):\n",
        "        if False:\n",
    ),
]

WINDOWS: Final = [
    ("web.rate_limits.over-in-time", "abs(now - start) >= WINDOW_S", "abs(now - start) > WINDOW_S"),
    ("web.rate_limits.clock-behind", "abs(now - start) >= WINDOW_S", "now - start != 0"),
    ("web.rate_limits.clock-far-ahead", "abs(now - start) >= WINDOW_S", "now - start >= WINDOW_S"),
    (
        "web.rate_limits.last-call-passes",
        "        if window.used > limit:\n",
        "        if window.used >= limit:\n",
    ),
    (
        "web.rate_limits.counts-on",
        "Window(self.start, self.used + 1,",
        "Window(self.start, self.used,",
    ),
    (
        "web.rate_limits.no-item-no-window",
        "    if seen is None:\n        raise ConditionFailed(None)\n",
        "    seen = seen or {'rate_from': 0}\n",
    ),
]

READ_MODELS: Final = [
    (
        "readmodels.projection.goes-on-from-what-was-seen",
        "if delivered or (until is not None and seen >= until):",
        "if delivered:",
    ),
    (
        "readmodels.projection.gap-is-not-passed",
        "_contiguous(known.get, seen + 1)",
        "_contiguous(known.get, min(known, default=1))",
    ),
    (
        "readmodels.projection.cancelled-is-read-again",
        "except (Busy, Cancelled) as trouble:",
        "except Busy as trouble:",
    ),
    ("readmodels.rebuild.new-number", "max(before.written) + 1", "max(before.written)"),
    (
        "readmodels.rebuild.overtaken-is-told",
        '        raise Overtaken(f"another rebuild is running: {refused.item}") from None\n',
        "        assert refused\n",
    ),
    (
        "readmodels.rebuild.old-is-retired",
        "    for generation in before.written:\n",
        "    for generation in ():\n",
    ),
]

ADJUSTMENTS: Final = [
    (
        "credits.adjustments.only-some-kinds-are-undone",
        "return entry.type in UNDOABLE and entry.reverses is None",
        "return entry.reverses is None",
    ),
    (
        "credits.adjustments.an-undoing-is-not-undone",
        "entry.type in UNDOABLE and entry.reverses is None and",
        "entry.type in UNDOABLE and",
    ),
    ("credits.adjustments.kind-is-looked-at", "if not is_undoable(original):", "if False:"),
    ("credits.adjustments.undo-takes-all-back", "        -original.amount,\n", "        -1,\n"),
    ("credits.adjustments.undo-names-its-entry", "        reverses=seq,\n", ""),
    ("credits.adjustments.other-request", 'if first["key"] != marked["key"] or', "if False or"),
    (
        "credits.adjustments.other-caller",
        "or not idempotency.is_by(ledger, move.user, first, move.act)",
        "or False",
    ),
    ("credits.adjustments.payload-counts", "digest(key, asked.fingerprint)", "digest(key)"),
    (
        "credits.adjustments.mark-is-of-the-entry",
        "_mark_sk(ledger.unit, str(original.seq))",
        '_mark_sk(ledger.unit, "0")',
    ),
    (
        "credits.adjustments.nobody-is-not-poor",
        "there = refused.balance > 0 or ledger.account(asked.user).exists",
        "there = True",
    ),
    (
        "credits.adjustments.poor-is-not-nobody",
        "raise error from None",
        "raise NotFound() from None",
    ),
    (
        "credits.adjustments.refusal-is-kept",
        "        _keep(audit, move, error)\n        raise error",
        "        raise error",
    ),
    ("credits.adjustments.a-row-is-once-for-ever", "if asked.row is None:", "if True:"),
    (
        "credits.adjustments.sign-tells-the-type",
        "return ADD if self.amount > 0 else DEDUCT",
        "return ADD",
    ),
    (
        "credits.adjustments.key-is-the-requests",
        "Request(asked.user, asked.type, asked.key,",
        "Request(asked.user, asked.type, None,",
    ),
]
KEYS: Final = [
    (
        "access.api_keys.revoked-is-refused",
        "return None if found.revoked_at else found",
        "return found",
    ),
    ("access.api_keys.check-is-looked-at", "and text == PREFIX + body + _check(body)", ""),
    ("access.api_keys.first-revocation-stays", "if_not_exists(revoked_at, :now)", ":now"),
]
DECISIONS: Final = [
    *LEDGER,
    *ERASURE,
    *HOLDS,
    *REQUESTS,
    *CLAIMS,
    *SWEEPS,
    *WINDOWS,
    *READ_MODELS,
    *ADJUSTMENTS,
    *KEYS,
    *SUBSCRIPTIONS,
]
