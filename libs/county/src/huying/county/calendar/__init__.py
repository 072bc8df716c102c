"""Working days and hours, and the deadlines that follow from them; refuses to know what time it is now.

All instants are aware and come back in UTC; days and hours are the county's (Asia/Shanghai).
"""

from huying.county.calendar.days import CalendarChoices, Day, Period, WorkingCalendar
from huying.county.calendar.due import Due, Pause, Warned, due_at, reminder_at, reminders_by, warning_times

__all__ = [
    "CalendarChoices",
    "Day",
    "Due",
    "Pause",
    "Period",
    "Warned",
    "WorkingCalendar",
    "due_at",
    "reminder_at",
    "reminders_by",
    "warning_times",
]
