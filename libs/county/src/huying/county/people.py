"""Who answers: units, and the roles people hold in them; refuses names and telephone numbers of persons.

A pack travels in git and in tickets, so a person is a role handle (`T01-duty_officer`). What a handle
stands for (number, mail box, chat account) is a secret of the notification service's settings.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from huying.county.records import Record

UnitLevel = Literal["county", "town", "supervisor"]
_PERSONAL_NUMBER = re.compile(r"(?<!\d)(?:1[3-9]\d{9}|0\d{2,3}-?\d{7,8}|\d{17}[\dXx])(?!\d)")


class Unit(Record):
    """A department, a town government or a supervising body. `serves` is the town's code for a town unit."""

    code: str = Field(pattern=r"^[A-Z]\d{2}$")
    name_zh: str = Field(min_length=1)
    level: UnitLevel
    serves: str = ""
    note_zh: str = ""


class Role(Record):
    """A function people hold: duty officer, leader, grid worker ..."""

    code: str = Field(pattern=r"^[a-z][a-z_]*$")
    name_zh: str = Field(min_length=1)


class Person(Record):
    """One holder of a role: of a unit, or (grid workers) of a village. `contacts` are `transport:handle`."""

    handle: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    role: str
    name_zh: str = Field(min_length=1)
    unit: str = ""
    village: str = ""
    contacts: tuple[str, ...] = Field(min_length=1)

    @field_validator("contacts")
    @classmethod
    def _handles_only(cls, contacts: tuple[str, ...]) -> tuple[str, ...]:
        for contact in contacts:
            if ":" not in contact:
                raise ValueError(f"contact {contact!r} has no transport; write transport:handle, e.g. sms:T01-duty")
            if _PERSONAL_NUMBER.search(contact):
                raise ValueError(
                    "contact holds a telephone or identity number; write a handle here and keep the number "
                    "in the notification service's secret settings"
                )
        return contacts
