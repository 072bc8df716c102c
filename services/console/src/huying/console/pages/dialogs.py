"""A dialog for each command that needs something filled in; drawn from `wishes.FORMS`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui
from pymongo.errors import PyMongoError

from huying.contracts.moves import MOVES

from ..repository import Board
from ..wishes import FORMS, Field, action_of, numbers
from ..words import Names

Do = Callable[[dict[str, Any]], Awaitable[bool]]
"""Gives a command; whether it was done."""
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

    What was typed stays until it is done or given up: a refusal, or the page drawn anew behind it, takes nothing away.
    """
    word = MOVES[kind].word
    parts: dict[str, Any] = {}
    with ui.context.client.layout, ui.dialog() as dialog, ui.card().style("width:520px;max-width:95vw"):
        ui.label(word).classes("text-bold")
        for field in FORMS[kind]:
            parts[field.name] = _part(field, names, reports)
            if filled_in and field.name in filled_in:
                parts[field.name].value = filled_in[field.name]

        async def go() -> None:
            filled = {name: part.value for name, part in parts.items()}
            try:
                missing = await _resolve(kind, filled, board)
            except PyMongoError:
                missing = "暂时读不到数据，没有办成；填写的内容还在，请稍后再试"
            action = missing or action_of(kind, filled)
            if isinstance(action, str):
                ui.notify(action, type="warning", position="top")
                return
            if await do(action):
                dialog.close()

        with ui.row().style("justify-content:flex-end;width:100%"):
            ui.button("不办了", on_click=dialog.close).props("flat")
            ui.button(word, on_click=go).props("unelevated")
    dialog.on("hide", dialog.delete)
    dialog.open()


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
