from typing import Any

from aiokafka import TopicPartition
from pydantic import SecretStr

from huying.chassis.ledger import Ledger, Partition
from huying.chassis.link import Link
from huying.chassis.measures import Measures
from huying.chassis.settings import ServiceSettings
from huying.contracts.topics import Topic

NUMBERS = Topic("numbers", None, (), (), "numbers", partitions=2)


class Consuming:
    """A client's consumer, as far as the lag looks at it: what it was given, and where those logs end."""

    def __init__(self, **ends: int) -> None:
        self.ends = {TopicPartition("numbers", int(name[1:])): end for name, end in ends.items()}

    def assignment(self) -> set[TopicPartition]:
        return set(self.ends)

    def highwater(self, tp: TopicPartition) -> int:
        return self.ends[tp]


def shown(measures: Measures, what: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for metric in measures.registry.collect()
        for sample in metric.samples
        if sample.name == f"huying_tally_{what}"
    }


def test_what_another_replica_took_over_has_no_lag_here() -> None:
    settings = ServiceSettings(service="tally", port=0, secret=SecretStr("s" * 32), broker="kafka")
    measures = Measures("tally")
    link = Link(settings, [NUMBERS], measures)
    ledger: Any = Ledger(None)  # type: ignore[arg-type]  # what is known of positions needs no database
    ledger._known = {Partition("", "numbers", 0): 3, Partition("", "numbers", 1): None}
    link._ledger = ledger
    link._subscriber = type("Subscriber", (), {"consumer": Consuming(p0=6, p1=2)})()
    link._note_lag()
    assert shown(measures, "lag_records") == {("numbers", "0"): 2, ("numbers", "1"): 2}
    assert shown(measures, "assigned_partitions") == {("numbers",): 2}
    link._subscriber.consumer = Consuming(p1=9)
    ledger._known.clear()
    link._note_lag()
    assert shown(measures, "lag_records") == {("numbers", "1"): 2}, "and nothing new until a record says where we are"
    assert shown(measures, "assigned_partitions") == {("numbers",): 1}
