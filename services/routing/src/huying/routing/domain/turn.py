"""One message's turn: what is known, why something is done, and the steps so far. It decides nothing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from huying.contracts.course import CatalogueRule
from huying.contracts.incidents import CommandDeclinedV1, DeclineReason, IncidentEvent, ReportRef

from ..incident import Cause, Incident
from ..judgement import ReportFacts, Screening
from ..steps import Step
from .catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command is not obeyed, in words that say what to do next."""

    reason: DeclineReason
    message: str


def impossible(message: str) -> Refusal:
    """It would be legal in this state, but not as things are."""
    return Refusal("not_possible", message)


def unknown_units(catalogue: Catalogue, **named: tuple[str, ...]) -> Refusal | None:
    """Units that the pack has not, by the field that names them."""
    for field_name, codes in named.items():
        if strangers := [code for code in codes if not catalogue.knows(code)]:
            return impossible(f"{field_name}：没有单位 {'、'.join(map(repr, strangers))}：请从清单中选")
    return None


@dataclass(slots=True)
class Decision:
    """Steps to take, in order: the incidents after them and the events, and what goes with them."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    events: list[IncidentEvent] = field(default_factory=list)
    declined: CommandDeclinedV1 | None = None
    commanded: str | None = None
    """The incident whose events answer the command."""
    joins: list[tuple[str, str]] = field(default_factory=list)
    """(report id, incident id): where reports belong from now on."""
    moved: dict[str, ReportRef] = field(default_factory=dict)
    """Reports that came to another incident, as they are called there."""
    parts: list[tuple[ReportRef, ReportRef]] = field(default_factory=list)
    """Reports that tell of two problems, and the part of each that opened an incident."""
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    regrouped: set[str] = field(default_factory=set)
    """Incidents whose reports changed otherwise than by one that arrived, and those that live again: for the index."""
    rule: CatalogueRule | None = None
    merges: int = 0
    """Reports that came to a known incident."""
    reversals: int = 0
    """Reports that a person took apart again."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known when a turn comes."""

    known: Mapping[str, Incident]
    catalogue: Catalogue
    reports: Mapping[str, ReportRef] = field(default_factory=dict)
    """Of the incidents that a command regroups."""
    evidence: Mapping[str, tuple[ReportFacts, Screening]] = field(default_factory=dict)
    """Of the same reports: what judgement says of each."""
    number: str = ""
    """What an incident that is opened now is called."""
    floods: Collection[str] = ()
    """Incidents with flood mode."""


class Turn:
    """Takes steps on top of a scene."""

    def __init__(self, scene: Scene, cause: Cause) -> None:
        self.scene, self.cause = scene, cause
        self.decision = Decision()

    @property
    def at(self) -> datetime:
        """Business time."""
        return self.cause.at

    @property
    def catalogue(self) -> Catalogue:
        """The duty catalogue as it is after this turn's ruling, if there was one."""
        rule = self.decision.rule
        return self.scene.catalogue.ruled(rule) if rule else self.scene.catalogue

    def get(self, incident_id: str | None) -> Incident | None:
        """The incident as it is now."""
        if incident_id is None:
            return None
        return self.decision.incidents.get(incident_id) or self.scene.known.get(incident_id)

    def take(self, step: Step) -> Incident:
        """Note one step."""
        incident, event = step
        self.decision.incidents[incident.id] = incident
        self.decision.events.append(event)
        return incident

    def surviving(self, wanted: str | None) -> Incident | None:
        """The incident, or the one that it was merged into.

        None where that leads in a circle: there were incidents that had been merged into themselves.
        """
        found, seen = self.get(wanted), set[str]()
        while found is not None and found.merged_into is not None:
            seen.add(found.id)
            found = self.get(found.merged_into) if found.merged_into not in seen else None
        return found
