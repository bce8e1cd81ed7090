"""Recorded mutants of the decisions beside the conditions: id, what is there once, what comes there."""

from typing import Final

from tests.mutation.erasure_decisions import ERASURE
from tests.mutation.subscription_decisions import SUBSCRIPTIONS

LEDGER: Final = [
    (
        "ledger.once-item-is-not-looked-at",
        "                self._raise_if_done(cancelled, once)\n",
        "",
    ),
    (
        "ledger.account-before-once-item",
        "                self._raise_if_done(cancelled, once)\n",
        "                cancelled.refusals[ACCOUNT] or self._raise_if_done(cancelled, once)\n",
    ),
    ("ledger.reason-of-the-entry", "cancelled.refusals[ONCE]", "cancelled.refusals[ENTRY]"),
    (
        "ledger.refused-before-earlier",
        "            earlier = once.earlier()\n",
        "            earlier = None\n",
    ),
    (
        "ledger.refused-beside",
        "if any(beside and beside.is_condition for beside in cancelled.refusals[ONCE + 1 :]):",
        "if False:",
    ),
    (
        "ledger.conflict-beside-is-no-refusal",
        "if any(beside and beside.is_condition for beside in",
        "if any(beside for beside in",
    ),
    (
        "ledger.once-item-before-what-is-beside",
        "            if item is not None:\n                raise AlreadyDone(item)\n",
        "            if item and not any(cancelled.refusals[3:]):\n                raise AlreadyDone(item)\n",
    ),
    ("ledger.new-account", "if account.exists and new_account is not None", "if False"),
    ("ledger.rate-limit-is-exact", "window.used > window.limit", "window.used >= window.limit"),
    ("ledger.rate-limit-is-kept", "window.used > window.limit", "False"),
    (
        "ledger.last-credit-can-be-spent",
        "account.available + move.amount < 0",
        "account.available + move.amount <= 0",
    ),
    (
        "ledger.balance-is-looked-at",
        "elif account.available + move.amount < 0",
        "elif False",
    ),
    ("ledger.needed", '":needed": max(0, -entry.amount)', '":needed": 0'),
    ("ledger.released", '":released": max(0, -entry.held)', '":released": 0'),
    ("ledger.held-follows", '":held_change": entry.held', '":held_change": 0'),
    ("ledger.amount-follows", '":amount": entry.amount', '":amount": 0'),
    ("ledger.seq-follows", '":next": entry.seq', '":next": account.seq'),
    ("ledger.head-follows", '":head": entry.hash', '":head": account.head'),
    ("ledger.refusal-is-final", "refusal and refusal.is_condition for refusal", "False for _"),
    ("ledger.conflict-is-not-final", "refusal and refusal.is_condition for refusal", "True for _"),
    ("ledger.window-is-counted", ".counted(now)", ""),
    ("ledger_items.next-seq", '"seq": account.seq + 1', '"seq": account.seq + 2'),
    ("ledger_items.same-seq", '"seq": account.seq + 1', '"seq": max(1, account.seq)'),
    (
        "ledger_items.available-after",
        '"available_after": account.available + move.amount',
        '"available_after": account.available',
    ),
    (
        "ledger_items.held-after",
        '"held_after": account.held + move.held',
        '"held_after": account.held',
    ),
    ("ledger_items.chain", '"prev": account.head', '"prev": START'),
]

HOLDS: Final = [
    ("holds.expired-is-not-earlier", 'item.get("ttl", self._now) < self._now', "False"),
    (
        "holds.earlier-at-its-last-second",
        'item.get("ttl", self._now) < self._now',
        'item.get("ttl", self._now) <= self._now',
    ),
    (
        "holds.balance-after",
        '"balance_after": entry.available_after',
        '"balance_after": entry.available_after + 1',
    ),
    ("holds.open-has-a-shard", "        if made.state == OPEN:\n", "        if False:\n"),
    (
        "holds.open-has-no-ttl",
        '            item["expires_at"]',
        '            item["ttl"] = made.issued_at + idempotency.KEEP_S\n            item["expires_at"]',
    ),
    (
        "holds.spent-has-a-ttl",
        '            item["ttl"] = made.issued_at + idempotency.KEEP_S',
        "            pass",
    ),
    (
        "holds.resolved-has-a-ttl",
        '"#state": "state", "#ttl": "ttl"',
        '"#state": "state", "#ttl": "x"',
    ),
    ("holds.resolved-is-kept", '":ttl": self._now + idempotency.KEEP_S', '":ttl": self._now'),
    ("holds.resolved-leaves-the-index", ' + " REMOVE open_shard"', ""),
    (
        "holds.seen-by-its-jti",
        'seen == (item["jti"], item["state"], item.get("claim"))',
        'seen[1:] == (item["state"], item.get("claim"))',
    ),
    (
        "holds.seen-by-its-state",
        'seen == (item["jti"], item["state"], item.get("claim"))',
        'seen[::2] == (item["jti"], item.get("claim"))',
    ),
    (
        "holds.seen-by-its-claim",
        'seen == (item["jti"], item["state"], item.get("claim"))',
        'seen[:2] == (item["jti"], item["state"])',
    ),
    ("holds.reconciled-is-noted", "        if self._step.reconciles:\n", "        if False:\n"),
    ("holds.claimed-with-it", "        if self._claim is not None:\n", "        if False:\n"),
    (
        "holds.claim-is-not-demanded-away",
        "        if self._hold.claim is None or self._claim is not None:\n",
        "        if True:\n",
    ),
    (
        "holds.claimed-by-the-first",
        "if self._hold.claim is None or self._claim is not None:",
        "if self._hold.claim is None:",
    ),
    (
        "holds.unclaimed-stays-unclaimed",
        "if self._hold.claim is None or self._claim is not None:",
        "if self._claim is not None:",
    ),
    ("holds.vend-holds", "held=1 if vend.state == OPEN else 0", "held=0"),
    ("holds.vend-at-once-holds-nothing", "held=1 if vend.state == OPEN else 0", "held=1"),
    ("holds.vend-takes-one", "        amount=-1,\n", "        amount=0,\n"),
    ("holds.same-payload", "if hold.fingerprint != vend.fingerprint:", "if False:"),
    ("holds.open-captured", 'Step(CAPTURED, "capture", 0, -1)', 'Step(CAPTURED, "capture", 0, 0)'),
    (
        "holds.open-released-amount",
        'Step(RELEASED, "refund", 1, -1)',
        'Step(RELEASED, "refund", 0, -1)',
    ),
    (
        "holds.open-released-held",
        'Step(RELEASED, "refund", 1, -1)',
        'Step(RELEASED, "refund", 1, 0)',
    ),
    (
        "holds.spent-captured",
        '    (SPENT, CAPTURED): Step(CAPTURED, "capture", 0, 0),\n',
        "",
    ),
    (
        "holds.spent-captured-amount",
        '(SPENT, CAPTURED): Step(CAPTURED, "capture", 0, 0)',
        '(SPENT, CAPTURED): Step(CAPTURED, "capture", -1, 0)',
    ),
    (
        "holds.spent-released",
        '(SPENT, RELEASED): Step(RELEASED, "refund", 1, 0)',
        '(SPENT, RELEASED): Step(RELEASED, "refund", 0, 0)',
    ),
    (
        "holds.captured-released",
        '(CAPTURED, RELEASED): Step(RELEASED, "refund", 1, 0, reconciles=True)',
        '(CAPTURED, RELEASED): Step(RELEASED, "refund", 0, 0, reconciles=True)',
    ),
    (
        "holds.captured-released-once",
        '(CAPTURED, RELEASED): Step(RELEASED, "refund", 1, 0, reconciles=True)',
        '(CAPTURED, RELEASED): Step(RELEASED, "refund", 1, 0)',
    ),
    (
        "holds.released-captured",
        '(RELEASED, CAPTURED): Step(CAPTURED, "spend", -1, 0, reconciles=True)',
        '(RELEASED, CAPTURED): Step(CAPTURED, "spend", 0, 0, reconciles=True)',
    ),
    (
        "holds.released-captured-once",
        '(RELEASED, CAPTURED): Step(CAPTURED, "spend", -1, 0, reconciles=True)',
        '(RELEASED, CAPTURED): Step(CAPTURED, "spend", -1, 0)',
    ),
    ("holds.reconciled-once", "step.reconciles and hold.reconciled", "step.reconciles and False"),
    ("holds.reconciled-at-all", "step.reconciles and hold.reconciled", "step.reconciles"),
    (
        "holds.written-off-is-final",
        'Step(WRITTEN_OFF, "write_off", 0, 0, reconciles=True)',
        'Step(RELEASED, "write_off", 0, 0)',
    ),
    ("holds.resolves-the-last-entry", "hold.resolved_seq is not None", "False"),
    ("holds.found-by-its-whole-jti", 'if item is not None and item["jti"] == jti', "if item"),
]

REQUESTS: Final = [
    (
        "requests_once.request-passes",
        'return None if item is None or item["ttl"] < self._now else item',
        "return item",
    ),
    (
        "requests_once.request-at-its-last-second",
        'item["ttl"] < self._now else',
        'item["ttl"] <= self._now else',
    ),
    (
        "requests_once.request-is-looked-up",
        'return None if item is None or item["ttl"] < self._now else item',
        "return None",
    ),
    (
        "requests_once.balance-after",
        '            "balance_after": entry.available_after,\n            "ttl"',
        '            "balance_after": 0,\n            "ttl"',
    ),
    (
        "requests_once.payments-balance-after",
        '            "balance_after": entry.available_after,\n        }\n        return Put(item, cond',
        '            "balance_after": 0,\n        }\n        return Put(item, cond',
    ),
    ("requests_once.same-payload", 'if item["fingerprint"] != fingerprint:', "if False:"),
    (
        "requests_once.kept-for-two-days",
        '"ttl": self._now + idempotency.KEEP_S',
        '"ttl": self._now',
    ),
    ("payments.payment-once", "    if asked.payment_id is not None:\n", "    if False:\n"),
    ("payments.key-beside", "        if asked.key is not None:\n", "        if False:\n"),
]

CLAIMS: Final = [
    ("vending.claim-names-the-call", 'f"redeem:{digest(key)}"', '"redeem"'),
    ("vending.same-redemption", "    if hold.claim == claim:\n", "    if False:\n"),
    ("vending.claim-is-compared", "    if found != claim:\n", "    if found is None:\n"),
    (
        "vending.capture-carries-the-claim",
        "origin, now=now, claim=claim).claim",
        "origin, now=now).claim or claim",
    ),
    ("vending.refused-claim", 'refused.item.get("claim") if refused.item else None', "claim"),
    (
        "vending.released-is-not-valid",
        "    if hold.state == RELEASED:\n        raise Unauth",
        "    if False:\n        raise Unauth",
    ),
    ("vending.claim-is-looked-after", "    if look_at is not None:\n", "    if False:\n"),
    ("vending.limited-is-not-counted", "    if error.status != 429:\n", "    if True:\n"),
    ("vending.refusals-are-counted", "    if error.status != 429:\n", "    if False:\n"),
    (
        "transcription.claim-names-the-video",
        'claim = digest("transcribe", url)',
        'claim = "transcribe"',
    ),
    (
        "transcription.claim-of-this-token",
        'if item is None or item["jti"] != token.jti:',
        "if item is None:",
    ),
    ("transcription.claim-is-compared", 'if item.get("claim") == claim:', 'if "claim" in item:'),
    (
        "transcription.released-is-told",
        '    if item["state"] not in (OPEN, SPENT):\n        raise Unauthorized("released")\n',
        "",
    ),
    ("transcription.request-is-compared", 'if record["fingerprint"] != claim:', "if False:"),
    ("transcription.started-by-one", "if hold.claimed_by != origin.request_id:", "if False:"),
    (
        "transcription.paused-gives-back",
        "    except CircuitOpen as paused:\n",
        "    except KeyError as paused:\n",
    ),
    (
        "transcription.unsent-gives-back",
        "    except NotSent:\n        if _handed_over",
        "    except KeyError:\n        if _handed_over",
    ),
    ("starting.answered-once", '    if "body" in kept:\n', "    if False:\n"),
    ("starting.refusal-is-told-again", '    if "refusal" in kept:\n', "    if False:\n"),
    (
        "starting.not-after-release",
        '    if hold.state == RELEASED:\n        raise returned(failed("gave_up"))\n',
        "",
    ),
    (
        "starting.refused-gives-back",
        "    holds.settle(\n        gateway.ledger,\n        hold,\n        RELEASED,",
        "    holds.settle(\n        gateway.ledger,\n        hold,\n        CAPTURED,",
    ),
    (
        "starting.timeout-keeps-it-held",
        "            raise Unanswered() from None\n",
        "            raise give_back(gateway, hold, origin, now, failed(unknown.kind)) from None\n",
    ),
    (
        "starting.taken-job-gives-back",
        "    if not _kept(gateway, hold, job_id, mirrored, now):\n",
        "    if _kept(gateway, hold, job_id, mirrored, now) is None:\n",
    ),
    ("starting.performed-once", "    if not _elected(gateway, hold, now):\n", "    if False:\n"),
    (
        "starting.unsent-gives-back",
        'raise give_back(gateway, hold, origin, now, failed("unreachable"))',
        'raise failed("unreachable")',
    ),
    (
        "jobs.job-of-its-user",
        'if item is not None and item["user"] == user:',
        "if item is not None:",
    ),
    ("jobs.completed-captures", 'case "completed" if', 'case "processing" if'),
    ("jobs.completed-brings-its-text", "if text_of(members) is not None:", "if True:"),
    (
        "jobs.failed-releases",
        'case "failed":\n            return RELEASED',
        'case "failed":\n            return CAPTURED',
    ),
    ("jobs.forgotten-has-its-time", "now - self.missing_since >= FORGOTTEN_AFTER_S", "True"),
    (
        "jobs.forgotten-in-time",
        "now - self.missing_since >= FORGOTTEN_AFTER_S",
        "now - self.missing_since > FORGOTTEN_AFTER_S",
    ),
    ("jobs.ended-is-not-asked", 'if "is_final" in item or (', "if ("),
    ("jobs.end-is-kept", "    if end_of(members) is not None:\n", "    if False:\n"),
    ("jobs.known-again-is-not-missing", ' + " REMOVE missing_since"', ""),
    ("job_webhook.signature", "    if not signed:\n", "    if False:\n"),
    ("job_webhook.age", "abs(at.timestamp() - now) > TOLERANCE_S", "False"),
    ("job_webhook.its-own-job", "hold is None or hold.job_id != notice.job_id", "hold is None"),
    (
        "job_webhook.text-before-credit",
        '        if notice.status == "completed":\n            return hold\n',
        "",
    ),
    (
        "job_webhook.given-back-is-not-charged",
        "    if hold.state not in (OPEN, SPENT):\n        return hold\n",
        "",
    ),
]

SWEEPS: Final = [
    ("sweeping.claimed-is-not-unused", "hold.claim is None or hold.claimed_at is None", "True"),
    ("sweeping.unused-is-released", "hold.claim is None or hold.claimed_at is None", "False"),
    ("sweeping.lost-has-its-time", "lost = age_s >= LOST_AFTER_S", "lost = True"),
    ("sweeping.lost-in-time", "lost = age_s >= LOST_AFTER_S", "lost = age_s > LOST_AFTER_S"),
    (
        "sweeping.running-has-its-time",
        "verdict == LET_LIVE and age_s >= GIVE_UP_AFTER_S",
        "verdict == LET_LIVE",
    ),
    (
        "sweeping.running-ends-in-time",
        "verdict == LET_LIVE and age_s >= GIVE_UP_AFTER_S",
        "verdict == LET_LIVE and age_s > GIVE_UP_AFTER_S",
    ),
    ("sweeping.resolved-is-passed-over", 'item["state"] not in (OPEN, SPENT)', "False"),
    ("sweeping.spent-is-looked-at", 'item["state"] not in (OPEN, SPENT)', 'item["state"] != OPEN'),
    ("sweeping.busy-stops-nothing", "    except Busy:\n", "    except KeyError:\n"),
    ("sweeping.heard-decides", "heard.outcome(now) or (LET_LIVE", "(LET_LIVE"),
    ("sweeping.away-is-no-end", 'return LET_LIVE, "upstream did', 'return RELEASED, "upstream did'),
    ("sweeping.looks-again-later", "now + LOOK_AGAIN_S", "now"),
]

WINDOWS: Final = [
    ("limits.over-in-time", "abs(now - start) >= WINDOW_S", "abs(now - start) > WINDOW_S"),
    ("limits.clock-behind", "abs(now - start) >= WINDOW_S", "now - start != 0"),
    ("limits.clock-far-ahead", "abs(now - start) >= WINDOW_S", "now - start >= WINDOW_S"),
    (
        "limits.last-call-passes",
        "        if window.used > limit:\n",
        "        if window.used >= limit:\n",
    ),
    ("limits.counts-on", "Window(self.start, self.used + 1,", "Window(self.start, self.used,"),
    (
        "limits.no-item-no-window",
        "    if seen is None:\n        raise ConditionFailed(None)\n",
        "    seen = seen or {'rate_from': 0}\n",
    ),
]

READ_MODELS: Final = [
    (
        "projection.goes-on-from-what-was-seen",
        "if delivered or (until is not None and seen >= until):",
        "if delivered:",
    ),
    (
        "projection.gap-is-not-passed",
        "_contiguous(known.get, seen + 1)",
        "_contiguous(known.get, min(known, default=1))",
    ),
    (
        "projection.cancelled-is-read-again",
        "except (Busy, Cancelled) as trouble:",
        "except Busy as trouble:",
    ),
    ("rebuild.new-number", "max(before.written) + 1", "max(before.written)"),
    (
        "rebuild.overtaken-is-told",
        '        raise Overtaken(f"another rebuild is at work: {refused.item}") from None\n',
        "        assert refused\n",
    ),
    (
        "rebuild.old-is-retired",
        "    for generation in before.written:\n",
        "    for generation in ():\n",
    ),
]

ADJUSTMENTS: Final = [
    (
        "adjustments.only-some-kinds-are-undone",
        "return entry.type in UNDOABLE and entry.reverses is None",
        "return entry.reverses is None",
    ),
    (
        "adjustments.an-undoing-is-not-undone",
        "entry.type in UNDOABLE and entry.reverses is None and",
        "entry.type in UNDOABLE and",
    ),
    ("adjustments.kind-is-looked-at", "if not is_undoable(entry):", "if False:"),
    ("adjustments.undo-takes-all-back", "        -taken_back.amount,\n", "        -1,\n"),
    ("adjustments.undo-names-its-entry", "        reverses=seq,\n", ""),
    ("adjustments.other-request-is-told", 'if first.get("key") == once.key:', "if True:"),
    ("adjustments.same-request-is-told", 'if first.get("key") == once.key:', "if False:"),
    ("adjustments.payload-counts", "digest(key, payload)", "digest(key)"),
    ("adjustments.request-counts", "digest(key, payload)", "digest(payload)"),
    (
        "adjustments.mark-is-of-the-entry",
        "_mark_sk(entry.unit, str(entry.seq))",
        '_mark_sk(entry.unit, "0")',
    ),
    (
        "adjustments.nobody-is-not-poor",
        "there = refused.balance > 0 or ledger.account(asked.user).exists",
        "there = True",
    ),
    ("adjustments.poor-is-not-nobody", "raise error from None", "raise NotFound() from None"),
    (
        "adjustments.refusal-is-kept",
        "        _keep(ledger.table, move, error, now, keep_days)\n        raise error",
        "        raise error",
    ),
    ("adjustments.a-row-is-once-for-ever", "if asked.row is not None:", "if False:"),
    ("adjustments.sign-tells-the-type", "return ADD if self.amount > 0 else DEDUCT", "return ADD"),
    (
        "adjustments.key-is-the-requests",
        "key=asked.key or asked.origin.request_id",
        "key=asked.origin.request_id",
    ),
]
KEYS: Final = [
    ("api_keys.revoked-is-refused", "return None if found.revoked_at else found", "return found"),
    ("api_keys.check-is-looked-at", "and text == PREFIX + body + _check(body)", ""),
    ("api_keys.first-revocation-stays", "if_not_exists(revoked_at, :now)", ":now"),
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
