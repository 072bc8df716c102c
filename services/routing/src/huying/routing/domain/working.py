"""The order's main line and who has it: returned, ruled upon, assigned, escalated, confirmed, completed, done again."""

from typing import get_args

from huying.contracts.commands import Assign, Complete, Confirm, Escalate, Redo, Return, Rule
from huying.contracts.course import CatalogueRule, Level
from huying.contracts.incidents import Classification, ClockClass
from huying.contracts.moves import ACTIVE
from huying.contracts.places import Place
from huying.county import Duty, Matter

from .. import asides, steps
from ..incident import Incident
from .danger import waiting_ends
from .families import follow, followers, place
from .turn import Refusal, Turn, impossible, unknown_units

LEVELS: tuple[Level, ...] = get_args(Level)


def hand_back(turn: Turn, incident: Incident, action: Return) -> Refusal | None:
    """退回: the first time it goes where the unit says it belongs; the last time the dispatch centre rules."""
    limit = turn.catalogue.pack.county.orders.return_limit
    if incident.returns >= limit:
        return Refusal("return_limit", f"已退回 {incident.returns} 次，调度中心已裁决，不能再退")
    if not (action.basis or "").strip():
        return impossible("退回须写明依据：请填 basis（职责清单、文件或条款）")
    suggested = action.suggested_unit
    if suggested and not turn.catalogue.knows(suggested):
        return impossible(f"suggested_unit：没有单位 {suggested!r}：请从清单中选，或留空由调度中心定")
    ruling = incident.returns + 1 >= limit
    current = turn.take(steps.returned(incident, turn.cause, action, ruling))
    if ruling:
        follow(turn, current)
        return None
    centre = turn.catalogue.pack.county.dispatch_centre
    main = suggested if suggested and suggested != incident.unit else centre
    place(turn, current, _other(turn, current, main, f"退回：{action.reason}"))
    return None


def assign(turn: Turn, incident: Incident, action: Assign) -> Refusal | None:
    """改派: the dispatch centre gives it to another unit."""
    if refusal := unknown_units(turn.catalogue, unit=(action.unit,), assisting=action.assisting):
        return refusal
    if action.unit == incident.unit:
        return impossible(f"已由{turn.catalogue.name(action.unit)}主责")
    current = turn.take(steps.withdrawn(incident, turn.cause, f"改派：{action.reason}"))
    place(turn, current, _other(turn, current, action.unit, f"改派：{action.reason}", action.assisting))
    return None


def rule(turn: Turn, incident: Incident, action: Rule) -> Refusal | None:
    """裁决: whose it is from now on; unless it is for once, the catalogue has a new version."""
    what, where, catalogue = incident.classification, incident.place, turn.catalogue
    if refusal := unknown_units(catalogue, unit=(action.unit,), assisting=action.assisting):
        return refusal
    village = where.village_code if action.scope == "village" else None
    town = where.town_code if action.scope in {"town", "village"} else None
    if (action.scope == "village" and village is None) or (action.scope == "town" and town is None):
        return impossible("地点未核定到该级：先核定地点，或裁决为全县、仅此一件")
    made = None
    if action.scope != "once":
        made = CatalogueRule(
            version=catalogue.next_version(),
            number=catalogue.next_number,
            matter=what.matter,
            town_code=town,
            village_code=village,
            circumstances=what.circumstances,
            main=action.unit,
            assisting=action.assisting,
            basis=action.basis,
            incident_id=incident.id,
            at=turn.at,
        )
    current = turn.take(asides.ruled(incident, turn.cause, action.unit, action.basis, made))
    turn.decision.rule = made
    duty = _other(turn, current, action.unit, f"裁决：{action.basis}", action.assisting)
    place(turn, current, duty.model_copy(update={"basis": action.basis, "settled": True}))
    return None


def _other(turn: Turn, incident: Incident, main: str, reason: str, assisting: tuple[str, ...] = ()) -> Duty:
    """The catalogue's duty with another main unit."""
    listed = turn.catalogue.duty(incident.classification, incident.place)
    helping = assisting or listed.assisting
    return listed.model_copy(
        update={
            "main": main,
            "assisting": tuple(unit for unit in helping if unit != main and turn.catalogue.knows(unit)),
            "reason": reason,
            "basis": "",
            "settled": False,
            "version": turn.catalogue.version,
        }
    )


def escalate(turn: Turn, incident: Incident, action: Escalate) -> Refusal | None:
    """升级: one level up. What a town cannot do goes to the county's unit, and the town assists (乡呼县应)."""
    dispatch = steps.current(incident)
    now = incident.course.level or dispatch.level or "county"
    if now == "county":
        return impossible("已在县级：需要督促可挂牌督办，归属不清可退回裁决")
    after = LEVELS[LEVELS.index(now) + 1]
    current = turn.take(asides.escalated(incident, turn.cause, now, after, action.reason))
    if after == "county" and turn.catalogue.level(dispatch.unit) in {"town", None}:
        able = [unit for unit in dispatch.assisting if turn.catalogue.level(unit) == "county"]
        main = able[0] if able else turn.catalogue.pack.county.dispatch_centre
        helping = (dispatch.unit, *(unit for unit in dispatch.assisting if unit != main))
        current = turn.take(steps.withdrawn(current, turn.cause, f"升级到县级：{action.reason}"))
        place(turn, current, _other(turn, current, main, f"升级到县级：{action.reason}", helping))
    return None


def confirm(turn: Turn, incident: Incident, action: Confirm) -> Refusal | None:
    """核定: what it is and where; where the catalogue then names another unit, it goes there."""
    pack = turn.catalogue.pack
    matters = {matter.code: matter for matter in pack.matters}
    before, spot = incident.classification, incident.place
    if (action.matter or before.matter) not in matters:
        return impossible(f"matter：没有事项 {action.matter or before.matter!r}：请从清单中选")
    where = known_place(turn, action.place) if action.place is not None else spot
    if where is None:
        return impossible("place：没有这个村或乡镇：请从清单中选")
    named = {circumstance.code for circumstance in pack.county.circumstances}
    if strangers := sorted(set(action.circumstances or ()) - named):
        return impossible(f"circumstances：没有情形 {'、'.join(strangers)}；可选 {'、'.join(sorted(named)) or '无'}")
    what = said(before, matters[action.matter or before.matter], action.clock_class, action.circumstances)
    current = waiting_ends(turn, turn.take(steps.confirmed(incident, turn.cause, what, where, action.reason)))
    if incident.state == "asked" or current.state not in ACTIVE | {"covered"}:
        return None
    was, duty = turn.catalogue.duty(before, spot), turn.catalogue.duty(what, where)
    if duty.main in (was.main, current.unit) or current.unit != was.main:
        return None  # the catalogue says the same, or a person has said otherwise
    if current.state in ACTIVE:
        current = turn.take(
            steps.withdrawn(current, turn.cause, f"核定为{what.matter_name}，改由{turn.catalogue.name(duty.main)}主责")
        )
    place(turn, current, duty)
    return None


def said(
    before: Classification,
    matter: Matter,
    clock: ClockClass | None = None,
    circumstances: tuple[str, ...] | None = None,
) -> Classification:
    """What a person says that it is. Another matter has its own clock, but an emergency stays one.

    A class that they name answers an alarm, and so does a matter that is an emergency by itself.
    """
    other = matter.code != before.matter and before.clock_class != "emergency"
    counts = clock or (matter.clock if other else before.clock_class)
    unsure = before.alarm and clock is None and counts != "emergency"
    return Classification(
        matter=matter.code,
        matter_name=matter.name_zh,
        clock_class=counts,
        confidence=1.0,
        circumstances=before.circumstances if circumstances is None else circumstances,
        needs_confirmation=unsure,
        alarm=unsure,
    )


def known_place(turn: Turn, wished: Place) -> Place | None:
    """A place that the pack knows, with its names; None when a code is unknown."""
    pack = turn.catalogue.pack
    villages = {village.code: village for village in pack.villages}
    towns = {town.code: town for town in pack.towns}
    village = villages.get(wished.village_code or "")
    if wished.village_code is not None and village is None:
        return None
    code = village.town if village else wished.town_code
    if code is not None and code not in towns:
        return None
    names = {
        "village": village.name_zh if village else wished.village,
        "town_code": code,
        "town": towns[code].name_zh if code else wished.town,
    }
    return wished.model_copy(update=names)


def complete(turn: Turn, incident: Incident, action: Complete) -> Refusal | None:
    """办结: with those that its dispatch stands for, or after them."""
    if incident.dispatch is None:
        return impossible("归属正在裁决，裁决后再办结")
    covered = followers(turn, incident)
    if covered and not action.with_covered:
        return impossible(f"还有 {len(covered)} 件随它一并办理：逐件办结，或选择一并办结")
    for one in (incident, *covered):
        dry = turn.take(asides.flood_closed(one, turn.cause, "completed")) if one.course.flood else one
        done = turn.take(steps.completed(dry, turn.cause, action))
        turn.decision.closed.append(done.id)
    return None


def redo(turn: Turn, incident: Incident, action: Redo) -> Refusal | None:
    """重办: the same unit again. What happens by itself after a bad rating happens as often as the pack says."""
    limit = turn.catalogue.pack.county.orders.redo_limit
    actor = turn.cause.actor
    if actor is not None and actor.role == "system" and incident.course.redone >= limit:
        return Refusal("limit_reached", f"已重办 {incident.course.redone} 次：转人工复核")
    done_again(turn, incident, action.reason)
    return None


def done_again(turn: Turn, incident: Incident, reason: str) -> Incident:
    """The result does not stand: the same unit has it again, on a clock of its own; the catalogue's where that is gone."""
    before = steps.current(incident)
    current = turn.take(steps.reopened(incident, turn.cause, reason))
    turn.decision.regrouped.add(incident.id)
    listed = turn.catalogue.duty(current.classification, current.place)
    unit = before.unit if turn.catalogue.knows(before.unit) else listed.main
    return place(turn, current, _other(turn, current, unit, f"重办：{reason}", before.assisting))
