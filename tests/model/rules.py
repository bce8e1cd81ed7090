"""What clients may be told, at every state."""

from collections.abc import Mapping
from typing import Any

from tests.model.books import Books, append_only, books
from tests.model.replay import Outcome
from tests.model.scenario import Outcomes, Program
from tests.model.store import UPSTREAM, Content, job_of

REFUSED = frozenset({"insufficient_credits", "rate_limited"})


def kept(old: Content, new: Content) -> str | None:
    """Entries and payments stay as they are; a token is claimed once, while its credit is there."""
    for key, item in old.items():
        wrong = _claim_change(item, new.get(key, {}))
        if wrong is not None:
            return wrong
    return append_only(old, new)


def _claim_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    if old.get("jti") is None or old["jti"] != new.get("jti"):
        return None
    before, after = old.get("claim"), new.get("claim")
    if before is not None and after != before:
        return f"claim {before} of {old['jti']} became {after}"
    if after != before and old["state"] not in {"open", "spent"}:
        return f"{old['jti']} claimed though its hold was {old['state']}"
    return None


def ended(program: Program, outcome: Outcome, content: Content) -> str | None:
    """An answer is true at the moment when it is decided."""
    seen = books(content)
    if outcome.kind == "crash":
        return f"{program.name}: {outcome.facts}"
    if outcome.kind in REFUSED and seen.charges(program.request):
        return f"{program.name}: {outcome.kind} for a request that was charged"
    return _success_wrong(program, outcome, seen) if outcome.kind == "ok" else None


def _success_wrong(program: Program, outcome: Outcome, seen: Books) -> str | None:
    if "requestId" in outcome.facts:
        return _entry_wrong(program, outcome, seen)
    if "claim" in outcome.facts:
        return _claim_wrong(outcome, seen)
    if outcome.facts.get("text") is not None:
        return _text_wrong(program, outcome, seen)
    is_open = outcome.facts.get("settled") == "open"
    return f"{program.name}: settled, and the hold is open" if is_open else None


def _entry_wrong(program: Program, outcome: Outcome, seen: Books) -> str | None:
    facts = outcome.facts
    if facts.get("is_dead"):
        return f"{program.name}: answered a token that has run out"
    made = [e for e in seen.charges(program.request) if e.request_id == facts["requestId"]]
    if len(made) != 1:
        return f"{program.name}: success without an entry"
    if made[0].available_after != facts["balance"]:
        return f"{program.name}: balance {facts['balance']}, its entry {made[0].available_after}"
    return None


def _text_wrong(program: Program, outcome: Outcome, seen: Books) -> str | None:
    """A text is told by a call that finds, or has brought, the hold captured."""
    (hold,) = (hold for hold in seen.holds if hold.job_id == outcome.facts["job"])
    wrong = f"{program.name}: told the text of a hold that is {hold.state}"
    return None if hold.state == "captured" else wrong


def done_by_another(program: Program, outcome: Outcome, content: Content) -> str | None:
    """A call that is not made was made, or is being made, by another attempt."""
    if outcome.kind == "ok" and outcome.facts.get("performed") == "done before":
        (elected,) = (item["performed_by"] for item in content.values() if "performed_by" in item)
        if elected.startswith(f"{program.name}-"):
            return f"{program.name}: elected, and took another attempt for the elected one"
    return ended(program, outcome, content)


def sold(program: Program, outcome: Outcome, content: Content) -> str | None:
    """A vend answers a good token, with the balance of its own entry, whichever request id made that."""
    if outcome.kind != "ok" or "requestId" not in outcome.facts:
        return ended(program, outcome, content)
    if outcome.facts["is_dead"]:
        return f"{program.name}: answered a token that has run out"
    asked, balance = outcome.facts["requestId"], outcome.facts["balance"]
    entries = books(content).all_entries()
    made = [e.available_after for e in entries if e.request_id == asked and e.reverses is None]
    return None if made == [balance] else f"{program.name}: {balance} told, its entries {made}"


def _claim_wrong(outcome: Outcome, seen: Books) -> str | None:
    """A token that was honoured is claimed by who honoured it."""
    jti, claim = outcome.facts["redeemed"], outcome.facts["claim"]
    ours = any(hold.jti == jti and hold.claim == claim for hold in seen.holds)
    return None if ours else f"{jti} honoured for {claim}, which did not claim it"


def judged(programs: tuple[Program, ...], outcomes: Outcomes, content: Content) -> str | None:
    """Answers agree with each other and with what happened since."""
    first: dict[object, object] = {}
    for program, outcome in zip(programs, outcomes, strict=True):
        if outcome is None:
            continue
        if outcome.kind in REFUSED and program.waits and (late := _late(program, content)):
            return late
        if outcome.kind == "ok" and "requestId" in outcome.facts:
            told = first.setdefault(program.request, outcome.facts)
            if told != outcome.facts:
                return f"{program.request}: first {told}, then {outcome.facts}"
        if outcome.kind == "ok" and "redeemed" in outcome.facts:
            told = first.setdefault(outcome.facts["redeemed"], program.name)
            if told != program.name:
                return f"the token was honoured for {told} and for {program.name}"
    return None


def _late(refused: Program, content: Content) -> str | None:
    """A retry that was refused is final for the attempts before it: none is charged afterwards."""
    for entry in books(content).charges(refused.request):
        attempt = int(entry.request_id.rpartition(".")[2])
        if attempt < refused.attempt:
            return f"{refused.name} was refused, and then attempt {attempt} was charged"
    return None


def retried(program: Program, outcome: Outcome, before: Content, after: Content) -> str | None:
    """A retry that runs alone gets the first answer and changes nothing where the request was
    charged; else it is done now, and refused only for want of credits or by the limit.
    """
    was = books(before)
    if was.charges(program.request):
        if outcome.kind != "ok":
            return f"{outcome.kind} for a request that was charged"
        return None if before == after else "a replay changed the table"
    account = was.accounts.get("u")
    poor = account is None or account.available < 1
    allowed = {"ok", "rate_limited", "user_exists"} | ({"insufficient_credits"} if poor else set())
    if outcome.kind not in allowed:
        return f"{outcome.kind} at a balance of {account.available if account else 0}"
    return ended(program, outcome, after)


def swept_clean(program: Program, outcome: Outcome, before: Content, after: Content) -> str | None:
    """After the last sweep nothing is held, and nobody has paid for a job that did not complete."""
    if outcome.kind != "ok":
        return f"the sweep ended with {outcome.kind}"
    for hold in books(after).holds:
        if hold.state == "open":
            return f"hold {hold.jti} is open after the last sweep"
        job = after.get((UPSTREAM, job_of(f"job-{hold.jti}")), {"state": "none"})
        honoured = job["state"] == "completed" or str(hold.claim).startswith("redeem:")
        if hold.state == "captured" and not honoured:
            return f"hold {hold.jti} was captured for a job that is {job['state']}"
        if hold.state != "captured" and job["state"] == "completed" and hold.job_id is not None:
            return f"hold {hold.jti} is {hold.state} and its job completed"
    return None
