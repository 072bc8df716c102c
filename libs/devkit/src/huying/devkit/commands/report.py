"""The summary of a replay for people, on standard error. Chinese first, the field's terms."""

from typing import Any

from .screen import console

CHANNELS = {
    "citizen_app": "群众端",
    "qr_code": "民情码",
    "grid_worker": "网格员端",
    "hotline_12345": "12345热线",
    "secretary_hotline": "书记热线",
    "internet_supervision": "互联网+督查",
    "party_gov_site": "党政网",
    "iot": "物联感知",
}


def show(summary: dict[str, Any]) -> None:
    """Print it as a table of two columns."""
    from rich.table import Table

    table = Table(title="呼应 Huying：一个月", show_header=False)
    table.add_column("项目", style="bold")
    table.add_column("数")
    clocks, ratings, notices = summary["clocks"], summary["ratings"], summary["notices"]
    channels = "  ".join(f"{CHANNELS.get(name, name)} {n}" for name, n in summary["reports_by_channel"].items())
    units = "  ".join(f"{unit} {n}" for unit, n in summary["dispatched_by_unit"].items())
    share = ratings["satisfied_share"]
    rows = [
        ("上报 reports", f"{summary['reports']}（{channels}）"),
        ("事件 incidents", f"{summary['incidents']}（{_pairs(summary['states'])}）"),
        (
            "重办 redone",
            f"{_pairs(summary['redone'])}；另立关联 {summary['came_back']}，待复核 {summary['ratings']['reviews_due']}",
        ),
        ("自动合并 merged", f"{summary['merged']}（{_pairs(summary['merged_how'])}）"),
        ("询问 asked", f"{summary['asked']}（{_pairs(summary['asks'])}）"),
        ("新事件 new", str(summary["new"])),
        ("派单 dispatched", f"{summary['dispatched']}（{units}）"),
        (
            "时钟 clocks",
            f"起表 {clocks['started']}  按时 {clocks['on_time']}  预警 {clocks['warned']}  超时 {clocks['breached']}",
        ),
        ("通知 notices", f"送达 {notices['delivered']}  失败 {notices['failed']}  不明 {notices['unknown']}"),
        (
            "评价 ratings",
            f"邀请 {ratings['invited']}  收到 {ratings['rated']}  满意率 {share if share is not None else '—'}",
        ),
        ("搁置 parked", str(summary["parked"])),
        (
            "合并准确率 precision / 召回率 recall",
            f"{summary['precision']} / {summary['recall']}（自动合并，按标注成对计）",
        ),
        ("决定指纹 decisions", summary["decisions"]),
        ("不变量 invariants", "全部为 0" if not summary["invariant_violations"] else _pairs(summary["invariants"])),
        ("用时 seconds", f"{summary['seconds']}（就绪 {summary.get('ready_s', '—')}）"),
    ]
    for name, text in rows:
        table.add_row(name, text)
    console().print(table)


def _pairs(counts: dict[str, Any]) -> str:
    return "  ".join(f"{name} {n}" for name, n in counts.items()) or "—"
