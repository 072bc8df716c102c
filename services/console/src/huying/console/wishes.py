"""What a person fills in for each command, and the command that it becomes. Pure; routing has the last word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from unicodedata import normalize

from pydantic import TypeAdapter, ValidationError

from huying.contracts.commands import Action
from huying.contracts.moves import MOVES

from .words import CLASSES, ZONE

Kind = Literal[
    "text", "line", "pictures", "unit", "units", "matter", "village", "when", "choice", "flag", "report", "reports", "incident",
    "incidents", "matters", "towns",
]  # fmt: skip
FIRST = (
    *("answer_ask", "accept", "complete", "contact", "rule", "approve_extension", "refuse_extension", "check_in"),
    *("resume", "return", "redo", "undo_merge"),
)
"""Buttons of the main line and of what waits for somebody; the rest is under 更多操作."""
CAREFUL = frozenset({"return", "refuse_extension", "undo_merge"})
SCOPES = {"county": "全县今后都这样", "town": "本乡镇今后都这样", "village": "本村今后都这样", "once": "仅此一件"}


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to fill in. `name` is the command's own."""

    name: str
    label: str
    kind: Kind = "text"
    needed: bool = True
    options: Mapping[str, str] | None = None


def _why(label: str) -> Field:
    return Field("reason", label)


FORMS: Mapping[str, tuple[Field, ...]] = {
    "contact": (Field("note", "联系情况（可不填）", needed=False),),
    "return": (
        _why("退回理由（必填）"),
        Field("basis", "依据（必填：职责清单、文件）", "line"),
        Field("suggested_unit", "建议主责单位", "unit", needed=False),
    ),
    "complete": (
        Field("text", "办理结果（必填，会反馈给群众）"),
        Field("attachments", "图片网址（每行一个）", "pictures", needed=False),
        Field("with_covered", "随它一并办理的也一起办结", "flag", needed=False),
    ),
    "confirm": (
        Field("matter", "事项", "matter", needed=False),
        Field("clock_class", "时限类别", "choice", needed=False, options=CLASSES),
        Field("place", "村（社区）", "village", needed=False),
        _why("核定理由（必填）"),
    ),
    "assign": (
        Field("unit", "主责单位", "unit"),
        Field("assisting", "配合单位", "units", needed=False),
        _why("改派理由（必填）"),
    ),
    "rule": (
        Field("unit", "裁决由谁主责", "unit"),
        Field("assisting", "配合单位", "units", needed=False),
        Field("basis", "裁决依据（必填，写入职责清单）"),
        Field("scope", "今后类似事项", "choice", options=SCOPES),
    ),
    "escalate": (_why("升级理由（必填）"),),
    "whistle": (
        Field("units", "请哪些单位到场", "units"),
        Field("meet_at", "集合地点", "line"),
        _why("事由（必填）"),
    ),
    "check_in": (Field("unit", "哪个单位已到场", "unit"),),
    "joint_review": (
        Field("units", "参加单位（召集时填）", "units", needed=False),
        Field("topic", "会商事项（召集时填）", "line", needed=False),
        Field("conclusion", "会商结论（会后登记）", needed=False),
    ),
    "supervise": (_why("督办理由（必填）"),),
    "lift_supervision": (_why("摘牌理由（必填）"),),
    "suspend": (_why("挂起理由（必填，群众看得到）"), Field("until", "最晚到", "when")),
    "request_extension": (_why("延期理由（必填，批准后群众看得到）"), Field("until", "延到", "when")),
    "resume": (_why("恢复办理的理由（必填）"),),
    "approve_extension": (_why("批准延期的理由（必填）"),),
    "refuse_extension": (_why("不予延期的理由（必填）"),),
    "redo": (_why("重办理由（必填，群众看得到）"),),
    "group": (Field("children", "子事件编号（用逗号或空格隔开）", "incidents"), _why("并入理由（必填）")),
    "release": (_why("移出理由（必填）"),),
    "open_flood": (
        Field("until", "到什么时候自动结束", "when"),
        Field("matters", "哪些事项（不选为本事项）", "matters", needed=False),
        Field("towns", "哪些乡镇（不选为全县）", "towns", needed=False),
        _why("开启理由（必填）"),
    ),
    "close_flood": (_why("结束理由（必填）"),),
    "merge": (Field("into", "并入哪个事件（编号）", "incident"), _why("合并理由（必填）")),
    "split": (Field("reports", "拆出哪些诉求", "reports"), _why("拆分理由（必填）")),
    "part_report": (
        Field("report", "哪件诉求说了两件事", "report"),
        Field("text", "其中哪段话另立一件（原文里连续的一段）"),
        Field("matter", "另一件的事项（不选由系统初判）", "matter", needed=False),
        Field("place", "另一件在哪个村（不选同本件）", "village", needed=False),
        _why("分件理由（必填）"),
    ),
    "undo_merge": (_why("撤销合并的理由（必填）"),),
}
"""Commands that need something filled in; the others are done at once."""
OWN = frozenset({"check_in"})
"""Commands that a unit's people do at once: they speak for their own unit, where others have to say which."""

_ACTION: TypeAdapter[Any] = TypeAdapter(Action)


def asks(kind: str, own_unit: str | None) -> bool:
    """Whether a person fills something in first; `own_unit` is that of a unit's people."""
    return kind in FORMS and not (kind in OWN and own_unit is not None)


def begun(kind: str, view: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What stands in the form when it opens: the first piece to part, the first unit that has not come yet."""
    if kind == "part_report":
        return next(iter(parts), None)
    if kind == "check_in":
        called = (view.get("course") or {}).get("whistle") or {"units": ()}
        return next(({"unit": unit} for unit in called["units"] if unit not in called.get("arrived", ())), None)
    return None


def numbers(text: str) -> list[str]:
    """Incident numbers out of what a person typed, in full-width figures, too."""
    return normalize("NFKC", text).replace(",", " ").replace("、", " ").split()


def action_of(kind: str, filled: Mapping[str, Any]) -> dict[str, Any] | str:
    """The command, or the sentence that says what is missing.

    Args:
        kind: a key of `MOVES`.
        filled: by the fields' names; numbers of incidents are replaced by their ids already.
    """
    action: dict[str, Any] = {"kind": kind}
    fields = FORMS.get(kind, ())
    for field in fields:
        value = filled.get(field.name)
        value = value.strip() if isinstance(value, str) else value
        if value in (None, "", [], ()):
            if field.needed:
                return f"请填写：{field.label}"
            continue
        try:
            action[field.name] = _value(field, value)
        except ValueError:
            return _wrong(kind, field.label)
    try:
        _ACTION.validate_python(action)
    except ValidationError as error:
        blamed = {part for item in error.errors() for part in item["loc"]}
        return _wrong(kind, "、".join(field.label for field in fields if field.name in blamed) or "填写的内容")
    return action


def named(kind: str, refusal: str) -> str:
    """Routing's refusal with the form's word for the field, where it begins with the command's own name for one."""
    name, colon, rest = refusal.partition("：")
    label = next((field.label for field in FORMS.get(kind, ()) if field.name == name), name)
    return f"{label}{colon}{rest}"


def _wrong(kind: str, what: str) -> str:
    return f"填写的内容不对，没有{MOVES[kind].word}。请检查：{what}"


def _value(field: Field, value: Any) -> Any:
    match field.kind:
        case "when":
            return datetime.fromisoformat(value).replace(tzinfo=ZONE).isoformat()
        case "village":
            return {"village_code": value}
        case "pictures":
            return [{"url": line.strip(), "media_type": "image/jpeg"} for line in value.splitlines() if line.strip()]
        case _:
            return value
