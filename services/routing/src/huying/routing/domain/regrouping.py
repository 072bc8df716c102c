"""People put incidents together and take them apart again; nothing is lost, and the citizen's clock never starts anew.

After a merge the clocks start where the earlier of both did; after a split each incident's start when the earliest of
its own reports was received.
"""

from collections.abc import Sequence
from datetime import datetime

from huying.contracts.commands import AnswerAsk, Merge, Split, UndoMerge
from huying.contracts.course import Label
from huying.contracts.identity import split_incident_id
from huying.contracts.incidents import ReportRef
from huying.contracts.moves import ACTIVE, OPEN

from .. import steps
from ..incident import PLAIN, Incident, emergency_since, since_of
from .afterwards import answered_host
from .arriving import classify, locate, place_of
from .danger import heed, stricter
from .families import leave, place, settle, tied
from .turn import Refusal, Turn, impossible

JOINED = "并入的事件反映有险情"


def answer(turn: Turn, incident: Incident, action: AnswerAsk) -> None:
    """研判: the question is closed by a person."""
    assert incident.ask is not None
    ask = incident.ask
    target = turn.surviving(ask.candidate)
    if not action.same or target is None or target.id == incident.id:
        settle(turn, turn.take(steps.answered(incident, turn.cause, "different", action.reason)))
        return
    current = turn.take(steps.answered(incident, turn.cause, "same", action.reason))
    leaving = _reports(turn, current)
    if target.state == "completed":
        target = answered_host(turn, target, leaving)
    turn.take(steps.merged(current, turn.cause, target.id, action.reason, ()))
    since = min(since_of(current), since_of(target))
    urgent = _emergency_since(current, target)
    target = _bring(turn, target, leaving, "answered", since if since != since_of(target) else None, ask.score, urgent)
    heed(turn, target, current.classification, JOINED, urgent)
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
    earliest = min(report.received_at for report in (*leaving, *staying))
    since = min(since_of(incident), since_of(target), earliest)
    urgent, told = _emergency_since(incident, target), incident.classification
    labels = [Label(one=report.report_id, other=staying[0].report_id, same=True) for report in leaving]
    leave(turn, incident)
    if incident.state in ACTIVE:
        incident = turn.take(steps.withdrawn(incident, turn.cause, f"并入 {target.number}：{action.reason}"))
    turn.take(steps.merged(incident, turn.cause, target.id, action.reason, labels))
    target = turn.get(target.id)
    assert target is not None
    target = _bring(turn, target, leaving, "person", since if since != since_of(target) else None, urgent=urgent)
    heed(turn, target, told, JOINED, urgent)
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
    first, since = leaving[0], min(report.received_at for report in leaving)
    what, where = incident.classification, incident.place
    if first.report_id in turn.scene.evidence:
        facts, screening = turn.scene.evidence[first.report_id]
        pack = turn.catalogue.pack
        what, where = classify(screening, pack), locate(place_of(facts, pack), screening, pack)
        for name in (report.report_id for report in leaving[1:] if report.report_id in turn.scene.evidence):
            what = stricter(what, classify(turn.scene.evidence[name][1], pack))
    fresh = Incident(
        id=split_incident_id(turn.cause.command_id),
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
        course=PLAIN.model_copy(update={"citizen_since": since}),
    )
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
    since = min(report.received_at for report in coming)
    restored = turn.take(steps.restored(incident, turn.cause, since, action.reason))
    _part(turn, holder, coming, staying, restored, action.reason, undone=True)
    restored = _bring(turn, restored, coming, "restored")
    place(turn, restored, turn.catalogue.duty(restored.classification, restored.place))
    turn.decision.regrouped |= {restored.id, holder.id}
    return None


def _emergency_since(*incidents: Incident) -> datetime | None:
    """Where the clocks of an emergency start when these are one: at the first of those that are emergencies."""
    starts = [emergency_since(one) for one in incidents if one.classification.clock_class == "emergency"]
    return min(starts, default=None)


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
    since = min(report.received_at for report in staying)
    labels = [Label(one=report.report_id, other=staying[0].report_id, same=False) for report in leaving]
    turn.take(steps.parted(incident, turn.cause, leaving, into, since, reason, labels, undone))
    turn.decision.reversals += len(leaving)


def _bring(
    turn: Turn,
    target: Incident,
    coming: Sequence[ReportRef],
    how: steps.How,
    since: datetime | None = None,
    score: float = 1.0,
    urgent: datetime | None = None,
) -> Incident:
    for report in coming:
        moved = steps.numbered(report)
        target = turn.take(steps.joined(target, turn.cause, moved, how, score, (), since, urgent))
        turn.decision.moved[report.report_id] = moved
        turn.decision.joins.append((report.report_id, target.id))
    return target
