"""A command: done as it is wished, or declined with the state that forbids it and the moves that are legal."""

from datetime import datetime

from huying.contracts import commands
from huying.contracts.commands import CommandIssuedV1
from huying.contracts.incidents import CommandDeclinedV1
from huying.contracts.moves import MOVES, ROLE_WORDS, STATE_WORDS, legal, permitted
from huying.contracts.wording import masked

from .. import asides, steps
from ..incident import Cause, Incident
from . import asking, families, parting, regrouping, working
from .turn import Decision, Refusal, Scene, Turn, impossible


def obey(command: CommandIssuedV1, scene: Scene, at: datetime) -> Decision:
    """Do what is wished, or say why not."""
    incident = scene.known.get(command.incident_id)
    refusal = _forbidden(command, incident, scene)
    if refusal is None and incident is not None:
        cause = Cause(at, scene.catalogue.pack.hash, command.command_id, command.actor)
        turn = Turn(scene, cause)
        wish = masked(command.action)  # the feed tells no number, whoever wrote the command
        refusal = _blank(wish) or _act(turn, incident, wish)
        if refusal is None:
            turn.decision.commanded = incident.id
            return turn.decision
    assert refusal is not None
    return Decision(declined=_declined(command, incident, refusal, at))


def _blank(wish: commands.Action) -> Refusal | None:
    """Words that must be said, and are spaces only."""
    optional = ("topic", "conclusion") if isinstance(wish, commands.JointReview) else ()
    must = (*optional, *(name for name, told in type(wish).model_fields.items() if told.is_required()))
    said = ((name, getattr(wish, name)) for name in must)
    blank = [name for name, value in said if isinstance(value, str) and not value.strip()]
    return impossible(f"{blank[0]}：不能为空白，请写明") if blank else None


def _act(turn: Turn, incident: Incident, wish: commands.Action) -> Refusal | None:
    match wish:
        case commands.Accept():
            turn.take(steps.accepted(incident, turn.cause))
        case commands.Contact():
            if incident.dispatch is None:
                return impossible("归属正在裁决，裁决后再登记")
            turn.take(steps.contacted(incident, turn.cause, wish))
        case commands.Return():
            return working.hand_back(turn, incident, wish)
        case commands.Complete():
            return working.complete(turn, incident, wish)
        case commands.AnswerAsk():
            return regrouping.answer(turn, incident, wish)
        case commands.Confirm():
            return working.confirm(turn, incident, wish)
        case commands.Assign():
            return working.assign(turn, incident, wish)
        case commands.Rule():
            return working.rule(turn, incident, wish)
        case commands.Escalate():
            return working.escalate(turn, incident, wish)
        case commands.Redo():
            return working.redo(turn, incident, wish)
        case commands.Merge():
            return regrouping.merge(turn, incident, wish)
        case commands.Split():
            return regrouping.split(turn, incident, wish)
        case commands.PartReport():
            return parting.part(turn, incident, wish)
        case commands.UndoMerge():
            return regrouping.undo(turn, incident, wish)
        case commands.Group():
            return families.group(turn, incident, wish)
        case commands.Release():
            return families.release(turn, incident, wish)
        case commands.OpenFlood():
            return families.open_flood(turn, incident, wish)
        case commands.CloseFlood():
            return families.close_flood(turn, incident, wish)
        case _:
            return _beside(turn, incident, wish)
    return None


def _beside(turn: Turn, incident: Incident, wish: commands.Action) -> Refusal | None:
    match wish:
        case commands.BlowWhistle():
            return asking.whistle(turn, incident, wish)
        case commands.CheckIn():
            return asking.check_in(turn, incident, wish)
        case commands.JointReview():
            return asking.review(turn, incident, wish)
        case commands.Supervise():
            return asking.supervise(turn, incident, wish)
        case commands.LiftSupervision():
            return asking.lift(turn, incident, wish)
        case commands.Suspend():
            return asking.suspend(turn, incident, wish)
        case commands.Resume():
            turn.take(asides.resumed(incident, turn.cause, reason=wish.reason))
        case commands.RequestExtension():
            return asking.request_extension(turn, incident, wish)
        case commands.ApproveExtension(reason=reason):
            return asking.decide_extension(turn, incident, True, reason)
        case commands.RefuseExtension(reason=reason):
            return asking.decide_extension(turn, incident, False, reason)
    return None


def _forbidden(command: CommandIssuedV1, incident: Incident | None, scene: Scene) -> Refusal | None:
    """What state, version, role and unit forbid, before the incident's circumstances are looked at."""
    if incident is None:
        return Refusal("unknown_incident", f"没有事件 {command.incident_id!r}")
    kind, actor = command.action.kind, command.actor
    if command.expected_version is not None and command.expected_version != incident.version:
        seen = command.expected_version
        return Refusal("stale_version", f"事件已到第 {incident.version} 版，您看到的是第 {seen} 版：刷新后再办")
    move = MOVES[kind]
    if incident.state not in move.states:
        now = "、".join(MOVES[each].word for each in legal(incident.state)) or "无"
        order = scene.known.get(incident.course.covered_by or "")
        there = f"；其他请在它所随的 {order.number} 上办，或先移出群体事件" if order else ""
        return Refusal("illegal_move", f"事件{STATE_WORDS[incident.state]}，不能{move.word}；现在可以：{now}{there}")
    town = scene.catalogue.pack.town_unit(incident.place.town_code or "")
    if not permitted(kind, actor, incident.unit, incident.taking_part, town.code if town else None):
        if actor.standing not in move.roles:
            who = ROLE_WORDS[actor.role] if actor.standing == actor.role else "单位负责人"
            return Refusal("not_allowed", f"{who}不能{move.word}")
        if actor.unit is None:
            return Refusal("not_allowed", f"账号没有登记单位（网格员登记所在乡镇），不能{move.word}")
        theirs = scene.catalogue.pack.unit_name(actor.unit)
        if actor.standing == "grid_worker":
            return Refusal("not_allowed", f"事件不在{theirs}的网格，不能{move.word}")
        has = scene.catalogue.pack.unit_name(incident.unit) if incident.unit else "无单位"
        return Refusal("not_allowed", f"事件由{has}主责，{theirs}不能{move.word}")
    return None


def _declined(command: CommandIssuedV1, incident: Incident | None, refusal: Refusal, at: datetime) -> CommandDeclinedV1:
    return CommandDeclinedV1(
        command_id=command.command_id,
        incident_id=command.incident_id,
        jurisdiction=command.jurisdiction,
        at=at,
        reason=refusal.reason,
        message=refusal.message,
        state=incident.state if incident else None,
        legal=legal(incident.state) if incident else (),
        current_version=incident.version if incident else None,
    )
