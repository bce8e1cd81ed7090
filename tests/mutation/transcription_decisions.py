"""Recorded mutants of what a submission, a job and the sweeper decide."""

from typing import Final

CLAIMS: Final = [
    ("credits.vending.claim-names-the-call", 'f"redeem:{digest(key)}"', '"redeem"'),
    (
        "credits.vending.claim-is-compared",
        "hold, claim, act) != claim:",
        "hold, claim, act) is None:",
    ),
    (
        "credits.holds.capture-carries-the-claim",
        "act, beside=Beside(claim=text))",
        "act)",
    ),
    (
        "credits.holds.refused-claim",
        'refused.item.get("claim") if refused.item else None',
        "text",
    ),
    (
        "credits.vending.released-is-not-valid",
        "    if hold.state == RELEASED:\n        raise Unauth",
        "    if False:\n        raise Unauth",
    ),
    (
        "credits.holds.claim-is-looked-after",
        "    if made.look_at is not None:\n",
        "    if False:\n",
    ),
    ("credits.vending.limited-is-not-counted", "    if error.status != 429:\n", "    if True:\n"),
    ("credits.vending.refusals-are-counted", "    if error.status != 429:\n", "    if False:\n"),
    (
        "transcription.submission.claim-names-the-video",
        'text = digest("transcribe", url)',
        'text = "transcribe"',
    ),
    (
        "transcription.submission.unknown-token-is-refused",
        "    if hold is None:\n",
        "    if False:\n",
    ),
    (
        "transcription.submission.claim-is-compared",
        "if hold.claim == claim:",
        "if hold.claim is not None:",
    ),
    (
        "transcription.submission.released-is-told",
        '    if hold.is_resolved:\n        raise Unauthorized("released")\n',
        "",
    ),
    (
        "transcription.submission.request-is-compared",
        'if record["fingerprint"] != claim:',
        "if False:",
    ),
    (
        "transcription.submission.started-by-one",
        "if hold.claimed_by != act.request_id:",
        "if False:",
    ),
    (
        "credits.holds.soon-enough-stays",
        "if made.stays else",
        "if False else",
    ),
    (
        "credits.holds.late-is-moved",
        "if made.stays else",
        "if True else",
    ),
    (
        "transcription.submission.long-lived-is-moved",
        "is_first = act.at + SWEEP_AFTER_S, not token.product",
        "is_first = act.at + SWEEP_AFTER_S, True",
    ),
    (
        "transcription.jobs.name-of-another-is-not-taken",
        'return refused.item is not None and refused.item["jti"] == hold.jti',
        "return True",
    ),
    (
        "transcription.jobs.own-name-is-known-again",
        'return refused.item is not None and refused.item["jti"] == hold.jti',
        "return False",
    ),
    (
        "transcription.submission.job-is-put-by-the-next-call",
        "    if hold.job_id is None:\n        jobs.begin",
        "    if hold.claimed_by == act.request_id:\n        jobs.begin",
    ),
    (
        "transcription.submission.own-claim-is-known-again",
        "(found.claim, found.claimed_by) != (made.text, made.by)",
        "True",
    ),
    (
        "transcription.submission.claim-of-another-is-not-taken",
        "(found.claim, found.claimed_by) != (made.text, made.by)",
        "False",
    ),
    (
        "transcription.jobs.own-put-is-known-again",
        "        if read(ledger, own_id(hold.jti)) is None:\n            raise\n",
        "        raise\n",
    ),
    (
        "transcription.jobs.lost-put-is-told",
        "        if read(ledger, own_id(hold.jti)) is None:\n            raise\n",
        "        return\n",
    ),
    (
        "transcription.jobs.begun-is-looked-for",
        "return hold.job_id is not None or read(",
        "return True or read(",
    ),
    (
        "transcription.submission.paused-gives-back",
        "    except CircuitOpen as paused:\n",
        "    except KeyError as paused:\n",
    ),
    (
        "transcription.submission.unsent-gives-back",
        "    except NotSent:\n        if not elected",
        "    except KeyError:\n        if not elected",
    ),
    ("transcription.answers.answered-once", '    if "packed" in kept:\n', "    if False:\n"),
    (
        "transcription.answers.answered-as-earlier-versions-did",
        '    if "body" in kept:  #',
        "    if False:  #",
    ),
    (
        "transcription.answers.refusal-is-told-again",
        '    if "refusal" in kept:\n',
        "    if False:\n",
    ),
    (
        "transcription.answers.not-after-release",
        "    if hold.state == RELEASED:\n        if",
        "    if False:\n        if",
    ),
    (
        "transcription.answers.refused-gives-back",
        "holds.settle(ledger, hold, RELEASED, act",
        'holds.settle(ledger, hold, "captured", act',
    ),
    (
        "transcription.starting.timeout-keeps-it-held",
        "            raise Unanswered() from None\n",
        "            raise give_back(gateway.ledger, hold, act, failed(unknown.kind)) from None\n",
    ),
    (
        "transcription.starting.taken-job-gives-back",
        "    if not _kept(gateway, hold, job_id, mirrored, act.at):\n",
        "    if _kept(gateway, hold, job_id, mirrored, act.at) is None:\n",
    ),
    (
        "transcription.starting.performed-once",
        "    if not holds.elect(gateway.ledger, hold, now):\n",
        "    if False:\n",
    ),
    (
        "transcription.starting.unsent-gives-back",
        'raise give_back(gateway.ledger, hold, act, failed("unreachable"))',
        'raise failed("unreachable")',
    ),
    (
        "transcription.jobs.job-of-its-user",
        'if item is not None and item["user"] == user and not is_erased(item):',
        "if item is not None:",
    ),
    (
        "transcription.outcomes.completed-captures",
        "if _word(members) in COMPLETED_WORDS and",
        "if False and",
    ),
    (
        "transcription.outcomes.completed-brings-its-text",
        "COMPLETED_WORDS and text_of(members) is not None:",
        "COMPLETED_WORDS:",
    ),
    (
        "transcription.outcomes.failed-releases",
        "    if _says_failed(members):\n        return RELEASED",
        "    if _says_failed(members):\n        return CAPTURED",
    ),
    (
        "transcription.outcomes.forgotten-has-its-time",
        "now - self.missing_since >= FORGOTTEN_AFTER_S",
        "True",
    ),
    (
        "transcription.outcomes.forgotten-in-time",
        "now - self.missing_since >= FORGOTTEN_AFTER_S",
        "now - self.missing_since > FORGOTTEN_AFTER_S",
    ),
    ("transcription.asking.ended-is-not-asked", 'if "is_final" in item or (', "if ("),
    (
        "transcription.asking.once-a-second",
        "if not at_once and not gateway.questions.take(job_id, now):",
        "if False:",
    ),
    ("transcription.asking.told-in-its-second", 'item.get("said_at") == now', "False"),
    (
        "transcription.jobs.doubts-are-looked-for-again",
        "if latest is not None and not is_doubted(latest):",
        "if latest is not None:",
    ),
    (
        "transcription.jobs.end-is-a-doubt",
        '_DOUBTS: Final = frozenset({"missing_since", "unclear_since", "is_final"})',
        '_DOUBTS: Final = frozenset({"missing_since", "unclear_since"})',
    ),
    (
        "transcription.asking.doubt-is-told",
        "if said is None or jobs.is_doubted(item) or",
        "if said is None or",
    ),
    ("transcription.asking.later-word-is-told", 'or said.at < item.get("said_at", 0)', ""),
    (
        "transcription.gateway.known-to-its-owner",
        "found if found is not None and found.user == user else None",
        "found",
    ),
    (
        "transcription.status.ended-is-told-in-an-outage",
        'if stored is None or "is_final" in stored:',
        "if stored is None:",
    ),
    (
        "transcription.status.heard-anew-or-read",
        "hold_items.find(gateway.ledger.table, user, known.jti) if heard.is_fresh else None",
        "hold_items.find(gateway.ledger.table, user, known.jti)",
    ),
    (
        "transcription.status.of-the-job-that-it-pays-for",
        "if hold is None or hold.job_id != known.job_id:",
        "if hold is None:",
    ),
    ("transcription.jobs.end-is-kept", "    if end == CAPTURED:\n", "    if False:\n"),
    ("transcription.jobs.failure-is-kept", "    elif end is not None:\n", "    elif False:\n"),
    (
        "transcription.jobs.known-again-is-not-missing",
        'change += " REMOVE missing_since, unclear_since, said"',
        'change += " REMOVE unclear_since, said"',
    ),
    (
        "transcription.jobs.clear-again-is-not-unclear",
        'change += " REMOVE missing_since, unclear_since, said"',
        'change += " REMOVE missing_since, said"',
    ),
    (
        "transcription.outcomes.missing-is-seen-now",
        "gone = self.is_fresh and now",
        "gone = now",
    ),
    (
        "transcription.outcomes.unclear-is-seen-now",
        "unclear = self.is_fresh and self",
        "unclear = self",
    ),
    (
        "transcription.outcomes.unclear-in-time",
        "(self.unclear_since or 0) >= UNCLEAR_AFTER_S",
        "(self.unclear_since or 0) > UNCLEAR_AFTER_S",
    ),
    (
        "transcription.settling.failure-is-not-told-against-a-capture",
        "or (outcome == RELEASED and hold.is_resolved)",
        "",
    ),
    (
        "transcription.settling.loser-reads-again",
        "hold, heard = after, _stored(gateway, hold)",
        "hold, heard = after, heard",
    ),
    ("transcription.status.text-is-paid-for", "heard.members if is_paid else", "heard.members or"),
    ("transcription.webhook.signature", "    if not signed:\n", "    if False:\n"),
    ("transcription.webhook.age", "abs(at.timestamp() - now) > TOLERANCE_S", "False"),
    (
        "transcription.webhook.its-own-job",
        "hold is None or hold.job_id != notice.job_id",
        "hold is None",
    ),
    (
        "transcription.webhook.text-before-credit",
        '        if notice.status == "completed":\n            return hold\n',
        "",
    ),
    (
        "transcription.webhook.given-back-is-not-charged",
        "    if hold.is_resolved:\n        return hold\n",
        "",
    ),
]

SWEEPS: Final = [
    (
        "transcription.sweeping.claimed-is-not-unused",
        "    if hold.claim is None:\n        why",
        "    if True:\n        why",
    ),
    (
        "transcription.sweeping.unused-is-released",
        "    if hold.claim is None:\n        why",
        "    if False:\n        why",
    ),
    ("transcription.sweeping.lost-has-its-time", "if age_s >= LOST_AFTER_S else", "if True else"),
    (
        "transcription.sweeping.lost-in-time",
        "if age_s >= LOST_AFTER_S else",
        "if age_s > LOST_AFTER_S else",
    ),
    (
        "transcription.sweeping.running-has-its-time",
        "age_s >= gateway.job_limit_s and not",
        "not",
    ),
    (
        "transcription.sweeping.running-ends-in-time",
        "age_s >= gateway.job_limit_s and not",
        "age_s > gateway.job_limit_s and not",
    ),
    (
        "transcription.sweeping.resolved-is-passed-over",
        'item["state"] not in UNRESOLVED',
        "False",
    ),
    (
        "transcription.sweeping.spent-is-looked-at",
        'item["state"] not in UNRESOLVED',
        'item["state"] != UNRESOLVED[0]',
    ),
    (
        "transcription.sweeping.busy-stops-nothing",
        "        except Busy:\n",
        "        except KeyError:\n",
    ),
    (
        "transcription.sweeping.heard-decides",
        "return settling.settled(gateway, hold, heard, act)[0]",
        "return hold",
    ),
    (
        "transcription.sweeping.looks-again-later",
        "    return now + LOOK_AGAIN_S",
        "    return now",
    ),
    (
        "transcription.sweeping.lost-is-looked-at-in-time",
        "min(now + LOOK_AGAIN_S, hold.claimed_at + LOST_AFTER_S)",
        "now + LOOK_AGAIN_S",
    ),
    (
        "transcription.sweeping.lost-is-looked-at-again",
        "min(now + LOOK_AGAIN_S, hold.claimed_at + LOST_AFTER_S)",
        "hold.claimed_at + LOST_AFTER_S",
    ),
]
