"""Rows of the feed: plain values that the table's template shows. Pure."""

from datetime import datetime
from typing import Any

from huying.contracts.moves import STATE_WORDS

from ..words import CHANNEL_ICONS, TONES, Names, danger, deadline, exact, extended, place, question, when


def row_of(document: dict[str, Any], now: datetime, names: Names) -> dict[str, Any]:
    """One incident as the feed shows it."""
    view = document["view"]
    word, tone = STATE_WORDS[document["state"]], TONES[document["state"]]
    dispatch = view.get("dispatch") or {}
    lead = document.get("lead")
    ask = document.get("ask")
    holds = document["state"] == "asked"
    limit = deadline(lead, now) if lead else (question(ask["until"], now) if ask and holds else None)
    returned = f"退回 {view['returns']} 次" if view.get("returns") else ""
    beside = "延期待批" if (view.get("course") or {}).get("request") else returned
    if lead and ask and holds:  # the deadline stands in its own column already
        beside = question(ask["until"], now).until
    counts: dict[str, int] = {}
    for channel in view["channels"]:
        counts[channel] = counts.get(channel, 0) + 1
    helping = len(dispatch.get("assisting") or ())
    return {
        "id": document["_id"],
        "number": document["number"],
        "danger": danger(view),
        "pinned": bool(document.get("pinned")),
        "limit": limit.text if limit else "—",
        "limit_tone": limit.tone if limit else "done",
        "until": limit.until if limit else "",
        "exact": limit.exact if limit else "",
        "extended": extended(document.get("extended") or 0, lead, now),
        "title": view["title"],
        "matter": view["classification"]["matter_name"],
        "asked": bool(ask) and not holds,
        "confirm": bool(view["classification"].get("needs_confirmation")),
        "opened": when(document["opened_at"], now),
        "opened_exact": exact(document["opened_at"]),
        "place": place(view),
        "unit": dispatch.get("unit_name") or "未派单",
        "helping": f"配合 {helping} 家" if helping else "",
        "doors": [
            {"icon": CHANNEL_ICONS.get(code, "inbox"), "name": names.channels.get(code, code), "n": n}
            for code, n in counts.items()
        ],
        "reports": view["report_count"],
        "state": word,
        "tone": tone,
        "beside": beside,
    }
