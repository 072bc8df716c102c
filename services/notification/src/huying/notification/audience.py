"""Who is told: roles and places out of the pack, turned into recipients and the way to reach each. Pure look-ups.

It knows no address: a contact is a medium and a handle, and what the handle stands for is in the settings.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from huying.contracts.notices import Medium
from huying.county import Pack, Person

READY_MEDIA: frozenset[str] = frozenset({"file", "webhook"})
"""What this service delivers by itself; gateways for SMS and chat stand behind a webhook."""

UNIT_ROLES = frozenset({"duty_officer", "leader"})
COUNTY_ROLES = frozenset({"dispatcher", "supervisor"})
"""Roles whose holders are told wherever in the county it happened."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One who is told: `id` names a role and a place, or a reporter's reference."""

    id: str
    role: str
    medium: Medium
    handle: str


class Audience:
    """The pack's people, by role and place."""

    def __init__(self, pack: Pack, reporter_contact: str) -> None:
        """`reporter_contact` is `medium:handle` for those who report."""
        self._pack = pack
        self._reporter = _split(reporter_contact)

    def holders(self, role: str, unit: str | None, village: str | None) -> tuple[Recipient, ...]:
        """Holders of a role for an incident of this unit and village; before a dispatch the centre's."""
        if role == "grid_worker":
            people = self._pack.people(role, village=village) if village else ()
        elif role in UNIT_ROLES:
            people = self._pack.people(role, unit=unit or self._pack.county.dispatch_centre)
        else:
            people = self._pack.people(role)
        return _recipients(people)

    def of(self, roles: Iterable[str], unit: str | None, village: str | None) -> tuple[Recipient, ...]:
        """Holders of all these roles, each recipient once."""
        found = [recipient for role in roles for recipient in self.holders(role, unit, village)]
        return tuple(dict.fromkeys(found))

    def reporter(self, reference: str) -> Recipient:
        """The one who reported, by reference."""
        medium, handle = self._reporter
        return Recipient(f"reporter:{reference}"[:200], "reporter", medium, handle)


def _recipients(people: Iterable[Person]) -> tuple[Recipient, ...]:
    places = [(f"village:{p.village}:{p.role}" if p.village else f"unit:{p.unit}:{p.role}", p) for p in people]
    several = {place for place, _ in places if sum(other == place for other, _ in places) > 1}
    return tuple(
        Recipient(f"{place}:{person.handle}" if place in several else place, person.role, *_split(person.contacts[0]))
        for place, person in places
    )


def _split(contact: str) -> tuple[Medium, str]:
    medium, _, handle = contact.partition(":")
    return cast("Medium", medium), handle


def unreachable(pack: Pack, webhooks: Iterable[str], reporter_contact: str) -> list[str]:
    """Contacts that this installation cannot reach, as sentences; empty when all is well."""
    known = set(webhooks)
    problems = []
    contacts = [(person.handle, person.contacts[0]) for person in pack.holders]
    for who, contact in (*contacts, ("reporters (HUYING_REPORTER_CONTACT)", reporter_contact)):
        medium, handle = _split(contact)
        if medium not in READY_MEDIA:
            problems.append(f"{who}: medium {medium!r} is not installed; use file or webhook, e.g. webhook:sms-gateway")
        elif medium == "webhook" and handle not in known:
            problems.append(f"{who}: no target for {contact!r}; add {handle!r} to HUYING_WEBHOOKS")
    return problems
