"""The model check within a quick bound; `python -m tests.model --deep` explores further."""

import pytest

from tests.model import store
from tests.model.checker import searched
from tests.model.everything import every_broken_design, every_scenario
from tests.model.expressions import Context, ExpressionError, changed, condition
from tests.model.mutants import ENTRY_IS_NEW, SEQ_IS_SEEN, Clause, without
from tests.model.scenario import Scenario
from tests.model.store import Call


@pytest.mark.parametrize("scenario", every_scenario(), ids=lambda scenario: scenario.name)
def test_no_interleaving_breaks_a_rule_of_the_money_moves(scenario: Scenario) -> None:
    result = searched(scenario)
    assert result.violation is None, f"\n{result.violation}"
    assert result.complete


@pytest.mark.parametrize("design", every_broken_design(), ids=lambda design: design.name)
def test_the_same_checker_finds_how_a_broken_design_breaks(design: Scenario) -> None:
    result = searched(design)
    assert result.violation is not None
    assert result.violation.trace


@pytest.mark.parametrize(
    ("clauses", "scenario"),
    [
        ([Clause("put PAYMENT#", "attribute_not_exists(pk)")], "the same payment again"),
        ([SEQ_IS_SEEN, ENTRY_IS_NEW], "vend and grant"),
        ([Clause("update H#", "attribute_not_exists(claim)")], "sweeper or claim"),
        ([Clause("update HOLD#", "parts = :seen_parts")], "hold: a part and a release"),
        ([Clause("update HOLD#", "attribute_not_exists(parts)")], "hold: extended or expired"),
    ],
)
def test_a_conditionwithout_its_clause_is_noticed(clauses: list[Clause], scenario: str) -> None:
    (explored,) = (one for one in every_scenario() if one.name == scenario)
    assert searched(explored, without(*clauses)).violation is not None


@pytest.mark.parametrize(
    ("text", "item", "holds"),
    [
        ("attribute_not_exists(pk) OR #n < :two", None, True),
        ("attribute_not_exists(pk) OR #n < :two", {"pk": "a", "n": 2}, False),
        ("n = :two AND (n < :two OR n >= :two)", {"n": 2}, True),
        ("n IN (:two, :word)", {"n": "word"}, True),
        ("n <> :two", {}, True),
        ("n < :two", {}, False),
        ("n = :two", {"n": "2"}, False),
        ("n < :two", {"n": "1"}, False),
        ("n BETWEEN :two AND :two", {"n": 2}, True),
    ],
)
def test_conditions_mean_what_dynamodb_says(
    text: str, item: dict[str, object] | None, holds: bool
) -> None:
    context = Context(item, {"#n": "n"}, {":two": 2, ":word": "word"})
    assert condition(text)(context) is holds


SPENT = {
    "pk": {"S": "A#u"},
    "sk": {"S": "ACCOUNT#credits"},
}
NEXT = "SET seq = :next"


@pytest.mark.parametrize(
    ("condition", "seq", "is_outrun"),
    [
        ("seq = :seq AND held >= :none", 3, False),
        ("seq = :seq AND held >= :none", 4, True),
        ("seq = :seq AND held >= :none", 2, False),
        ("seq = :seq OR held >= :none", 4, False),
        ("held >= :none", 4, False),
    ],
)
def test_a_write_is_outrun_once_its_account_has_a_newer_entry(
    condition: str, seq: int, is_outrun: bool
) -> None:
    """It is refused from then on. Before, or where another clause suffices, it may still land."""
    values = {":seq": {"N": "3"}, ":none": {"N": "0"}, ":next": {"N": "4"}}
    request = {
        "Key": SPENT,
        "UpdateExpression": NEXT,
        "ConditionExpression": condition,
        "ExpressionAttributeValues": values,
    }
    call = Call("transact_write_items", {"TransactItems": [{"Update": request}]})
    content = {("A#u", "ACCOUNT#credits"): {"seq": seq, "held": 0}}
    assert store.is_outrun(content, call) is is_outrun
    landed, _ = store.applied(content, call)
    assert not is_outrun or landed == content


def test_an_update_reads_every_value_before_it_sets_any() -> None:
    context = Context({"a": 1, "b": 2, "c": 3}, {"#a": "a"}, {":one": 1})
    assert changed("SET #a = b + :one, b = #a - :one REMOVE c", context) == {"a": 3, "b": 0}


@pytest.mark.parametrize("text", ["size(a) > :one", "a = :one AND", "NOT a = :one", "(a = :one"])
def test_an_expression_outside_the_grammar_is_refused_and_not_passed_over(text: str) -> None:
    with pytest.raises((ExpressionError, KeyError)):
        condition(text)(Context({"a": 1}, {}, {":one": 1}))
