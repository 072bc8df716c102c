"""The engine's second half: which open incident a report belongs to, with reasons.

Refuses I/O, clocks and chance: `now` is given, and the same index and report give the same verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType

import numpy as np
import numpy.typing as npt

from .bands import band_of, limits_for, reasons
from .evidence import FEATURES, F, Floats, Workbench, evidence
from .facts import Candidate, IncidentView, ReportFacts, Screening, Verdict
from .index import CHANCE_FLOOR, COLUMN, IncidentIndex, Undo
from .judge import Judge
from .retrieval import retrieve
from .scorer import log_odds, probability
from .traits import Traits

CANDIDATES_KEPT = 5
"""How many rivals a verdict lists for the dispatcher."""
FINAL_FEATURES = (
    "best", "second", "gap", "third", "sum", "odds", "candidates", "here", "here_same_matter", "length",
    "follow_up", "recurrence", "matter_sure_report", "place_unknown", "is_machine", "channel",
    "reports", "hours_since_last", "metres_best", "village_same", "text_best", "said_place_known",
    "matter_dot", "metres_margin", "reporter_same", "text_known", "place_best", "emergency_report",
)  # fmt: skip
"""What the second look sees: the winner's score beside its rivals' and the facts that make scores misleading."""


class Correlator:
    """In-memory judgement over open and recently finished incidents; one writer."""

    def __init__(self, judge: Judge) -> None:
        self.engine = judge
        self.index = IncidentIndex(judge.model.text.matters)
        self._bench = Workbench(judge.model.text.idf, judge.model.gap_hours)
        self._names = {m.code: m.name_zh for m in judge.pack.matters}
        policy = judge.pack.correlation
        self._windows = np.array([limits_for(policy, code).window_days for code in judge.model.text.matter_codes])

    def __len__(self) -> int:
        return len(self.index)

    def add_incident(self, incident: IncidentView, screenings: Sequence[Screening] | None = None) -> None:
        """Add an incident with the reports it has; known screenings spare reading the texts again."""
        self.add_incidents([incident], None if screenings is None else [screenings])

    def add_incidents(
        self, incidents: Iterable[IncidentView], screenings: Sequence[Sequence[Screening]] | None = None
    ) -> None:
        """Rebuild: add many incidents, screening their reports in one batch.

        Raises:
            ValueError: an incident without reports, or one that is in the index already.
        """
        views = list(incidents)
        for view in views:
            if not view.reports:
                raise ValueError(f"incident {view.incident_id!r} has no reports; give the facts of at least one")
        if screenings is None:
            flat = self.engine.screen([facts for view in views for facts in view.reports])
            cut = iter(flat)
            screenings = [[next(cut) for _ in view.reports] for view in views]
        for view, screened in zip(views, screenings, strict=True):
            members = tuple(
                self.traits(facts, screening) for facts, screening in zip(view.reports, screened, strict=True)
            )
            slot = self.index.put(view.incident_id, members, _hours(view.closed_at) if view.closed_at else None)
            codes = self.engine.model.text.matter_codes
            if view.matter is not None and view.matter in codes:
                self.index.matters[slot] = 0.1 * self.index.matters[slot]
                self.index.matters[slot, codes.index(view.matter)] += 0.9
                self.index.agreed[slot] = np.log(self.index.matters[slot] + CHANCE_FLOOR)

    def join(self, incident_id: str, report: ReportFacts, screening: Screening) -> None:
        """A report has joined an incident (by the engine's verdict or a person's)."""
        self.index.join(incident_id, self.traits(report, screening))

    def absorb(self, incident_id: str, other_id: str) -> None:
        """A person found two incidents to be one: the reports of `other_id` move to `incident_id`."""
        other = self.index.records[self.index.slot(other_id)]
        assert other is not None
        self.index.remove(other_id)
        for member in other.members:
            self.index.join(incident_id, member)

    def close(self, incident_id: str, at: datetime) -> None:
        """An incident is finished; it still attracts recurrences until removed."""
        self.index.close(incident_id, _hours(at))

    def remove(self, incident_id: str) -> None:
        """Forget an incident."""
        self.index.remove(incident_id)

    def fork(self) -> Overlay:
        """Begin a micro-batch: changes count at once and are kept or dropped as a whole."""
        return Overlay(self)

    def traits(self, report: ReportFacts, screening: Screening) -> Traits:
        """The traits of a screened report; read again when the screening came from storage."""
        if screening.traits is not None:
            return screening.traits
        return self.engine.screen_with_traits([report])[0][1]

    def judge(self, report: ReportFacts, screening: Screening, now: datetime) -> Verdict:
        """Band, incident and reasons for one report, given what is in the index."""
        traits = self.traits(report, screening)
        slots = self.candidates(traits)
        if not len(slots):
            return Verdict(report.report_id, "new", None, 0.0, ())
        rows = self.evidence(traits, slots)
        odds = log_odds(self.engine.model.pair, rows)
        return self._verdict(screening, traits, slots, rows, odds)

    def judge_batch(self, reports: Sequence[ReportFacts], screenings: Sequence[Screening]) -> list[Verdict]:
        """Verdicts of many reports against the index as it stands: none of them is seen by the others."""
        return [
            self.judge(report, screening, report.received_at)
            for report, screening in zip(reports, screenings, strict=True)
        ]

    def revise(self, screening: Screening, verdict: Verdict) -> Screening:
        """A screening in the light of the incident that the report looks like.

        People say less the second time ("还没来电"): what earlier reports said counts by the chance that it is
        the same problem. Danger is passed on, never taken back.
        """
        own = screening.traits
        if own is None or not verdict.candidates:
            return screening
        matters = own.matters.astype(np.float64)
        emergency = screening.emergency_confidence
        sure = max(verdict.score, verdict.candidates[0].score) if verdict.band != "new" else verdict.score
        for candidate in verdict.candidates[:1]:
            slot = self.index.slot_of[candidate.incident_id]
            both = matters * np.exp(self.index.agreed[slot].astype(np.float64))
            both /= both.sum()
            matters = (1.0 - sure) * matters + sure * both
            theirs = float(self.index.rows[slot, COLUMN["emergency"]])
            emergency = max(emergency, (1.0 - sure) * emergency + sure * theirs)
        return self.engine.revised(screening, matters.astype(np.float32), emergency)

    def evidence(self, traits: Traits, slots: npt.NDArray[np.int64]) -> Floats:
        """Evidence rows of one report against `slots`."""
        return evidence(traits, slots, self.index, self.engine.places, self._bench)

    def candidates(self, report: Traits) -> npt.NDArray[np.int64]:
        """Slots worth a look, ascending (see `retrieval`)."""
        return retrieve(report, self.index, self._windows)

    def _verdict(
        self, screening: Screening, traits: Traits, slots: npt.NDArray[np.int64], rows: Floats, odds: Floats
    ) -> Verdict:
        index = self.index
        order = np.lexsort((slots, -odds))
        best = int(order[0])
        score = float(probability(log_odds(self.engine.model.final, final_row(rows, odds, order)[None, :]))[0])
        is_open = index.rows[slots, COLUMN["open"]] > 0
        device_match = False
        if traits.device is not None:
            fresh = rows[:, F["hours_since_last"]] <= 24 * self.engine.pack.correlation.recurrence_after_days
            same = np.flatnonzero((rows[:, F["device_same"]] > 0) & is_open & (fresh | traits.cleared))
            if len(same):
                best, device_match = int(same[np.argmax(odds[same])]), True
                score = max(score, 0.999)
        slot = int(slots[best])
        record = index.records[slot]
        assert record is not None
        matter = self.engine.model.text.matter_codes[int(np.argmax(index.matters[slot]))]
        policy = self.engine.pack.correlation
        limits = limits_for(policy, matter)
        band = band_of(score, limits, emergency=screening.emergency, device_match=device_match)
        chances = probability(odds[order[:CANDIDATES_KEPT]])
        meanwhile = band == "new" and screening.emergency and score >= limits.ask and is_open[best]
        listed = []
        for place, chance in zip(order[:CANDIDATES_KEPT], chances, strict=True):
            rival = index.records[int(slots[place])]
            assert rival is not None
            listed.append(Candidate(rival.incident_id, round(float(chance), 4), bool(is_open[place])))
        recurrence_of: str | None = None
        if band != "new" and not is_open[best]:
            band, recurrence_of = "new", record.incident_id
        elif band == "new" and traits.recurrence >= 0.5:
            recurrence_of = self._returned(rows, order, slots)
        return Verdict(
            traits.report_id,
            band,
            record.incident_id if band != "new" else None,
            round(score, 4),
            reasons(traits, rows[best], self._names.get(matter, matter)),
            recurrence_of,
            tuple(listed),
            record.incident_id if meanwhile else None,
        )

    def _returned(self, rows: Floats, order: npt.NDArray[np.int64], slots: npt.NDArray[np.int64]) -> str | None:
        """The earlier incident that a report speaks of as put right and back again."""
        gap_hours = 24 * self.engine.pack.correlation.recurrence_after_days
        for place in order[:3]:
            row = rows[place]
            here = row[F["metres_best"]] < 400 or row[F["village_same"]] > 0
            if here and row[F["matter_dot"]] > 0.3 and row[F["hours_since_first"]] > gap_hours:
                record = self.index.records[int(slots[place])]
                return record.incident_id if record else None
        return None


def final_row(rows: Floats, odds: Floats, order: npt.NDArray[np.int64]) -> Floats:
    """Features of the second look at the winner (see FINAL_FEATURES)."""
    chances = probability(odds[order])
    second = float(chances[1]) if len(chances) > 1 else 0.0
    third = float(chances[2]) if len(chances) > 2 else 0.0
    own = rows[int(order[0])]
    head = [float(chances[0]), second, float(chances[0]) - second, third, float(chances.sum()), float(odds[order[0]])]
    return np.array(head + [own[F[name]] for name in FINAL_FEATURES[6:]], dtype=np.float32)


class Overlay:
    """A micro-batch's changes: visible at once, kept by `commit`, undone by `discard`."""

    def __init__(self, correlator: Correlator) -> None:
        if correlator.index.journal is not None:
            raise RuntimeError("a fork is open already; commit or discard it first (routing has one writer)")
        self._correlator = correlator
        self._journal: list[Undo] = []
        correlator.index.journal = self._journal

    def __enter__(self) -> Correlator:
        return self._correlator

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._correlator.index.journal is self._journal:
            self.discard()

    def commit(self) -> None:
        """Keep the changes."""
        self._end()
        self._correlator.index.rollback([])

    def discard(self) -> None:
        """Undo the changes."""
        self._end()
        self._correlator.index.rollback(self._journal)

    def _end(self) -> None:
        if self._correlator.index.journal is not self._journal:
            raise RuntimeError("this fork has been committed or discarded already")
        self._correlator.index.journal = None


def _hours(at: datetime) -> float:
    return at.timestamp() / 3600.0


__all__ = ["FEATURES", "FINAL_FEATURES", "Correlator", "Overlay", "final_row"]
