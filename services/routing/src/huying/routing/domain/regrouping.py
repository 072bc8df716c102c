"""People put incidents together and take them apart again; nothing is lost, and the citizen's clock never starts anew.

One rule on every path: an incident's clocks start when the earliest of the reports that it has was accepted.
"""

from collections.abc import Sequence
from datetime import datetime

from huying.contracts.commands import Merge, Split, UndoMerge
from huying.contracts.course import Label
from huying.contracts.identity import split_incident_id
from huying.contracts.incidents import ReportRef
from huying.contracts.moves import ACTIVE, OPEN
from huying.county import Duty

from .. import asides, steps
from ..incident import Before, Incident
from .afterwards import answered_host
from .arriving import classify, locate, place_of
from .families import adopt, leave, place, settle, tied
from .turn import Refusal, Turn, impossible


def answer(turn: Turn, incident: Incident, same: bool) -> None:
    """研判: the question is closed by a person."""
    assert incident.ask is not None
    ask = incident.ask
    target = turn.surviving(ask.candidate)
    if not same or target is None or target.id == incident.id:
        settle(turn, turn.take(steps.answered(incident, turn.cause, "different")))
        return
    current = turn.take(steps.answered(incident, turn.cause, "same"))
    leaving = _reports(turn, current)
    if target.state == "completed":
        target = answered_host(turn, target, leaving)
    turn.take(steps.merged(current, turn.cause, target.id, None, (), current))
    _bring(turn, target, leaving, "answered", ask.score)
    turn.decision.merges += len(leaving)
    turn.decision.regrouped |= {current.id, target.id}


def merge(turn: Turn, incident: Incident, action: Merge) -> Refusal | None:
    """合并: this incident is the same as another."""
    target = turn.get(action.into)
    if target is None:
        return Refusal("unknown_incident", f"没有事件 {action.into!r}")
    if target.id == incident.id:
        return impossible("不能并入自身")
    if target.state not in OPEN:
        return impossible(
            f"{target.number} 已{'合并' if target.state == 'merged' else '办结'}，不能并入；再次发生请另立事件"
        )
    if (refusal := tied(turn, incident)) is not None:
        return refusal
    leaving, staying = _reports(turn, incident), _reports(turn, target)
    labels = [Label(one=report.report_id, other=staying[0].report_id, same=True) for report in leaving]
    before = incident
    leave(turn, incident)
    if incident.state in ACTIVE:
        incident = turn.take(steps.withdrawn(incident, turn.cause, f"并入 {target.number}：{action.reason}"))
    turn.take(steps.merged(incident, turn.cause, target.id, action.reason, labels, before))
    target = turn.get(target.id)
    assert target is not None
    listed = before.course.supervision
    if listed is not None and target.course.supervision is None:
        target = turn.take(asides.supervised(target, turn.cause, True, listed.reason))
    _bring(turn, target, leaving, "person")
    turn.decision.merges += len(leaving)
    turn.decision.regrouped |= {incident.id, target.id}
    return None


def split(turn: Turn, incident: Incident, action: Split) -> Refusal | None:
    """拆分: some of its reports tell of another problem, which is judged as if they had just come."""
    chosen = set(action.reports)
    leaving = [report for report in _reports(turn, incident) if report.report_id in chosen]
    staying = [report for report in _reports(turn, incident) if report.report_id not in chosen]
    if len(leaving) < len(chosen):
        strangers = sorted(chosen - {report.report_id for report in leaving})
        return impossible(f"{incident.number} 没有诉求 {'、'.join(strangers)}")
    if not staying:
        return impossible("至少留下一件诉求：整件都不对，请用核定或改派")
    assert turn.cause.command_id is not None
    first = leaving[0]
    fresh = apart(turn, incident, first, split_incident_id(turn.cause.command_id))
    _part(turn, incident, leaving, staying, fresh, action.reason)
    moved = steps.numbered(first)
    opened = turn.take(steps.opened(fresh, turn.cause, moved, (), split_from=incident.id))
    turn.decision.moved[first.report_id] = moved
    turn.decision.joins.append((first.report_id, opened.id))
    turn.decision.opened.append(opened.id)
    place(
        turn,
        _bring(turn, opened, leaving[1:], "split"),
        turn.catalogue.duty(opened.classification, opened.place),
    )
    turn.decision.regrouped |= {incident.id, opened.id}
    return None


def undo(turn: Turn, incident: Incident, action: UndoMerge) -> Refusal | None:
    """撤销合并: it was another problem after all, and gets back the reports that it gave."""
    holder = turn.surviving(incident.id)
    assert holder is not None
    gave = set(incident.gave)
    coming = [report for report in _reports(turn, holder) if report.report_id in gave]
    staying = [report for report in _reports(turn, holder) if report.report_id not in gave]
    if not coming:
        return impossible(f"当初并入的诉求已不在 {holder.number}：它们已另行拆分")
    if not staying:
        return impossible(f"{holder.number} 只剩当初并入的诉求：不能撤销合并")
    restored = turn.take(steps.restored(incident, turn.cause, _since(coming), action.reason))
    _part(turn, holder, coming, staying, restored, action.reason, undone=True)
    restored = _bring(turn, restored, coming, "restored")
    if incident.before is not None:
        restored = _home(turn, restored, incident.before)
    if restored.state != "adjudicating":
        place(turn, restored, _had(turn, restored, incident.before))
    turn.decision.regrouped |= {restored.id, holder.id}
    return None


def _home(turn: Turn, incident: Incident, before: Before) -> Incident:
    """Back into its family, where that still goes on."""
    parent = turn.get(before.course.parent)
    if parent is None or parent.state not in OPEN or parent.course.parent is not None:
        return incident
    return adopt(turn, parent, incident)


def _had(turn: Turn, incident: Incident, before: Before | None) -> Duty:
    """The duty as the unit had it that had it last; the catalogue's where nobody had."""
    listed = turn.catalogue.duty(incident.classification, incident.place)
    last = before.dispatch if before else None
    if last is None or not turn.catalogue.knows(last.unit, *last.assisting):
        return listed
    known = {"main": last.unit, "assisting": last.assisting, "basis": last.basis or "", "version": last.catalogue}
    return listed.model_copy(update={**known, "level": last.level})


def apart(turn: Turn, incident: Incident, first: ReportRef, name: str) -> Incident:
    """The incident that leaves another one with this report: what the report says by itself, where that is known."""
    what, where = incident.classification, incident.place
    if first.report_id in turn.scene.evidence:
        facts, screening = turn.scene.evidence[first.report_id]
        pack = turn.catalogue.pack
        what, where = classify(screening, pack), locate(place_of(facts, pack), screening, pack)
    return Incident(
        id=name,
        version=0,
        number=turn.scene.number,
        jurisdiction=incident.jurisdiction,
        state="dispatched",
        classification=what,
        place=where,
        title=steps.title_of(first.text),
        opened_at=turn.at,
        last_at=turn.at,
        reports=(first.report_id,),
        channels=(first.channel,),
        origin_due_at=first.origin_due_at,
    )


def _since(reports: Sequence[ReportRef]) -> datetime:
    """Where the citizen's clocks of an incident with these reports start."""
    return min(report.accepted_at for report in reports)


def _reports(turn: Turn, incident: Incident) -> list[ReportRef]:
    """Its reports, the earliest received first."""
    found = [turn.scene.reports[name] for name in incident.reports]
    return sorted(found, key=lambda report: (report.received_at, report.report_id))


def _part(
    turn: Turn,
    incident: Incident,
    leaving: Sequence[ReportRef],
    staying: Sequence[ReportRef],
    into: Incident,
    reason: str,
    *,
    undone: bool = False,
) -> None:
    labels = [Label(one=report.report_id, other=staying[0].report_id, same=False) for report in leaving]
    turn.take(steps.parted(incident, turn.cause, leaving, into, _since(staying), reason, labels, undone))
    turn.decision.reversals += len(leaving)


def _bring(
    turn: Turn,
    target: Incident,
    coming: Sequence[ReportRef],
    how: steps.How,
    score: float = 1.0,
) -> Incident:
    for report in coming:
        moved = steps.numbered(report)
        target = turn.take(steps.joined(target, turn.cause, moved, how, score, ()))
        turn.decision.moved[report.report_id] = moved
        turn.decision.joins.append((report.report_id, target.id))
    return target
