"""Free text as it may be published: cleaned, with the numbers of persons masked. It never judges content.

The masks are the ones that every door of Huying uses, so one number looks the same whatever way it came.
"""

import re
import unicodedata

from huying.contracts.reports import Reporter

KEPT_CONTROLS = frozenset("\n\t")
"""Line breaks and tabs are how people write; every other control character is an accident or an attack."""

DIRECTION_MARKS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Marks that turn the reading direction can make a text look like another one."""

SHORTEST_PHONE = 7
"""A number of a county's exchange has seven digits; less than that is no number (无, 0, 110)."""

_FULL_WIDTH = {ord("０") + i: ord("0") + i for i in range(10)} | {ord("Ｘ"): "X", ord("＋"): "+", ord("－"): "-"}
_ID_NUMBER = re.compile(
    r"(?<!\d)\d{6}(?:18|19|20)?\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}(?:[\dXx])?(?!\d)", re.ASCII
)
_MOBILE = re.compile(r"(?<!\d)(?:(?:\+|00)?86[- ]?)?(1[3-9]\d)[- ]?\d{4}[- ]?(\d{4})(?!\d)", re.ASCII)
_LANDLINE = re.compile(r"(?<!\d)(0\d{2,3})[- ]?\d{3,4}[- ]?(\d{4})(?!\d)", re.ASCII)


def clean(text: str) -> str:
    """`text` without unsafe characters, ends stripped, full-width digits made plain; empty when nothing is left."""
    return "".join(character for character in text.translate(_FULL_WIDTH) if _safe(character)).strip()


def _safe(character: str) -> bool:
    if character in KEPT_CONTROLS:
        return True
    return unicodedata.category(character) not in {"Cc", "Cs"} and character not in DIRECTION_MARKS


def clean_line(text: str) -> str:
    """`clean`, on one line."""
    return " ".join(clean(text).split())


def mask_numbers(text: str) -> str:
    """`text` with identity card and telephone numbers masked: 138****1234."""
    text = _ID_NUMBER.sub(lambda match: f"{match[0][:2]}{'*' * (len(match[0]) - 4)}{match[0][-2:]}", text)
    text = _MOBILE.sub(r"\1****\2", text)
    return _LANDLINE.sub(r"\1****\2", text)


def hide(text: str, reporter: Reporter | None) -> str:
    """`text` as it may be published: numbers masked, and the reporter's own name and number too."""
    hidden = mask_numbers(text)
    if reporter is None:
        return hidden
    if reporter.name and len(reporter.name) > 1:
        hidden = hidden.replace(reporter.name, f"{reporter.name[:1]}**")
    phone = "".join(character for character in reporter.phone or "" if character.isdigit())
    if len(phone) >= SHORTEST_PHONE:
        hidden = hidden.replace(phone, f"****{phone[-2:]}")
    return hidden
