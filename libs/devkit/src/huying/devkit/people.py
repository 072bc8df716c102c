"""A seeded simulation of people: units accept, contact, return, complete; citizens rate, or do not.

They act through the public doors only and know what the feed tells. What each does depends on the seed, on stable
identities and on business time, never on the wall clock or on the order in which events are read.

Rates: requirements.md (completion 95-99 %, satisfaction 95-96.5 %; all four seeds).
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from huying.contracts.envelope import CloudEvent
from huying.contracts.incidents import IncidentDispatchedV1
from huying.contracts.ratings import RatingInvitedV1

ZONE = ZoneInfo("Asia/Shanghai")

RETURN_SHARE = 0.03
"""Wrong unit: seed 001 tells of orders sent back and forth; a few in a hundred."""

NEVER_SHARE = 0.02
"""Completion 95-99 %, all seeds."""

LATE_SHARE = 0.06
"""Of 13,000 open orders 5,300 were overdue or extended (seed 001), but most orders are not open: a few in a hundred."""

RATE_SHARE = 0.55
"""Somewhat more than half of the citizens answer a link."""

GRADES = (("satisfied", 0.78), ("basically_satisfied", 0.178), ("dissatisfied", 0.042))
"""Satisfaction 95-96.5 %, all seeds; 基本满意 counts as satisfied there."""

OFFICE = (time(8, 30), time(17, 40))
"""When units work; emergencies do not wait for it."""

LEISURE = (12, 19)
"""Hours of the lunch break and of the evening."""

TYPICAL_H = {"emergency": 0.9, "consultation": 3.0, "public_service": 20.0, "other": 60.0}
"""Median hours to a result by clock class: well inside each clock (2 h, same day, 2 and 7 working days)."""

LATE_H = {
    "emergency": (2.2, 5.0),
    "consultation": (26.0, 60.0),
    "public_service": (100.0, 160.0),
    "other": (270.0, 330.0),
}
"""Hours that are past each clock, weekends counted."""

RESULTS = (
    "已到现场处理完毕，恢复正常。",
    "已安排人员整改到位，请群众监督。",
    "已与反映人沟通并办结，后续加强巡查。",
    "经核实情况属实，已维修完成。",
    "已按规定答复反映人，反映人表示知晓。",
)


@dataclass(frozen=True, slots=True, order=True)
class Deed:
    """Something a person will do: a command to routing, or a rating on evaluation's page."""

    at: datetime
    incident_id: str
    key: str
    """Names it once and for all."""
    unit: str
    body: tuple[tuple[str, Any], ...]
    path: str = ""
    """Of the citizen's page; empty for a command."""


class People:
    """Everybody of one county, for one replay."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._plans: dict[str, list[Deed]] = {}
        """What is still to be done, by incident or by rating, the next first."""

    def hear(self, events: Iterable[CloudEvent]) -> None:
        """Learn from the feed and the invitations what there is to do."""
        for event in events:
            if event.type == IncidentDispatchedV1.TYPE:
                self._dispatched(IncidentDispatchedV1.model_validate_json(event.data))
            elif event.type == RatingInvitedV1.TYPE:
                self._invited(RatingInvitedV1.model_validate_json(event.data))

    def due(self, until: datetime) -> list[Deed]:
        """What happens before `until`, one deed an incident at the most, in a fixed order; it counts as done."""
        chosen: dict[str, tuple[Deed, str]] = {}
        for name, deeds in self._plans.items():
            if deeds and deeds[0].at < until:
                known = chosen.get(deeds[0].incident_id)
                if known is None or deeds[0] < known[0]:
                    chosen[deeds[0].incident_id] = (deeds[0], name)
        for _, name in chosen.values():
            self._plans[name].pop(0)
        return sorted(deed for deed, _ in chosen.values())

    @property
    def next_at(self) -> datetime | None:
        """When the next deed is due; None when everybody is done."""
        return min((deeds[0].at for deeds in self._plans.values() if deeds), default=None)

    def _random(self, *parts: object) -> random.Random:
        return random.Random("/".join(map(str, (self._seed, *parts))))

    def _dispatched(self, event: IncidentDispatchedV1) -> None:
        dice = self._random(event.incident_id, event.incident_version)
        unit, clock = event.dispatch.unit, event.incident.classification.clock_class
        urgent = clock == "emergency"
        deeds: list[Deed] = []

        def plan(at: datetime, kind: str, **more: str) -> None:
            body = (("kind", kind), *more.items())
            deeds.append(Deed(at, event.incident_id, f"{event.dispatch.dispatch_id}/{kind}", unit, body))

        seen = event.at if urgent else _in_office(event.at)
        accepted = seen + timedelta(minutes=dice.uniform(1, 8) if urgent else min(dice.lognormvariate(3.0, 0.8), 600))
        course = event.incident.course
        known = event.incident.returns > 0 or (course is not None and course.redone > 0)
        if not known and dice.random() < RETURN_SHARE:
            plan(accepted, "return", reason="不属于本单位职责范围，请重新分派。", basis="主体责任和配合责任清单")
            self._plans[event.incident_id] = deeds
            return
        plan(accepted, "accept")
        contacted = accepted + timedelta(
            minutes=dice.uniform(2, 15) if urgent else min(dice.lognormvariate(3.2, 0.8), 400)
        )
        contacted = contacted if urgent else _in_office(contacted)
        plan(contacted, "contact", note="已联系反映人，了解情况。")
        fate = dice.random()
        if fate >= NEVER_SHARE:
            if fate < NEVER_SHARE + LATE_SHARE:
                done = event.at + timedelta(hours=dice.uniform(*LATE_H[clock]))
            else:
                done = contacted + timedelta(hours=TYPICAL_H[clock] * min(dice.lognormvariate(0, 0.45), 1.9))
            done = max(done if urgent or clock == "consultation" else _in_office(done), contacted)
            plan(done + timedelta(minutes=1), "complete", text=dice.choice(RESULTS))
        self._plans[event.incident_id] = deeds

    def _invited(self, event: RatingInvitedV1) -> None:
        dice = self._random("rating", event.rating_id)
        if dice.random() >= RATE_SHARE:
            return
        grade = dice.choices([name for name, _ in GRADES], [share for _, share in GRADES])[0]
        at = _at_leisure(event.at + timedelta(hours=min(dice.lognormvariate(1.8, 1.0), 120)), dice)
        body = (("grade", grade), ("rated_at", at.isoformat()))
        self._plans[event.rating_id] = [Deed(at, event.incident_id, event.rating_id, event.unit, body, event.path)]


def _at_leisure(at: datetime, dice: random.Random) -> datetime:
    """The next lunch break or evening: when people look at their telephones."""
    local = at.astimezone(ZONE)
    lunch, evening = (local.replace(hour=hour, minute=dice.randrange(60)) for hour in LEISURE)
    for moment in (lunch, evening):
        if moment > local:
            return moment.astimezone(at.tzinfo)
    return (lunch + timedelta(days=1)).astimezone(at.tzinfo)


def _in_office(at: datetime) -> datetime:
    """The moment itself in office hours, else when the office opens next."""
    local = at.astimezone(ZONE)
    if local.time() < OFFICE[0]:
        local = local.replace(hour=OFFICE[0].hour, minute=OFFICE[0].minute)
    elif local.time() > OFFICE[1]:
        local = (local + timedelta(days=1)).replace(hour=OFFICE[0].hour, minute=OFFICE[0].minute)
    while local.weekday() >= 5:
        local = (local + timedelta(days=1)).replace(hour=OFFICE[0].hour, minute=OFFICE[0].minute)
    return local.astimezone(at.tzinfo)
