"""`huying topics`: make and check the bus's topics. Refuses to change one that exists."""

from typing import Annotated, Any

import typer

from .screen import BROKER, AsJson, Kafka, refusals, say_json

app = typer.Typer(help="总线主题 · topics of the bus", no_args_is_help=True)


def _run(work: Any) -> Any:
    from ..stack import cluster

    with refusals():
        return cluster.run(work)


@app.command()
def create(
    kafka: Kafka = BROKER,
    replication: Annotated[int, typer.Option(min=1, help="副本数")] = 1,
    as_json: AsJson = False,
) -> None:
    """建缺少的主题。Make the topics that are missing."""
    from ..stack import topics

    done = _run(topics.create(kafka, _run(topics.of_the_contract(kafka)), replication_factor=replication))
    if as_json:
        say_json({"created": done.created, "existing": done.existing, "settings_enforced": done.settings_enforced})
        return
    typer.echo(f"新建 {len(done.created)}，已有 {len(done.existing)}")
    if not done.settings_enforced:
        typer.echo(
            "内置总线只记录、不执行大小和保留期限制 · the embedded broker stores limits but does not enforce them"
        )


@app.command()
def check(kafka: Kafka = BROKER, as_json: AsJson = False) -> None:
    """核对主题，有出入则以 1 退出。Compare the broker's topics with the contract."""
    from ..stack import topics

    wanted = _run(topics.of_the_contract(kafka))
    differences = _run(topics.check(kafka, wanted))
    if as_json:
        say_json([{"topic": d.topic, "what": d.what, "wanted": d.wanted, "actual": d.actual} for d in differences])
    else:
        for difference in differences:
            typer.echo(str(difference))
        if not differences:
            typer.echo(f"{len(wanted)} 个主题与约定一致")
    if differences:
        raise typer.Exit(1)
