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
from .evidence import AT_ONCE, FEATURES, F, Floats, Pairs, Workbench, evidence, pairs_of
from .facts import Candidate, IncidentView, ReportFacts, Screening, Verdict
from .index import COLUMN, IncidentIndex, Undo
from .judge import Judge
from .retrieval import Slots, first_looks, retrieve
from .scorer import Scorer, probability
from .traits import EPOCH_HOURS, Traits

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
        self.index = IncidentIndex(judge.model.gap_hours)
        self._pair, self._final = Scorer(judge.model.pair), Scorer(judge.model.final)
        self._bench = Workbench()
        self._names = {m.code: m.name_zh for m in judge.pack.matters}
        policy = judge.pack.correlation
        self._windows = np.array(
            [limits_for(policy, code).window_days for code in judge.model.text.matter_codes], dtype=np.float32
        )

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
                self.index.confirm(slot, codes.index(view.matter))

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
        return self.judge_batch([report], [screening])[0]

    def judge_batch(self, reports: Sequence[ReportFacts], screenings: Sequence[Screening]) -> list[Verdict]:
        """Verdicts of many reports against the index as it stands: none of them is seen by the others."""
        verdicts: list[Verdict] = []
        for begin in range(0, len(reports), AT_ONCE):
            part = range(begin, min(begin + AT_ONCE, len(reports)))
            traits = [self.traits(reports[i], screenings[i]) for i in part]
            slots = self.candidates(traits)
            met = [i for i, own in enumerate(slots) if len(own)]
            known = dict(
                zip(met, self._verdicts([(traits[i], screenings[begin + i], slots[i]) for i in met]), strict=True)
            )
            verdicts += [known.get(i) or Verdict(own.report_id, "new", None, 0.0, ()) for i, own in enumerate(traits)]
        return verdicts

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
            both = matters * self.index.chances[slot, 1].astype(np.float64)
            both /= both.sum()
            matters = (1.0 - sure) * matters + sure * both
            theirs = float(self.index.rows[slot, COLUMN["emergency"]])
            emergency = max(emergency, (1.0 - sure) * emergency + sure * theirs)
        return self.engine.revised(screening, matters.astype(np.float32), emergency)

    def evidence(self, traits: Sequence[Traits], slots: Sequence[Slots]) -> tuple[Pairs, Floats]:
        """The pairs of reports with their candidates, and the evidence of each (features, pairs)."""
        pairs = pairs_of(traits, slots)
        return pairs, evidence(pairs, self.index, self._bench)

    def candidates(self, reports: Sequence[Traits]) -> list[Slots]:
        """For each report the slots worth a full look, ascending (see `retrieval`)."""
        return retrieve(reports, self.index, self._windows, self.engine.model.gate)

    def first_looks(self, report: Traits) -> tuple[Slots, Floats]:
        """Slots of all near incidents with what the first look sees of them: what the gate is learned from."""
        return first_looks([report], self.index, self._windows)[1:]

    def _verdicts(self, met: Sequence[tuple[Traits, Screening, Slots]]) -> list[Verdict]:
        if not met:
            return []
        pairs, features = self.evidence([own for own, _, _ in met], [slots for _, _, slots in met])
        odds = self._pair.log_odds(features)
        order = ranked(pairs, odds)
        scores = probability(self._final.log_odds(final_features(pairs, features, odds, order))).tolist()
        chances = probability(odds).tolist()
        found = []
        for number, (traits, screening, slots) in enumerate(met):
            begin = int(pairs.starts[number])
            standing = [(int(i) - begin, chances[i]) for i in order[begin : begin + len(slots)]]
            own = features[:, begin : begin + len(slots)]
            found.append(self._verdict(traits, screening, slots, own, standing, scores[number]))
        return found

    def _verdict(
        self,
        traits: Traits,
        screening: Screening,
        slots: Slots,
        features: Floats,
        standing: Sequence[tuple[int, float]],
        score: float,
    ) -> Verdict:
        """`standing` has the candidates (place in `slots`, chance) from the likeliest down."""
        index, policy = self.index, self.engine.pack.correlation
        ids = [r.incident_id for s in slots.tolist() if (r := index.records[s]) is not None]
        is_open = (index.rows[slots, COLUMN["open"]] > 0).tolist()
        best, device_match = standing[0][0], False
        if traits.device is not None:
            fresh = features[F["hours_since_last"]] <= 24 * policy.recurrence_after_days
            same = (features[F["device_same"]] > 0) & np.array(is_open) & (fresh | traits.cleared)
            match = next((place for place, _ in standing if same[place]), None)
            if match is not None:
                best, device_match, score = match, True, max(score, 0.999)
        matter = self.engine.model.text.matter_codes[int(index.rows[slots[best], COLUMN["top"]])]
        limits = limits_for(policy, matter)
        band = band_of(score, limits, emergency=screening.emergency, device_match=device_match)
        meanwhile = band == "new" and screening.emergency and score >= limits.ask and is_open[best]
        recurrence_of: str | None = None
        if band != "new" and not is_open[best] and self._is_back(traits, screening, int(slots[best])):
            band, recurrence_of = "new", ids[best]
        elif band == "new":
            recurrence_of = next(
                (ids[p] for p, _ in standing[:3] if self._returned(traits, features[:, p], is_open[p])), None
            )
        return Verdict(
            traits.report_id,
            band,
            ids[best] if band != "new" else None,
            round(score, 4),
            reasons(
                traits, dict(zip(FEATURES, features[:, best].tolist(), strict=True)), self._names.get(matter, matter)
            ),
            recurrence_of,
            tuple(Candidate(ids[p], round(chance, 4), is_open[p]) for p, chance in standing[:CANDIDATES_KEPT]),
            ids[best] if meanwhile else None,
        )

    def _is_back(self, traits: Traits, screening: Screening, slot: int) -> bool:
        """Whether a report on a finished incident opens a new one: it says so, it is late, or it is a danger.

        Otherwise it is one more voice on the same problem: the incident's file and result answer it.
        """
        policy = self.engine.pack
        late = traits.at - self.index.rows[slot, COLUMN["closed_at"]] > 24 * policy.correlation.recurrence_after_days
        danger = screening.emergency_confidence >= policy.screening.emergency_clock_from
        return bool(late) or danger or traits.recurrence >= 0.5

    def _returned(self, traits: Traits, features: Floats, is_open: bool) -> bool:
        """Whether a new incident is an earlier one come back: the report says so, or it was finished on this spot."""
        metres, village, matter, hours = features[_RETURN].tolist()
        if hours <= 24 * self.engine.pack.correlation.recurrence_after_days:
            return False
        if traits.recurrence >= 0.5:
            return bool((metres < 400 or village > 0) and matter > 0.3)
        return bool(not is_open and metres < 200 and matter > 0.5)


_RETURN = [F[name] for name in ("metres_best", "village_same", "matter_dot", "hours_since_first")]
_FINAL = [F[name] for name in FINAL_FEATURES[6:]]


def ranked(pairs: Pairs, odds: Floats) -> npt.NDArray[np.int64]:
    """Pairs report by report, the likeliest first, the older slot first among equals."""
    return np.lexsort((pairs.slots, -odds, pairs.owner))


def final_features(pairs: Pairs, features: Floats, odds: Floats, order: npt.NDArray[np.int64]) -> Floats:
    """Features of the second look at each report's winner (see FINAL_FEATURES), shape (features, reports)."""
    chances = probability(odds)
    ends = np.append(pairs.starts[1:], len(order))
    first = order[pairs.starts]
    second, third = (
        np.where(pairs.starts + back < ends, chances[order[np.minimum(pairs.starts + back, ends - 1)]], 0.0)
        for back in (1, 2)
    )
    best = chances[first]
    head = [best, second, best - second, third, np.add.reduceat(chances, pairs.starts), odds[first]]
    return np.concatenate([np.array(head, dtype=np.float32), features[_FINAL][:, first]])


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
    return at.timestamp() / 3600.0 - EPOCH_HOURS


__all__ = ["FEATURES", "FINAL_FEATURES", "Correlator", "Overlay", "final_features", "ranked"]
