"""The bench: throughput beside a bare loop, latency, memory, readiness; all in one run. It tunes nothing for itself."""

from .run import run

__all__ = ["run"]
