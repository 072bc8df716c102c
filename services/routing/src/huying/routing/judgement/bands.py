"""From a score to a band: joins, waits for a person, or opens; with the reasons a dispatcher reads.

Refuses to let an emergency wait: what may be a danger is merged when sure and opened when not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .facts import Band, CorrelationPolicy, Limits, Reason
from .traits import Traits


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


def reasons(report: Traits, seen: Mapping[str, float], matter_name: str) -> tuple[Reason, ...]:
    """The evidence of one candidate (by feature) in words, strongest first (at most eight)."""
    found: list[Reason] = []

    def say(code: str, weight: float, text_zh: str) -> None:
        found.append(Reason(code, round(weight, 2), text_zh))

    if seen["device_same"] > 0:
        say("same_device", 3.0, "同一设备的同一种告警")
    elif seen["device_id_same"] > 0:
        say("same_device_other_alarm", 1.0, "同一设备的另一种告警")
    if seen["reporter_same"] > 0:
        say("same_reporter", 1.5, "同一反映人此前反映过该事件")
    metres = seen["metres_best"]
    if not math.isnan(metres):
        if metres < 300:
            say("near", 1.5 - metres / 300, f"位置相距约{round(metres, -1):.0f}米")
        else:
            away = f"{metres / 1000:.1f}公里" if metres >= 1000 else f"{round(metres, -1):.0f}米"
            say("far", -min(3.0, metres / 600), f"位置相距{away}")
    if seen["village_same"] > 0:
        say("same_village", 0.8, "同一村（社区）")
    elif seen["village_mentioned"] > 0:
        say("village_mentioned", 0.8, "提到了该事件所在的村（社区）")
    elif seen["village_same"] == 0:
        say("other_village", -1.5, "不是同一个村（社区）")
    if seen["matter_dot"] >= 0.4:
        say("same_matter", 1.0, f"事项相同：{matter_name}")
    elif seen["matter_dot"] < 0.08:
        say("other_matter", -1.0, "事项不同")
    if seen["text_best"] >= 0.2:
        say("alike_words", 4 * seen["text_best"], f"说法相近（相似度{seen['text_best']:.0%}）")
    place = max(seen["place_best"] if not math.isnan(seen["place_best"]) else 0.0, seen["said_place_known"])
    if place >= 0.25:
        say("same_spot_words", 2 * place, "说到同一处地点或标志物")
    if seen["sides_differ"] > 0:
        say("other_side", -0.5, "说的方位不同")
    if seen["numbers_differ"] > 0:
        say("other_number", -0.7, "楼号或门牌号不同")
    elif seen["numbers_common"] > 0:
        say("same_number", 0.7, "楼号或门牌号相同")
    if report.follow_up >= 0.5:
        say("follow_up", 0.6, "用语是催办、追问进度")
    if report.recurrence >= 0.5:
        say("recurrence", -0.4, "用语是修好后又出现")
    gap = seen["hours_since_last"]
    say("time", 0.4 if gap < 72 else -0.2, f"距上一次反映{hours_zh(max(gap, 0.0))}")
    if seen["here_same_matter"] > 1:
        say("rivals", -0.3, f"附近另有{int(seen['here_same_matter']) - 1}件同类在办事件")
    found.sort(key=lambda r: -abs(r.weight))
    return tuple(found[:8])
