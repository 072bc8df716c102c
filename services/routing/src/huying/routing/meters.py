"""What routing counts, beside what every service does."""

from huying.chassis.measures import Measures

from .repository import Tally


class Meters:
    """The service's own metrics."""

    def __init__(self, measures: Measures) -> None:
        """Declare them."""
        self.outcomes = measures.counter("reports_total", "Reports by what became of them", "band")
        self.open = measures.gauge("open_incidents", "Incidents in memory that are not finished")
        self._merged = measures.counter("merges_total", "Reports merged into a known incident")
        self._reversed = measures.counter("reversed_merges_total", "Reports that a person took apart again")
        self._ratio = measures.gauge("reversed_merges_ratio", "Reversed to merged reports, since ever")

    def count(self, before: Tally, after: Tally) -> None:
        """What a committed batch added."""
        self._merged.inc(after.merged - before.merged)
        self._reversed.inc(after.reversed - before.reversed)
        self._ratio.set(after.reversed / max(1, after.merged))
