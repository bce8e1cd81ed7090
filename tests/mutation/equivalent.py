"""Mutants that no test can tell from the code, each with the reason."""

from collections.abc import Mapping

EQUIVALENT: Mapping[str, str] = {}
