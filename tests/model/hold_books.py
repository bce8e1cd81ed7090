"""The invariants of holds of any size, looked for in every table that is reached."""

from collections import Counter

from engine.credits import hold_parts
from engine.credits.backend_holds import OVER
from engine.credits.hold_items import (
    BACKEND_SK,
    CAPTURED,
    EXPIRED,
    OPEN,
    RELEASED,
    Hold,
    read,
    shard_of,
)
from engine.ledger.items import (
    CREDITS,
    Account,
    Entry,
    account_pk,
    account_sk,
    read_account,
    read_entry,
)
from tests.model import rules
from tests.model.hold_programs import CALLER, Sold
from tests.model.programs import USER
from tests.model.replay import Outcome
from tests.model.scenario import Outcomes, Program
from tests.model.store import Content
from tests.support.invariants import findings_of

REFUSED = frozenset(
    {
        "insufficient_credits", "too_many_holds", "hold_closed", "hold_expired", "exceeds_hold",
        "hold_not_found",
    }
)  # fmt: skip
LAST_TYPES = {CAPTURED: {"capture"}, RELEASED: {"refund"}, EXPIRED: {"refund", "spend"}}


def account_of(content: Content) -> Account:
    return read_account(USER, CREDITS, content.get((account_pk(USER), account_sk(CREDITS))))


def entries_of(content: Content) -> list[Entry]:
    pk = account_pk(USER)
    found = [item for key, item in content.items() if key[0] == pk and key[1].startswith("E#")]
    return sorted(map(read_entry, found), key=lambda entry: entry.seq)


def holds_of(content: Content) -> list[Hold]:
    """Those of back ends and those of tokens."""
    kept = sorted(content.items())
    return [read(item) for (_, sk), item in kept if sk == BACKEND_SK or sk.startswith("H#")]


def audit(content: Content) -> str | None:
    """The first invariant that `content` breaks."""
    account, entries, holds = account_of(content), entries_of(content), holds_of(content)
    return (
        _account_wrong(account, entries, holds)
        or next((wrong for hold in holds if (wrong := _hold_wrong(hold, entries))), None)
        or _once_wrong(entries)
        or _verified_wrong(account, entries, content)
    )


def _account_wrong(account: Account, entries: list[Entry], holds: list[Hold]) -> str | None:
    sums = tuple(sum(getattr(e, name) for e in entries) for name in ("amount", "held", "owed"))
    figures = (account.available, account.held, account.owed)
    if sums != figures:
        return f"the account says {figures}, its entries {sums}"
    if min(figures) < 0:
        return f"below zero: {figures}"
    reserved = sum(hold.reserved for hold in holds)
    if reserved != account.held:
        return f"{account.held} are held, and the holds reserve {reserved}"
    listed = {hold.name for hold in holds if hold.state == OPEN and hold.caller is not None}
    if sorted(listed) != sorted(account.open_holds):
        return f"open are {len(listed)} holds, and the account lists {len(account.open_holds)}"
    return None


def _hold_wrong(hold: Hold, entries: list[Entry]) -> str | None:
    """Each part resolves once: what was reserved is reserved, was charged or went back."""
    about = [entry for entry in entries if entry.subject == hold.jti]
    placed = sum(entry.held for entry in about if entry.held > 0)
    charged = sum(entry.charged for entry in about)
    if hold.committed != charged:
        return f"{hold.hold_id}: committed {hold.committed}, its entries charge {charged}"
    left = max(0, placed - charged)
    told = hold.reserved if hold.state == OPEN else hold.released
    if told != left:
        return f"{hold.hold_id}: {hold.state} with {told}, and {left} of {placed} are left"
    last = about[-1].type
    if hold.state in LAST_TYPES and last not in LAST_TYPES[hold.state]:
        return f"{hold.hold_id}: {hold.state} by {last}"
    return _policy_wrong(hold, about, placed) if hold.caller is not None else None


def _policy_wrong(hold: Hold, about: list[Entry], placed: int) -> str | None:
    """Nothing beyond what is held is charged but by the policy, and nothing ends before its time."""
    overage = Sold().at(hold.product, hold.version).overage
    if overage != "owed" and (hold.committed > placed or any(entry.owed for entry in about)):
        return f"{hold.hold_id}: {hold.committed} of {placed} charged, by a product that does not"
    early = [e for e in about if e.reason == OVER and e.at < hold.grace_ends_at]
    if early:
        return f"{hold.hold_id}: expired at {early[0].at}, and it lasts until {hold.grace_ends_at}"
    late = [e for e in about if e.type == "spend" and e.held == 0]
    if overage == "reject" and late:
        return f"{hold.hold_id}: charged after its time"
    kept = hold_parts.read(hold.parts)
    finals = [part for part in kept if part.kind in (hold_parts.FINAL, hold_parts.RELEASE)]
    return f"{hold.hold_id}: ended {len(finals)} times" if len(finals) > 1 else None


def _once_wrong(entries: list[Entry]) -> str | None:
    """One entry for each request of the client."""
    made = Counter(e.request_id.rpartition(".")[0] for e in entries if e.actor == CALLER)
    twice = [request for request, count in made.items() if count > 1]
    return f"counted twice: {twice}" if twice else None


def _verified_wrong(account: Account, entries: list[Entry], content: Content) -> str | None:
    """What an operator's check of the account says; the model's index has one shard."""
    stored = [i for (_, sk), i in content.items() if sk == BACKEND_SK or sk.startswith("H#")]
    items = [
        {**item, "open_shard": shard_of(item["name"])} if "open_shard" in item else dict(item)
        for item in stored
    ]
    found = findings_of(account, (entry.item() for entry in entries), items)
    return f"verify: {found[0]}" if found else None


def kept(old: Content, new: Content) -> str | None:
    """Entries stay; an end never comes earlier, and what has ended stays so."""
    was = {hold.jti: hold for hold in holds_of(old)}
    for hold in holds_of(new):
        before = was.get(hold.jti)
        if before is None:
            continue
        if hold.ends_at < before.ends_at:
            return f"{hold.hold_id}: its end moved from {before.ends_at} to {hold.ends_at}"
        if before.state not in (OPEN, hold.state) and hold.caller is not None:
            return f"{hold.hold_id}: {before.state} became {hold.state}"
    return rules.kept(old, new)


def ended(program: Program, outcome: Outcome, content: Content) -> str | None:
    """An answer is true when it is decided."""
    if outcome.kind == "crash":
        return f"{program.name}: {outcome.facts}"
    charged = _charges(program, content)
    if outcome.kind in REFUSED and charged:
        return f"{program.name}: {outcome.kind} for a request that counted"
    if outcome.kind == "ok" and "told" in outcome.facts:
        return _told_wrong(program, outcome, content)
    return None


def _told_wrong(program: Program, outcome: Outcome, content: Content) -> str | None:
    told, made = outcome.facts["told"], _charges(program, content)
    if not made:
        return None if _is_kept(program, content) else f"{program.name}: success that is not kept"
    if len(made) > 1:
        return f"{program.name}: {len(made)} entries for one request"
    (entry,) = made
    about = [e for e in entries_of(content) if e.subject == entry.subject and e.seq <= entry.seq]
    charged = sum(e.charged for e in about)
    figures = (entry.available_after, entry.owed_after, charged)
    said = (told["available"], told["owed"], told["committed"])
    return None if said == figures else f"{program.name}: told {said}, its entry {figures}"


def _is_kept(program: Program, content: Content) -> bool:
    """Whether a request that moved nothing, but a hold's end, is kept with a hold."""
    wanted = {
        hold_parts.ids_of(operation, program.request, "")[:8]
        for operation in ("commit", "extend", "release")
    }
    lists = [item["parts"] for item in content.values() if "parts" in item]
    return any(part.ids[:8] in wanted for packed in lists for part in hold_parts.read(packed))


def _charges(program: Program, content: Content) -> list[Entry]:
    mine = (e for e in entries_of(content) if e.actor == CALLER)
    return [e for e in mine if e.request_id.rpartition(".")[0] == program.request]


def judged(programs: tuple[Program, ...], outcomes: Outcomes, content: Content) -> str | None:
    """Attempts of one request get one answer, and a refusal after the end of an attempt is final."""
    first: dict[str, object] = {}
    for program, outcome in zip(programs, outcomes, strict=True):
        if outcome is None:
            continue
        if outcome.kind in REFUSED and program.waits and _charges(program, content):
            return f"{program.name} was refused, and then an attempt before it counted"
        if outcome.kind == "ok" and "told" in outcome.facts:
            told = first.setdefault(program.request, outcome.facts)
            if told != outcome.facts:
                return f"{program.request}: first {told}, then {outcome.facts}"
    return None


def retried(program: Program, outcome: Outcome, before: Content, after: Content) -> str | None:
    """A retry that runs alone gets the first answer and changes nothing where the request counted."""
    if _charges(program, before):
        if outcome.kind != "ok":
            return f"{outcome.kind} for a request that counted"
        return None if before == after else "a repeat changed the table"
    if outcome.kind != "ok" and outcome.kind not in REFUSED:
        return f"refused with {outcome.kind}"
    return ended(program, outcome, after)


def swept_clean(program: Program, outcome: Outcome, before: Content, after: Content) -> str | None:
    """After the last sweep nothing is held."""
    left = [hold.hold_id for hold in holds_of(after) if hold.state == OPEN]
    if outcome.kind != "ok" or left:
        return f"the sweep ended with {outcome.kind}, open are {left}"
    return None
