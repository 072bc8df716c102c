"""What every service counts: `huying_<service>_<what>_<unit>`. Invariants have one name across all services."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from .ledger import Partition

BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SECONDS_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Measures:
    """Metrics of one service, in a registry of their own."""

    def __init__(self, service: str) -> None:
        """Declare everything, so that a dashboard sees zeros instead of gaps."""
        self.registry = CollectorRegistry()
        self.prefix = f"huying_{service.replace('-', '_')}"
        self.batch_records = self.histogram("batch_records", "Messages a transaction", BATCH_BUCKETS)
        self.transaction = self.histogram("transaction_seconds", "Load, fold and commit of a batch", SECONDS_BUCKETS)
        self.messages = self.counter("messages_total", "Messages processed")
        self.retries = self.counter("retries_total", "Batches tried again", "cause")
        self.parked = self.counter("parked_total", "Records parked since the start", "reason")
        self.parked_now = self.gauge("parked_records", "Records parked now")
        self.due_failing = self.gauge("due_failing_messages", "What fell due, fails, and is tried again with pauses")
        self.skipped = self.counter("skipped_total", "Records without effect", "topic", "cause")
        self.published = self.counter("published_total", "Events published", "topic")
        self.outbox_age = self.gauge("outbox_age_seconds", "Age of the oldest unpublished event")
        self.outbox_rows = self.gauge("outbox_rows", "Events that wait to be published")
        self.outbox_refused = self.gauge(
            "outbox_refused_rows", "Events that the broker refuses or that wait behind one"
        )
        self.position = self.gauge("ledger_position_records", "Last offset in the ledger", "topic", "partition")
        self.lag = self.gauge("lag_records", "Records of the log not yet in the ledger", "topic", "partition")
        self.assigned = self.gauge("assigned_partitions", "Partitions that this replica consumes", "topic")
        self.commit_failures = self.counter("kafka_commit_failures_total", "Kafka commits that failed; harmless")
        self.violations = Counter(
            "huying_invariant_violations_total",
            "What must never happen; must be 0",
            ["invariant"],
            registry=self.registry,
        )

    def counter(self, what: str, text: str, *labels: str) -> Counter:
        """A counter of this service; shows 0 from the start when it has no labels."""
        return Counter(f"{self.prefix}_{what}", text, labels, registry=self.registry)

    def gauge(self, what: str, text: str, *labels: str) -> Gauge:
        """A gauge of this service."""
        return Gauge(f"{self.prefix}_{what}", text, labels, registry=self.registry)

    def histogram(self, what: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """A histogram of this service."""
        return Histogram(f"{self.prefix}_{what}", text, labels, buckets=buckets, registry=self.registry)

    def violation(self, invariant: str) -> None:
        """Count a broken promise; the alert rule fires on the first."""
        self.violations.labels(invariant).inc()

    def committed(self, messages: int, advance: "Mapping[Partition, int]") -> None:
        """A batch is in the database."""
        self.batch_records.observe(messages)
        self.messages.inc(messages)
        for partition, offset in advance.items():
            self.position.labels(partition.topic, str(partition.number)).set(offset)
