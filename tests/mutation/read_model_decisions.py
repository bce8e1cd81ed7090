"""Recorded mutants of the read models, and of the audit records that are made from entries."""

from typing import Final

READ_MODELS: Final = [
    (
        "readmodels.projection.goes-on-from-what-was-seen",
        "if delivered or (until is not None and seen >= until):",
        "if delivered:",
    ),
    (
        "readmodels.projection.gap-is-not-passed",
        "contiguous(known.get, seen + 1)",
        "contiguous(known.get, min(known, default=1))",
    ),
    (
        "readmodels.projection.cancelled-is-read-again",
        "except (Busy, Cancelled) as trouble:",
        "except Busy as trouble:",
    ),
    (
        "readmodels.batches.guess-needs-consecutive-entries",
        "return len(self.known) == self.until - min(self.known) + 1 <= CHUNK",
        "return self.until - min(self.known) + 1 <= CHUNK",
    ),
    (
        "readmodels.batches.guess-needs-the-last-entry",
        "return len(self.known) == self.until - min(self.known) + 1 <= CHUNK",
        "return len(self.known) == max(self.known) - min(self.known) + 1 <= CHUNK",
    ),
    (
        "readmodels.projection.wrong-guess-is-not-the-end",
        "        except (Busy, Cancelled):\n            return None\n",
        "        except Busy:\n            return None\n        except Cancelled:\n            return []\n",
    ),
    (
        "readmodels.projection.refused-accounts-go-alone",
        "work.may_guess = refusal is None or not refusal.is_condition",
        "work.may_guess = refusal is None or refusal.is_condition",
    ),
    (
        "readmodels.projection.a-lost-answer-leaves-nothing-done",
        "                    work.may_guess = False\n                break\n",
        "                    work.is_done = True\n                break\n",
    ),
    (
        "readmodels.projection.done-together-is-not-done-again",
        "left = [work for work in works[key] if not work.is_done]",
        "left = list(works[key])",
    ),
    (
        "readmodels.batches.together-within-the-limit",
        "size + len(work.known) > ENTRIES_TOGETHER",
        "len(work.known) > ENTRIES_TOGETHER",
    ),
    (
        "readmodels.batches.together-in-one-shard",
        "place = work.account.unit, folds.stats_shard(work.account.user)",
        "place = work.account.unit, 0",
    ),
    (
        "readmodels.projection.copies-are-put",
        "            if entry.seq not in work.copied:\n",
        "            if entry.seq in work.copied:\n",
    ),
    (
        "readmodels.writes.an-earlier-layout-is-kept",
        "if account.layout >= OPEN_HOURS:",
        "if account.layout:",
    ),
    (
        "readmodels.writes.a-start-is-put-once",
        "if entry.seq == 1 and account.layout >= OPEN_HOURS:",
        "if account.layout >= OPEN_HOURS:",
    ),
    (
        "readmodels.writes.an-earlier-layout-has-no-starts",
        "if entry.seq == 1 and account.layout >= OPEN_HOURS:",
        "if entry.seq == 1:",
    ),
    (
        "readmodels.writes.only-an-earlier-layout-is-in-the-index-by-age",
        "if account.layout < OPEN_HOURS:",
        "if account.layout:",
    ),
    (
        "readmodels.writes.vends-of-an-earlier-layout-are-in-the-index",
        "if layout >= OPEN_HOURS and is_vend(entry):",
        "if is_vend(entry):",
    ),
    (
        "readmodels.writes.an-earlier-layout-has-the-records-of-vends",
        "(layout >= KEYS_ALONE and is_vend(entry))",
        "is_vend(entry)",
    ),
    (
        "readmodels.writes.records-of-acts-are-stored",
        "(layout >= KEYS_ALONE and is_vend(entry))",
        "layout >= KEYS_ALONE",
    ),
    (
        "readmodels.writes.an-earlier-layout-has-its-index-by-balance",
        "if account.layout >= KEYS_ALONE:",
        "if account.layout:",
    ),
    (
        "readmodels.writes.an-account-is-in-one-index-by-balance",
        'add = f"REMOVE by_balance {add}"',
        'add = f"{add}"',
    ),
    (
        "readmodels.projection.a-rebuild-repairs-records-of-vends",
        "if work.until is None and writes.is_vend(entry):",
        "if work.until is not None and writes.is_vend(entry):",
    ),
    (
        "readmodels.projection.no-generation-is-read-again",
        "        found = figures.generations(self.table, consistent=True)\n        if found.is_stored:\n",
        "        if found.is_stored:\n",
    ),
    (
        "readmodels.figures.equal-balances-of-earlier-layouts-follow",
        "digits + ABOVE_IDS",
        "cursor",
    ),
    (
        "readmodels.figures.equal-balances-of-the-newest-layout-come-first",
        "int(digits) * folds.RANKS_APART, cursor",
        "folds.rank(int(digits), user), cursor",
    ),
    (
        "readmodels.figures.an-account-of-both-indexes-is-shown-once",
        "found += [item for item in items if not folds.is_ranked(item)]",
        "found += items",
    ),
    (
        "readmodels.figures.accounts-below-those-of-both-indexes-are-read",
        "if len(items) < count or len(found) >= count:",
        "if items or not found:",
    ),
    (
        "readmodels.folds.a-rank-is-that-of-its-user",
        "number == rank(balance, user)",
        "balance >= 0",
    ),
    (
        "readmodels.folds.a-rank-is-in-its-partition",
        'item["open_shard"] == ranks_of(item["pk"])',
        "True",
    ),
    (
        "readmodels.audit_users.newer-ones-are-waited-for",
        'if is_last or record["at"] > reach',
        'if is_last or record["at"]',
    ),
    (
        "readmodels.audit_users.other-entries-are-written-later",
        'if item.get("type") == "spend" else WRITTEN_WITHIN_S',
        'if item.get("type") else WRITTEN_WITHIN_S',
    ),
    (
        "readmodels.audit_users.what-was-written-later-is-read-again",
        "_second_of(below) + VENDED_WITHIN_S",
        "_second_of(below)",
    ),
    (
        "readmodels.audit_users.a-page-begins-below-the-one-before",
        ' and r["sk"] < below]',
        "]",
    ),
    (
        "readmodels.audit_users.expired-records-are-left-out",
        'r["at"] >= oldest and',
        "",
    ),
    (
        "readmodels.audit_users.each-record-once",
        "            yield next(same)\n",
        "            yield from same\n",
    ),
    (
        "readmodels.audit_users.a-page-gets-on",
        "if above_rest < place:",
        "if place:",
    ),
    (
        "readmodels.audit_days.expired-records-are-left-out",
        'if record["ttl"] > self._now and',
        "if",
    ),
    (
        "readmodels.audit_days.a-page-begins-below-the-one-before",
        '(before is None or record["sk"] < before)',
        "True",
    ),
    (
        "readmodels.audit_days.the-second-of-the-cursor-is-read-again",
        "at + 1:0",
        "at:0",
    ),
    (
        "readmodels.audit_days.each-record-once",
        '(item["pk"], item["sk"]): item',
        '(item["pk"], item["sk"], id(item)): item',
    ),
    (
        "readmodels.writes.old-entries-open-no-hour",
        "        if folds.is_kept(hour, now):\n            recent.append",
        "        if hour:\n            recent.append",
    ),
    (
        "readmodels.figures.an-earlier-table-keeps-its-layout",
        "            if table.get(pk, folds.TOTAL_SK) is not None:\n",
        "            if table.get(pk, folds.TOTAL_SK) == {}:\n",
    ),
    (
        "readmodels.open_hours.moves-while-reading-are-noticed",
        "if not opened or _moves(opened).items() <= _moves(_open(table, pk)).items():",
        "if opened is not None:",
    ),
    (
        "readmodels.open_hours.unmoved-figures-do-not-expire",
        'names["#ttl"] = "ttl"\n    return Update(pk, sk(hour)',
        'names["#ttl"] = "other"\n    return Update(pk, sk(hour)',
    ),
    (
        "readmodels.open_hours.only-hours-that-are-over",
        "if _hour(item) < current:",
        "if _hour(item) <= current:",
    ),
    ("readmodels.open_hours.moves-are-counted", '":next": moves + 1', '":next": moves or 1'),
    (
        "readmodels.rebuild.waits-before-it-reads",
        "    sleep(SETTLES_S)\n    accounts, standing = _project_all(projector, made)\n",
        "    accounts, standing = _project_all(projector, made)\n    sleep(SETTLES_S)\n",
    ),
    (
        "readmodels.rebuild.lost-records-of-acts-are-found",
        "if self._layout < KEYS_ALONE or sk not in self._vends:",
        "if self._layout < KEYS_ALONE:",
    ),
    (
        "readmodels.rebuild.lost-records-of-vends-are-found-in-an-earlier-layout",
        "if self._layout < KEYS_ALONE or sk not in self._vends:",
        "if sk not in self._vends:",
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
