"""Recorded mutants of what the subscription service decides beside its conditions."""

from typing import Final

SUBSCRIPTIONS: Final = [
    (
        "subscriptions.plans.used-up-at",
        "EXHAUSTED_AT = CREDIT // 10",
        "EXHAUSTED_AT = CREDIT // 10 - 1",
    ),
    (
        "subscriptions.plans.a-key-spends-a-credit",
        "KEY_LIMIT = CREDIT\n",
        "KEY_LIMIT = 2 * CREDIT\n",
    ),
    (
        "subscriptions.issuing.a-tenth-is-used-up",
        "if seen.remaining <= found.terms.used_up_at:",
        "if seen.remaining < found.terms.used_up_at:",
    ),
    (
        "subscriptions.issuing.half-is-half",
        "2 * key.held <= key.limit",
        "2 * key.held < key.limit",
    ),
    (
        "subscriptions.issuing.a-new-key-carries-more",
        "min(KEY_LIMIT, available) > key.held and 2",
        "2",
    ),
    (
        "subscriptions.issuing.ends-soon",
        "    return now >= key.ends_at - ENDING_S and available > 0",
        "    return False",
    ),
    (
        "subscriptions.issuing.retry-at",
        "not seen.is_fresh or act.at < found.retry_at",
        "not seen.is_fresh",
    ),
    (
        "subscriptions.issuing.away-makes-no-key",
        "if not seen.is_fresh or act.at < found.retry_at:",
        "if act.at < found.retry_at:",
    ),
    (
        "subscriptions.issuing.disabled-is-replaced",
        "None if facts.disabled else key",
        "key",
    ),
    (
        "subscriptions.issuing.replaces-what-was-seen",
        "        if seen.current != number:\n            return False\n",
        "",
    ),
    (
        "subscriptions.issuing.blocked-is-refused",
        "BLOCKED:\n            raise SubscriptionBlocked()\n        if found.rotation:",
        "BLOCKED:\n            pass\n        if found.rotation:",
    ),
    (
        "subscriptions.issuing.top-up-waits",
        "        if policy == TOP_UP:\n",
        "        if False:\n",
    ),
    (
        "subscriptions.lifecycle.lease-is-kept",
        "key.state != INTENDED or act.at < key.expires_at:",
        "key.state != INTENDED:",
    ),
    (
        "subscriptions.lifecycle.unknown-is-lost",
        "failed, state = NotCreated(RETRY_S), LOST",
        "failed, state = NotCreated(RETRY_S), CLOSED",
    ),
    (
        "subscriptions.lifecycle.limit-is-what-is-left",
        "limit = min(KEY_LIMIT, available)",
        "limit = KEY_LIMIT",
    ),
    (
        "subscriptions.lifecycle.unwanted-is-deleted",
        "            self._discard(key, created, act, retry_at=0)\n            raise Overtaken()",
        "            raise Overtaken()",
    ),
    (
        "subscriptions.lifecycle.two-readings-agree",
        "if not facts.disabled or counted != key.settled_usage:",
        "if not facts.disabled:",
    ),
    (
        "subscriptions.lifecycle.enabled-again-is-disabled",
        "        if not facts.disabled:\n            self.provider.disable(key.hash)\n",
        "",
    ),
    (
        "subscriptions.lifecycle.final-reading-is-charged",
        "        key = self.charge(key, counted, act)\n",
        "",
    ),
    (
        "subscriptions.lifecycle.lost-is-waited-for",
        "if all(deleted) and (deleted or now >= key.created_at + LOST_S):",
        "if True:",
    ),
    (
        "subscriptions.lifecycle.lost-is-deleted",
        "deleted = [self.provider.delete(hash_) for hash_ in found]",
        "deleted = [True for _ in found]",
    ),
    (
        "subscriptions.transitions.held-pays-first",
        "from_held = min(delta, key.held)",
        "from_held = 0",
    ),
    (
        "subscriptions.transitions.rest-is-from-what-is-available",
        "from_available = min(delta - from_held, ledger.account(key.user).available)",
        "from_available = 0",
    ),
    (
        "subscriptions.transitions.usage-follows",
        "usage=key.usage + (paid or delta),",
        "usage=counted,",
    ),
    (
        "subscriptions.transitions.reset-fills-up",
        "amount = seen.terms.allowance - max(0, left - other)",
        "amount = seen.terms.allowance",
    ),
    (
        "subscriptions.transitions.plan-grants-the-difference",
        "amount = max(0, PLANS[choice.plan].allowance - (seen.granted or 0))",
        "amount = PLANS[choice.plan].allowance",
    ),
    (
        "subscriptions.transitions.paid-money-stays-on-top",
        "other = max(0, seen.total - (seen.granted or 0))",
        "other = 0",
    ),
    (
        "subscriptions.transitions.figures-of-the-last-renewal",
        "            if is_renewed:\n                continue\n",
        "",
    ),
    (
        "subscriptions.lifecycle.one-404-does-not-count",
        "if act.at < key.missing_since + MISSING_S:",
        "if False:",
    ),
    (
        "subscriptions.lifecycle.a-404-is-recorded",
        "        if not key.missing_since:\n",
        "        if False:\n",
    ),
    (
        "subscriptions.lifecycle.an-answer-cancels-a-404",
        "if now is not None and now.missing_since:",
        "if False:",
    ),
    (
        "subscriptions.lifecycle.a-404-ends-no-creation",
        "state = CLOSED if self.provider.delete(created.hash) else LOST",
        "state = CLOSED if self.provider.delete(created.hash) or True else LOST",
    ),
    (
        "subscriptions.monitor.the-list-cancels-a-404",
        "        if key.missing_since:\n            self._lifecycle.confirm(key)\n",
        "",
    ),
    (
        "subscriptions.monitor.failed-keys-go-behind",
        "transitions.delay(self._ledger, key, now + DELAY_S)",
        "pass",
    ),
    (
        "subscriptions.monitor.a-broken-page-is-passed-over",
        "if failures >= TRIES_OF_PAGE:",
        "if False:",
    ),
    (
        "subscriptions.outbox.only-what-is-due",
        'and item["expires_at"] <= now:',
        "and True:",
    ),
    (
        "subscriptions.outbox.retry-after-is-bounded",
        "min(attempt.retry_after_s, LONGEST_WAIT_S)",
        "attempt.retry_after_s",
    ),
    (
        "subscriptions.monitor.foreign-names-are-left",
        "if place is not None and time.is_left(share):",
        "place = place or (facts.name, 1)\n            if time.is_left(share):",
    ),
    (
        "subscriptions.monitor.lost-and-closed-are-deleted",
        "key.state in (LOST, CLOSED)",
        "key.state in (LOST,)",
    ),
    (
        "subscriptions.monitor.known-keys-stay",
        'key.hash not in ("", facts.hash)',
        "key.hash != facts.hash",
    ),
]
