"""Fulfilments of the released app as they are built: of one video at once, and of an unused token's credit.

Each hands its job to the worker, which makes one call for each hold that is claimed: see "a call handed
over, delivered twice". So one claimed hold is one text.

Bounds: the programs that are named, one fault and three tries of each money move; `deep` adds a fault.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from engine.credits import placing, vending
from engine.credits.hold_items import CAPTURED, OPEN
from engine.platform.ids import digest
from engine.products.product import TRANSCRIPT, Product
from engine.wallet import fulfilment, quotes
from engine.wallet.fulfilment import OPERATION, REPLACED, Wallet
from engine.web.forms import QuoteForm
from tests.model import programs as do
from tests.model import rules, starts
from tests.model.books import audit, books
from tests.model.programs import NOW, URL, USER, Asked
from tests.model.replay import SECRET, Desk, Outcome
from tests.model.scenario import Outcomes, Program, Scenario
from tests.model.scenarios import LAST_SWEEP
from tests.model.starts import KEY, TOKEN
from tests.model.store import Content
from tests.support.proxy import BuiltIn, proxy

OTHER_URL = "https://www.tiktok.com/@a/video/7000000000000000002"
AT = NOW + 10
VIDEOS = {"A": URL, "B": URL, "C": OTHER_URL}
"""What each fulfilment's request is about."""

NAMES = {digest(USER, OPERATION, request): url for request, url in VIDEOS.items()}
"""The names of the holds that they place."""

STANDING = (OPEN, CAPTURED)


class Offered(BuiltIn):
    """The catalogue of a deployment that sells the product that is built in."""

    def current(self, code: str) -> Product:
        return self.at(code, TRANSCRIPT.version)


class _Taken:
    """The worker's queue: it has taken every message."""

    def send(self, user: str, jti: str) -> None:
        return None


def quoted(url: str) -> tuple[str, Program]:
    """The id of the user's quote for a video, and the request that makes it."""
    form, key = QuoteForm(url), "quote"
    name = "q_" + digest(USER, key, url, TRANSCRIPT.name, "1")

    def run(desk: Desk) -> None:
        made = quotes.make(desk.table, Offered(), USER, form, key, NOW)
        if made.id != name:
            raise AssertionError(made.id)

    return name, Asked(f"quote {url[-1]}").does(run)


def fulfilled(asked: Asked) -> Program:
    """`POST /v1/fulfill` where repeats are free."""
    url = VIDEOS[asked.request]
    quote, _ = quoted(url)

    def run(desk: Desk) -> Mapping[str, Any]:
        gateway = replace(proxy(desk.ledger, desk.upstream, SECRET), handover=_Taken())
        wallet = Wallet(gateway, Offered(), do.GENEROUS, free_repeats=True)
        wanted = fulfilment.Asked(USER, quote, asked.request, asked.act("user"))
        done = fulfilment.fulfil(wallet, wanted)
        return {"video": url, "jti": done.hold.jti, "left": done.balance_after}

    return asked.does(run)


def vended(asked: Asked, key: str) -> Program:
    """A vend where an unused token is sold again, as the app does whenever it looks at the balance."""

    def run(desk: Desk) -> Mapping[str, Any]:
        vend = vending.vend_request(USER, OPEN, do.RING, key, "{}", asked.act("user"))
        sold = vending.vend_held(
            desk.ledger, do.RING, replace(vend, reuses=True), rate_limit=do.GENEROUS
        )
        return {"sold": sold.members["requestId"]}

    return asked.does(run)


def shown(asked: Asked) -> Program:
    """The balance that the app is shown: with the credits of its unused token."""

    def run(desk: Desk) -> Mapping[str, Any]:
        account = placing.as_the_app_sees(desk.table, desk.ledger.account(USER))
        return {"shown": account.available}

    return asked.does(run)


def wallet_scenarios(*, deep: bool = False) -> list[Scenario]:
    return [make(deep) for make in WALLET_MAKERS]


def _scenario(
    name: str, made: list[Program], start: Content, *expected: tuple[str, str], faults: int,
    retries: tuple[Program, ...] = (),
) -> Scenario:  # fmt: skip
    return Scenario(
        name,
        tuple(made),
        start,
        audit=_audit,
        kept=rules.kept,
        ended=_ended,
        judge=_judged,
        closing=(*retries, LAST_SWEEP),
        closed=_closed,
        expected=frozenset(expected),
        faults=faults,
    )


def one_video(balance: int) -> Callable[[bool], Scenario]:
    """A video under two request ids at once; at balance 1 (deep: also at 2) one of them is sent twice."""

    def make(deep: bool) -> Scenario:
        twice = 2 if balance == 1 or deep else 1
        made = [
            *do.attempts(fulfilled, Asked("A", at=AT), twice, first=0),
            fulfilled(Asked("B", at=AT)),
        ]
        return _scenario(
            f"wallet: one video, two ids, balance {balance}", made,
            _with_quotes(starts.funded(balance)), ("A", "ok"), ("B", "ok"),
            retries=(fulfilled(Asked("A", 9, at=AT)), fulfilled(Asked("B", 9, at=AT))),
            faults=1 + deep,
        )  # fmt: skip

    return make


def an_unused_token(deep: bool) -> Scenario:
    """The last credit is held for an unused token: two videos are after it, and the token is used."""
    made = [
        fulfilled(Asked("A", at=AT)),
        fulfilled(Asked("C", at=AT)),
        do.submitted(Asked("T", at=AT), TOKEN),
    ]
    return _scenario(
        "wallet: an unused token's credit", made, _with_unused(0), ("A", "ok"), ("C", "ok"),
        ("A", "insufficient_credits"), ("T", "ok"), ("T", "unauthorized"), faults=1 + deep,
    )  # fmt: skip


def a_balance(deep: bool) -> Scenario:
    """One credit of two is held: the balance is shown while a token is vended for the other, and used."""
    start = starts.after(do.vend(Asked("held"), key="held"), content=starts.funded(2))
    made = [
        shown(Asked("V", at=AT)),
        vended(Asked(KEY), KEY),
        do.submitted(Asked("T", at=AT), TOKEN),
        fulfilled(Asked("A", at=AT)),
    ]
    return _scenario(
        "wallet: a balance with an unused token", made, _with_quotes(start), ("V", "ok"),
        (KEY, "ok"), ("T", "ok"), ("A", "ok"), faults=int(deep),
    )  # fmt: skip


WALLET_MAKERS: tuple[Callable[[bool], Scenario], ...] = (
    one_video(1),
    one_video(2),
    an_unused_token,
    a_balance,
)


def _with_quotes(content: Content) -> Content:
    return starts.after(quoted(URL)[1], quoted(OTHER_URL)[1], content=content)


def _with_unused(balance: int) -> Content:
    """The user has an unused token, and `balance` beside its credit."""
    return _with_quotes(starts.after(vended(Asked(KEY), KEY), content=starts.funded(balance + 1)))


def _audit(content: Content) -> str | None:
    """The ledger's invariants; one charge for a video; and no credit that was given up is used."""
    kept = books(content)
    fulfilments = [hold for hold in kept.holds if hold.name in NAMES]
    for url in (URL, OTHER_URL):
        paying = [h.jti for h in fulfilments if h.state in STANDING and NAMES[h.name] == url]
        if len(paying) > 1:
            return f"a video is charged {len(paying)} times: {paying}"
    given_up = {entry.subject for entry in kept.all_entries() if entry.reason == REPLACED}
    used = [hold.jti for hold in kept.holds if hold.jti in given_up and hold.claim is not None]
    return f"given up, and used: {used}" if used else audit(content)


def _ended(program: Program, outcome: Outcome, content: Content) -> str | None:
    """A fulfilment names a hold that pays for its video, and is not refused for one that is paid for."""
    if outcome.kind == "ok" and "jti" in outcome.facts:
        jti = outcome.facts["jti"]
        holds = [hold for hold in books(content).holds if hold.jti == jti]
        if [hold.claim for hold in holds] != [digest("transcribe", outcome.facts["video"])]:
            return f"{program.name}: told of {jti}, which does not pay for its video"
        return None
    if outcome.kind == "ok" and "shown" in outcome.facts:
        return _shown_wrong(program, outcome, content)
    if outcome.kind == "insufficient_credits" and _is_paid(program, content):
        return f"{program.name}: insufficient_credits for a video that was paid for"
    return rules.ended(program, outcome, content) if outcome.kind == "crash" else None


def _is_paid(program: Program, content: Content) -> bool:
    """Whether a hold stands that pays for the video of the request."""
    url = VIDEOS.get(program.request)
    holds = books(content).holds
    return any(hold.state in STANDING and NAMES.get(hold.name) == url for hold in holds if url)


def _shown_wrong(program: Program, outcome: Outcome, content: Content) -> str | None:
    """What is shown was never more than what was not used: all but the credit that is held for good."""
    total = sum(entry.amount for entry in books(content).all_entries() if entry.amount > 0)
    most = total - sum(hold.amount for hold in books(content).holds if hold.jti[:22] == _HELD)
    seen = outcome.facts["shown"]
    return f"{program.name}: shown {seen} of {most}" if not 0 <= seen <= most else None


_HELD = digest(USER, do.HELD, "held")


def _judged(programs: tuple[Program, ...], outcomes: Outcomes, content: Content) -> str | None:
    """All fulfilments of a video name one job."""
    first: dict[object, str] = {}
    for outcome in outcomes:
        if outcome is not None and outcome.kind == "ok" and "jti" in outcome.facts:
            told = first.setdefault(outcome.facts["video"], outcome.facts["jti"])
            if told != outcome.facts["jti"]:
                return f"one video, two jobs: {told} and {outcome.facts['jti']}"
    return None


def _closed(program: Program, outcome: Outcome, before: Content, after: Content) -> str | None:
    """A fulfilment that is sent again, alone, names the job; and the sweeper leaves nothing held."""
    if program is LAST_SWEEP:
        return rules.swept_clean(program, outcome, before, after)
    if outcome.kind != "ok":
        return f"sent again: {outcome.kind}"
    return _ended(program, outcome, after)
