"""Reports for the bench: the county's labelled months, as events and as bodies. It invents no text."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import count, cycle
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from huying.contracts.envelope import CloudEvent
from huying.contracts.identity import report_id
from huying.contracts.places import Place, Point
from huying.contracts.reports import Device, ReportAcceptedV1, ReporterRef
from huying.contracts.topics import REPORTS
from huying.county import Pack, to_wgs84

SOURCE = "huying/bench"
BY_PEOPLE = "citizen_app"


def lines(root: Path) -> list[dict[str, Any]]:
    """Every labelled report in order of time: eight months of history, then March 2026."""
    folder = root / "tests" / "data" / "county"
    files = [*sorted((folder / "history").glob("*.jsonl")), folder / "reports.jsonl"]
    found = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines() if line.strip()]
    return sorted(found, key=lambda line: str(line["received_at"]))


def accepted(line: Mapping[str, Any], pack: Pack) -> ReportAcceptedV1:
    """A line as intake or the bridge would have let it in."""
    at = datetime.fromisoformat(line["received_at"])
    identity = report_id(SOURCE, line["id"])
    device = line["device"]
    return ReportAcceptedV1(
        report_id=identity,
        tracking_number=f"BENCH{line['id']}",
        jurisdiction=pack.code,
        source=SOURCE,
        origin_id=line["id"],
        channel=line["channel"],
        text=line["text"],
        place=_place(line, pack),
        received_at=at,
        accepted_at=at,
        device=Device(device_id=device["id"], alarm=device["alarm"], state=device["state"]) if device else None,
        reporter=ReporterRef(ref=line["reporter"]) if line["reporter"] else None,
    )


def _place(line: Mapping[str, Any], pack: Pack) -> Place:
    point = None
    if line["point"]:
        lon, lat = to_wgs84(line["point"]["lon"], line["point"]["lat"], line["point"]["crs"])
        point = Point(lon=lon, lat=lat)
    town = next((town for town in pack.towns if town.name_zh == line["town"]), None)
    code = line["village_code"]
    return Place(
        address=line["address"],
        village_code=code,
        village=pack.village(code).name_zh if code else None,
        town_code=town.code if town else None,
        town=line["town"],
        point=point,
    )


async def publish(bootstrap: str, reports: list[ReportAcceptedV1]) -> None:
    """Put them on the reports topic as a door's relay would, in order."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0)
    await producer.start()
    try:
        sent = []
        for report in reports:
            event = CloudEvent(report.report_id, SOURCE, report.TYPE, report.encode(), time=report.accepted_at)
            sent.append(
                await producer.send(
                    REPORTS.name, event.data, key=report.jurisdiction.encode(), headers=list(event.headers())
                )
            )
        for future in sent:
            await future
    finally:
        await producer.stop()


def bodies(some: list[dict[str, Any]], pack: Pack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Endless (Idempotency-Key, body of `POST /v1/reports`), the lines of people again and again."""
    people = [line for line in some if line["device"] is None]
    for number, line in zip(count(1), cycle(people), strict=False):
        body = {key: line[key] for key in ("text", "address", "village_code", "town", "point") if line[key] is not None}
        yield f"bench-{number}", {**body, "jurisdiction": pack.code, "channel": BY_PEOPLE}
