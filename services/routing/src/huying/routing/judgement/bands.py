"""From a score to a band: joins, waits for a person, or opens; with the reasons a dispatcher reads.

Refuses to let an emergency wait: what may be a danger is merged when sure and opened when not.
"""

from __future__ import annotations

from collections.abc import Sequence

from .evidence import F
from .facts import Band, CorrelationPolicy, Limits, Reason
from .traits import Traits

(
    _DEVICE_SAME, _DEVICE_ID_SAME, _REPORTER_SAME, _METRES_BEST, _VILLAGE_SAME, _VILLAGE_MENTIONED, _MATTER_DOT,
    _TEXT_BEST, _SAID_PLACE_KNOWN, _PLACE_BEST, _SIDES_DIFFER, _NUMBERS_DIFFER, _NUMBERS_COMMON, _HOURS_SINCE_LAST,
    _HERE_SAME_MATTER,
) = (
    F[name] for name in (
        "device_same", "device_id_same", "reporter_same", "metres_best", "village_same", "village_mentioned",
        "matter_dot", "text_best", "said_place_known", "place_best", "sides_differ", "numbers_differ",
        "numbers_common", "hours_since_last", "here_same_matter",
    )
)  # fmt: skip


def limits_for(policy: CorrelationPolicy, matter: str) -> Limits:
    """The pack's limits for a heading."""
    return policy.by_matter.get(matter, policy.default)


def band_of(score: float, limits: Limits, *, emergency: bool, device_match: bool) -> Band:
    """Band of the best candidate's score."""
    if device_match or score >= limits.merge:
        return "merge"
    if score >= limits.ask and not emergency:
        return "ask"
    return "new"


def hours_zh(hours: float) -> str:
    """A time gap as people say it."""
    if hours < 1:
        return f"{max(1, round(hours * 60))}分钟"
    if hours < 48:
        return f"{round(hours)}小时"
    return f"{round(hours / 24)}天"


def reasons(report: Traits, seen: Sequence[float], matter_name: str) -> tuple[Reason, ...]:
    """The evidence of one candidate (FEATURES) in words, strongest first (at most eight)."""
    found: list[Reason] = []
    if seen[_DEVICE_SAME] > 0:
        found.append(Reason("same_device", 3.0, "同一设备的同一种告警"))
    elif seen[_DEVICE_ID_SAME] > 0:
        found.append(Reason("same_device_other_alarm", 1.0, "同一设备的另一种告警"))
    if seen[_REPORTER_SAME] > 0:
        found.append(Reason("same_reporter", 1.5, "同一反映人此前反映过该事件"))
    metres = seen[_METRES_BEST]
    if metres < 300:
        found.append(Reason("near", round(1.5 - metres / 300, 2), f"位置相距约{round(metres, -1):.0f}米"))
    elif metres >= 300:
        away = f"{metres / 1000:.1f}公里" if metres >= 1000 else f"{round(metres, -1):.0f}米"
        found.append(Reason("far", round(-min(3.0, metres / 600), 2), f"位置相距{away}"))
    if seen[_VILLAGE_SAME] > 0:
        found.append(Reason("same_village", 0.8, "同一村（社区）"))
    elif seen[_VILLAGE_MENTIONED] > 0:
        found.append(Reason("village_mentioned", 0.8, "提到了该事件所在的村（社区）"))
    elif seen[_VILLAGE_SAME] == 0:
        found.append(Reason("other_village", -1.5, "不是同一个村（社区）"))
    if seen[_MATTER_DOT] >= 0.4:
        found.append(Reason("same_matter", 1.0, f"事项相同：{matter_name}"))
    elif seen[_MATTER_DOT] < 0.08:
        found.append(Reason("other_matter", -1.0, "事项不同"))
    alike = seen[_TEXT_BEST]
    if alike >= 0.2:
        found.append(Reason("alike_words", round(4 * alike, 2), f"说法相近（相似度{alike:.0%}）"))
    place = max(seen[_SAID_PLACE_KNOWN], seen[_PLACE_BEST])
    if place >= 0.25:
        found.append(Reason("same_spot_words", round(2 * place, 2), "说到同一处地点或标志物"))
    if seen[_SIDES_DIFFER] > 0:
        found.append(Reason("other_side", -0.5, "说的方位不同"))
    if seen[_NUMBERS_DIFFER] > 0:
        found.append(Reason("other_number", -0.7, "楼号或门牌号不同"))
    elif seen[_NUMBERS_COMMON] > 0:
        found.append(Reason("same_number", 0.7, "楼号或门牌号相同"))
    if report.follow_up >= 0.5:
        found.append(Reason("follow_up", 0.6, "用语是催办、追问进度"))
    if report.recurrence >= 0.5:
        found.append(Reason("recurrence", -0.4, "用语是修好后又出现"))
    gap = seen[_HOURS_SINCE_LAST]
    found.append(Reason("time", 0.4 if gap < 72 else -0.2, f"距上一次反映{hours_zh(max(gap, 0.0))}"))
    rivals = int(seen[_HERE_SAME_MATTER]) - 1
    if rivals > 0:
        found.append(Reason("rivals", -0.3, f"附近另有{rivals}件同类在办事件"))
    found.sort(key=_strength)
    return tuple(found[:8])


def _strength(reason: Reason) -> float:
    return -abs(reason.weight)
