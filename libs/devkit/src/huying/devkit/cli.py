"""The `huying` command. It only lists the commands; what a command needs is imported when it runs."""

import typer

from .commands import bench, chaos, county, demo, dlq, keys, learned, ledger, topics, trace, up, verify, whatif

app = typer.Typer(
    name="huying",
    help="呼应：一条事件流，不重复派单。One feed of incidents, without duplicate dispatch.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
)
app.command()(up.up)
app.command()(up.down)
app.command()(demo.demo)
app.command()(demo.replay)
app.command()(verify.verify)
app.command()(chaos.chaos)
app.command()(whatif.whatif)
app.command()(trace.trace)
app.add_typer(bench.app, name="bench")
app.add_typer(dlq.app, name="dlq")
app.add_typer(topics.app, name="topics")
app.add_typer(keys.app, name="keys")
app.add_typer(ledger.app, name="ledger")
app.add_typer(county.app, name="county")
learned.mount(app, "eval", "在有标注的数据上评判合并、分类与初筛。Judge the judgement on labelled data.")
learned.mount(app, "learn", "用有标注的月份学习判断模型。Learn a judgement model from labelled months.")
learned.mount(bench.app, "correlate", "合并的速度。Speed of correlation.", under="huying bench")

if __name__ == "__main__":
    app()
