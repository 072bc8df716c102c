"""Where it is: codes of the county pack, WGS-84. An unknown code is refused; unknown words stay words."""

from huying.contracts import wording
from huying.contracts.places import Place, Point
from huying.contracts.reports import ReportSubmittedV1

from .channels import Channel
from .geometry import accuracy_m, to_wgs84
from .pack import Pack
from .places import Town

DECIMALS = 7
"""A centimetre: more digits are the conversion's own noise."""


class UnknownCode(ValueError):
    """A code that the county's pack does not have. `field` names it, the message says what to do."""

    def __init__(self, field: str, message: str) -> None:
        """Keep the field apart from the sentence."""
        super().__init__(message)
        self.field = field


def located(body: ReportSubmittedV1, channel: Channel, pack: Pack) -> Place:
    """The place of a report.

    The most exact code fills the others: a grid its village, a village its town.

    Raises:
        UnknownCode: a grid or village that the county does not have, or that contradict each other.
    """
    village_code = body.village_code
    if body.grid_code is not None:
        try:
            grid = pack.grid(body.grid_code)
        except KeyError:
            raise UnknownCode("grid_code", _unknown("grid", pack, "grids.csv")) from None
        if village_code not in (None, grid.village):
            raise UnknownCode(
                "grid_code",
                f"lies in village {grid.village!r}, not in the one that is given; correct one or leave it out",
            )
        village_code = grid.village
    town = _town(body.town, pack)
    village_name = None
    if village_code is not None:
        try:
            village = pack.village(village_code)
        except KeyError:
            raise UnknownCode("village_code", _unknown("village", pack, "villages.csv")) from None
        village_name, town = village.name_zh, pack.town(village.town)
    words = wording.clean_line(body.town or "") or None
    return Place(
        address=wording.clean_line(body.address or "") or None,
        grid_code=body.grid_code,
        village_code=village_code,
        village=village_name,
        town_code=town.code if town else None,
        town=town.name_zh if town else words,
        point=_point(body.point, channel, pack),
    )


def _unknown(kind: str, pack: Pack, file: str) -> str:
    return (
        f"is no {kind} of {pack.name_zh} ({pack.code}); send a code of the county's {file}, "
        f"or leave it out and describe the place in `address`"
    )


def _town(words: str | None, pack: Pack) -> Town | None:
    """A town by its name, its name without 镇 or 乡, or its code; None when it is none of ours."""
    name = wording.clean_line(words or "")
    if not name:
        return None
    whole = pack.town_named(name)
    if whole is not None:
        return whole
    short = [town for town in pack.towns if name in (town.code, town.name_zh.removesuffix("镇").removesuffix("乡"))]
    return short[0] if len(short) == 1 else None


def _point(point: Point | None, channel: Channel, pack: Pack) -> Point | None:
    """WGS-84; the channel says in which system its points are and how exact, unless the report does.

    None far outside the county: 0, 0 of a device without a fix, or where a reporter is who is travelling.
    """
    if point is None:
        return None
    crs = point.crs if "crs" in point.model_fields_set else channel.crs
    lon, lat = to_wgs84(point.lon, point.lat, crs)
    if not pack.reaches((lon, lat)):
        return None
    exact = point.accuracy_m if point.accuracy_m is not None else accuracy_m(channel.point_source)
    return Point(lon=round(lon, DECIMALS), lat=round(lat, DECIMALS), crs="wgs84", accuracy_m=exact)
