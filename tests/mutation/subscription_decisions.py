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
        "subscriptions.subscribing.a-tenth-is-used-up",
        "if seen.remaining <= subscription.terms.used_up_at:",
        "if seen.remaining < subscription.terms.used_up_at:",
    ),
    (
        "subscriptions.subscribing.half-is-half",
        "2 * key.held <= key.limit",
        "2 * key.held < key.limit",
    ),
    (
        "subscriptions.subscribing.a-new-key-carries-more",
        "min(KEY_LIMIT, available) > key.held and 2",
        "2",
    ),
    (
        "subscriptions.subscribing.ends-soon",
        "    return now >= key.ends_at - ENDING_S and available > 0",
        "    return False",
    ),
    (
        "subscriptions.subscribing.retry-at",
        "not seen.is_fresh or act.at < subscription.retry_at",
        "not seen.is_fresh",
    ),
    (
        "subscriptions.subscribing.away-makes-no-key",
        "if not seen.is_fresh or act.at < subscription.retry_at:",
        "if act.at < subscription.retry_at:",
    ),
    (
        "subscriptions.subscribing.disabled-is-replaced",
        "None if facts.disabled else key",
        "key",
    ),
    (
        "subscriptions.subscribing.replaces-what-was-seen",
        "        if subscription.current != number:\n            return False\n",
        "",
    ),
    (
        "subscriptions.subscribing.blocked-is-refused",
        "BLOCKED:\n            raise SubscriptionBlocked()\n        if subscription.rotation:",
        "BLOCKED:\n            pass\n        if subscription.rotation:",
    ),
    (
        "subscriptions.subscribing.top-up-waits",
        "        if policy == TOP_UP:\n",
        "        if False:\n",
    ),
    (
        "subscriptions.key_rotation.lease-is-kept",
        "key.state != INTENDED or act.at < key.expires_at:",
        "key.state != INTENDED:",
    ),
    (
        "subscriptions.key_rotation.unknown-is-lost",
        "not_made, state = NotMade(RETRY_S), LOST",
        "not_made, state = NotMade(RETRY_S), CLOSED",
    ),
    (
        "subscriptions.key_rotation.limit-is-what-is-left",
        "limit = min(KEY_LIMIT, available)",
        "limit = KEY_LIMIT",
    ),
    (
        "subscriptions.key_rotation.unwanted-is-deleted",
        "            self._discard(key, created, act, retry_at=0)\n            raise Overtaken()",
        "            raise Overtaken()",
    ),
    (
        "subscriptions.key_rotation.two-readings-agree",
        "if not facts.disabled or usage != key.settled_usage:",
        "if not facts.disabled:",
    ),
    (
        "subscriptions.key_rotation.enabled-again-is-disabled",
        "        if not facts.disabled:\n            self.provider.disable(key.hash)\n",
        "",
    ),
    (
        "subscriptions.key_rotation.final-reading-is-charged",
        "        key = self.charge(key, usage, act)\n",
        "",
    ),
    (
        "subscriptions.key_rotation.lost-is-waited-for",
        "if found or now >= key.created_at + LOST_S:",
        "if True:",
    ),
    (
        "subscriptions.key_rotation.lost-is-deleted",
        "        for hash_ in found:\n            self.provider.delete(hash_)\n",
        "",
    ),
    (
        "subscriptions.moves.held-pays-first",
        "from_held = min(delta, key.held)",
        "from_held = 0",
    ),
    (
        "subscriptions.moves.rest-is-from-what-is-available",
        "from_available = min(delta - from_held, ledger.account(key.user).available)",
        "from_available = 0",
    ),
    (
        "subscriptions.moves.usage-follows",
        "usage=key.usage + (paid or delta),",
        "usage=usage,",
    ),
    (
        "subscriptions.moves.reset-fills-up",
        "allowance - left, 0, act",
        "allowance, 0, act",
    ),
    (
        "subscriptions.moves.plan-grants-the-difference",
        "amount = max(0, PLANS[plan].allowance - seen.total)",
        "amount = PLANS[plan].allowance",
    ),
    (
        "subscriptions.key_monitor.foreign-names-are-left",
        "            if place is not None:\n",
        "            place = place or (facts.name, 1)\n            if True:\n",
    ),
    (
        "subscriptions.key_monitor.lost-and-closed-are-deleted",
        "key.state in (LOST, CLOSED)",
        "key.state in (LOST,)",
    ),
    (
        "subscriptions.key_monitor.known-keys-stay",
        'key.hash not in ("", facts.hash)',
        "key.hash != facts.hash",
    ),
]
