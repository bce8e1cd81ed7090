"""How property tests run: without a clock, without files, with every example they are given."""

from hypothesis import settings

PROPERTY = settings(deadline=None, database=None, max_examples=300)
