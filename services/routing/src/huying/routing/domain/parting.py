"""One report tells of two problems (分件): a piece of its words gets an incident of its own, and the report stays.

The part is a report of its own from then on, named by the report and the piece, so that whatever holds for reports
holds for it: it is in exactly one living incident, can be merged back, split and moved. It keeps its report's person,
tracking number and times; so the citizen's clock starts when the report was accepted.
"""

from dataclasses import replace

from huying.contracts.commands import PartReport
from huying.contracts.identity import incident_id, part_id
from huying.contracts.incidents import ReportRef

from .. import steps
from ..incident import Incident
from ..judgement.parts import SHORTEST
from .families import settle
from .regrouping import apart
from .turn import Refusal, Turn, impossible
from .working import known_place, said


def part(turn: Turn, incident: Incident, action: PartReport) -> Refusal | None:
    """分件: the second incident is what the piece says and where the first one is, unless a person says otherwise."""
    whole = turn.scene.reports.get(action.report) if action.report in incident.reports else None
    if whole is None:
        return impossible(f"{incident.number} 没有诉求 {action.report}")
    text = action.text.strip()
    refusal = _uncut(whole, text)
    if refusal is not None:
        return refusal
    matters = {matter.code: matter for matter in turn.catalogue.pack.matters}
    if action.matter is not None and action.matter not in matters:
        return impossible(f"matter：没有事项 {action.matter!r}：请从清单中选")
    spot = known_place(turn, action.place) if action.place is not None else None
    if action.place is not None and spot is None:
        return impossible("place：没有这个村或乡镇：请从清单中选")
    piece = piece_of(whole, text)
    fresh = apart(turn, incident, (piece,), incident_id(piece.report_id))
    if action.matter is not None:
        fresh = replace(fresh, classification=said(fresh.classification, matters[action.matter]))
    if spot is None and fresh.place.village_code is None:
        spot = incident.place  # people name the place once
    fresh = replace(fresh, place=spot or fresh.place)
    turn.take(steps.parted(incident, turn.cause, piece, fresh, action.reason))
    opened = turn.take(steps.opened(fresh, turn.cause, piece, (), split_from=incident.id))
    settle(turn, opened)
    turn.decision.parts.append((_marked(whole, text), piece))
    turn.decision.joins.append((piece.report_id, opened.id))
    turn.decision.opened.append(opened.id)
    turn.decision.regrouped.add(opened.id)
    return None


def piece_of(whole: ReportRef, text: str) -> ReportRef:
    """The part of a report that says this, as the feed names it."""
    own = {"report_id": part_id(whole.report_id, text), "text": text, "part_of": whole.report_id}
    return whole.model_copy(update={**own, "moves": 0, "parts": None, "parted": None})


def _marked(whole: ReportRef, text: str) -> ReportRef:
    return whole.model_copy(update={"parted": (*(whole.parted or ()), text)})


def _uncut(whole: ReportRef, text: str) -> Refusal | None:
    """Why this is no piece that can go: it must be the report's own words, gone nowhere yet, and leave some."""
    if whole.part_of is not None:
        return impossible("它本身是分出的一件：需要移出请用拆分")
    known = whole.parted or ()
    if text not in whole.text:
        return impossible("分出的话须是诉求原文里连续的一段")
    if any(_overlap(whole.text, text, other) for other in known):
        return impossible("这段话已另立事件：需要改动请用合并、撤销合并")
    left = len(whole.text) - sum(map(len, (*known, text)))
    if min(len(text), left) < SHORTEST:
        return impossible(f"分出的和留下的都须有 {SHORTEST} 个字以上")
    return None


def _overlap(words: str, one: str, other: str) -> bool:
    first, second = words.index(one), words.index(other)
    return first < second + len(other) and second < first + len(one)
