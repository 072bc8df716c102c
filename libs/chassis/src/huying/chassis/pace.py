"""The pace of batches: a transaction costs about the same for one record as for ten, so small ones are spaced out.

On an idle machine the first record after a rest is taken at once; when processors are short, batches take longer, rest
longer and so hold more: the system gives up latency before it gives up throughput.
"""

import asyncio
import time

RESTS = 2.0
"""How many times as long as it took a batch rests."""
LONGEST_REST_S = 0.5
FULL_SHARE = 0.25
"""Of the most that a batch may hold: from here on there is a backlog, and resting would only let it grow."""


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
