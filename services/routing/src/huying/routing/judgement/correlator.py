"""The engine's second half: which open incident a report belongs to, with reasons.

Refuses I/O, clocks and chance: `now` is given, and the same index and report give the same verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from types import TracebackType

import numpy as np
import numpy.typing as npt

from .bands import band_of, limits_for, reasons
from .compiled import compiled
from .evidence import FEATURES, F, Workbench, evidence
from .facts import Candidate, IncidentView, Reason, ReportFacts, Screening, Verdict
from .habits import columns, with_habits
from .index import COLUMN, IncidentIndex, Rows
from .judge import Judge
from .retrieval import Found, Slots, first_looks, retrieve
from .scorer import Scorer, Written, chance_of, log_odds
from .traits import EPOCH_HOURS, Floats, Traits

CANDIDATES_KEPT = 5
"""How many rivals a verdict lists for the dispatcher."""
ALIKE_FROM = 0.03
"""An incident less likely than this says nothing about a report: no smaller chance of danger raises an alarm either."""
SHARED_AT_MOST = 0.98
"""Share of a heading's chances that the incidents around a report decide at most."""
VOICES_AT_MOST = 2.0
"""An incident's reports speak for its heading like so many independent ones at most: they repeat each other."""
FINAL_FEATURES = (
    "best", "second", "gap", "third", "sum", "odds", "candidates", "here", "here_same_matter", "length",
    "follow_up", "recurrence", "matter_sure_report", "place_unknown", "is_machine", "channel",
    "reports", "hours_since_last", "metres_best", "village_same", "text_best", "said_place_known",
    "matter_dot", "metres_margin", "reporter_same", "text_known", "place_best", "emergency_report",
    "two_problems", "two_problems_incident", "busy", "spread",
    "late_in_ours", "late_in_theirs",
)  # fmt: skip
"""What the second look sees: the winner's score beside its rivals' and the facts that make scores misleading."""


class Correlator:
    """In-memory judgement over open and recently finished incidents; one writer."""

    def __init__(self, judge: Judge) -> None:
        """An empty index.

        Raises:
            ValueError: the model reads other evidence than there is.
        """
        read = {"features": columns(judge.model.join_rates), "final_features": list(FINAL_FEATURES)}
        if any(judge.model.description.get(kind, names) != names for kind, names in read.items()):
            raise ValueError("it was learned on other evidence than this program has; learn again")
        self.engine = judge
        self.index = IncidentIndex(judge.model.gap_hours, judge.model.text.topics)
        self._pair, self._final = Scorer(judge.model.pair), Scorer(judge.model.final)
        self._bench = Workbench(judge.rare)
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
            self.index.put(view.incident_id, members, _hours(view.closed_at) if view.closed_at else None)

    def join(self, incident_id: str, report: ReportFacts, screening: Screening) -> None:
        """A report has joined an incident (by the engine's verdict or a person's)."""
        self.index.join(incident_id, self.traits(report, screening))

    def close(self, incident_id: str, at: datetime) -> None:
        """An incident is finished; it still attracts recurrences until removed."""
        self.index.close(incident_id, _hours(at))

    def reopen(self, incident_id: str) -> None:
        """A finished incident lives again, with the reports that it has."""
        self.index.reopen(incident_id)

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

    def judge(self, report: ReportFacts, screening: Screening) -> Verdict:
        """Band, incident and reasons for one report, given what is in the index."""
        traits = self.traits(report, screening)
        found = self.candidates(traits)
        if not len(found.slots):
            return Verdict(report.report_id, "new", None, 0.0, ())
        features = self.evidence(traits, found)
        order, chances, score = _weighed(features, self._pair.trees, self._final.trees)
        standing = list(zip(order.tolist(), chances.tolist(), strict=True))
        return self._verdict(traits, screening, found.slots, features, standing, score)

    def likeliest(
        self, report: ReportFacts, screening: Screening, incidents: Collection[str]
    ) -> tuple[str, float, tuple[Reason, ...]] | None:
        """Of these incidents the likeliest, with its chance and reasons; None where none is a candidate."""
        traits = self.traits(report, screening)
        found = self.candidates(traits)
        records = self.index.at(found.slots)
        meant = [place for place, record in enumerate(records) if record.incident_id in incidents]
        if not meant:
            return None
        features = self.evidence(traits, found)
        odds = self._pair.log_odds(features)
        best = max(meant, key=lambda place: float(odds[place]))
        matter = self.engine.model.text.matter_codes[int(self.index.rows[found.slots[best], _TOP])]
        told = reasons(traits, features[best].tolist(), self._names.get(matter, matter))
        return records[best].incident_id, round(float(chance_of(odds[best])), 4), told

    def revise(self, screening: Screening, verdict: Verdict) -> Screening:
        """A screening in the light of the incidents that the report may belong to, each by its chance.

        People say less the second time ("还没来电"): what earlier reports said counts, that of more of them for more.
        Danger is passed on, also by an incident that the report does not join, and never taken back.
        """
        own = screening.traits
        if own is None or not verdict.candidates:
            return screening
        shares = {candidate.incident_id: candidate.score for candidate in verdict.candidates}
        judged = verdict.incident_id or verdict.candidates[0].incident_id
        shares[judged] = verdict.score if verdict.band == "new" else max(verdict.score, shares.get(judged, 0.0))
        shares = {incident_id: share for incident_id, share in shares.items() if share >= ALIKE_FROM}
        if not shares:
            return screening
        index = self.index
        slots = np.array([index.slot_of[incident_id] for incident_id in shares])
        alike = np.array([*shares.values()])
        matters, emergency = _heard(
            own.matters, screening.emergency_confidence, slots, alike, index.rows, index.chances
        )
        return self.engine.revised(screening, matters, emergency)

    def evidence(self, report: Traits, found: Found) -> Floats:
        """The evidence of a report's candidates (slots, features)."""
        rows = evidence(report, found, self.index, self._bench)
        rates = self.engine.model.join_rates
        return rows if rates is None else with_habits(rows, report, found.slots, self.index, rates)

    def candidates(self, report: Traits) -> Found:
        """The incidents worth a full look (see `retrieval`)."""
        policy = self.engine.pack.correlation
        found = retrieve(report, self.index, self._windows, self.engine.model.gate, policy.looked_at)
        if policy.towns_apart and report.town >= 0:
            towns = self.index.rows[found.slots, COLUMN["town"]]
            near = np.isnan(towns) | (towns == report.town)
            found = Found(found.slots[near], found.shared[near], found.named)
        return found

    def first_looks(self, report: Traits) -> tuple[Slots, Floats]:
        """Slots of all near incidents with what the first look sees of them: what the gate is learned from."""
        return first_looks(report, self.index, self._windows)

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
        best, device_match = standing[0][0], False
        if traits.device is not None:
            match = self._same_device(traits, slots, features, standing)
            if match is not None:
                best, device_match, score = match, True, max(score, 0.999)
        records, alive = index.at(slots), index.rows[slots, _OPEN].tolist()
        told = [
            Candidate(records[place].incident_id, chance, alive[place] > 0)
            for place, chance in standing[:CANDIDATES_KEPT]
        ]
        if best == standing[0][0]:
            winner = told[0]
        else:
            winner = Candidate(records[best].incident_id, round(score, 4), alive[best] > 0)
        matter = self.engine.model.text.matter_codes[int(index.rows[slots[best], _TOP])]
        limits = limits_for(policy, matter)
        band = band_of(score, limits, emergency=screening.emergency, device_match=device_match)
        meanwhile = band == "new" and screening.emergency and score >= limits.ask and winner.open
        recurrence_of: str | None = None
        if band != "new" and not winner.open and self._is_back(traits, screening, int(slots[best])):
            band, recurrence_of = "new", winner.incident_id
        elif band == "new":
            again = traits.recurrence >= 0.5
            for (place, _), one in zip(standing, told[:3], strict=False):
                if (again or not one.open) and self._returned(again, features[place]):
                    recurrence_of = one.incident_id
                    break
        return Verdict(
            traits.report_id,
            band,
            winner.incident_id if band != "new" else None,
            round(score, 4),
            reasons(traits, features[best].tolist(), self._names.get(matter, matter)),
            recurrence_of,
            tuple(told),
            winner.incident_id if meanwhile else None,
        )

    def _same_device(
        self, traits: Traits, slots: Slots, features: Floats, standing: Sequence[tuple[int, float]]
    ) -> int | None:
        """Place of the likeliest open incident of the same alarm, unless that has been quiet for long."""
        quiet_hours = 24 * self.engine.pack.correlation.recurrence_after_days
        for place, _ in standing:
            fresh = features[place, F["hours_since_last"]] <= quiet_hours or traits.cleared
            if fresh and features[place, F["device_same"]] > 0 and self.index.rows[slots[place], COLUMN["open"]] > 0:
                return place
        return None

    def _is_back(self, traits: Traits, screening: Screening, slot: int) -> bool:
        """Whether a report on a finished incident opens a new one: it says so, it is late, or it is a danger.

        Otherwise it is one more voice on the same problem, and the domain says whether the result stands. An
        all-clear opens nothing.
        """
        policy = self.engine.pack
        late = traits.at - self.index.rows[slot, COLUMN["closed_at"]] > 24 * policy.correlation.recurrence_after_days
        danger = screening.emergency_confidence >= policy.screening.emergency_clock_from
        return not traits.cleared and (bool(late) or danger or traits.recurrence >= 0.5)

    def _returned(self, again: bool, features: Floats) -> bool:
        """Whether a new incident is an earlier one come back: the report says `again`, or it was finished on this spot."""
        metres, village, matter, hours = (float(features[place]) for place in _RETURN)
        if hours <= 24 * self.engine.pack.correlation.recurrence_after_days:
            return False
        if again:
            return (metres < 400 or village > 0) and matter > 0.3
        return metres < 200 and matter > 0.5


_RETURN = [F[name] for name in ("metres_best", "village_same", "matter_dot", "hours_since_first")]
_REPORTS, _EMERGENCY, _OPEN, _TOP = (COLUMN[name] for name in ("reports", "emergency", "open", "top"))
_FINAL = np.array([F[name] for name in FINAL_FEATURES[6:]])


@compiled
def _weighed(
    features: Floats, pair: Written, final: Written
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], float]:
    """Places of the candidates, the likeliest first; their chances to four digits; the chance of the first at the second look."""
    order, chances, seen = second_look(features, log_odds(features, *pair))
    return order, chances, chance_of(log_odds(seen, *final)[0])


@compiled
def second_look(features: Floats, odds: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], Floats]:
    """Order, chances and the second look's features of a report's candidates.

    Places of the candidates, the likeliest first (the older slot first among equals); their chances in that order, to
    four digits; FINAL_FEATURES of the first, shape (1, final features).
    """
    order = np.argsort(-odds, kind="mergesort")
    chances, told = np.empty(len(order), dtype=np.float32), np.empty(len(order), dtype=np.float64)
    for place in range(len(order)):
        chances[place] = chance_of(odds[order[place]])
        told[place] = np.rint(np.float64(chances[place]) * 1e4) / 1e4
    final = np.zeros((1, 6 + len(_FINAL)), dtype=np.float32)
    final[0, 0] = chances[0]
    final[0, 1] = chances[1] if len(order) > 1 else 0.0
    final[0, 2] = final[0, 0] - final[0, 1]
    final[0, 3] = chances[2] if len(order) > 2 else 0.0
    final[0, 4] = chances.sum()
    final[0, 5] = odds[order[0]]
    for number in range(len(_FINAL)):
        final[0, 6 + number] = features[order[0], _FINAL[number]]
    return order, told, final


@compiled
def _heard(
    own: Floats, emergency: float, slots: Slots, shares: npt.NDArray[np.float64], rows: Rows, chances: Floats
) -> tuple[Floats, float]:
    """Chances of the headings and of danger, of a report that belongs to each slot by its share."""
    total = shares.sum()
    scale = min(1.0, SHARED_AT_MOST / max(total, SHARED_AT_MOST))
    mixed, both = (1.0 - scale * total) * own.astype(np.float64), np.empty(len(own), dtype=np.float64)
    most = emergency
    for number in range(len(slots)):
        slot, share = slots[number], shares[number]
        voices = min(1.0 + 0.5 * (rows[slot, _REPORTS] - 1.0), VOICES_AT_MOST)
        for matter in range(len(own)):
            both[matter] = np.float64(own[matter]) * np.float64(chances[slot, 1, matter]) ** voices
        mixed += scale * share * both / both.sum()
        most = max(most, (1.0 - share) * emergency + share * rows[slot, _EMERGENCY])
    return mixed.astype(np.float32), most


class Overlay:
    """A micro-batch's changes: visible at once, kept by `commit`, undone by `discard`."""

    def __init__(self, correlator: Correlator) -> None:
        if correlator.index.journal is not None:
            raise RuntimeError("a fork is open already; commit or discard it first (routing has one writer)")
        self._correlator = correlator
        self._journal = correlator.index.begin()

    def __enter__(self) -> Correlator:
        return self._correlator

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._correlator.index.journal is self._journal:
            self.discard()

    def commit(self) -> None:
        """Keep the changes."""
        self._own().keep()

    def discard(self) -> None:
        """Undo the changes."""
        self._own().undo()

    def _own(self) -> IncidentIndex:
        if self._correlator.index.journal is not self._journal:
            raise RuntimeError("this fork has been committed or discarded already")
        return self._correlator.index


def _hours(at: datetime) -> float:
    return at.timestamp() / 3600.0 - EPOCH_HOURS


__all__ = ["FEATURES", "FINAL_FEATURES", "Correlator", "Overlay", "second_look"]
