"""Notices: who was told what, and whether it arrived. No address of a person travels here."""

from typing import ClassVar, Literal

from .message import Code, Event, Identifier, Instant

Medium = Literal["file", "webhook", "sms", "wecom", "dingtalk", "feishu", "mail"]


class NoticeEvent(Event):
    """What all notice events share. Identity is `notice_id` and the outcome."""

    notice_id: Identifier
    incident_id: Identifier
    jurisdiction: Code
    at: Instant
    recipient: Identifier
    """A role and place out of the pack, such as `unit:U02:duty_officer`, or a reporter's reference."""
    role: str
    template: Code
    medium: Medium


class NoticeDeliveredV1(NoticeEvent):
    """The receiving system took it."""

    TYPE: ClassVar[str] = "cn.huying.notice.delivered.v1"


class NoticeFailedV1(NoticeEvent):
    """Not delivered. `unknown` where the other side may have taken it: a person decides, nobody resends blindly."""

    TYPE: ClassVar[str] = "cn.huying.notice.failed.v1"
    reason: str
    unknown: bool = False


class NoticeAcknowledgedV1(NoticeEvent):
    """A person confirmed having read it."""

    TYPE: ClassVar[str] = "cn.huying.notice.acknowledged.v1"
