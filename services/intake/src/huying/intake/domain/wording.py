"""Free text as it may be published: cleaned of what no screen should get, personal numbers masked.

It never judges content: an angry report stays angry.
"""

import re

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Controls but line break and tab, lone surrogates, and marks that turn the reading direction, which can make a text
look like another one. Private use stays: old systems write rare characters of names there."""

_FULL_WIDTH = {ord("０") + i: ord("0") + i for i in range(10)} | {ord("Ｘ"): "X", ord("＋"): "+", ord("－"): "-"}

_ID_NUMBER = re.compile(
    r"(?<!\d)\d{6}(?:18|19|20)?\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}(?:[\dXx])?(?!\d)", re.ASCII
)
_MOBILE = re.compile(r"(?<!\d)(?:(?:\+|00)?86[- ]?)?(1[3-9]\d)[- ]?\d{4}[- ]?(\d{4})(?!\d)", re.ASCII)
_LANDLINE = re.compile(r"(?<!\d)(0\d{2,3}[-)） ]{0,2})\d{3,4}[- ]?(\d{4})(?!\d)", re.ASCII)


def clean(text: str) -> str:
    """`text` without unsafe characters, ends stripped, full-width digits made plain; empty when nothing is left."""
    return _UNSAFE.sub("", text.translate(_FULL_WIDTH)).strip()


def clean_line(text: str) -> str:
    """`clean`, on one line."""
    return " ".join(clean(text).split())


def mask_numbers(text: str) -> str:
    """`text` with identity card and telephone numbers masked: 138****1234."""
    text = _ID_NUMBER.sub(lambda match: mask_id_number(match[0]), text)
    text = _MOBILE.sub(r"\1****\2", text)
    return _LANDLINE.sub(r"\1****\2", text)


def mask_id_number(number: str) -> str:
    """Region of the province and the last two characters: 13**************1X."""
    return f"{number[:2]}{'*' * max(len(number) - 4, 4)}{number[-2:]}" if len(number) > 8 else "****"


def mask_name(name: str) -> str:
    """Surname only, without telling how long the name is: 张**."""
    return f"{name[:1]}**"


def mask_phone(phone: str) -> str:
    """138****1234; of a short number nothing but its last two digits."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 11 else f"****{phone[-2:]}"


def encodable(text: str) -> str:
    """`text` with lone surrogates replaced, for what is only quoted back."""
    return text.encode("utf-8", "replace").decode("utf-8")
