"""What the history says of the steps beside an order's main line, and of people's merges and splits. Pure."""

from huying.contracts import orders
from huying.contracts.course import LEVEL_ZH
from huying.contracts.incidents import IncidentEvent

from .words import CLASSES, Names, dated

Said = tuple[str, str, str]
"""Word, text, and what opens below."""
ENDS = {"person": "人工结束", "completed": "随办结结束", "expired": "到期自动结束"}


def aside(event: IncidentEvent, names: Names) -> Said | None:
    """A step as a line; None for the main line's."""

    def units(codes: tuple[str, ...]) -> str:
        return "、".join(names.unit(code) for code in codes)

    match event:
        case orders.IncidentConfirmedV1(before=before):
            what = event.incident.classification
            moved = f"（原为{before.matter_name}）" if before.matter != what.matter else ""
            return "核定", f"{what.matter_name}{moved} · {CLASSES[what.clock_class]}", event.reason or ""
        case orders.IncidentAlarmedV1():
            what = event.incident.classification
            return "险情", f"{'待核定' if what.alarm else CLASSES[what.clock_class]}：{event.reason}", ""
        case orders.IncidentWithdrawnV1():
            return "撤回", f"{event.dispatch.unit_name}的派单撤回：{event.reason}", ""
        case orders.IncidentRuledV1(rule=rule):
            said = f"，写入职责清单 {rule.version}" if rule else "，仅此一件"
            return "裁决", f"由{names.unit(event.unit)}主责{said}", event.basis
        case orders.IncidentEscalatedV1():
            return "升级", f"{LEVEL_ZH[event.from_level]}升到{LEVEL_ZH[event.to_level]}：{event.reason}", ""
        case orders.IncidentWhistledV1():
            return "吹哨", f"请{units(event.units)}到{event.meet_at}：{event.reason}", ""
        case orders.IncidentCheckedInV1():
            return "报到", f"{names.unit(event.unit)}已到现场", ""
        case orders.IncidentReviewedV1(conclusion=None):
            return "联席会商", f"{event.topic}：{units(event.units)}", ""
        case orders.IncidentReviewedV1():
            return "会商结论", event.topic, event.conclusion or ""
        case orders.IncidentSupervisedV1():
            return "挂牌督办" if event.listed else "摘牌", event.reason, ""
    return _paused(event) or _regrouped(event)


def _paused(event: IncidentEvent) -> Said | None:
    match event:
        case orders.IncidentSuspendedV1():
            return "挂起", f"{event.reason}，最晚到 {dated(event.until, event.at)}", ""
        case orders.IncidentResumedV1():
            return "恢复办理", "挂起到期，自动恢复" if event.expired else "恢复办理", event.reason or ""
        case orders.IncidentExtensionRequestedV1(request=request):
            return "申请延期", f"申请延到 {dated(request.until, event.at)}：{request.reason}", ""
        case orders.IncidentExtensionDecidedV1(granted=True):
            return "批准延期", f"第 {event.count} 次延期，到 {dated(event.request.until, event.at)}", event.reason or ""
        case orders.IncidentExtensionDecidedV1():
            return "不予延期", event.reason or "", ""
        case orders.IncidentRedoneV1():
            return "重办", f"第 {event.count} 次重办：{event.reason}", ""
    return None


def _regrouped(event: IncidentEvent) -> Said | None:
    match event:
        case orders.IncidentSplitV1():
            word = "撤销合并" if event.undone else "拆分"
            numbers = "、".join(report.tracking_number for report in event.reports)
            return word, f"{len(event.reports)} 件诉求转到 {event.into_number}：{event.reason}", numbers
        case orders.IncidentPartedV1(part=part):
            text = f"{part.tracking_number} 说了两件事，另一件立为 {event.into_number}：{event.reason}"
            return "分件", text, part.text
        case orders.IncidentRestoredV1():
            return "撤销合并", event.reason, ""
        case orders.IncidentGroupedV1():
            return "群体事件", f"并入群体事件 {event.parent_number}", event.reason or ""
        case orders.IncidentCoveredV1(dispatch=None):
            return "一并办理", f"随 {event.by_number} 等待裁决", ""
        case orders.IncidentCoveredV1(dispatch=dispatch):
            return "一并办理", f"随 {event.by_number} 由{dispatch.unit_name}一并办理" if dispatch else "", ""
        case orders.IncidentReleasedV1():
            return "移出", "移出群体事件，单独办理", event.reason or ""
        case orders.IncidentFamilyChangedV1():
            added = f"增加 {len(event.added)} 件" if event.added else ""
            removed = f"移出 {len(event.removed)} 件" if event.removed else ""
            return "群体事件", "，".join(part for part in (added, removed) if part), ""
        case orders.IncidentFloodOpenedV1(flood=flood):
            said = "\n".join(part for part in ("、".join(flood.matters), event.reason) if part)
            return "汛期模式", f"开启，到 {dated(flood.until, event.at)} 自动结束", said
        case orders.IncidentFloodClosedV1():
            return "汛期模式", ENDS[event.by], event.reason or ""
    return None
