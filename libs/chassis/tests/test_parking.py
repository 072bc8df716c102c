"""What is parked always fits, and what was cut is never taken for whole."""

import bson
import pytest

from huying.chassis.decoding import Decoder
from huying.chassis.errors import Broken
from huying.chassis.ledger import Partition
from huying.chassis.parking import Failure, Parking, RawRecord, short
from huying.chassis.sealing import Sealer
from huying.chassis.testing import SECRET
from huying.contracts.topics import DLQ_MESSAGE_BYTES, INBOUND, MAX_MESSAGE_BYTES

MIB = 1024 * 1024
LONGEST = Failure("handler_error", "说" * 1000, "栈" * 4000)
HEADERS = (("ce_id", b"1"), ("ce_type", b"cn.huying.report.submitted.v1"))


def record(key: bytes | None, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> RawRecord:
    return RawRecord(Partition("c", INBOUND.name, 0), 7, key, value, headers)


@pytest.fixture
def parking() -> Parking:
    return Parking(None, "intake", Sealer(SECRET, "parked"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"k" * 600_000, b"{}", HEADERS),
        (None, b"v" * (MIB - 200), HEADERS),
        (b"k", b"", (("说", b"h" * (MIB - 100)),)),
        (b"", b"", ()),
    ],
)
def test_what_is_within_the_limit_is_parked_whole(
    parking: Parking, key: bytes | None, value: bytes, headers: tuple[tuple[str, bytes], ...]
) -> None:
    raw = record(key, value, headers)
    document = _document(parking, raw)
    assert not document["cut"]
    assert parking.restore(document) == raw


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"k" * 20 * MIB, b"v" * 20 * MIB, (("h" * 20 * MIB, b"h" * 20 * MIB),)),
        (b"k" * 2 * MIB, b"", ()),
        (b"k", b"v" * 13 * MIB, HEADERS),
        (None, b"{}", (*HEADERS, ("说" * MIB, b"x"))),
        (None, b"{}", (*HEADERS, ("x", b"x" * 17 * MIB))),
        (None, b"{}", (*HEADERS, *(("", b""),) * 200_000)),
    ],
)
def test_what_is_over_it_fits_and_is_still_too_large_when_it_is_replayed(
    parking: Parking, key: bytes | None, value: bytes, headers: tuple[tuple[str, bytes], ...]
) -> None:
    raw = record(key, value, headers)
    document = _document(parking, raw)
    assert document["cut"]
    assert len(bson.encode(document)) < 16 * MIB
    for one in (raw, parking.restore(document)):
        with pytest.raises(Broken, match="bytes; a record may have"):
            Decoder([INBOUND]).decode(one)


@pytest.mark.parametrize("key", [None, b"k" * 1024, b"k" * 600_000, b"\xff" * 20 * MIB])
@pytest.mark.parametrize("size", [0, 400_000, MAX_MESSAGE_BYTES, 20 * MIB])
def test_what_goes_to_the_dead_letters_fits(parking: Parking, key: bytes | None, size: int) -> None:
    row = parking.dlq_row(record(key, b"v" * size, HEADERS), LONGEST)
    assert row.size <= DLQ_MESSAGE_BYTES
    assert dict(row.headers)["huying_value"] == (b"sealed" if size <= MAX_MESSAGE_BYTES else b"in-database")
    assert key is None or row.key == short(key)
    assert len(row.key or b"") <= 1024


def _document(parking: Parking, raw: RawRecord) -> dict[str, object]:
    [operation] = parking.park(raw, f"{INBOUND.name}/{short(raw.key or b'').decode()}", LONGEST)
    document: dict[str, object] = operation._doc["$setOnInsert"] | operation._doc["$set"]
    return document
