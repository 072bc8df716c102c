"""Incidents of one event (a flood night): one parent, children that stay visible, one dispatch a unit, not a report.

A child whose unit has a dispatch in the family already is *covered* by that incident: no dispatch of its own, its own
history, clocks and result. The parent is never covered: at a child's unit the one dispatch becomes the parent's, so that
whoever leads the family can do with it what an order allows.
"""

from collections.abc import Iterator
from datetime import timedelta

from huying.contracts.commands import CloseFlood, Group, OpenFlood, Release
from huying.contracts.incidents import Dispatch
from huying.contracts.moves import ACTIVE, OPEN, STATE_WORDS
from huying.county import Duty

from .. import asides, steps
from ..incident import Incident
from .turn import Refusal, Turn, impossible

AT_ONCE = "有险情，不再等待"


def family(turn: Turn, incident: Incident) -> Iterator[Incident]:
    """The parent, which is remembered as long as one of its children is, and the children that are remembered."""
    parent = turn.get(incident.course.parent) or incident
    for name in (parent.id, *parent.children):
        found = turn.get(name)
        if found is not None:
            yield found


def followers(turn: Turn, incident: Incident) -> list[Incident]:
    """Those that the dispatch of `incident` stands for, too."""
    return [one for one in family(turn, incident) if one.state == "covered" and one.course.covered_by == incident.id]


def holder_of(turn: Turn, incident: Incident, unit: str | None) -> Incident | None:
    """Another of the family that has the unit's one dispatch."""
    others = (one for one in family(turn, incident) if one.id != incident.id)
    return next((one for one in others if one.state in ACTIVE and one.unit == unit), None)


def place(turn: Turn, incident: Incident, duty: Duty) -> Incident:
    """Give it to the duty's main unit: by a dispatch of its own, or under the one that the unit has in the family."""
    holder = holder_of(turn, incident, duty.main)
    if holder is not None and holder.course.parent != incident.id:
        incident = cover(turn, incident, holder)
    else:
        incident = turn.take(steps.dispatched(incident, turn.cause, duty, turn.catalogue.pack))
    follow(turn, incident)
    if holder is not None and incident.state != "covered":
        follow(turn, yield_to(turn, holder, incident))
    return incident


def yield_to(turn: Turn, child: Incident, holder: Incident) -> Incident:
    """The child's own dispatch ends for that of another of the family."""
    child = turn.take(steps.withdrawn(child, turn.cause, f"随 {holder.number} 一并办理"))
    return cover(turn, child, holder)


def cover(turn: Turn, incident: Incident, holder: Incident) -> Incident:
    """The holder's dispatch stands for it, too."""
    return at_once(turn, turn.take(asides.covered(incident, turn.cause, holder)))


def at_once(turn: Turn, incident: Incident) -> Incident:
    """No pause holds an emergency, not even that of the order which stands for it.

    While that order awaits a ruling, the emergency has one of its own, at the unit that had it.
    """
    if incident.classification.clock_class != "emergency":
        return incident
    order = turn.get(incident.course.covered_by) or incident
    if order.course.suspension is not None:
        turn.take(asides.resumed(order, turn.cause, reason=AT_ONCE))
    elif incident.state == "covered" and order.state == "adjudicating":
        return place(turn, incident, had(turn, incident, incident.dispatch))
    return turn.get(incident.id) or incident


def had(turn: Turn, incident: Incident, last: Dispatch | None) -> Duty:
    """The duty as the unit had it that had it last, which a person may have named; the catalogue's where nobody had."""
    listed = turn.catalogue.duty(incident.classification, incident.place)
    if last is None or not turn.catalogue.knows(last.unit, *last.assisting):
        return listed
    known = {"main": last.unit, "assisting": last.assisting, "basis": last.basis or "", "version": last.catalogue}
    return listed.model_copy(update={**known, "level": last.level})


def follow(turn: Turn, incident: Incident) -> None:
    """Those that it stood for go with it, but for an emergency where it goes to await a ruling."""
    holder = turn.get(incident.course.covered_by) if incident.state == "covered" else incident
    assert holder is not None
    for one in followers(turn, incident):
        if at_once(turn, one).course.covered_by == incident.id:
            cover(turn, one, holder)


def adopt(turn: Turn, parent: Incident, child: Incident, reason: str | None = None) -> Incident:
    """The child belongs to the family; its dispatch is not looked at here."""
    child = turn.take(asides.grouped(child, turn.cause, parent, reason))
    turn.take(asides.family_changed(parent, turn.cause, added=(child.id,)))
    return child


def leave(turn: Turn, child: Incident) -> None:
    """The parent forgets the child."""
    parent = turn.get(child.course.parent)
    if parent is not None:
        turn.take(asides.family_changed(parent, turn.cause, removed=(child.id,)))


def tied(turn: Turn, incident: Incident) -> Refusal | None:
    """Why it cannot leave its family or be merged away: others hang on it."""
    if incident.course.flood is not None:
        return impossible(f"{incident.number} 开着汛期模式：请先结束汛期模式")
    children = [child for name in incident.children if (child := turn.get(name)) is not None and child.state in OPEN]
    if children:
        return impossible(f"{incident.number} 下有 {len(children)} 个在办子事件：请先移出")
    hanging = followers(turn, incident)
    if hanging:
        return impossible(f"{'、'.join(one.number for one in hanging)} 随 {incident.number} 一并派单：请先移出它们")
    return None


def settle(turn: Turn, incident: Incident) -> Incident:
    """Its first dispatch, in the family of an open flood mode where there is one for it."""
    for name in turn.scene.floods:
        parent = turn.get(name)
        flood = parent.course.flood if parent else None
        if parent is None or flood is None or flood.until <= turn.at or incident.course.parent is not None:
            continue
        meant = incident.classification.matter in flood.matters
        if meant and (not flood.towns or incident.place.town_code in flood.towns):
            incident = adopt(turn, parent, incident)
    return place(turn, incident, turn.catalogue.duty(incident.classification, incident.place))


def go_on(turn: Turn, incident: Incident) -> Incident:
    """What waited for an answer is dispatched; what did not goes on as it was."""
    return settle(turn, incident) if incident.state == "asked" else incident


def group(turn: Turn, parent: Incident, action: Group) -> Refusal | None:
    """并入群体事件: incidents come under this one; a unit that has a dispatch in the family keeps one."""
    if parent.course.parent is not None:
        return impossible(f"{parent.number} 本身是子事件：请在它的父事件上操作")
    for name in dict.fromkeys(action.children):
        child = turn.get(name)
        if child is None:
            return Refusal("unknown_incident", f"没有事件 {name!r}")
        if child.id == parent.id:
            return impossible(f"{child.number} 不能并入自身")
        if child.course.parent is not None or child.children:
            return impossible(f"{child.number} 已在群体事件中，不能再并入")
        if child.state not in OPEN or child.state == "asked":
            return impossible(f"{child.number} {STATE_WORDS[child.state]}，不能并入群体事件")
        if child.course.flood is not None:
            return impossible(f"{child.number} 开着汛期模式：请先结束汛期模式")
        current = turn.get(parent.id)
        assert current is not None
        child = adopt(turn, current, child, action.reason)
        holder = holder_of(turn, child, child.unit)
        if child.state in ACTIVE and holder is not None:
            yield_to(turn, child, holder)
    return None


def release(turn: Turn, child: Incident, action: Release) -> Refusal | None:
    """移出群体事件: it stands for itself again, with a dispatch of its own to the unit that has it."""
    if child.course.parent is None:
        return impossible(f"{child.number} 不在群体事件中")
    if (refusal := tied(turn, child)) is not None:
        return refusal
    leave(turn, child)
    after = turn.take(asides.released(child, turn.cause, action.reason))
    if after.state == "covered":
        place(turn, after, had(turn, after, after.dispatch))
    return None


def open_flood(turn: Turn, incident: Incident, action: OpenFlood) -> Refusal | None:
    """开启汛期模式."""
    known = {matter.code for matter in turn.catalogue.pack.matters}
    if incident.course.parent is not None:
        return impossible(f"{incident.number} 是子事件：请在它的父事件上开启")
    if incident.course.flood is not None:
        return impossible("汛期模式已开启：先结束，再重新开启")
    days = turn.catalogue.pack.county.orders.flood_days
    if not turn.at < action.until <= turn.at + timedelta(days=days):
        return impossible(f"until：结束时间须在此刻之后、{days} 天之内")
    if not known.issuperset(action.matters):
        return impossible(f"matters：没有事项 {'、'.join(sorted(set(action.matters) - known))}：请从清单中选")
    if strangers := sorted(set(action.towns) - {town.code for town in turn.catalogue.pack.towns}):
        return impossible(f"towns：没有乡镇 {'、'.join(strangers)}：请从清单中选，不选为全县")
    turn.take(asides.flood_opened(incident, turn.cause, action))
    return None


def close_flood(turn: Turn, incident: Incident, action: CloseFlood) -> Refusal | None:
    """结束汛期模式."""
    if incident.course.flood is None:
        return impossible("汛期模式没有开启")
    turn.take(asides.flood_closed(incident, turn.cause, "person", action.reason))
    return None
