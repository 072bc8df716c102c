"""Free text as it may be published: cleaned of what no screen should get, the numbers of persons masked.

Every door of Huying masks with this, so one number looks the same whatever way it came. It never judges content: an
angry report stays angry.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin

from .identity import typed_number
from .message import Opaque, Value

V = TypeVar("V", bound=Value)

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Controls but line break and tab, lone surrogates, and marks that turn the reading direction, which can make a text
look like another one. Private use stays: old systems write rare characters of names there."""

_FULL_WIDTH = {ord("０") + i: ord("0") + i for i in range(10)} | {ord("Ｘ"): "X", ord("＋"): "+", ord("－"): "-"}
_OTHER_DIGIT = re.compile(r"[^\D0-9]")
_APART = r"[-－‐-―.．·\t \u00a0\u00ad\u061c\u180e\u2000-\u200f\u202a-\u202f\u2060-\u206f\u3000\ufeff]"
"""What people put between the groups of a number, and what they paste unseen."""
_GAP = f"{_APART}{{0,3}}"
_SPACES = re.compile(_APART)
_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"

_ID_NUMBER = re.compile(
    rf"(?<!\d)(?:\d{{6}}(?:18|19|20)?\d{{2}}{_DAY}\d{{3}}[\dXxＸｘ]?"
    rf"|\d{{6}}{_GAP}(?:18|19|20)\d{{2}}{_DAY}{_GAP}\d{{3}}[\dXxＸｘ])(?!\d)"
)
_MOBILE = re.compile(
    rf"(?<!\d)(?:[(（]?(?:[+＋]|00)?86[)）]?{_GAP})?(?:(1[3-9]\d){_GAP}\d{{4}}{_GAP}(\d{{4}})(?!\d)"
    rf"|1{_APART}[3-9](?:{_APART}\d){{9}}(?!{_APART}?\d))"
)
_LANDLINE = re.compile(rf"(?<!\d)(0\d{{2,3}}[)）]?{_GAP})(\d{{3,4}}){_GAP}(\d{{4}})(?!\d)")


def clean(text: str) -> str:
    """`text` without unsafe characters, ends stripped, full-width digits made plain; empty when nothing is left."""
    return _UNSAFE.sub("", text.translate(_FULL_WIDTH)).strip()


def clean_line(text: str) -> str:
    """`clean`, on one line."""
    return " ".join(clean(text).split())


def earlier_report(text: str | None) -> str | None:
    """The number of an earlier report in the form that it is kept in, however it was typed; other words on one line."""
    return typed_number(text or "") or clean_line(text or "") or None


def is_plain_address(url: str) -> bool:
    """Whether a link has no blanks, controls or marks of direction, which would show another address than it opens."""
    return url.isprintable() and " " not in url


def encodable(text: str) -> str:
    """`text` with lone surrogates replaced, for what is only quoted back."""
    return text.encode("utf-8", "replace").decode("utf-8")


def mask_numbers(text: str) -> str:
    """`text` with identity card and telephone numbers masked, a star a digit: 138****1234. It never gets longer."""
    text = _OTHER_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), text)
    text = _ID_NUMBER.sub(lambda match: mask_id_number("".join(filter(str.isalnum, match[0]))), text)
    text = _MOBILE.sub(_masked_mobile, text)
    return _LANDLINE.sub(lambda match: f"{match[1]}{'*' * len(match[2])}{match[3]}", text)


def _masked_mobile(match: re.Match[str]) -> str:
    digits = "".join(filter(str.isdigit, match[0]))[-11:]
    return f"{digits[:3]}****{digits[-4:]}"


def mask_spelled(text: str, known: str, mask: str) -> str:
    """`text` with a known name or number masked, however it is spaced and in small letters or capitals.

    A single character masks nothing: half the village is called 李庄.
    """
    bare = _SPACES.sub("", known)  # 阿不都·热合曼 is written without the point as well
    if len(bare) < 2 or bare.lower() not in _SPACES.sub("", text).lower():
        return text
    return re.sub(_GAP.join(map(re.escape, bare)), lambda _: mask, text, flags=re.IGNORECASE)


def mask_id_number(number: str) -> str:
    """Region of the province and the last two characters: 13**************1X."""
    return f"{number[:2]}{'*' * max(len(number) - 4, 4)}{number[-2:]}" if len(number) > 8 else "****"


def masked(value: V) -> V:
    """`value` with the numbers of persons masked in every free text, however deep; itself where there is none."""
    changes = {}
    for name in _worded(type(value)):
        before = getattr(value, name)
        after = _masked(before)
        if after != before:
            changes[name] = after
    return value.model_copy(update=changes) if changes else value


def _masked(part: Any) -> Any:
    if isinstance(part, str):
        return mask_numbers(part)
    if isinstance(part, tuple):
        return tuple(map(_masked, part))
    return masked(part) if isinstance(part, Value) else part


@cache
def _worded(kind: type[Value]) -> tuple[str, ...]:
    """Fields that may hold free text: strings and parts, but no codes, names of things or choices."""
    return tuple(
        name
        for name, field in kind.model_fields.items()
        if any(_leaves(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation))
    )


def _leaves(annotation: Any) -> Iterator[bool]:
    """For every type in an annotation, whether it may hold free text."""
    if get_origin(annotation) is Annotated:
        kind, *facts = get_args(annotation)
        if kind is not str:
            yield from _leaves(kind)
        else:
            yield Opaque not in facts
    elif parts := get_args(annotation):
        for part in parts:
            yield from _leaves(part)
    else:
        yield annotation is str or (isinstance(annotation, type) and issubclass(annotation, Value))
