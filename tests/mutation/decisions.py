"""Recorded mutants of the decisions beside the conditions: id, what is there once, what comes there."""

from typing import Final

from tests.mutation.erasure_decisions import ERASURE
from tests.mutation.hold_decisions import HOLDS
from tests.mutation.read_model_decisions import READ_MODELS
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
        "    if account.available + move.amount < 0:",
        "    if account.available + move.amount <= 0:",
    ),
    (
        "ledger.posting.balance-is-looked-at",
        "    if account.available + move.amount < 0",
        "    if False",
    ),
    (
        "ledger.posting.nothing-is-refused-from-memory",
        "return None if _refusal(account, move, window, new_account) is not None else account",
        "return account",
    ),
    ("ledger.posting.served-head", "        head=entry.hash,\n", ""),
    ("ledger.posting.served-available", "        available=entry.available_after,\n", ""),
    ("ledger.posting.served-held", "        held=entry.held_after,\n", ""),
    (
        "ledger.posting.served-origins",
        "        recent_origins=origins.remembered(account.recent_origins, entry.origin_id),\n        owed",
        "        owed",
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
        ".counted(now)\n    if window.used > limit:\n",
        ".counted(now)\n    if window.used >= limit:\n",
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
    (
        "web.rate_limits.calls-beside-have-their-limit",
        "OR #counter < :limit)",
        "OR #counter <= :limit)",
    ),
    (
        "web.rate_limits.call-beside-is-counted-once",
        "rate_from < :future AND counted_by <> :mark",
        "rate_from < :future",
    ),
    (
        "web.rate_limits.calls-beside-in-their-window",
        '"rate_from > :past AND rate_from < :future AND counted_by',
        '"rate_from >= :past AND rate_from < :future AND counted_by',
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
    (
        "access.operators.changed-by-an-admin-alone",
        "        writes = [*writes, _while_admin(name)]\n",
        "        pass\n",
    ),
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
