"""Reads the three labelled formats into facts with answers; refuses to keep copies of them.

County months (JSONL), petition messages (CSV) and municipal cases (CSV); told apart by their columns.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import sys
import zlib
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
MESSAGE_COLUMNS = (
    "msg_id",
    "user",
    "time",
    "title",
    "detail",
    "place",
    "incident_group",
    "incident_level",
    "organiser_modified",
)
CASE_COLUMNS = (
    "case_enquiry_id",
    "source",
    "open_dt",
    "closed_dt",
    "type",
    "neighborhood",
    "longitude",
    "latitude",
    "is_dup",
    "parent_case_id",
)


class UnusableError(ValueError):
    """What was given cannot be used; the message says what to give."""


class UnknownFormatError(UnusableError):
    """The file is none of the known formats."""


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """The file as text, unpacked when its name ends in .gz.

    Raises:
        UnusableError: it is no text in UTF-8, or not packed as its name says.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8", newline="")
        ) as stream:
            yield stream
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnusableError(f"{str(path)!r} is no text in UTF-8, plain or packed as .gz ({error})") from error


def rows_of(path: Path, *columns: str) -> list[dict[str, str]]:
    """The rows of a CSV that has these columns; what a short row lacks is empty.

    Raises:
        UnusableError: a column is missing, or it is no CSV.
    """
    csv.field_size_limit(sys.maxsize)
    with opened(path) as stream:
        reader = csv.DictReader(stream, restval="")
        try:
            rows = list(reader)
        except csv.Error as error:
            raise UnusableError(f"{path!s}:{reader.line_num}: no CSV ({error})") from error
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise UnusableError(f"{str(path)!r} has no column {', '.join(missing)}; expected {','.join(columns)}")
    return rows


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
            except (ValueError, KeyError, TypeError, AttributeError) as error:
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
    rows = [row for row in rows_of(path, *MESSAGE_COLUMNS) if row["incident_level"] != "topic"]
    return _in_time(path, rows, _message)


def _message(row: dict[str, str], period: str) -> LabelledReport:
    return LabelledReport(
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
        period=period,
        relation=row["incident_level"] or None,
        hard=("organiser_modified",) if row["organiser_modified"] == "1" else (),
    )


def _in_time(
    path: Path, rows: Sequence[dict[str, str]], read: Callable[[dict[str, str], str], LabelledReport]
) -> list[LabelledReport]:
    labelled: list[LabelledReport] = []
    for row in rows:
        try:
            labelled.append(read(row, path.stem))
        except ValueError as error:
            name = next(iter(row.values()))
            raise UnusableError(f"{str(path)!r}: the row of {name!r} cannot be read ({error}); mend it") from error
    return sorted(labelled, key=lambda item: (item.facts.received_at, item.facts.report_id))


CASE_DOORS = {
    "Constituent Call": "hotline_12345",
    "Employee Generated": "grid_worker",
    "Self Service": "party_gov_site",
    "Citizens Connect App": "citizen_app",
}
"""A city's doors by the names of ours; what is rare comes from another system."""


def read_cases(path: Path) -> list[LabelledReport]:
    """Municipal cases in order of time; a duplicate with a known parent carries the parent's number."""
    rows = rows_of(path, *CASE_COLUMNS)
    parents = {row["parent_case_id"] for row in rows} - {""}

    def case(row: dict[str, str], period: str) -> LabelledReport:
        own = row["case_enquiry_id"]
        return LabelledReport(
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
            period=period,
            matter=row["type"],
            relation="duplicate" if row["is_dup"] == "1" else None,
            finished_at=datetime.fromisoformat(row["closed_dt"]).replace(tzinfo=UTC) if row["closed_dt"] else None,
        )

    return _in_time(path, rows, case)
