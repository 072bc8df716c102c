"""What routing holds in memory: the committed index and incidents, and what one batch changes on top of them."""

import heapq
from collections import ChainMap, Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from huying.contracts.incidents import ReportRef
from huying.contracts.moves import CLOSED

from .domain import Catalogue, Decision, wakes_at
from .incident import Incident
from .judgement import Correlator, ReportFacts, Screening
from .repository import Tally

Wake = tuple[datetime, str]


@dataclass(slots=True)
class Memory:
    """What is committed: incidents by id, what happens by itself by its time, the catalogue, the fence."""

    correlator: Correlator
    catalogue: Catalogue
    incidents: dict[str, Incident] = field(default_factory=dict)
    wakes: list[Wake] = field(default_factory=list)
    finished: list[Wake] = field(default_factory=list)
    """Finished incidents by their last step, as a heap."""
    floods: frozenset[str] = frozenset()
    epoch: int = 0
    tally: Tally = field(default_factory=Tally)

    def remember(self, incidents: Iterable[Incident]) -> None:
        """Incidents out of the database."""
        self.incidents = {incident.id: incident for incident in incidents}
        times = [(wakes_at(incident), incident.id) for incident in self.incidents.values()]
        self.wakes = [(at, name) for at, name in times if at is not None]
        heapq.heapify(self.wakes)
        self.finished = []
        self._note_finished(self.incidents.values())
        self.floods = frozenset(name for name, one in self.incidents.items() if one.course.flood is not None)

    def _note_finished(self, incidents: Iterable[Incident]) -> None:
        for incident in incidents:
            if incident.state in CLOSED:
                heapq.heappush(self.finished, (incident.last_at, incident.id))

    def forget(self, since: datetime) -> None:
        """Let go the finished incidents whose last step is older: those that a rebuilding would not bring in.

        A parent stays as long as one of its children, which know each other by it.
        """
        old: dict[str, Incident] = {}
        while self.finished and self.finished[0][0] < since:
            at, name = heapq.heappop(self.finished)
            incident = self.incidents.get(name)
            if incident is not None and incident.state in CLOSED and incident.last_at == at:
                old[name] = incident
        for name, incident in sorted(old.items(), key=lambda each: bool(each[1].children)):  # children, then parents
            if self._has_child(incident):
                self._note_finished([incident])
                continue
            del self.incidents[name]
            if name in self.correlator.index.slot_of:
                self.correlator.remove(name)

    def _has_child(self, incident: Incident) -> bool:
        children = (self.incidents.get(name) for name in incident.children)
        return any(child is not None and child.course.parent == incident.id for child in children)

    def waits(self, wake: Wake) -> bool:
        """Whether it is still to come."""
        incident = self.incidents.get(wake[1])
        return incident is not None and wakes_at(incident) == wake[0]

    def commit(self, batch: "Batch") -> None:
        """The batch becomes memory."""
        batch.overlay.commit()
        self.incidents.update(batch.incidents.maps[0])
        self._note_finished(batch.incidents.maps[0].values())
        self.catalogue, self.floods, self.tally = batch.catalogue, frozenset(batch.floods), batch.tally
        self.epoch += batch.fenced
        for wake in batch.wakes:
            heapq.heappush(self.wakes, wake)
        while self.wakes and not self.waits(self.wakes[0]):
            heapq.heappop(self.wakes)


@dataclass(slots=True)
class Batch:
    """One batch: what it read, and what it changes on top of the memory."""

    overlay: Any
    index: Correlator
    older: frozenset[str]
    """Incidents that memory had let go and a command names."""
    incidents: ChainMap[str, Incident]
    catalogue: Catalogue
    floods: dict[str, None]
    tally: Tally
    wakes: list[Wake] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    decided: set[str] = field(default_factory=set)
    wishes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Commands that came by the desk and were had before."""
    facts: dict[str, ReportFacts] = field(default_factory=dict)
    """Of the batch's reports, and of the incidents that its commands regroup."""
    screenings: dict[str, Screening] = field(default_factory=dict)
    refs: dict[str, ReportRef] = field(default_factory=dict)
    tracked: dict[str, dict[str, str]] = field(default_factory=dict)
    """Tracking number to where its reports are, as the batch has left them: a follow-up may come in the same one."""
    bands: Counter[str] = field(default_factory=Counter)
    """Reports by what became of them; counted when the batch is in the database."""
    fence: dict[str, Any] = field(default_factory=dict)
    """The guard's update: it counts on while the batch is folded."""
    decisions: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def fenced(self) -> bool:
        """Whether this batch writes."""
        return bool(self.fence)

    def has_read(self, incident: Incident) -> bool:
        """Whether the incident's reports are at hand."""
        return all(name in self.refs and name in self.facts for name in incident.reports)

    def take(self, decision: Decision) -> None:
        """Bring the state forward by a decision."""
        self.incidents.maps[0].update(decision.incidents)
        for incident in decision.incidents.values():
            at = wakes_at(incident)
            if at is not None:
                heapq.heappush(self.wakes, (at, incident.id))
            if incident.course.flood is not None:
                self.floods[incident.id] = None
            else:
                self.floods.pop(incident.id, None)
        self.refs.update(decision.moved)
        self.refs.update((ref.report_id, ref) for pair in decision.parts for ref in pair)
        for report, where in decision.joins:
            self.tracked.setdefault(self.refs[report].tracking_number, {})[report] = where
        if decision.rule is not None:
            self.catalogue = self.catalogue.ruled(decision.rule)
        self.tally = Tally(
            self.tally.opened + len(decision.opened),
            self.tally.merged + decision.merges,
            self.tally.reversed + decision.reversals,
        )

    def due(self, memory: Memory, now: datetime) -> list[Incident]:
        """Incidents that go on by themselves by `now`, in that order; the committed heap is only looked at."""
        found: dict[str, Incident] = {}
        if not any(wakes and wakes[0][0] <= now for wakes in (memory.wakes, self.wakes)):
            return []
        for at, name in sorted([*(wake for wake in memory.wakes if wake[0] <= now), *self.wakes]):
            incident = self.incidents.get(name)
            if at <= now and incident is not None and wakes_at(incident) == at:
                found[name] = incident
        return list(found.values())
