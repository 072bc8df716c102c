"""A county as data: pack, calendar, geometry; refuses any input but files, and any output but values.

pack = load(Path("deploy/county/julu"))
pack.duty("M01", {"after_water_works"}, "130529100").main  # 'U04'
"""

from huying.county.calendar import Due, Pause, Warned, WorkingCalendar, due_at, reminder_at, reminders_by, warning_times
from huying.county.channels import Channel
from huying.county.clocks import ClockClass, ClockKind, ClockPolicy, WarningStep
from huying.county.findings import Finding, PackError
from huying.county.geometry import Point, accuracy_m, distance_m, to_wgs84
from huying.county.judging import Correlation, CorrelationRule, Screening
from huying.county.loading import check, load
from huying.county.matters import Circumstance, Duty, DutyLine, Level, Matter, narrowness
from huying.county.pack import ClockBook, County, Pack
from huying.county.people import Person, Role, Unit
from huying.county.places import Grid, Outline, Town, Village
from huying.county.placing import UnknownCode, located

__all__ = [
    "Channel",
    "Circumstance",
    "ClockBook",
    "ClockClass",
    "ClockKind",
    "ClockPolicy",
    "Correlation",
    "CorrelationRule",
    "County",
    "Due",
    "Duty",
    "DutyLine",
    "Finding",
    "Grid",
    "Level",
    "Matter",
    "Outline",
    "Pack",
    "PackError",
    "Pause",
    "Person",
    "Point",
    "Role",
    "Screening",
    "Town",
    "Unit",
    "UnknownCode",
    "Village",
    "Warned",
    "WarningStep",
    "WorkingCalendar",
    "accuracy_m",
    "check",
    "distance_m",
    "due_at",
    "load",
    "located",
    "narrowness",
    "reminder_at",
    "reminders_by",
    "to_wgs84",
    "warning_times",
]
