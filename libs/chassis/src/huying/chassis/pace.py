"""The pace of batches: a transaction costs about the same for one record as for ten, so small ones are spaced out.

On an idle machine the first record after a rest is taken at once; when processors are short, batches take longer, rest
longer and so hold more: the system gives up latency before it gives up throughput. Who lost a race waits, too.
"""

import asyncio
import random
import time

RESTS = 2.0
"""How many times as long as it took a batch rests."""
LONGEST_REST_S = 0.5
FULL_SHARE = 0.25
"""Of the most that a batch may hold: from here on there is a backlog, and resting would only let it grow."""

FIRST_YIELD_S = 0.02
"""About a transaction: most races are over then."""
DOUBLINGS = 10
LONGEST_YIELD_S = 1.0
"""Replicas that commit all the time leave gaps of less than that; who waits longer only falls behind."""


class Pace:
    """When the next batch may begin."""

    def __init__(self, most: int) -> None:
        """`most` records fit into a batch; 0 for one that never rests."""
        self._full = most * FULL_SHARE
        self._next_at = 0.0

    async def rest(self) -> None:
        """Return when the next batch may begin."""
        await asyncio.sleep(self._next_at - time.monotonic())

    def took(self, records: int, seconds: float) -> None:
        """A batch of `records` is done and took `seconds`."""
        if 0 < records < self._full:
            self._next_at = time.monotonic() + min(RESTS * seconds, LONGEST_REST_S)


async def give_way(lost: int) -> None:
    """Let whoever won a race go on: longer after each that was lost, and no two losers equally long."""
    longest = min(FIRST_YIELD_S * 2 ** min(lost - 1, DOUBLINGS), LONGEST_YIELD_S)
    await _nap(random.uniform(longest / 2, longest))  # noqa: S311 - keeps losers apart, hides nothing


async def _nap(seconds: float) -> None:
    await asyncio.sleep(seconds)
