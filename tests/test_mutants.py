"""The list of mutants fits the code; `make mutants` runs them."""

from local.settings import ROOT
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import TESTS, all_mutants
from tests.mutation.places import function_at


def test_every_condition_and_every_recorded_decision_has_a_mutant() -> None:
    """Fails if a condition is not literal, a recorded decision is gone, or a module has no tests."""
    ids = {mutant.id for mutant in all_mutants()}
    assert ids >= EQUIVALENT.keys()


def test_the_tests_of_each_mutated_module_exist() -> None:
    named = {name for names in TESTS.values() for name in names}
    assert all((ROOT / "tests" / f"{name}.py").is_file() for name in named)


def test_a_mutant_knows_the_function_that_it_changes() -> None:
    """By it the tests are chosen that run first; the id of a condition's mutant names it too."""
    conditions = [m for m in all_mutants() if m.id.rpartition(".")[2].isdigit()]
    for mutant in conditions:
        module, _, name = mutant.function.partition(":")
        assert f"{module}.{name.partition('.<locals>')[0]}" == mutant.id.rpartition(".")[0]


def test_a_place_in_no_function_has_no_name() -> None:
    source = b"A = 1\n\ndef f(x=2):\n    return [lambda: 3, x]\n\nclass C:\n y = 4\n def g(self): return 5\n"
    names = {
        text: function_at(source, source.index(text))
        for text in (b"1", b"2", b"3", b"x]", b"4", b"5")
    }
    assert names == {
        b"1": "", b"2": "", b"3": "f.<locals>.<lambda>", b"x]": "f", b"4": "", b"5": "C.g",
    }  # fmt: skip
