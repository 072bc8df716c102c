"""An origin's order in our words, and back: dotted paths, codes, times. It refuses what it cannot read, by field.

Input is never quoted in a refusal: an order may name persons.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from huying.contracts.reports import LONGEST_ORIGIN_NUMBER, ReportSubmittedV1
from huying.county import to_wgs84
from huying.county.geometry import wgs84_to_bd09, wgs84_to_gcj02

from .mapping import TIMES, OriginMapping, Target


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of an order."""

    theirs: str
    """Path in the origin's order."""
    ours: str
    message: str


class Untranslatable(ValueError):
    """An order that the mapping file cannot read; all faults at once, so that they are mended at once."""

    def __init__(self, faults: list[Fault]) -> None:
        """Keep what is wrong, field by field."""
        super().__init__("; ".join(f"{fault.theirs} ({fault.ours}) {fault.message}" for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Translated:
    """An order in our words."""

    number: str
    body: ReportSubmittedV1


def translate(mapping: OriginMapping, order: Mapping[str, Any], jurisdiction: str) -> Translated:
    """The order as a report.

    Args:
        mapping: the origin's file.
        order: the origin's own JSON.
        jurisdiction: the county served.

    Raises:
        Untranslatable: names their fields and ours.
    """
    faults: list[Fault] = []
    number = _found(order, mapping.number)
    if (
        not isinstance(number, str | int)
        or isinstance(number, bool)
        or not 0 < len(str(number)) <= LONGEST_ORIGIN_NUMBER
    ):
        faults.append(
            Fault(mapping.number, "origin_number", f"must be a number of 1 to {LONGEST_ORIGIN_NUMBER} characters")
        )
    elif not str(number).isprintable():
        faults.append(Fault(mapping.number, "origin_number", "has characters that cannot be printed"))
    values: dict[str, Any] = {str(target): value for target, value in mapping.constants.items()}
    for target, path in mapping.fields.items():
        found = _found(order, path)
        if found is None:
            if target in mapping.required:
                faults.append(Fault(path, target, "is missing; the county cannot do without it"))
            continue
        try:
            value = _value(mapping, target, found)
        except ValueError as error:
            faults.append(Fault(path, target, str(error)))
            continue
        if value is not None:
            values[target] = value
    if faults:
        raise Untranslatable(faults)
    if ("point.lon" in values) != ("point.lat" in values):
        absent: Target = "point.lat" if "point.lon" in values else "point.lon"
        raise Untranslatable([Fault(mapping.theirs(absent), absent, "is missing beside the other one")])
    if "point.lon" not in values:
        values = {target: value for target, value in values.items() if not target.startswith("point.")}
    elif mapping.crs is not None:
        values.setdefault("point.crs", mapping.crs)
    body = {"jurisdiction": jurisdiction, "channel": mapping.channel, "origin_number": str(number)}
    try:
        return Translated(str(number), ReportSubmittedV1.model_validate(body | _nested(values)))
    except ValidationError as error:
        raise Untranslatable([_named(mapping, item) for item in error.errors(include_url=False)]) from error


def _named(mapping: OriginMapping, item: Mapping[str, Any]) -> Fault:
    ours = ".".join(str(part) for part in item["loc"])
    return Fault(mapping.theirs(ours), ours, item["msg"])


def _found(order: Any, path: str) -> Any:
    """What stands at a dotted path; None when nothing does: absent, null, or an empty text."""
    here = order
    for part in path.split("."):
        if isinstance(here, Mapping):
            here = here.get(part)
        elif isinstance(here, list) and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        else:
            return None
    if isinstance(here, str):
        here = here.strip()
    return None if here in ("", [], {}) else here


def _value(mapping: OriginMapping, target: Target, found: Any) -> Any:
    if target == "attachments":
        links = found if isinstance(found, list) else [found]
        return [link if isinstance(link, dict) else {"url": link} for link in links]
    if isinstance(found, dict | list):
        raise ValueError("must be a single value, not an object or a list")  # noqa: TRY004 - a fault of the input
    codes = mapping.codes.get(target)
    if codes is not None:
        if str(found) in codes:
            return codes[str(found)]
        if target not in mapping.open_codes:
            raise ValueError(f"has a code that we do not know; use one of {', '.join(codes)}")
    if target in TIMES:
        return mapping.moment(found)
    if target in ("point.lon", "point.lat", "point.accuracy_m"):
        try:
            return float(found)
        except (ValueError, OverflowError):
            raise ValueError("must be a number in degrees or metres") from None
    return found if isinstance(found, bool) else str(found)


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        head, _, tail = path.partition(".")
        if tail:
            tree.setdefault(head, {})[tail] = value
        else:
            tree[head] = value
    return tree


def order_of(mapping: OriginMapping, number: str, values: Mapping[Target, Any]) -> dict[str, Any]:
    """An order as the origin would send it: the inverse of `translate`, for replays and fixtures.

    Args:
        mapping: the origin's file.
        number: of the order.
        values: ours by target; times aware, absent ones None. What the origin has no field for is left out.
    """
    order: dict[str, Any] = {}
    _put(order, mapping.number, number)
    for target, path in mapping.fields.items():
        value = values.get(target)
        if value is None:
            continue
        backward = {ours: theirs for theirs, ours in reversed(mapping.codes.get(target, {}).items())}
        if value in backward:
            value = backward[value]
        elif isinstance(value, datetime):
            value = mapping.spelled(value)
        _put(order, path, value)
    return order


def order_of_report(mapping: OriginMapping, report: Mapping[str, Any]) -> dict[str, Any]:
    """A line of a county reports file (`tests/data/county/README.md`) as the origin would send it."""
    point = _point_as_sent(mapping, report.get("point"))
    values: dict[Target, Any] = {
        "text": report["text"],
        "address": report.get("address"),
        "village_code": report.get("village_code"),
        "town": report.get("town"),
        "received_at": datetime.fromisoformat(report["received_at"]),
        "point.lon": point.get("lon"),
        "point.lat": point.get("lat"),
        "point.crs": point.get("crs"),
        "reporter.reference": report.get("reporter"),
    }
    return order_of(mapping, report["id"], values)


def _point_as_sent(mapping: OriginMapping, point: Mapping[str, Any] | None) -> dict[str, Any]:
    """A point in the system that the origin sends; as it is where the order itself names the system."""
    if point is None or "point.crs" in mapping.fields or mapping.crs in (None, point["crs"]):
        return dict(point or {})
    lon, lat = to_wgs84(point["lon"], point["lat"], point["crs"])
    if mapping.crs == "gcj02":
        lon, lat = wgs84_to_gcj02(lon, lat)
    elif mapping.crs == "bd09":
        lon, lat = wgs84_to_bd09(lon, lat)
    return {"lon": lon, "lat": lat, "crs": mapping.crs}


def _put(order: dict[str, Any], path: str, value: Any) -> None:
    *heads, last = path.split(".")
    here = order
    for head in heads:
        here = here.setdefault(head, {})
    here[last] = value
