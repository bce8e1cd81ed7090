"""The list of mutants fits the code; `make mutants` runs them."""

from local.settings import ROOT
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import TESTS, all_mutants


def test_every_condition_and_every_recorded_decision_has_a_mutant() -> None:
    """Fails if a condition is not literal, a recorded decision is gone, or a module has no tests."""
    ids = {mutant.id for mutant in all_mutants()}
    assert ids >= EQUIVALENT.keys()


def test_the_tests_of_each_mutated_module_exist() -> None:
    named = {name for names in TESTS.values() for name in names}
    assert all((ROOT / "tests" / f"{name}.py").is_file() for name in named)
