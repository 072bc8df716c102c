"""Reads the three labelled formats into facts with answers; refuses to keep copies of them.

County months (JSONL), petition messages (CSV) and municipal cases (CSV); told apart by their columns.
"""

from __future__ import annotations

import csv
import gzip
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ValidationError

from huying.chassis.decoding import describe
from huying.contracts.message import Identifier
from huying.contracts.places import CoordinateSystem, Point
from huying.county import to_wgs84
from huying.routing.judgement import ReportFacts
from huying.routing.judgement.learning.labelled import LabelledReport

Row = TypeVar("Row", str, dict[str, str])
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
MEND = "mend it, or take it out"


class UnusableError(ValueError):
    """What was given cannot be used; the message says what to give."""


class UnknownFormatError(UnusableError):
    """The file is none of the known formats."""


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """The file as text, unpacked when its name ends in .gz; the mark that Excel puts first is no part of it.

    Raises:
        UnusableError: it is no text in UTF-8, or not packed as its name says.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="")
        ) as stream:
            yield stream
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnusableError(f"{str(path)!r} is no text in UTF-8, plain or packed as .gz ({error})") from error


def rows_of(path: Path, *columns: str) -> list[tuple[str, dict[str, str]]]:
    """The rows of a CSV that has these columns, each with where it stands; what a short row lacks is empty.

    Raises:
        UnusableError: a column is missing, or it is no CSV.
    """
    csv.field_size_limit(sys.maxsize)
    with opened(path) as stream:
        reader = csv.DictReader(stream, restval="")
        try:
            rows = [(f"{path!s}:{reader.line_num} ({next(iter(row.values()))!r})", row) for row in reader]
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


class _Point(Point):
    crs: CoordinateSystem  # no default here: read in the wrong system, a place lies half a kilometre off


class _Device(BaseModel):
    id: str | None = None
    kind: str | None = None
    alarm: str | None = None
    state: str | None = None


class _Second(BaseModel):
    matter: str | None = None


class _Truth(BaseModel):
    problem: str | None
    matter: str | None
    clock: str | None
    main_unit: str | None
    relation: str | None
    recurrence_of: str | None = None
    also: _Second | None = None
    hard: tuple[str, ...] = ()
    confusable_with: tuple[str, ...] = ()


class _CountyLine(BaseModel):
    """One line of a county month."""

    id: Identifier
    channel: str
    received_at: AwareDatetime
    text: str
    address: str | None
    village_code: str | None
    town: str | None
    point: _Point | None
    device: _Device | None
    reporter: str | None
    truth: _Truth


def _county_report(line: str, period: str) -> LabelledReport:
    """One county report; points become WGS-84."""
    told = _CountyLine.model_validate_json(line, strict=True)
    truth, device = told.truth, told.device or _Device()
    lon, lat = to_wgs84(told.point.lon, told.point.lat, told.point.crs) if told.point else (None, None)
    return LabelledReport(
        facts=ReportFacts(
            report_id=told.id,
            channel=told.channel,
            received_at=told.received_at,
            text=told.text,
            address=told.address,
            village_code=told.village_code,
            town=told.town,
            lon=lon,
            lat=lat,
            device_id=device.id,
            device_kind=device.kind,
            alarm_kind=device.alarm,
            alarm_state=device.state,
            reporter=told.reporter,
        ),
        problem=truth.problem,
        period=period,
        matter=truth.matter,
        clock=truth.clock,
        main_unit=truth.main_unit,
        relation=truth.relation,
        recurrence_of=truth.recurrence_of,
        second_matter=truth.also.matter if truth.also else None,
        hard=truth.hard,
        confusable_with=truth.confusable_with,
    )


def _in_time(
    path: Path, rows: Iterable[tuple[str, Row]], read: Callable[[Row, str], LabelledReport], like: str
) -> list[LabelledReport]:
    """The reports of a file in order of arrival, each row with where it stands; `like` says what a row should be.

    Raises:
        UnusableError: a row cannot be read, or has the id of another one: both would be one report to the engine.
    """
    known: dict[str, str] = {}
    labelled: list[LabelledReport] = []
    for where, row in rows:
        try:
            labelled.append(read(row, path.stem))
        except ValueError as error:
            fault = describe(error) if isinstance(error, ValidationError) else error
            raise UnusableError(f"{where}: cannot be read ({fault}); {like}") from error
        name = labelled[-1].facts.report_id
        if (first := known.setdefault(name, where)) != where:
            raise UnusableError(f"{where}: has the id {name!r} of {first}; give each report an id of its own")
    return sorted(labelled, key=lambda item: (item.facts.received_at, item.facts.report_id))


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
    like = "a line is JSON like those of tests/data/county/reports.jsonl, with truth"
    with opened(path) as stream:
        lines = ((f"{path!s}:{number}", line) for number, line in enumerate(stream, start=1))
        labelled = _in_time(path, lines, _county_report, like)
    towns: dict[str, str] = {}
    for item in labelled:
        if item.problem and item.facts.town:
            towns.setdefault(item.problem, item.facts.town)
    return [replace(item, town_code=towns.get(item.problem or "")) for item in labelled]


def district(place: str) -> str | None:
    """The district or county of a message's place ("A市A5区": A5区); the city alone tells nothing."""
    found = re.search(r"[A-Z]\d+[区县市]", place)
    return found.group(0) if found else None


def _aware(told: str, zone: timezone) -> datetime:
    """A time as told, in `zone` where it names none."""
    at = datetime.fromisoformat(told)
    return at if at.tzinfo else at.replace(tzinfo=zone)


def read_messages(path: Path) -> list[LabelledReport]:
    """Petition messages in order of time; `problem` only where a person grouped them, topics left out."""
    rows = [(where, row) for where, row in rows_of(path, *MESSAGE_COLUMNS) if row["incident_level"] != "topic"]
    return _in_time(path, rows, _message, MEND)


def _message(row: dict[str, str], period: str) -> LabelledReport:
    return LabelledReport(
        facts=ReportFacts(
            report_id=row["msg_id"],
            channel="party_gov_site",
            received_at=_aware(row["time"], CHINA),
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


CASE_DOORS = {
    "Constituent Call": "hotline_12345",
    "Employee Generated": "grid_worker",
    "Self Service": "party_gov_site",
    "Citizens Connect App": "citizen_app",
}
"""A city's doors by the names of ours; what is rare comes from another system."""


def root_of(case: str, parent_of: Mapping[str, str]) -> str:
    """The parent of all its parents: one in thirty parents is itself a duplicate. Of a ring, its least number."""
    line = [case]
    while (above := parent_of.get(line[-1])) is not None:
        if above in line:
            return min(line[line.index(above) :])
        line.append(above)
    return line[-1]


def read_cases(path: Path) -> list[LabelledReport]:
    """Municipal cases in order of time; those that hang together by known parents are one problem."""
    rows = rows_of(path, *CASE_COLUMNS)
    parent_of = {row["case_enquiry_id"]: row["parent_case_id"] for _, row in rows if row["parent_case_id"]}
    parents = set(parent_of.values())

    def case(row: dict[str, str], period: str) -> LabelledReport:
        own = row["case_enquiry_id"]
        point = (float(row["longitude"]), float(row["latitude"])) if row["longitude"] or row["latitude"] else None
        lon, lat = to_wgs84(*point, "wgs84") if point else (None, None)  # refuses what is no place on earth
        return LabelledReport(
            facts=ReportFacts(
                report_id=own,
                channel=CASE_DOORS.get(row["source"], "internet_supervision"),
                received_at=_aware(row["open_dt"], UTC),
                text="",
                address=None,
                town=row["neighborhood"] or None,
                lon=lon,
                lat=lat,
                matter_hint=row["type"],
            ),
            problem=root_of(own, parent_of) if own in parent_of or own in parents else None,
            parent=parent_of.get(own),
            period=period,
            matter=row["type"],
            relation="duplicate" if row["is_dup"] == "1" else None,
            finished_at=_aware(row["closed_dt"], UTC) if row["closed_dt"] else None,
        )

    return _in_time(path, rows, case, MEND)
