"""How property tests run: without a clock, without files, with every example they are given.

`make test` tries a hundred new examples of each property in every run, `make prove` a thousand.
"""

from hypothesis import settings

from tests.support.sampling import PROVING

PROPERTY = settings(deadline=None, database=None, max_examples=1000 if PROVING else 100)
