"""The commands `huying eval`, `huying learn` and `huying bench correlate`.

Refuses to print figures and progress on one stream: `--json` goes to stdout, progress to stderr.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..commands.screen import BROKER, AsJson, Kafka, Model, Pack, say_json

eval_app = typer.Typer(
    name="eval",
    help="评测研判：合并、分类、初筛。Measure the judgement on labelled data.",
    no_args_is_help=True,
    add_completion=False,
)
app = typer.Typer(add_completion=False)
"""`learn` and `bench correlate`, which stand elsewhere in `huying`."""
Files = Annotated[
    list[Path], typer.Argument(exists=True, dir_okay=False, help="同一格式的标注文件 · labelled files of one format")
]
Cv = Annotated[
    str | None,
    typer.Option(
        "--cv", help="months、towns 或份数：交叉验证；不给则用现成的模型 · cross-validate, else nothing is fitted"
    ),
]
FEED = Path("feed")
"""In place of a file: the corrections in the log of a running system."""

_progress = Console(stderr=True)
_out = Console()


@contextmanager
def answered() -> Iterator[None]:
    """What cannot be used becomes one sentence and exit code 1; anything else keeps its stack."""
    from huying.routing.judgement.model import ModelUnreadableError

    from ..commands.screen import fail, refusals
    from .sources import UnusableError

    with refusals():
        try:
            yield
        except (UnusableError, ModelUnreadableError) as error:
            fail(str(error))


def say(line: str) -> None:
    """One progress line on stderr."""
    _progress.print(f"[dim]{line}[/dim]", highlight=False)


def show(
    figures: dict[str, Any], as_json: bool, title: str, baselines: dict[str, dict[str, float | None]] | None = None
) -> None:
    """Figures as a table, or as JSON."""
    if as_json:
        say_json(figures)
        return
    table = Table(title=title)
    table.add_column("figure")
    table.add_column("engine", justify="right")
    for name in baselines or {}:
        table.add_column(name, justify="right")
    for key, value in figures.items():
        if value is None or isinstance(value, int | float):
            plain = [number(own.get(key)) for own in (baselines or {}).values()]
            table.add_row(key, number(value), *plain)
    _out.print(table)


def number(value: float | None) -> str:
    """Three decimals for shares, none for counts, a dash for a share of nothing."""
    if value is None:
        return "—"
    return f"{value:.3f}" if abs(value) < 100 and not float(value).is_integer() else f"{value:,.0f}"


@eval_app.command("correlate")
def correlate_command(
    files: Files,
    cv: Cv = None,
    errors: Annotated[
        int, typer.Option("--errors", min=0, help="列出最差的 N 个误并和漏并 · the worst N false merges and misses")
    ] = 0,
    as_json: AsJson = False,
    pack: Pack = None,
    model: Model = None,
) -> None:
    """哪些上报是同一件事：合并、研判、成组的准确率与召回率。Precision and recall of merging, asking, grouping."""
    from .correlate import evaluate, worst

    with answered():
        outcome = evaluate(files, cv, pack, model, say, explained=errors > 0)
    figures = outcome.figures
    cases = [case for stream in outcome.streams for case in worst(stream, errors)] if errors else []
    if as_json and cases:
        figures = figures | {"errors": cases}
    show(figures, as_json, "huying eval correlate", figures["baselines"])
    if as_json:
        return
    if "hard_cases" in figures:
        _hard_table(figures["hard_cases"])
    for case in cases:
        _out.print(f"\n[bold]{case['kind']}[/bold] {case['report']} score {case['score']} {case['text']!r}")
        _out.print(f"  address {case['address']!r}; incident {case['incident']}: {case['incident_text']!r}")
        _out.print("  " + "；".join(case["reasons"]), highlight=False)


def _hard_table(kinds: dict[str, dict[str, float]]) -> None:
    table = Table(title="hard cases (a ... h of the county file)")
    for column in ("kind", "reports", "due", "joined_right", "asked", "merged_wrong", "pairs", "false_merges"):
        table.add_column(column, justify="right")
    for kind, row in kinds.items():
        cells = ("reports", "due", "joined_right", "asked", "merged_wrong", "pairs", "false_merges")
        table.add_row(kind, *(str(row.get(column, "")) for column in cells))
    _out.print(table)


@eval_app.command("classify")
def classify_command(
    file: Annotated[
        Path | None,
        typer.Argument(
            exists=True, dir_okay=False, help="text,label 两列的 CSV，配 --cv · one CSV with text,label, for --cv N"
        ),
    ] = None,
    train: Annotated[
        Path | None, typer.Option("--train", exists=True, dir_okay=False, help="学习用的 CSV · learned from")
    ] = None,
    test: Annotated[
        Path | None, typer.Option("--test", exists=True, dir_okay=False, help="评判用的 CSV · judged on")
    ] = None,
    cv: Annotated[int, typer.Option("--cv", help="份数 · number of parts")] = 0,
    as_json: AsJson = False,
) -> None:
    """来信分类，与 TF-IDF + 线性 SVM 对照。Sorting letters into classes, beside a TF-IDF + linear SVM."""
    from .classify import evaluate_letters

    with answered():
        figures = evaluate_letters(train, test, file, cv, say)
    show(figures, as_json, "huying eval classify")
    if not as_json:
        table = Table(title="reliability: confidence said and share right")
        for column in ("from", "letters", "said", "right"):
            table.add_column(column, justify="right")
        for row in figures["reliability"]:
            table.add_row(*(number(row[column]) for column in ("from", "letters", "said", "right")))
        _out.print(table)


@eval_app.command("screen")
def screen_command(
    files: Files, cv: Cv = None, as_json: AsJson = False, pack: Pack = None, model: Model = None
) -> None:
    """初筛：事项、时限类别、主办单位、险情。First screening."""
    from .screen import evaluate_screening

    with answered():
        figures = evaluate_screening(files, cv, pack, model, say)
    show(figures, as_json, "huying eval screen")


@app.command("learn")
def learn_command(
    sources: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="标注月份或目录，可重复；feed：人工更正 · months, folders, `feed`",
        ),
    ] = None,
    pack: Pack = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", envvar="HUYING_MODEL", help="模型写到哪里（默认包内）· where the model goes"),
    ] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="换回上一个模型 · bring back the model before")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="不达标、不如现用的、或无从评判，也上线 · go live whatever the figures say")
    ] = False,
    kafka: Kafka = BROKER,
    as_json: AsJson = False,
) -> None:
    """从标注月份和人工更正学习，评判合格才上线；或换回上一个。Learn a model, judge it, let it go live; or roll back."""
    from .corrections import NothingToLearnError, corrections_at
    from .going_live import go_live, months_of, roll_back

    if rollback:
        with answered():
            found = roll_back(pack, model)
        show(found, as_json, "rolled back")
        if not as_json:
            _out.print(found["verdict"], highlight=False)
        return
    if not sources:
        raise typer.BadParameter(
            "name labelled months with --from FILE (repeat it), or --from feed, or give --rollback"
        )
    folders = [source for source in sources if source != FEED]
    files = [file for source in folders for file in (sorted(source.glob("*.jsonl")) if source.is_dir() else [source])]
    if not files and FEED not in sources:
        raise typer.BadParameter(f"no *.jsonl in {[str(folder) for folder in folders]}: give labelled months")
    for file in files:
        if not file.is_file():
            raise typer.BadParameter(f"no file {str(file)!r}: give a labelled month, a folder of them, or `feed`")
    with answered():
        corrected = []
        if FEED in sources:
            say(f"reading what people have corrected, from the feed at {kafka}")
            try:
                corrected = asyncio.run(corrections_at(kafka))
            except NothingToLearnError:  # a young county: the months alone
                if not files:
                    raise
            say(f"{len(corrected)} reports that people have corrected")
        found = go_live(months_of(files, corrected), pack, model, anyway, say)
    show(found, as_json, "huying learn")
    if not as_json:
        _out.print(found["verdict"], highlight=False)
    if not found["live"]:
        raise typer.Exit(1)


@app.command("correlate")
def bench_correlate(
    incidents: Annotated[int, typer.Option(min=1, help="在办事件数 · open incidents")] = 13_000,
    decisions: Annotated[int, typer.Option(min=1, help="计时多少次 · decisions to time")] = 5_000,
    pack: Pack = None,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """合并每秒多少次：一个县的在办事件，和十倍于此。Decisions per second against a county, and ten times that."""
    from .speed import bench

    with answered():
        figures = bench(pack, model, incidents, decisions, say)
    if as_json:
        say_json(figures)
        return
    table = Table(title="huying bench correlate")
    for column in ("", "incidents", "decisions_per_s", "us_per_decision", "memory_mb", "rebuild_s"):
        table.add_column(column, justify="right")
    for name in ("county", "ten_times"):
        own = figures[name]
        table.add_row(
            name,
            *(f"{own[c]:,}" for c in ("incidents", "decisions_per_s", "us_per_decision", "memory_mb", "rebuild_s")),
        )
    _out.print(table)
    _out.print(f"ten times the incidents cost {figures['cost_ratio']} times as much per decision")
