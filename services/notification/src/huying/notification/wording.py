"""What people read: the pack's templates, rendered in a sandbox. It refuses fields that nobody promised.

The first line of a template is the title, the rest the text. All templates are tried when the service starts.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from huying.contracts import dates
from huying.contracts.incidents import Classification
from huying.county import Pack

COMMON = ("number", "title", "matter", "place", "unit", "county")
FIELDS: Mapping[str, tuple[str, ...]] = {
    "dispatched": ("assisting", "basis", "danger"),
    "alarm": ("danger", "unsure", "reason"),
    "alarm_over": ("reason",),
    "assisting": ("main_unit", "danger"),
    "grid_dispatched": ("danger",),
    "reporter_progress": ("tracking", "progress"),
    "reporter_joined": ("tracking", "progress"),
    "follow_up": (),
    "asked": ("candidate", "until", "holds"),
    "returned": ("reason", "basis", "ruling"),
    "reporter_completed": ("tracking", "progress", "text"),
    "grid_completed": ("text",),
    "clock_warned": ("kind", "percent", "due", "late"),
    "clock_reminded": ("kind", "percent", "due", "late"),
    "clock_breached": ("kind", "due", "late"),
    "rating_invited": ("link",),
    "review_due": ("redone",),
    "withdrawn": ("reason",),
    "covered": ("by", "danger"),
    "whistled": ("meet_at", "main_unit", "reason"),
    "reviewed": ("topic", "conclusion"),
    "supervised": ("reason",),
    "supervision_lifted": ("reason",),
    "suspended": ("until", "reason"),
    "resumed": ("expired", "reason"),
    "flood_closed": ("expired",),
    "escalated": ("from_level", "to_level", "reason"),
    "extension_requested": ("until", "reason"),
    "extension_decided": ("granted", "until", "count", "reason"),
    "reporter_extended": ("tracking", "progress", "until", "reason"),
    "reporter_paused": ("tracking", "progress", "until", "reason"),
    "reporter_resumed": ("tracking", "progress"),
    "reporter_split": ("tracking", "progress", "into"),
    "reporter_parted": ("tracking", "progress", "into"),
    "reporter_redone": ("tracking", "progress", "reason"),
}
"""Template to the fields that it may use besides the common ones."""
LINKED = frozenset(name for name, fields in FIELDS.items() if "link" in fields)
"""Templates that carry a link made for one citizen: what they say is nobody else's to read."""

KIND_ZH = {
    "acceptance": "签收",
    "contact": "联系群众",
    "response": "答复",
    "resolution": "办结",
    "adjudication": "裁决",
}


def danger_zh(what: Classification) -> str:
    """An emergency, or an alarm that a person has still to confirm; empty when there is no danger."""
    return "紧急" if what.clock_class == "emergency" else "险情待核" if what.alarm else ""


class WordingError(ValueError):
    """The pack's templates cannot be used; the message names the file and the fault."""


class Wording:
    """The templates of one pack, compiled."""

    def __init__(self, pack: Pack) -> None:
        """Compile and try every template.

        Raises:
            WordingError: one is missing, malformed, or uses a field that it does not get.
        """
        from jinja2 import StrictUndefined, TemplateError
        from jinja2.sandbox import SandboxedEnvironment

        environment = SandboxedEnvironment(undefined=StrictUndefined)
        self._zone = ZoneInfo(pack.timezone)
        self._county = pack.name_zh
        self._templates = {}
        lacking = [f"templates/{name}.txt" for name in FIELDS if not pack.templates.get(f"{name}.txt", "").strip()]
        if lacking:  # all at once: a new release may tell of several more things
            raise WordingError(
                f"{pack.path}: missing or empty: {', '.join(lacking)}; write them, or copy "
                "them from deploy/county/julu of this release and put them into the county's words"
            )
        for name, fields in FIELDS.items():
            file = f"templates/{name}.txt"
            try:
                self._templates[name] = environment.from_string(pack.templates[f"{name}.txt"])
                self.render(name, dict.fromkeys((*COMMON, *fields), "x"))
            except TemplateError as error:
                raise WordingError(f"{pack.path / file}: {error}; see templates/README.md for its fields") from error

    def render(self, template: str, fields: Mapping[str, Any]) -> tuple[str, str]:
        """Title and text."""
        text = self._templates[template].render({"county": self._county} | dict(fields)).strip()
        title, _, body = text.partition("\n")
        return title.strip(), body.strip()

    def moment(self, instant: datetime) -> str:
        """An instant on the county's clocks, as people write it."""
        local = dates.local(instant, self._zone)
        return f"{local.month}月{local.day}日{local:%H:%M}"
