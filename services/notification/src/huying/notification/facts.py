"""What is kept of an incident, and what a step of the feed makes of it. Pure."""

from dataclasses import dataclass

from huying.contracts import incidents as feed
from huying.contracts import orders
from huying.contracts.incidents import IncidentEvent
from huying.contracts.places import Place


@dataclass(frozen=True, slots=True)
class Told:
    """A report whose reporter is told: by reference, with the number of the report; one who has several, once."""

    reference: str
    tracking: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is kept of an incident. All up to its class is as it was when it was opened, save the version."""

    incident_id: str
    jurisdiction: str
    version: int
    number: str
    title: str
    matter: str
    place: str
    village: str | None
    clock_class: str
    reporters: tuple[Told, ...] = ()
    placed: bool = False
    """Whether grid worker and reporters know that a unit has it, by its own dispatch or under another's."""
    result: str | None = None
    """What the unit reported, as long as it stands."""
    pause_over: bool = False
    """Whether its pause ended with its dispatch, and no unit has it yet."""


def opening(event: IncidentEvent) -> Facts:
    """Facts of an incident that is seen for the first time."""
    view = event.incident
    return Facts(
        incident_id=event.incident_id,
        jurisdiction=event.jurisdiction,
        version=0,
        number=view.number,
        title=view.title,
        matter=view.classification.matter_name,
        place=place_zh(view.place),
        village=view.place.village_code,
        clock_class=view.classification.clock_class,
    )


def place_zh(place: Place) -> str:
    """A place as people say it: town and village, else what the reporter wrote."""
    named = f"{place.town or ''}{place.village or ''}"
    return named or place.address or "地点待核实"


def reporters_after(reporters: tuple[Told, ...], event: IncidentEvent) -> tuple[Told, ...]:
    """Who is told of this incident after a step: its reports' people, and nobody whose reports have left."""
    match event:
        case feed.IncidentOpenedV1(report=report) | feed.IncidentReportJoinedV1(report=report):
            if report.reporter is None:
                return reporters
            return (*reporters, Told(report.reporter.ref, report.tracking_number))
        case orders.IncidentSplitV1(reports=reports):
            staying = list(reporters)
            for report in reports:  # one each: a report and a part of it that was put back have one number
                told = next((one for one in staying if one.tracking == report.tracking_number), None)
                if told is not None and report.reporter is not None:
                    staying.remove(told)
            return tuple(staying)
        case feed.IncidentMergedV1():
            return ()
        case _:
            return reporters


def result_after(result: str | None, event: IncidentEvent) -> str | None:
    """The result that stands after a step: none once it is worked on again."""
    if isinstance(event, feed.IncidentCompletedV1):
        return event.text
    return result if event.incident.state == "completed" else None


def pause_over_after(over: bool, event: IncidentEvent) -> bool:
    """Whether a pause that ended with its dispatch has still to be told of after a step."""
    if isinstance(event, orders.IncidentWithdrawnV1):
        return over or event.incident.state == "suspended"
    return over and not (isinstance(event, feed.IncidentMergedV1) or places(event))


def places(event: IncidentEvent) -> bool:
    """Whether a unit has it by this step."""
    placing = isinstance(event, feed.IncidentDispatchedV1 | orders.IncidentCoveredV1)
    return placing and event.incident.dispatch is not None
