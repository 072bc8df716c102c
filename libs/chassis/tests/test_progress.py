"""How far a service has come, where partitions go from one replica to another at any moment."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError
from structlog.testing import capture_logs

from huying.chassis.continuity import Continuity
from huying.chassis.ledger import Partition
from huying.chassis.measures import Measures
from huying.chassis.progress import Progress
from huying.chassis.settings import ServiceSettings
from huying.chassis.testing import SECRET
from huying.contracts.topics import REPORTS

ONE, TWO = TopicPartition(REPORTS.name, 0), TopicPartition(REPORTS.name, 1)


class Ledger:
    """Every partition stands at 4."""

    async def stored(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return dict.fromkeys(partitions, 4)

    async def marks(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        del partitions
        return {}

    def knows(self, partition: Partition) -> bool:
        return bool(partition)

    def position(self, partition: Partition) -> int:
        del partition
        return 4


class Batch:
    """Of the micro-batch only its patience."""

    async def patiently(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        return await attempt()


class Consumer(AIOKafkaConsumer):
    """The client's own idea of what is assigned, without a broker."""

    def __init__(self, *assigned: TopicPartition) -> None:
        super().__init__(group_id="tally")
        self._closed = True  # it was never open
        self.assign([*assigned])
        self.committed_offsets: list[dict[TopicPartition, int]] = []
        self.begins: dict[TopicPartition, int] = {}
        self.fault: KafkaError | None = None

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._subscription.subscription.assignment.state_value(partition).highwater = offset

    async def beginning_offsets(self, partitions: Any) -> dict[TopicPartition, int]:
        if self.fault is not None:
            raise self.fault
        return {tp: self.begins.get(tp, 0) for tp in partitions}

    async def commit(self, offsets: Any = None) -> None:
        self.committed_offsets.append(offsets)


async def test_what_another_replica_has_taken_over_meanwhile_is_not_committed_and_ends_nothing() -> None:
    consumer = Consumer(ONE, TWO)
    progress = Progress("c", (REPORTS,), Batch(), Ledger(), Measures("tally"))  # type: ignore[arg-type]
    await progress.place(consumer, (ONE, TWO))
    progress.note(consumer)
    consumer._subscription.unsubscribe()
    consumer.assign([ONE])
    consumer.seek(ONE, 5)
    await progress.commit(consumer)
    assert consumer.committed_offsets == [{ONE: 5}]


async def test_records_that_left_the_log_before_they_were_read_are_told_of() -> None:
    consumer, measures = Consumer(ONE, TWO), Measures("tally")
    consumer.begins = {ONE: 5, TWO: 8}
    progress = Progress("c", (REPORTS,), Batch(), Ledger(), measures)  # type: ignore[arg-type]
    with capture_logs() as logs:
        await progress.place(consumer, (ONE, TWO))
    assert measures.violations.labels("log_gap")._value.get() == 1
    assert [line["records"] for line in logs] == [f"{REPORTS.name}/1: 5 to 7"]


async def test_a_broker_that_does_not_say_where_logs_begin_ends_no_service() -> None:
    consumer = Consumer(ONE)
    consumer.fault = KafkaTimeoutError("it restarts")
    progress = Progress("c", (REPORTS,), Batch(), Ledger(), Measures("tally"))  # type: ignore[arg-type]
    await progress.place(consumer, (ONE,))
    assert progress.placed
    assert not consumer.paused(), "it is read"


async def test_what_another_replica_has_taken_over_is_not_compared_with_its_log() -> None:
    settings = ServiceSettings(service="tally", port=0, secret=SECRET)

    async def answer(ask: Any, remedy: str) -> Any:
        raise AssertionError((ask, remedy))

    continuity = Continuity(settings, "c", Batch(), Ledger(), Measures("tally"), answer)  # type: ignore[arg-type]
    consumer = Consumer(ONE)
    consumer.seek(ONE, 5)
    await continuity.check(consumer, {ONE, TWO})
    assert continuity.refused is None
