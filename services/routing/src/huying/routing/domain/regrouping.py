"""People put incidents together and take them apart again; nothing is lost, and the citizen's clock never starts anew.

One rule on every path: an incident's clocks start when the earliest of the reports that it has was accepted.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from huying.contracts.commands import AnswerAsk, Merge, Split, UndoMerge
from huying.contracts.course import Label
from huying.contracts.identity import split_incident_id
from huying.contracts.incidents import ReportRef
from huying.contracts.moves import ACTIVE, OPEN

from .. import asides, steps
from ..incident import PLAIN, Before, Incident
from .afterwards import answered_host
from .arriving import classify, locate, place_of
from .danger import heed, rising, starts, stricter
from .families import adopt, go_on, had, leave, place, settle, tied
from .turn import Refusal, Turn, impossible

JOINED = "并入的事件反映有险情"


def answer(turn: Turn, incident: Incident, action: AnswerAsk) -> Refusal | None:
    """研判: the question is closed by a person. Several that are named are one problem and become one incident."""
    if incident.ask is None:
        return Refusal("no_ask", f"{incident.number} 没有待研判的问题")
    asked = {one.incident_id: one for one in incident.ask.candidates}
    if strangers := [name for name in action.candidates if name not in asked]:
        choice = "、".join(f"{one.incident_id}（{one.number}）" for one in asked.values())
        return impossible(f"candidates：{'、'.join(strangers)} 不在研判之列；可选 {choice}")
    if not action.same:
        go_on(turn, turn.take(steps.answered(incident, turn.cause, "different", reason=action.reason)))
        return None
    chosen = [name for name in asked if name in action.candidates] or [*asked][:1]
    hosts = {host.id: host for name in chosen if (host := turn.surviving(name)) is not None and host.id != incident.id}
    current = turn.take(steps.answered(incident, turn.cause, "same", chosen, action.reason))
    if not hosts:  # what it is the same as has come to it meanwhile
        go_on(turn, current)
        return None
    target, *others = hosts.values()
    finished = [one.number for one in hosts.values() if one.state not in OPEN]
    if others and finished:
        return impossible(f"{'、'.join(finished)} 已办结，不能与其他事件合为一件：请只选一件")
    leaving = _reports(turn, current)
    if target.state == "completed":
        target = answered_host(turn, target, leaving)
    if target.id == incident.id:  # what came back of it has come to this one, or is this one
        go_on(turn, current)
        return None
    if (refusal := tied(turn, current)) is not None:
        return refusal
    refusal = _hand_over(turn, current, target, "answered", action.reason, score=asked[chosen[0]].score)
    if refusal is not None:
        return refusal
    for other in others:
        again = turn.get(other.id)
        assert again is not None
        same = Merge(into=target.id, reason=action.reason or f"研判：与 {target.number} 是同一件事")
        if (refusal := merge(turn, again, same)) is not None:
            return refusal
    return None


def merge(turn: Turn, incident: Incident, action: Merge) -> Refusal | None:
    """合并: this incident is the same as another."""
    target = turn.get(action.into)
    if target is None:
        return Refusal("unknown_incident", f"没有事件 {action.into!r}")
    if target.state not in OPEN:
        return impossible(
            f"{target.number} 已{'合并' if target.state == 'merged' else '办结'}，不能并入；再次发生请另立事件"
        )
    if (refusal := tied(turn, incident)) is not None:
        return refusal
    leaving, staying = _reports(turn, incident), _reports(turn, target)
    labels = [Label(one=report.report_id, other=staying[0].report_id, same=True) for report in leaving]
    return _hand_over(turn, incident, target, "person", action.reason, labels)


def _hand_over(
    turn: Turn,
    incident: Incident,
    target: Incident,
    how: steps.How,
    reason: str | None = None,
    labels: Sequence[Label] = (),
    score: float = 1.0,
) -> Refusal | None:
    """The end of the incident's own life: its dispatch is withdrawn, its reports and who watches it go to the target.

    A target that waits for an answer waits no longer for what is dangerous, was given to a unit already, or is what it
    asked about.
    """
    if target.id == incident.id:  # whoever follows a merge would never arrive
        return impossible("不能并入自身")
    leaving, before = _reports(turn, incident), incident
    leave(turn, incident)
    if incident.state in ACTIVE:
        why = f"并入 {target.number}：{reason or '研判为同一件事'}"
        incident = turn.take(steps.withdrawn(incident, turn.cause, why))
    turn.take(steps.merged(incident, turn.cause, target.id, reason, labels, before))
    current = turn.get(target.id)
    assert current is not None
    listed = before.course.supervision
    if listed is not None and current.course.supervision is None and current.state in OPEN:
        current = turn.take(asides.supervised(current, turn.cause, True, listed.reason))
    urgent = starts(current, before.classification, before.emergency_since)
    risen = rising(current, before.classification, before.rising)
    current, waited = _bring(turn, current, leaving, how, score, urgent, risen), before.state == "asked"
    turn.decision.merges += len(leaving)
    turn.decision.regrouped |= {incident.id, current.id}
    asked = [turn.surviving(one.incident_id) for one in current.ask.candidates] if current.ask else []
    if asked and all(one is not None and one.id == current.id for one in asked):
        current, waited = turn.take(steps.answered(current, turn.cause, "same")), False
    current = heed(turn, current, before.classification, JOINED, urgent)
    if not waited:
        go_on(turn, current)
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
    fresh = apart(turn, incident, leaving, split_incident_id(turn.cause.command_id))
    first = leaving[0]
    _leave(turn, incident, leaving, staying, fresh, action.reason)
    moved = steps.numbered(first)
    opened = turn.take(steps.opened(fresh, turn.cause, moved, (), split_from=incident.id))
    turn.decision.moved[first.report_id] = moved
    turn.decision.joins.append((first.report_id, opened.id))
    turn.decision.opened.append(opened.id)
    settle(turn, _bring(turn, opened, leaving[1:], "split"))
    turn.decision.regrouped |= {incident.id, opened.id}
    return None


def undo(turn: Turn, incident: Incident, action: UndoMerge) -> Refusal | None:
    """撤销合并: it was another problem after all, and gets back the reports that it gave."""
    holder = turn.surviving(incident.id)
    if holder is None:
        return impossible(f"找不到 {incident.number} 的诉求现在所在的事件：不能撤销合并")
    gave = set(incident.gave) - _brought_later(turn, incident)
    coming = [report for report in _reports(turn, holder) if report.report_id in gave]
    staying = [report for report in _reports(turn, holder) if report.report_id not in gave]
    if not coming:
        return impossible(f"当初并入的诉求已不在 {holder.number}：它们已另行拆分")
    if not staying:
        return impossible(f"{holder.number} 只剩当初并入的诉求：不能撤销合并")
    restored = turn.take(steps.restored(incident, turn.cause, coming, action.reason))
    _leave(turn, holder, coming, staying, restored, action.reason, undone=True)
    restored = _bring(turn, restored, coming, "restored")
    if incident.before is not None:
        restored = _home(turn, restored, incident.before)
    if restored.state != "adjudicating":
        place(turn, restored, had(turn, restored, incident.before.dispatch if incident.before else None))
    turn.decision.regrouped |= {restored.id, holder.id}
    return None


def _brought_later(turn: Turn, incident: Incident) -> set[str]:
    """Reports that a later merge has brought along another way: they were taken apart from this one meanwhile."""
    way, on = {incident.id}, incident
    while on.merged_into is not None and (after := turn.get(on.merged_into)) is not None and after.id not in way:
        way.add(after.id)
        on = after
    others = (one for one in turn.scene.known.values() if one.state == "merged" and one.id not in way)
    return {name for one in others if one.last_at > incident.last_at for name in one.gave}


def _home(turn: Turn, incident: Incident, before: Before) -> Incident:
    """Back into its family, where that still goes on."""
    parent = turn.get(before.course.parent)
    if parent is None or parent.state not in OPEN or parent.course.parent is not None:
        return incident
    return adopt(turn, parent, incident)


def apart(turn: Turn, incident: Incident, leaving: Sequence[ReportRef], name: str) -> Incident:
    """The incident that leaves another one with these reports: what the first says by itself, where that is known.

    It has the danger of any of them, from when that was accepted.
    """
    first, pack, evidence = leaving[0], turn.catalogue.pack, turn.scene.evidence
    what, where, urgent = incident.classification, incident.place, incident.course.emergency_since
    if first.report_id in evidence:
        facts, screening = evidence[first.report_id]
        what, where = classify(screening, pack), locate(place_of(facts, pack), screening, pack)
        told = [
            (one.accepted_at, classify(evidence[one.report_id][1], pack))
            for one in leaving
            if one.report_id in evidence
        ]
        for _, each in told:
            what = stricter(what, each)
        urgent = min((at for at, each in told if each.clock_class == "emergency"), default=None)
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
        course=PLAIN if urgent is None else PLAIN.model_copy(update={"emergency_since": urgent}),
    )


def _reports(turn: Turn, incident: Incident) -> list[ReportRef]:
    """Its reports, the earliest received first."""
    found = [turn.scene.reports[name] for name in incident.reports]
    return sorted(found, key=lambda report: (report.received_at, report.report_id))


def _leave(
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
    turn.take(steps.split(incident, turn.cause, leaving, staying, into, reason, labels, undone))
    turn.decision.reversals += len(leaving)


def _bring(
    turn: Turn,
    target: Incident,
    coming: Sequence[ReportRef],
    how: steps.How,
    score: float = 1.0,
    urgent: datetime | None = None,
    risen: Mapping[str, datetime] | None = None,
) -> Incident:
    for report in coming:
        moved = steps.numbered(report)
        target = turn.take(steps.joined(target, turn.cause, moved, how, score, (), urgent, risen))
        turn.decision.moved[report.report_id] = moved
        turn.decision.joins.append((report.report_id, target.id))
    return target
