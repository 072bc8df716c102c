"""What routing counts, beside what every service does."""

from collections.abc import Mapping

from huying.chassis.measures import Measures

from .repository import Tally


class Meters:
    """The service's own metrics."""

    def __init__(self, measures: Measures) -> None:
        """Declare them."""
        self._outcomes = measures.counter("reports_total", "Reports by what became of them", "band")
        self.open = measures.gauge("open_incidents", "Incidents in memory that are not finished")
        self._merged = measures.counter("merges_total", "Reports merged into a known incident")
        self._reversed = measures.counter("reversed_merges_total", "Reports that a person took apart again")
        self._ratio = measures.gauge("reversed_merges_ratio", "Reversed to merged reports, since ever")
        self._model = measures.gauge("model_info", "1 for the model that judges", "version")
        self._refused = measures.gauge("model_refused", "1 while the model file at hand cannot be used")

    def model(self, version: str, refused: bool) -> None:
        """Which model judges, and whether another one should."""
        self._model.clear()
        self._model.labels(version).set(1)
        self._refused.set(refused)

    def count(self, before: Tally, after: Tally, bands: Mapping[str, int]) -> None:
        """What a committed batch added, and what became of its reports."""
        for band, reports in bands.items():
            self._outcomes.labels(band).inc(reports)
        self._merged.inc(after.merged - before.merged)
        self._reversed.inc(after.reversed - before.reversed)
        self._ratio.set(after.reversed / max(1, after.merged))
