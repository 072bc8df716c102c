"""The citizen's pages as plain HTML: no script, nothing from elsewhere, large enough for old eyes.

Every word that a person wrote is escaped here.
"""

from datetime import datetime
from html import escape

from huying.contracts.ratings import Grade

from .domain import Case, Invitation
from .rates import ZONE

GRADES: dict[Grade, tuple[str, str, str]] = {
    "satisfied": ("满意", "#1F8A4C", "M13 28q7 8 14 0"),
    "basically_satisfied": ("基本满意", "#A65F00", "M13 29h14"),
    "dissatisfied": ("不满意", "#C62828", "M13 31q7-8 14 0"),
}
"""Word, colour and mouth: never the colour alone."""

STYLE = """
:root{color-scheme:light}*{box-sizing:border-box}
body{margin:0;background:#F5F7FA;color:#1B2430;font:18px/1.5 "Noto Sans SC","PingFang SC","Microsoft YaHei",
system-ui,sans-serif}
main{max-width:560px;margin:0 auto;padding:20px 16px 32px}
h1{font-size:22px;line-height:1.4;margin:0 0 12px}
.card{background:#fff;border:1px solid #E3E8EF;border-radius:6px;padding:16px;margin:0 0 16px}
.quiet{color:#5B6675;font-size:16px;margin:0}dl{margin:0;display:grid;grid-template-columns:5em 1fr;gap:4px 8px}
dt{color:#5B6675}dd{margin:0;overflow-wrap:anywhere}
fieldset{border:0;margin:0 0 16px;padding:0;display:grid;grid-template-columns:repeat(3,1fr);gap:8px}
legend{padding:0 0 8px;font-weight:600}
label.face{display:flex;flex-direction:column;align-items:center;gap:4px;background:#fff;border:2px solid #E3E8EF;
border-radius:6px;padding:12px 4px;cursor:pointer;font-weight:600}
label.face input{position:absolute;opacity:0}label.face:has(input:checked){border-color:currentColor}
label.face:has(input:focus-visible){outline:3px solid #1456C4;outline-offset:2px}
textarea{width:100%;font:inherit;border:1px solid #8A94A3;border-radius:6px;padding:8px;min-height:96px}
button{width:100%;font:inherit;font-weight:600;color:#fff;background:#1456C4;border:0;border-radius:6px;
padding:14px;margin-top:16px;cursor:pointer}
"""


def ask(case: Case, invitation: Invitation) -> str:
    """The page that asks."""
    faces = "".join(
        f'<label class="face" style="color:{colour}"><input type="radio" name="grade" value="{grade}" required>'
        f"{_face(mouth)}<span>{word}</span></label>"
        for grade, (word, colour, mouth) in GRADES.items()
    )
    until = _day(invitation.expires_at)
    return _page(
        "办得怎么样？请您评价",
        f"{_about(case)}"
        '<form method="post"><fieldset><legend>您对这次办理</legend>'
        f"{faces}</fieldset>"
        '<label for="comment">还想说点什么（可不填）</label>'
        '<textarea id="comment" name="comment" maxlength="5000"></textarea>'
        '<button type="submit">提交评价</button></form>'
        f'<p class="quiet" style="margin-top:12px">只能评价一次，{until}前有效。承办单位看不到您的姓名和电话。</p>',
    )


def thanks(case: Case, grade: Grade) -> str:
    """The page after the verdict; `case` is as it was before."""
    word = GRADES[grade][0]
    follow = "谢谢您帮我们把事办好。"
    if grade == "dissatisfied":
        follow = f"您的意见会计入承办单位的满意率。{_next(case)}"
    return _page("评价已收到", f'<p class="card">您的评价：<strong>{word}</strong>。{follow}</p>{_about(case)}')


def _next(case: Case) -> str:
    """What follows by the rules when somebody is dissatisfied: a redo once, then a review."""
    if case.state == "merged":
        return ""
    if case.state != "completed":
        return "这件事正在重新办理，办好后再请您评价。"
    if case.redone:
        return "这件事已重新办理过，现在请督查人员复核。"
    return "这件事会重新办理，办好后再请您评价；县里不再自动重办的，由督查人员复核。"


def told(title: str, detail: str) -> str:
    """A refusal as a page: what happened, why, what next."""
    return _page(title, f'<p class="card">{escape(detail)}</p>')


def _about(case: Case) -> str:
    done = _day(case.completed_at) if case.completed_at else ""
    lines = {
        "事项": case.title,
        "编号": case.number,
        "承办单位": case.unit_name,
        "办结": done,
        "办理结果": case.result,
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in lines.items() if text)
    return f'<dl class="card">{rows}</dl>'


def _day(moment: datetime) -> str:
    local = moment.astimezone(ZONE)
    return f"{local.month}月{local.day}日 {local:%H:%M}"


def _face(mouth: str) -> str:
    return (
        '<svg width="56" height="56" viewBox="0 0 40 40" fill="none" stroke="currentColor" stroke-width="2.5" '
        'stroke-linecap="round" aria-hidden="true"><circle cx="20" cy="20" r="17"/>'
        f'<path d="M14 15v2M26 15v2"/><path d="{mouth}"/></svg>'
    )


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f'<body><main><p class="quiet">呼应 · 群众评价</p><h1>{escape(title)}</h1>{body}</main></body></html>'
    )
