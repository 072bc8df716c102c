"""Reads the three labelled formats into facts with answers; refuses to keep copies of them.

County months (JSONL), petition messages (CSV) and municipal cases (CSV); told apart by their columns.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any, Literal

from huying.county import to_wgs84
from huying.routing.judgement import ReportFacts
from huying.routing.judgement.learning.labelled import LabelledReport

Format = Literal["county", "messages", "cases"]
CHINA = timezone(timedelta(hours=8))


class UnusableError(ValueError):
    """What was given cannot be used; the message says what to give."""


class UnknownFormatError(UnusableError):
    """The file is none of the known formats."""


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """The file as text, unpacked when its name ends in .gz."""
    with (
        gzip.open(path, "rt", encoding="utf-8", newline="")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8", newline="")
    ) as stream:
        yield stream


def format_of(path: Path) -> Format:
    """Which of the formats a file has.

    Raises:
        UnknownFormatError: names the columns found.
    """
    with opened(path) as stream:
        head = stream.readline()
    if head.startswith("{") and '"truth"' in head:
        return "county"
    if "incident_group" in head:
        return "messages"
    if "case_enquiry_id" in head:
        return "cases"
    raise UnknownFormatError(
        f"{str(path)!r} starts with {head[:80]!r}: expected county JSONL with truth, or a CSV with the column "
        "incident_group or case_enquiry_id"
    )


def county_facts(row: dict[str, Any]) -> ReportFacts:
    """Facts of one county report; points become WGS-84."""
    lon = lat = None
    if row["point"]:
        lon, lat = to_wgs84(row["point"]["lon"], row["point"]["lat"], row["point"]["crs"])
    device = row["device"] or {}
    return ReportFacts(
        report_id=row["id"],
        channel=row["channel"],
        received_at=datetime.fromisoformat(row["received_at"]),
        text=row["text"],
        address=row["address"],
        village_code=row["village_code"],
        town=row["town"],
        lon=lon,
        lat=lat,
        device_id=device.get("id"),
        device_kind=device.get("kind"),
        alarm_kind=device.get("alarm"),
        alarm_state=device.get("state"),
        reporter=row["reporter"],
    )


def _county_report(row: dict[str, Any], period: str) -> LabelledReport:
    truth = row["truth"]
    return LabelledReport(
        facts=county_facts(row),
        problem=truth["problem"],
        period=period,
        matter=truth["matter"],
        clock=truth["clock"],
        main_unit=truth["main_unit"],
        relation=truth["relation"],
        recurrence_of=truth.get("recurrence_of"),
        second_matter=(truth.get("also") or {}).get("matter"),
        hard=tuple(truth.get("hard", ())),
        confusable_with=tuple(truth.get("confusable_with", ())),
    )


def in_order(
    paths: Sequence[Path], read: Callable[[Path], list[LabelledReport]]
) -> list[tuple[Path, list[LabelledReport]]]:
    """Files with their reports, by the first report's arrival: the order on the command line must teach nothing.

    Raises:
        UnusableError: one holds no report, and figures of nothing would be zeros; or one is named twice, and would
            judge what it taught.
    """
    known: dict[Path, Path] = {}
    for path in paths:
        if (first := known.setdefault(path.resolve(), path)) is not path:
            raise UnusableError(f"{str(path)!r} is named twice, as {str(first)!r} too: name each file once")
    found = [(path, read(path)) for path in paths]
    for path, labelled in found:
        if not labelled:
            raise UnusableError(f"{str(path)!r} holds no report: give a file with labelled reports, or leave it out")
    return sorted(found, key=lambda pair: [report.facts.received_at for report in pair[1][:1]])


def read_county(path: Path) -> list[LabelledReport]:
    """One county month, in order of arrival."""
    labelled: list[LabelledReport] = []
    with opened(path) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                labelled.append(_county_report(json.loads(line), path.stem))
            except (ValueError, KeyError, TypeError) as error:
                raise UnknownFormatError(
                    f"{path!s}:{number}: no labelled county report ({type(error).__name__}: {error}); expected JSON "
                    "lines like those of tests/data/county/reports.jsonl, with truth"
                ) from error
    labelled.sort(key=lambda item: item.facts.received_at)
    towns: dict[str, str] = {}
    for item in labelled:
        if item.problem and item.facts.town:
            towns.setdefault(item.problem, item.facts.town)
    return [replace(item, town_code=towns.get(item.problem or "")) for item in labelled]


def district(place: str) -> str | None:
    """The district or county of a message's place ("A市A5区": A5区); the city alone tells nothing."""
    found = re.search(r"[A-Z]\d+[区县市]", place)
    return found.group(0) if found else None


def read_messages(path: Path) -> list[LabelledReport]:
    """Petition messages in order of time; `problem` only where a person grouped them, topics left out."""
    labelled: list[LabelledReport] = []
    with opened(path) as stream:
        for row in csv.DictReader(stream):
            if row["incident_level"] == "topic":
                continue
            labelled.append(
                LabelledReport(
                    facts=ReportFacts(
                        report_id=row["msg_id"],
                        channel="party_gov_site",
                        received_at=datetime.fromisoformat(row["time"]).replace(tzinfo=CHINA),
                        text=row["title"] + "。" + row["detail"].strip(),
                        address=row["title"],
                        town=district(row["place"]),
                        reporter=row["user"],
                    ),
                    problem=row["incident_group"] or None,
                    period=path.stem,
                    relation=row["incident_level"] or None,
                    hard=("organiser_modified",) if row["organiser_modified"] == "1" else (),
                )
            )
    labelled.sort(key=lambda item: (item.facts.received_at, item.facts.report_id))
    return labelled


CASE_DOORS = {
    "Constituent Call": "hotline_12345",
    "Employee Generated": "grid_worker",
    "Self Service": "party_gov_site",
    "Citizens Connect App": "citizen_app",
}
"""A city's doors by the names of ours; what is rare comes from another system."""


def read_cases(path: Path) -> list[LabelledReport]:
    """Municipal cases in order of time; a duplicate with a known parent carries the parent's number."""
    labelled: list[LabelledReport] = []
    with opened(path) as stream:
        rows = list(csv.DictReader(stream))
    parents = {row["parent_case_id"] for row in rows} - {""}
    for row in rows:
        own = row["case_enquiry_id"]
        labelled.append(
            LabelledReport(
                facts=ReportFacts(
                    report_id=own,
                    channel=CASE_DOORS.get(row["source"], "internet_supervision"),
                    received_at=datetime.fromisoformat(row["open_dt"]).replace(tzinfo=UTC),
                    text="",
                    address=None,
                    town=row["neighborhood"] or None,
                    lon=float(row["longitude"]) if row["longitude"] else None,
                    lat=float(row["latitude"]) if row["latitude"] else None,
                    matter_hint=row["type"],
                ),
                problem=row["parent_case_id"] or (own if own in parents else None),
                period=path.stem,
                matter=row["type"],
                relation="duplicate" if row["is_dup"] == "1" else None,
                finished_at=datetime.fromisoformat(row["closed_dt"]).replace(tzinfo=UTC) if row["closed_dt"] else None,
            )
        )
    labelled.sort(key=lambda item: (item.facts.received_at, item.facts.report_id))
    return labelled
