"""`huying bench`: the figures of the system beside a bare loop, on stacks of their own. Slow machines get slow figures."""

import typer

from .screen import AsJson, console, refusals, say_json, spinner

app = typer.Typer(help="测速 · throughput, latency, memory, readiness", invoke_without_command=True)
WORDS = {
    "routing_reports_per_s": "routing 每秒上报",
    "bare_loop_per_s": "裸循环每秒上报（同样的文档与消息）",
    "routing_ratio": "二者之比",
    "end_to_end_reports_per_s": "从入口到派单，每秒上报",
    "dispatch_p50_ms": "受理到派单 p50（毫秒，50 件/秒）",
    "dispatch_p99_ms": "受理到派单 p99（毫秒）",
    "resident_mb": "七个服务常驻内存（MB）",
    "stack_mb": "连同总线和数据库（MB）",
    "ready_s": "启动到全部就绪（秒）",
}


@app.callback()
def bench(context: typer.Context, as_json: AsJson = False) -> None:
    """测吞吐、延迟、内存和就绪时间。Measure the whole system beside a bare loop."""
    if context.invoked_subcommand is not None:
        return
    from ..bench import run
    from ..stack import default_directory

    with refusals(), spinner("测速") as status:
        figures = run(default_directory("bench"), status)
    if as_json:
        say_json(figures)
        return
    from rich.table import Table

    table = Table(title="呼应 Huying：测速", show_header=False)
    for name, words in WORDS.items():
        table.add_row(words, name, str(figures[name]))
    console().print(table)
