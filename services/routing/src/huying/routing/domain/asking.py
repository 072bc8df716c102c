"""What goes on beside the main line: whistles, joint reviews, supervision, pauses, more time."""

from datetime import timedelta

from huying.contracts.commands import (
    BlowWhistle,
    CheckIn,
    JointReview,
    LiftSupervision,
    RequestExtension,
    Supervise,
    Suspend,
)
from huying.contracts.course import Review

from .. import asides
from ..incident import Incident
from .families import followers
from .turn import Refusal, Turn, impossible, unknown_units


def whistle(turn: Turn, incident: Incident, action: BlowWhistle) -> Refusal | None:
    """吹哨."""
    if refusal := unknown_units(turn.catalogue, units=action.units):
        return refusal
    if not set(action.units) - {incident.unit}:
        return impossible("吹哨须叫到主责以外的单位")
    turn.take(asides.whistled(incident, turn.cause, action))
    return None


def check_in(turn: Turn, incident: Incident, action: CheckIn) -> Refusal | None:
    """报到."""
    actor, called = turn.cause.actor, incident.course.whistle
    own = actor.unit if actor else None
    unit = action.unit or own
    if unit is None:
        return impossible("unit：请写明哪个单位报到")
    if called is None or unit not in called.units:
        return impossible("没有对该单位吹哨，无须报到")
    if actor is not None and actor.standing == "unit" and unit != own:
        return Refusal("not_allowed", "只能为本单位报到")
    if unit in called.arrived:
        return impossible(f"{turn.catalogue.name(unit)}已报到")
    turn.take(asides.checked_in(incident, turn.cause, unit))
    return None


def review(turn: Turn, incident: Incident, action: JointReview) -> Refusal | None:
    """联席会商: convened first, then its conclusion."""
    known = incident.course.review
    if action.conclusion is not None:
        if known is None:
            return impossible("没有进行中的联席会商：先召集")
        turn.take(asides.reviewed(incident, turn.cause, known, action.conclusion))
        return None
    if known is not None:
        return impossible("联席会商已召集：请登记结论")
    if action.topic is None:
        return impossible("topic：请写明会商事项")
    if not action.units:
        return impossible("units：请写明参加单位")
    if refusal := unknown_units(turn.catalogue, units=action.units):
        return refusal
    held = Review(units=action.units, topic=action.topic, at=max(turn.at, incident.last_at))
    turn.take(asides.reviewed(incident, turn.cause, held, None))
    return None


def supervise(turn: Turn, incident: Incident, action: Supervise) -> Refusal | None:
    """挂牌督办."""
    if incident.course.supervision is not None:
        return impossible("已挂牌督办")
    turn.take(asides.supervised(incident, turn.cause, True, action.reason))
    return None


def lift(turn: Turn, incident: Incident, action: LiftSupervision) -> Refusal | None:
    """摘牌."""
    if incident.course.supervision is None:
        return impossible("没有挂牌督办")
    turn.take(asides.supervised(incident, turn.cause, False, action.reason))
    return None


def suspend(turn: Turn, incident: Incident, action: Suspend) -> Refusal | None:
    """挂起, for a bounded time; never an emergency, nor the order that stands for one."""
    if incident.classification.clock_class == "emergency":
        return impossible("紧急事件不能挂起：确非紧急的，先由调度中心核定类别")
    urgent = [one.number for one in followers(turn, incident) if one.classification.clock_class == "emergency"]
    if urgent:
        return impossible(f"随它一并办理的 {'、'.join(urgent)} 是紧急事件，不能挂起：确非紧急的，先由调度中心核定类别")
    days = turn.catalogue.pack.county.orders.suspension_days
    if not turn.at < action.until <= turn.at + timedelta(days=days):
        return impossible(f"挂起到期时间须在此刻之后、{days} 天之内")
    turn.take(asides.suspended(incident, turn.cause, action))
    return None


def request_extension(turn: Turn, incident: Incident, action: RequestExtension) -> Refusal | None:
    """申请延期; never of an emergency, whose clock nothing stops."""
    if incident.dispatch is None:
        return impossible("归属正在裁决，裁决后再申请延期")
    if incident.classification.clock_class == "emergency":
        return impossible("紧急事件不能延期：确非紧急的，先由调度中心核定类别")
    course, limit = incident.course, turn.catalogue.pack.county.orders.extension_limit
    days = turn.catalogue.pack.county.orders.extension_days
    if course.extensions >= limit:
        return Refusal("limit_reached", f"已延期 {course.extensions} 次，最多 {limit} 次")
    if course.request is not None:
        return impossible("已有延期申请待批")
    if not max(turn.at, course.extended_until or turn.at) < action.until <= turn.at + timedelta(days=days):
        return impossible(f"延期到的时间须在此刻和上次延期之后、{days} 天之内")
    turn.take(asides.extension_requested(incident, turn.cause, action))
    return None


def decide_extension(turn: Turn, incident: Incident, granted: bool, reason: str | None) -> Refusal | None:
    """批准延期, 不予延期."""
    if incident.course.request is None:
        return impossible("没有待批的延期申请")
    if granted and incident.classification.clock_class == "emergency":  # it was none when it was asked for
        return impossible("紧急事件不能延期：请不予延期，确非紧急的，先由调度中心核定类别")
    days = turn.catalogue.pack.county.orders.extension_days  # older versions let any date be asked for
    if granted and not turn.at < incident.course.request.until <= turn.at + timedelta(days=days):
        return impossible(f"申请延到的时间已过或超过 {days} 天，不能批准：请不予延期，需要时由单位重新申请")
    turn.take(asides.extension_decided(incident, turn.cause, granted, reason))
    return None
