"""Who reported: one reference for one person, whatever door and spelling they come by; nothing of it can be read back.

Only the vault keeps the words themselves; this module makes the reference and the masked form, the same at every door.
"""

import re
import unicodedata
from collections.abc import Mapping

from . import wording
from .identity import KeyedHash
from .reports import Reporter, ReporterRef

REF_HEX = 24
"""96 bits: no two persons of a county share a reference by accident."""

SHORTEST_PHONE = 7
"""A number of a county's exchange has seven digits; less than that is no number (无, 0, 110)."""

LONGEST = {"text": 5000, "address": 500, "town": 100, "category_hint": 100, "alarm": 100}
"""Characters of a report's free texts; a mask may be longer than what it hides, and a consumer must not choke on that."""

_WORDS = tuple(name for name in Reporter.model_fields if name != "ref")
_COUNTRY = re.compile(r"^(?:00)?86(?=1[3-9]\d{9}$)")
_AREA = re.compile(r"^0(?:10|2\d|[3-9]\d{2})(?=\d{7,8}$)")
_ALONE = re.compile(
    r"(?<![0-9A-Za-z])(?:(?:00)?(?:86)?1[3-9]\d{9}"
    r"|\d{6}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx])(?![0-9A-Za-z])"
)
"""A mobile or identity card number by itself: not a part of a UUID, of a case number or of a longer one."""


def told(reporter: Reporter | None) -> Reporter | None:
    """The reporter with cleaned words and no more; None when no word was told."""
    if reporter is None:
        return None
    words = {
        name: wording.clean_line(value) or None for name in _WORDS if (value := getattr(reporter, name)) is not None
    }
    return Reporter(**words) if any(words.values()) else None


def phone_of(text: str | None) -> str | None:
    """Digits of a telephone number without the country's code; None when it is none."""
    digits = re.sub(r"\D", "", unicodedata.normalize("NFKC", text or ""), flags=re.ASCII)
    digits = _COUNTRY.sub("", digits)
    return digits if len(digits) >= SHORTEST_PHONE else None


def id_number_of(text: str | None) -> str | None:
    """An identity card's number in capitals without blanks; None when it is none (无, 0)."""
    number = re.sub(r"\s", "", unicodedata.normalize("NFKC", text or "")).upper()
    return number if re.search(r"[1-9]", number) else None


def reference_of(reporter: Reporter, scope: str, hashed: KeyedHash) -> ReporterRef:
    """The person's reference and masked form.

    Args:
        reporter: cleaned words.
        scope: what a reporter who told no more than a name is told apart by, such as the report's id: two people
            may have one name.
        hashed: the installation's keyed hash for persons.
    """
    phone, id_number = phone_of(reporter.phone), id_number_of(reporter.id_number)
    if phone is not None:
        identity = ("phone", phone)
    elif id_number is not None:
        identity = ("id_number", id_number)
    elif reporter.reference is not None:
        identity = ("reference", unicodedata.normalize("NFKC", reporter.reference))
    else:
        identity = (f"name in {scope}", reporter.name or "")
    return ReporterRef(ref=f"ps-{hashed(*identity)[:REF_HEX]}", masked=masked_form(reporter))


def masked_form(reporter: Reporter) -> str | None:
    """What a dispatcher sees of a person with these cleaned words: 张** 138****1234."""
    phone, id_number = phone_of(reporter.phone), id_number_of(reporter.id_number)
    parts = [mask_name(reporter.name)] if reporter.name else []
    if phone is not None:
        parts.append(mask_phone(phone))
    elif id_number is not None:
        parts.append(wording.mask_id_number(id_number))
    elif reporter.reference is not None:
        parts.append(wording.mask_numbers(reporter.reference))
    return " ".join(parts) or None


def in_clear(reporter: Reporter) -> str | None:
    """The first field of cleaned words in which everyone can read a person's name or number; None without one."""
    if reporter.name is not None:
        return "name"
    if phone_of(reporter.phone) is not None:
        return "phone"
    if id_number_of(reporter.id_number) is not None:
        return "id_number"
    reference = unicodedata.normalize("NFKC", reporter.reference or "")
    spelled = re.sub(r"[^0-9A-Za-z]", "", reference)  # 138-0319-1234, and nothing beside it
    return "reference" if _ALONE.search(reference) or _ALONE.fullmatch(spelled) else None


def mask_name(name: str) -> str:
    """Surname only, without telling how long the name is: 张**."""
    return f"{name[:1]}**"


def mask_phone(phone: str) -> str:
    """138****1234; of a short number nothing but its last two digits."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 11 else f"****{phone[-2:]}"


def hide(text: str, *reporters: Reporter | None) -> str:
    """`text` as it may be published: numbers masked, and the own name and numbers of whoever reported it too."""
    hidden = wording.mask_numbers(text)
    people = [reporter for reporter in reporters if reporter is not None]
    for reporter in sorted(people, key=lambda one: -len(one.name or "")):  # 张三 must not leave 张**丰 of 张三丰
        hidden = _without(hidden, reporter)
    return hidden


def _without(hidden: str, reporter: Reporter) -> str:
    name = "".join((reporter.name or "").split())  # 张 三, as forms align it
    if len(name) > 1:
        hidden = wording.mask_spelled(hidden, name, mask_name(name))
    phone, id_number = phone_of(reporter.phone), id_number_of(reporter.id_number)
    if phone is not None:
        for number in (phone, _AREA.sub("", phone)):  # at home nobody says the area's code
            hidden = wording.mask_spelled(hidden, number, mask_phone(number))
    if id_number is not None:
        hidden = wording.mask_spelled(hidden, id_number, wording.mask_id_number(id_number))
    return hidden


def shown(told: Mapping[str, str], *reporters: Reporter | None) -> dict[str, str]:
    """A report's free texts, by their fields, as they may be published."""
    return {field: hide(words, *reporters)[: LONGEST[field]] for field, words in told.items()}
