"""The citizen's page of one report, for a phone: plain HTML from the server, no script, nothing from elsewhere.

It shows what `Progress` has and nothing more; every word is escaped.
"""

import base64
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from html import escape
from zoneinfo import ZoneInfo

from .domain.progress import GRADES_ZH, Progress, Step

STYLE = """
body{margin:0;background:#F5F7FA;color:#1B2430;font:16px/1.5 "Noto Sans SC","PingFang SC","Microsoft YaHei",\
system-ui,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:560px;margin:0 auto;padding:16px}
h1{font-size:22px;margin:8px 0 0}
.quiet{color:#5B6675}
section{background:#FFFFFF;border:1px solid #E3E8EF;border-radius:6px;padding:16px;margin:16px 0}
section h2{font-size:16px;margin:0 0 8px}
ol{list-style:none;margin:0;padding:0}
li{border-left:4px solid #E3E8EF;padding:0 0 16px 12px}
li:last-child{padding-bottom:0}
li.done{border-color:#1B7642}
li.current{border-color:#1456C4}
li b{margin-right:8px}
.done .word{color:#1B7642}
.current .word{color:#1456C4}
.todo{color:#5B6675}
.overdue{color:#C62828}
.paused{color:#6A4BC4}
.ontime{color:#1B7642}
p{margin:4px 0;overflow-wrap:anywhere;white-space:pre-line}
a{color:#1456C4}
label{display:block;margin:0 0 8px}
input,button{box-sizing:border-box;width:100%;font:inherit;padding:12px;border:1px solid #8A94A3;border-radius:6px}
button{margin-top:12px;color:#FFFFFF;background:#1456C4;border:0}
"""
"""Colours and sizes of guide/look.md; the whole style is inside the page, so a weak line loads it at once."""

_HASH = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
"""The number in the address is the citizen's key: no cache, no referrer, no search engine gets it."""

MARKS = {"done": "✓ 已完成", "current": "● 进行中", "todo": "○ 未开始"}
"""Never colour alone: every state has its word."""


FORM = (
    '<section><form method="get" action="/"><label for="number">查询编号（12 位，在给您的通知里）</label>'
    '<input id="number" name="number" required maxlength="40" autocomplete="off" autocapitalize="characters">'
    '<button type="submit">查询</button></form></section>'
)
"""A citizen types the number; the server leads to its page, so that no script is needed."""


def ask(refusal: str = "") -> str:
    """The page that asks for a number, and says so when nobody has the one that was given."""
    told = f'<section><p role="alert">{escape(refusal)}</p></section>' if refusal else ""
    return _page("查询进度", (f"<h1>查询进度</h1>{told}{FORM}",))


def render(progress: Progress, now: datetime, timezone: str) -> str:
    """The page of a report; `now` is business time, `timezone` the county's."""
    zone = ZoneInfo(timezone)
    parts = [
        "<h1>事件办理进度</h1>",
        f'<p class="quiet">查询编号 {escape(_grouped(progress.tracking_number))}</p>',
        *_way(progress, now, zone),
    ]
    for number, other in enumerate(progress.others, 2):
        parts += [f"<h1>您反映的第 {number} 件事</h1>", *_way(other, now, zone)]
    return _page("事件办理进度", parts)


def _way(progress: Progress, now: datetime, zone: ZoneInfo) -> list[str]:
    parts = [
        _who(progress, now, zone),
        "<section><h2>办理步骤</h2><ol>",
        *(_step(step, now, zone) for step in progress.steps),
        "</ol></section>",
    ]
    if progress.result is not None:
        pictures = (
            f'<p><a href="{escape(url)}" rel="noreferrer">现场图片 {number}</a></p>'
            for number, url in enumerate(progress.result.pictures, 1)
        )
        parts.append(f"<section><h2>办理结果</h2><p>{escape(progress.result.text)}</p>{''.join(pictures)}</section>")
    if progress.rating is not None:
        parts.append(f"<section><h2>您的评价</h2><p>{escape(GRADES_ZH[progress.rating])}</p></section>")
    return parts


def spoken(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """A time as people say it: 今天 14:20, 昨天 08:05, 3月9日 17:30, 2025年3月9日 17:30."""
    local, today = moment.astimezone(zone), now.astimezone(zone).date()
    clock = f"{local:%H:%M}"
    names = {today: "今天", today - timedelta(days=1): "昨天", today + timedelta(days=1): "明天"}
    if local.date() in names:
        return f"{names[local.date()]} {clock}"
    year = "" if local.year == today.year else f"{local.year}年"
    return f"{year}{local.month}月{local.day}日 {clock}"


def remaining(until: datetime, now: datetime) -> str:
    """剩 1 天 3 小时, or 超期 2 小时."""
    word, span = ("剩", until - now) if until >= now else ("超期", now - until)
    minutes = int(span.total_seconds() // 60)
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    named = [f"{count} {unit}" for count, unit in ((days, "天"), (hours, "小时"), (rest, "分钟")) if count]
    return f"{word} {' '.join(named[:2]) or '不到 1 分钟'}"


def _who(progress: Progress, now: datetime, zone: ZoneInfo) -> str:
    unit = progress.unit.name if progress.unit else "县调度中心"
    lines = [f"<p>当前由 <b>{escape(unit)}</b> 负责</p>"]
    if progress.matter:
        lines.append(f'<p class="quiet">事项：{escape(progress.matter)}</p>')
    if progress.paused:
        lines.append('<p class="paused">时限已暂停</p>')
    elif progress.until is not None and progress.state == "completed":
        lines.append(_kept(progress, progress.until, now, zone))
    elif progress.until is not None:
        late = progress.overdue or progress.until < now
        kind = "overdue" if late else "ontime"
        span = remaining(progress.until, now)
        exact = progress.until.astimezone(zone).isoformat(timespec="minutes")
        lines.append(
            f'<p class="{kind}" title="{escape(exact)}">{span} · {escape(spoken(progress.until, now, zone))} 前</p>'
        )
        if progress.was_overdue and not late:
            lines.append('<p class="overdue">曾超期</p>')
    if progress.extensions:
        lines.append(f'<p class="paused">已延期 {progress.extensions} 次</p>')
    if progress.redone:
        done = progress.state == "completed"
        lines.append(f"<p>{'已重新办理' if done else '正在重新办理，第'} {progress.redone} 次</p>")
    return f"<section>{''.join(lines)}</section>"


def _kept(progress: Progress, until: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Whether a completed matter was done in time; what was late stays to be seen."""
    done = next((step.at for step in progress.steps if step.code == "handled"), None)
    word = "按时办结"
    if progress.overdue:
        word = f"{remaining(until, done)}办结" if done and done > until else "办理中曾超期"
    kind = "overdue" if progress.overdue else "ontime"
    return f'<p class="{kind}">{word} · 时限为 {escape(spoken(until, now, zone))}</p>'


def _step(step: Step, now: datetime, zone: ZoneInfo) -> str:
    when = ""
    if step.at is not None:
        exact = escape(step.at.astimezone(zone).isoformat(timespec="seconds"))
        when = f'<p class="quiet" title="{exact}">{escape(spoken(step.at, now, zone))}</p>'
    note = f"<p>{escape(step.note)}</p>" if step.note else ""
    mark = MARKS[step.state]
    return f'<li class="{step.state}"><b>{escape(step.name)}</b><span class="word">{mark}</span>{when}{note}</li>'


def _grouped(number: str) -> str:
    return "-".join(number[start : start + 4] for start in range(0, len(number), 4))


def _page(title: str, parts: Iterable[str]) -> str:
    return (
        '<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>"
    )
