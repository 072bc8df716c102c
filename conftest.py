"""Fixtures of every test: the embedded stack, Apache Kafka, databases of a test's own."""

pytest_plugins = ["huying.devkit.stack.fixtures"]
