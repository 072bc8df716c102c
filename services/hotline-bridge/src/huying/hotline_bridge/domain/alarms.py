"""A device's alarm as a report. Identity is device, kind of alarm, state and instant, or the device's own id.

It never closes anything: a cleared alarm is told like a raised one, and a person decides.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from huying.contracts import wording
from huying.contracts.identity import LONGEST_IDENTITY, NO_IDENTITY, deterministic_id, is_identity
from huying.contracts.message import Code, Identifier, Instant, Value
from huying.contracts.places import Point
from huying.contracts.reports import LONGEST_ORIGIN_NUMBER, Device, ReportSubmittedV1

CHANNEL = "iot"
SOURCE = "iot"
"""CloudEvents source of alarms, and what a machine key must list to send them."""

ALARMS_ZH = {
    "tilt": "倾斜告警",
    "open": "开盖告警",
    "level_high": "水位超警",
    "offline": "离线告警",
    "fault": "故障告警",
    "fire": "烟感火警",
    "smoke_fire": "烟火告警",
    "low": "低值告警",
    "count_high": "数量超阈值",
    "garbage_overflow": "垃圾满溢",
}
"""Kinds of alarm that the county's devices send, in the words of a duty officer; others keep their own name."""

DEVICES_ZH = {
    "manhole": "井盖",
    "street_light": "路灯",
    "water_level": "水位",
    "smoke": "烟感",
    "camera": "摄像机",
    "pest": "虫情测报灯",
    "soil_moisture": "墒情",
}

SEVERITIES_ZH = {"info": "提示", "minor": "一般", "major": "重要", "critical": "紧急"}


def _identity(name: str) -> str:
    if not is_identity(name):
        raise ValueError(NO_IDENTITY)
    return name


class Alarm(Value):
    """One line of a device: body of `POST /v1/alarms`, a line of an MQTT message."""

    id: Annotated[Identifier, AfterValidator(_identity)] | None = None
    device: Code
    alarm: Annotated[str, Field(min_length=1, max_length=100)]
    state: Literal["raised", "cleared"] = "raised"
    severity: Literal["info", "minor", "major", "critical"] = "major"
    at: Instant
    kind: Annotated[str, Field(max_length=60)] | None = None
    """Kind of device, for the composed text."""
    text: Annotated[str, Field(max_length=5000)] | None = None
    address: Annotated[str, Field(max_length=500)] | None = None
    village_code: Code | None = None
    town: Annotated[str, Field(max_length=100)] | None = None
    point: Point | None = None

    @property
    def origin_id(self) -> str:
        """What makes this line one and the same line, however often it is sent.

        It goes on the bus, so it tells no number of a person; a kind of alarm that is too long for it, or would run into
        the device's name, stands there by its digest.
        """
        if self.id is not None:
            return self.id
        kind = wording.mask_numbers(wording.clean_line(self.alarm)) or "unnamed"
        named = self._named(kind)
        plain = "/" not in kind and len(named) <= LONGEST_IDENTITY
        return named if plain else self._named(deterministic_id("al", kind))

    def _named(self, kind: str) -> str:
        return f"{self.device}/{kind}/{self.state}/{self.at.isoformat()}"

    @property
    def origin_number(self) -> str | None:
        """The device's own id; none when it is longer than a number may be, since it is the identity in full anyway."""
        return self.id if self.id is not None and len(self.id) <= LONGEST_ORIGIN_NUMBER else None

    def composed(self) -> str:
        """A sentence for who gets the order, when the device sends none."""
        device = DEVICES_ZH.get(self.kind or "", "设备")
        alarm = ALARMS_ZH.get(self.alarm, f"告警 {self.alarm}")
        if self.state == "cleared":
            return f"{device}{alarm}恢复 {self.device}"
        return f"{device}{alarm} {self.device}（{SEVERITIES_ZH[self.severity]}）"


def submitted(alarm: Alarm, jurisdiction: str) -> ReportSubmittedV1:
    """The alarm as every report is submitted."""
    return ReportSubmittedV1(
        jurisdiction=jurisdiction,
        channel=CHANNEL,
        text=wording.clean(alarm.text or "") or alarm.composed(),
        received_at=alarm.at,
        address=alarm.address,
        village_code=alarm.village_code,
        town=alarm.town,
        point=alarm.point,
        device=Device(
            device_id=alarm.device,
            alarm=wording.clean_line(alarm.alarm) or "unnamed",
            state=alarm.state,
            severity=alarm.severity,
        ),
        origin_number=alarm.origin_number,
    )
