"""A dialog for each command that needs something filled in; drawn from `wishes.FORMS`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui
from pymongo.errors import PyMongoError

from huying.contracts.moves import MOVES

from ..repository import Board
from ..wishes import FORMS, Field, action_of, numbers
from ..words import Names
from .frame import NO_ANSWER, STILL

Do = Callable[[dict[str, Any], Callable[[], object]], Awaitable[bool | None]]
"""Gives a command, and calls back when it takes long; whether it was done, None where nobody has decided yet."""
MOST_REPORTS = 200


def ask(
    kind: str,
    names: Names,
    board: Board,
    reports: list[dict[str, Any]],
    do: Do,
    filled_in: Mapping[str, Any] | None = None,
) -> None:
    """Open the dialog of a command, some of it filled in; `do` gives it to routing when it is complete.

    What was typed stays until it is done or given up: a refusal, a long wait, or the page drawn anew behind it takes
    nothing away. While it is undecided the form is locked, and asks after the command that it gave.
    """
    word = MOVES[kind].word
    parts: dict[str, Any] = {}
    given: list[dict[str, Any]] = []
    """The command that is undecided."""
    layout = ui.context.client.layout
    with layout, ui.dialog() as dialog, ui.card().style("width:520px;max-width:95vw"):
        ui.label(word).classes("text-bold")
        for field in FORMS[kind]:
            parts[field.name] = _part(field, names, reports)
            if filled_in and field.name in filled_in:
                parts[field.name].value = filled_in[field.name]
            parts[field.name].on_value_change(lambda: dialog.props("persistent"))  # no slip takes away what was typed
        next(iter(parts.values())).props("autofocus")
        told = ui.label().classes("hy-told").props("role=status")

        async def go() -> None:
            action = given[0] if given else await _filled(kind, parts, board)
            if isinstance(action, str):
                told.set_text(action)
                return
            given[:] = [action]
            lock(True)
            done = None
            try:
                with layout:  # the outcome is told, even where the form was closed meanwhile
                    done = await do(action, lambda: told.set_text(STILL))
            finally:  # a fault decides nothing
                if done is None:
                    told.set_text(NO_ANSWER)
                    yes.set_text("再查一次结果")
                    work(False)
                else:
                    given.clear()
                    lock(False)
            if done:
                dialog.close()

        def lock(locked: bool) -> None:
            for part in parts.values():
                part.set_enabled(not locked)
            told.set_text("")
            yes.set_text(word)
            no.set_text("关闭" if locked else "不办了")  # what is given cannot be given up any more
            dialog.props("persistent")
            work(locked)

        def work(under_way: bool) -> None:
            if under_way:
                yes.props("loading")
            else:
                yes.props(remove="loading")

        with ui.row().style("justify-content:flex-end;width:100%"):
            no = ui.button("不办了", on_click=dialog.close).props("flat")
            yes = ui.button(word, on_click=go).props("unelevated")
    dialog.on("hide", dialog.delete)
    dialog.open()


async def _filled(kind: str, parts: Mapping[str, Any], board: Board) -> dict[str, Any] | str:
    """The command as it is filled in, or the sentence that says what is wrong."""
    filled = {name: part.value for name, part in parts.items()}
    try:
        missing = await _resolve(kind, filled, board)
    except PyMongoError:
        missing = "暂时读不到数据，没有办成；填写的内容还在，请稍后再试"
    return missing or action_of(kind, filled)


async def _resolve(kind: str, filled: dict[str, Any], board: Board) -> str | None:
    """Numbers that people read become the ids that machines use; the sentence for one that nobody knows."""
    for field in FORMS[kind]:
        if field.kind not in {"incident", "incidents"}:
            continue
        found = []
        for number in numbers(filled[field.name] or ""):
            incident_id = await board.by_number(number)
            if incident_id is None:
                return f"没有事件 {number}：请核对编号"
            found.append(incident_id)
        if len(found) > 1 and field.kind == "incident":
            return f"只能填一个编号：{field.label}"
        filled[field.name] = found if field.kind == "incidents" else found[0] if len(found) == 1 else None
    return None


def _part(field: Field, names: Names, reports: list[dict[str, Any]]) -> Any:
    options: dict[str, dict[str, str]] = {
        "unit": dict(names.units),
        "units": dict(names.units),
        "matter": dict(names.matters),
        "matters": dict(names.matters),
        "village": dict(names.villages),
        "towns": dict(names.towns),
        "choice": dict(field.options or {}),
        "report": {one["report_id"]: _said(one) for one in reports[:MOST_REPORTS] if "part_of" not in one},
        "reports": {one["report_id"]: _said(one) for one in reports[:MOST_REPORTS]},
    }
    if field.kind in options:
        several = field.kind in {"units", "matters", "towns", "reports"}
        part: Any = ui.select(
            options[field.kind], label=field.label, multiple=several, with_input=True, clearable=not field.needed
        )
        return part.props("outlined use-chips" if several else "outlined").style("width:100%")
    if field.kind == "flag":
        return ui.checkbox(field.label)
    if field.kind == "when":
        return ui.input(field.label).props("outlined type=datetime-local stack-label").style("width:100%")
    if field.kind in {"line", "incident", "incidents"}:
        return ui.input(field.label).props("outlined maxlength=500").style("width:100%")
    return ui.textarea(field.label).props("outlined maxlength=1000").style("width:100%")


def _said(report: dict[str, Any]) -> str:
    text = " ".join(report["text"].split())
    return f"{report['tracking_number']}：{text[:30]}{'…' if len(text) > 30 else ''}"
