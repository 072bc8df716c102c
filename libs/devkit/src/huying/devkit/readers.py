"""What of a county pack only one service reads, tried as that service does when it starts; tables are libs/county's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huying.chassis.errors import ConfigurationError
from huying.county import Pack
from huying.hotline_bridge.domain import mapping
from huying.notification.wording import Wording, WordingError
from huying.routing.models import Models


def faults(pack: Pack, learned: Path | None) -> list[str]:
    """Why services would not start with it, a sentence each; `learned`: the model of `huying learn` elsewhere."""
    found: list[str] = []

    @contextmanager
    def reader(service: str) -> Iterator[None]:
        try:
            yield
        except (ConfigurationError, WordingError) as error:
            found.append(f"{error}; {service} would not start")

    for origin, document in sorted(pack.mappings.items()):
        with reader("hotline-bridge"):
            mapping.read(origin, document)
    with reader("notification"):
        Wording(pack)
    with reader("routing"):
        Models(pack, learned).first()
    return found
