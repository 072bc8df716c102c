"""From raw records to typed messages. What cannot be read is `Broken` with a closed reason; nothing is guessed."""

from collections.abc import Callable, Mapping, Sequence

from pydantic import ValidationError

from huying.contracts.envelope import CloudEvent, EnvelopeError, parse
from huying.contracts.message import Event
from huying.contracts.topics import MAX_MESSAGE_BYTES, Topic, known_version

from .errors import Broken
from .message import Message
from .parking import RawRecord

ANY = "*"
"""`TYPE` of a model that takes every type of its topic that no other one has, instead of passing it over."""


class Decoder:
    """Reads the records of the topics that a service consumes, and what it parked of other ways in."""

    def __init__(
        self, topics: Sequence[Topic], ways: Mapping[str, Callable[[RawRecord], Message]] | None = None
    ) -> None:
        """Know every model of `topics`; `ways` read what has their name in place of a cluster's id."""
        self._ways = ways or {}
        self._models: Mapping[str, Mapping[str, type[Event]]] = {
            topic.name: {event.TYPE: event for event in topic.events} for topic in topics
        }

    def decode(self, record: RawRecord) -> Message | None:
        """A message; None for a foreign type, which is none of our business.

        Raises:
            Broken: too large, no CloudEvent, a version from the future, or data against the schema.
        """
        if (read := self._ways.get(record.partition.cluster)) is not None:
            return read(record)
        if record.size > MAX_MESSAGE_BYTES:
            raise Broken("too_large", f"{record.size} bytes; a record may have {MAX_MESSAGE_BYTES}")
        try:
            event = parse(record.headers, record.value)
        except EnvelopeError as error:
            raise Broken("no_cloudevent", str(error)) from error
        models = self._models[record.partition.topic]
        if event.type not in models:
            _refuse_future_version(event, models)
        model = models.get(event.type, models.get(ANY))
        if model is None:
            return None
        try:
            body = model.model_validate_json(event.data)
        except ValidationError as error:
            raise Broken("invalid_data", describe(error)) from error
        key = record.key.decode("utf-8", "replace") if record.key is not None else None
        return Message(
            topic=record.partition.topic,
            id=event.id,
            body=body,
            key=key,
            time=event.time,
            source=event.source,
            trace=event.trace.get("traceparent"),
            headers={name: value.decode("utf-8", "replace") for name, value in record.headers},
            value=event.data,
            partition=record.partition.number,
            offset=record.offset,
        )


def _refuse_future_version(event: CloudEvent, models: Mapping[str, type[Event]]) -> None:
    named = known_version(event.type)
    if named is None:
        return
    ours = max((known[1] for known in map(known_version, models) if known and known[0] == named[0]), default=None)
    if ours is not None and named[1] > ours:
        raise Broken("future_version", f"{event.type!r}: this release reads up to v{ours}; upgrade, then replay it")


def describe(error: ValidationError) -> str:
    """Every field at fault with what is wrong, without the input's own words, which may name a person."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)[:5]
    )
