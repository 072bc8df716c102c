"""The garbage collector of a service process: what was there before the first record is never looked at again.

It only looks for cycles; a fold makes none, and all that a batch holds is freed by counting. Left as Python starts it,
it walked through pack, model and index again and again: a third of what routing spends on a report beside judging it.
"""

import gc

NEW_OBJECTS = 50_000
"""Containers between two looks at the young: a batch of 500 reports makes about as many. Python's own is 700."""


def spare() -> None:
    """Put what lives now out of the collector's sight and let it look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 10, 10)
