"""Our own code with one clause of one condition deleted, or one look left out: is it noticed?

The clauses are those of the conditions that the code sent while the scenarios were explored, so none
is forgotten when a condition is added.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from unittest.mock import patch

from engine.credits.holds import ResolveOnce
from engine.credits.placing import HoldOnce
from engine.ledger.idempotency import PaymentOnce, RequestOnce
from engine.ledger.posting import Ledger
from tests.model.checker import Result, searched
from tests.model.everything import every_scenario
from tests.model.scenario import Scenario
from tests.model.store import Operation, Rewrite, literal


@dataclass(frozen=True, order=True)
class Clause:
    """One clause of the conditions of one kind of write; of the one `condition` if it is given."""

    family: str
    text: str
    condition: str = ""

    def __str__(self) -> str:
        where = f" [{self.condition}]" if self.condition not in ("", self.text) else ""
        return f"{self.family}: without {self.text}{where}"

    def is_in(self, operation: Operation) -> bool:
        same = self.condition in ("", operation.condition)
        return self.family == operation.family and same and self.text in _parts(operation.condition)


ENTRY_IS_NEW = Clause("put E#", "attribute_not_exists(pk)")
SEQ_IS_SEEN = Clause("update ACCOUNT#", "seq = :seq")
TOGETHER = (
    (SEQ_IS_SEEN, ENTRY_IS_NEW),
    (Clause("put ACCOUNT#", "attribute_not_exists(pk)"), ENTRY_IS_NEW),
)
"""Clauses that guard the same thing twice: one alone may go, both may not."""

SAME = {
    "put ACCOUNT#: without attribute_not_exists(pk)": "entry 1 is there when the account is",
    "put E#: without attribute_not_exists(pk)": "the account's seq moves with every entry",
    "update ACCOUNT#: without seq = :seq": "the next entry is there when the seq has moved",
    "update ACCOUNT#: without available >= :needed": "seq: the balance is the one that was looked at",
    "update ACCOUNT#: without held >= :released": "seq, and an open hold is what is released",
    "put J#: without attribute_not_exists(pk)": (
        "all who put a job have the same claim; upstream of the model never names a job twice"
    ),
    "update H#: without claimed_by = :by": "a claim is never taken over, so the claimer is the same",
    "update H#: without jti = :jti [jti = :jti AND claimed_by = :by]": (
        "the hold was claimed by this very call, and stays for two days"
    ),
    "update ACCOUNT#: without owed >= :repaid": "seq: what is owed is what was looked at",
    "update ACCOUNT#: without origin_salt = :salt": "nobody is erased here; see test_erasure",
    "put HOLD#: without #ttl < :now": "no hold's record passes here; it dies in tests/mutation",
    "update HOLD#: without jti = :jti": "a name gets another hold only after its record has passed",
    "update HOLD#: without #state = :seen [#state = :seen AND jti = :jti]": (
        "a hold that has ended has left the index, so nobody looks at its time"
    ),
    "update HOLD#: without attribute_not_exists(claim)": "only a token's hold is ever claimed",
    "ResolveOnce.earlier sees nothing": "the write-off that follows is refused, with the same item",
    "PaymentOnce.earlier sees nothing": "the store shows the item with its refusal; grants are never short",
}
"""Mutants that live because they behave as the code does, and why."""

JOINT = re.compile(r" (?:AND|OR) ")


@dataclass(frozen=True)
class Mutant:
    """A change of the code; `apart` holds while it is in force."""

    name: str
    rewrite: Rewrite = literal
    apart: Callable[[], AbstractContextManager[object]] = nullcontext


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: the search that noticed it, None where it lived."""

    mutant: str
    noticed: Result | None

    @property
    def reason(self) -> str | None:
        """Why it is no harm that the mutant lived."""
        return next((why for start, why in SAME.items() if self.mutant.startswith(start)), None)

    @property
    def is_good(self) -> bool:
        return self.noticed is not None or self.reason is not None


def verdicts() -> Iterator[Verdict]:
    """Every mutant, tried on the scenarios that send its condition until one notices it. A scenario
    that does not hold for the code as it is says nothing of a mutant and is left out.
    """
    sent = [(scenario, found) for scenario in every_scenario() if (found := _sent(scenario))]
    for clause in sorted({clause for _, found in sent for clause in found}):
        tried = [scenario for scenario, found in sent if clause in found]
        yield Verdict(str(clause), _noticed(Mutant(str(clause), without(clause)), tried))
    holding = [scenario for scenario, _ in sent]
    pairs = [Mutant(f"{one}, and {other}", without(one, other)) for one, other in TOGETHER]
    for mutant in [*pairs, *_looks_left_out()]:
        yield Verdict(mutant.name, _noticed(mutant, holding))


def _noticed(mutant: Mutant, tried: Sequence[Scenario]) -> Result | None:
    for scenario in tried:
        with mutant.apart():
            result = searched(scenario, mutant.rewrite)
        if result.violation is not None:
            return result
    return None


def _sent(scenario: Scenario) -> set[Clause]:
    """The clauses of all conditions that are sent while `scenario` is explored; none if it breaks."""
    found: set[Clause] = set()

    def recording(operation: Operation) -> str:
        condition = operation.condition
        found.update(Clause(operation.family, part, condition) for part in _parts(condition))
        return condition

    return found if searched(scenario, recording).violation is None else set()


def _parts(condition: str) -> list[str]:
    return JOINT.split(condition)


def without(*clauses: Clause) -> Rewrite:
    """Conditions with `clauses` deleted."""

    def rewrite(operation: Operation) -> str:
        joint = " OR " if " OR " in operation.condition else " AND "
        gone = {clause.text for clause in clauses if clause.is_in(operation)}
        return joint.join(part for part in _parts(operation.condition) if part not in gone)

    return rewrite


def _looks_left_out() -> list[Mutant]:
    """The once-item is not looked at before a refusal is told, or not after a cancelled write."""
    kinds = (HoldOnce, ResolveOnce, RequestOnce, PaymentOnce)
    blind = [
        Mutant(f"{kind.__name__}.earlier sees nothing", apart=_patched(kind, "earlier"))
        for kind in kinds
    ]
    return [
        *blind,
        Mutant("the once-item's refusal is passed over", apart=_patched(Ledger, "_raise_if_done")),
    ]


def _patched(owner: type, name: str) -> Callable[[], AbstractContextManager[object]]:
    return lambda: patch.object(owner, name, lambda *_: None)
