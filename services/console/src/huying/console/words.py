"""What people read: states, times and deadlines as the county says them. Pure; every sentence is made here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from huying.contracts import dates

ZONE = ZoneInfo("Asia/Shanghai")

TONES: Mapping[str, str] = {
    "asked": "held",
    "dispatched": "open",
    "accepted": "open",
    "contacted": "open",
    "suspended": "held",
    "adjudicating": "held",
    "covered": "open",
    "completed": "done",
    "merged": "done",
}
"""Of a state's word."""

CLOCKS: Mapping[str, str] = {
    "acceptance": "签收",
    "contact": "联系群众",
    "response": "答复",
    "resolution": "办结",
    "adjudication": "裁决",
}
CLASSES: Mapping[str, str] = {
    "emergency": "紧急",
    "consultation": "咨询",
    "public_service": "公共服务",
    "other": "一般",
}
CHANNEL_ICONS: Mapping[str, str] = {
    "citizen_app": "smartphone",
    "qr_code": "qr_code_2",
    "grid_worker": "badge",
    "partner": "apartment",
    "hotline_12345": "call",
    "secretary_hotline": "support_agent",
    "party_gov_site": "language",
    "internet_supervision": "policy",
    "mayor_mailbox": "mail",
    "iot": "sensors",
}
FINAL = frozenset({"resolution", "response"})
OPEN_STATES = ("asked", "dispatched", "accepted", "contacted", "suspended", "adjudicating", "covered")
SOON_SHARE = 0.25
"""The last quarter of a deadline is the time to look at it: the pack's third warning stands there too."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names out of the county pack, by code."""

    county: str
    units: Mapping[str, str]
    towns: Mapping[str, str]
    channels: Mapping[str, str]
    matters: Mapping[str, str] = field(default_factory=dict)
    villages: Mapping[str, str] = field(default_factory=dict)
    town_units: Mapping[str, str] = field(default_factory=dict)
    """The unit that serves a town, by the town's code."""

    def unit(self, code: str | None) -> str:
        """The unit's name, or its code where the pack has changed since."""
        return self.units.get(code or "", code or "")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A deadline in words: `text` first, `until` after it, `tone` beside the word, `exact` on hover."""

    text: str
    until: str
    tone: str
    exact: str


def span(length: timedelta) -> str:
    """1 天 3 小时; 3 小时 20 分; 12 分. Rounded down, two parts at most."""
    minutes = int(length.total_seconds() // 60)
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    if days:
        return f"{days} 天 {hours} 小时" if hours else f"{days} 天"
    if hours:
        return f"{hours} 小时 {minutes} 分" if minutes else f"{hours} 小时"
    return f"{minutes} 分" if minutes else "不到 1 分"


def when(moment: datetime, now: datetime) -> str:
    """今天 14:20, 昨天 09:05, 明天 17:30, 3月9日 17:30, and the year where it is another."""
    local, today = dates.local(moment, ZONE), dates.local(now, ZONE)
    days = (local.date() - today.date()).days
    near = {0: "今天", -1: "昨天", 1: "明天"}.get(days)
    if near:
        return f"{near} {local:%H:%M}"
    return dated(moment, now)


def dated(moment: datetime, beside: datetime) -> str:
    """3月9日 17:30, as a line keeps it for ever: no 明天 in it, and the year where it is not that of `beside`."""
    local = dates.local(moment, ZONE)
    year = "" if local.year == dates.local(beside, ZONE).year else f"{local.year}年"
    return f"{year}{local.month}月{local.day}日 {local:%H:%M}"


def exact(moment: datetime) -> str:
    """For the hover."""
    return f"{dates.local(moment, ZONE):%Y-%m-%d %H:%M:%S}"


def deadline(clock: Mapping[str, Any], now: datetime) -> Deadline:
    """A clock in words.

    Args:
        clock: `kind`, `state` (running, paused, stopped), `due_at`, `started_at`, `verdict`, `extended`.
        now: business time.
    """
    due, name = clock["due_at"], CLOCKS[clock["kind"]]
    stamp = f"{name}时限 {exact(due)}"
    if clock["state"] == "stopped":
        text, tone = {"on_time": (f"按时{name}", "on_time"), "late": (f"超期{name}", "overdue")}.get(
            clock.get("verdict") or "", ("不计时限", "done")
        )
        return Deadline(text, "", tone, stamp)
    until = f"{when(due, now)} 前"
    if clock["state"] == "paused":
        return Deadline("已暂停", f"原定{until}", "held", stamp)
    if now >= due:
        return Deadline(f"超期 {span(now - due)}", until, "overdue", stamp)
    soon = due - now <= (due - clock["started_at"]) * SOON_SHARE
    return Deadline(f"剩 {span(due - now)}", until, "soon" if soon else "on_time", stamp)


def extended(count: int, clock: Mapping[str, Any] | None, now: datetime) -> str:
    """How often more time was granted, and whether the clock had run out before: that stays to be seen."""
    broke = clock is not None and clock["breached"] and clock["state"] != "stopped" and now < clock["due_at"]
    return " · ".join(part for part in (f"已延期 {count} 次" if count else "", "曾超期" if broke else "") if part)


def question(until: datetime, now: datetime) -> Deadline:
    """How long a question waits for a person before the incident is dispatched by itself."""
    if now >= until:
        return Deadline("即将自动派单", "", "held", exact(until))
    return Deadline(f"研判剩 {span(until - now)}", f"{when(until, now)} 自动派单", "held", f"研判时限 {exact(until)}")


def leading(clocks: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The clock that a list shows: the earliest final one that runs, else the last one stopped, else any that runs."""

    def running(clock: Mapping[str, Any]) -> bool:
        return bool(clock["state"] != "stopped")

    final = [clock for clock in clocks.values() if clock["kind"] in FINAL]
    alive = [clock for clock in final if running(clock)] or (
        [] if final else [clock for clock in clocks.values() if running(clock)]
    )
    if alive:
        return min(alive, key=lambda clock: (clock["due_at"], clock["kind"]))
    counted = [clock for clock in final if clock.get("verdict") != "void"]
    return max(counted, key=lambda clock: (clock["at"], clock["kind"])) if counted else None


def danger(view: Mapping[str, Any]) -> str:
    """An emergency, or an alarm that a person has still to confirm; empty when there is no danger."""
    what = view["classification"]
    if what["clock_class"] == "emergency":
        return CLASSES["emergency"]
    return "险情待核" if what.get("alarm") else ""


def place(view: Mapping[str, Any]) -> str:
    """Where, as short as it can be said."""
    spot = view["place"]
    parts = [spot.get("town") or "", spot.get("village") or "", spot.get("address") or ""]
    said = ""
    for part in parts:
        if part and part not in said:
            said = part if said and said in part else f"{said}{part}"
    return said or "地点不明"
