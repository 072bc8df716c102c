"""Every step beside an order's main line has its words in the history and on the incident's page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from console_stories import Story

from huying.console.domain import line_of_step
from huying.console.history import aside
from huying.console.pages.parts import beside
from huying.console.words import Names
from huying.contracts import incidents, orders
from huying.contracts.course import (
    CatalogueRule,
    Course,
    ExtensionRequest,
    Flood,
    Review,
    Supervision,
    Suspension,
    Whistle,
)

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=2)
NAMES = Names("巨鹿县", {"U02": "县城管局", "U05": "县供电公司"}, {}, {})
STORY = Story("in-1", "260302-00001", "路灯不亮", NOW).opened().dispatched()
DISPATCH = STORY.dispatch
REPORT = STORY.feed[0].report  # type: ignore[attr-defined]
REQUEST = ExtensionRequest(until=LATER, reason="等配件", requested_at=NOW)
RULE = CatalogueRule(version="2026-03+1", number=1, matter="M02", main="U05", basis="纪要", incident_id="in-1", at=NOW)
FLOOD = Flood(opened_at=NOW, until=LATER, matters=("M20",))
assert DISPATCH is not None

TOLD: list[tuple[Any, dict[str, Any], str]] = [
    (orders.IncidentConfirmedV1, {"before": STORY.feed[0].incident.classification}, "路灯照明"),
    (orders.IncidentAlarmedV1, {"before": STORY.feed[0].incident.classification, "reason": "冒烟"}, "冒烟"),
    (orders.IncidentWithdrawnV1, {"dispatch": DISPATCH, "reason": "改派"}, "的派单撤回：改派"),
    (orders.IncidentRuledV1, {"unit": "U05", "basis": "纪要", "rule": RULE}, "2026-03+1"),
    (orders.IncidentRuledV1, {"unit": "U05", "basis": "纪要"}, "仅此一件"),
    (orders.IncidentEscalatedV1, {"from_level": "town", "to_level": "county", "reason": "难"}, "乡镇升到县级"),
    (orders.IncidentWhistledV1, {"units": ("U05",), "meet_at": "村口", "reason": "看"}, "县供电公司到村口"),
    (orders.IncidentCheckedInV1, {"unit": "U05"}, "县供电公司已到现场"),
    (orders.IncidentReviewedV1, {"units": ("U05",), "topic": "谁修"}, "谁修：县供电公司"),
    (orders.IncidentReviewedV1, {"units": ("U05",), "topic": "谁修", "conclusion": "供电修"}, "谁修"),
    (orders.IncidentSupervisedV1, {"listed": True, "reason": "拖"}, "拖"),
    (orders.IncidentSuspendedV1, {"reason": "等材料", "until": LATER}, "等材料，最晚到"),
    (orders.IncidentResumedV1, {"expired": True}, "自动恢复"),
    (orders.IncidentExtensionRequestedV1, {"request": REQUEST}, "等配件"),
    (orders.IncidentExtensionDecidedV1, {"request": REQUEST, "granted": True, "count": 1}, "第 1 次延期"),
    (orders.IncidentExtensionDecidedV1, {"request": REQUEST, "granted": False, "count": 0, "reason": "不够"}, "不够"),
    (orders.IncidentRedoneV1, {"reason": "不满意", "count": 1}, "第 1 次重办"),
    (orders.IncidentSplitV1, {"into": "in-2", "into_number": "N2", "reports": (REPORT,), "reason": "两件"}, "转到 N2"),
    (orders.IncidentPartedV1, {"into": "in-2", "into_number": "N2", "part": REPORT, "reason": "两件"}, "立为 N2"),
    (orders.IncidentRestoredV1, {"merged_into": "in-2", "reason": "不同"}, "不同"),
    (orders.IncidentGroupedV1, {"parent": "in-9", "parent_number": "N9"}, "N9"),
    (orders.IncidentCoveredV1, {"by": "in-9", "by_number": "N9", "dispatch": DISPATCH}, "随 N9 由"),
    (orders.IncidentCoveredV1, {"by": "in-9", "by_number": "N9"}, "等待裁决"),
    (orders.IncidentReleasedV1, {"parent": "in-9"}, "单独办理"),
    (orders.IncidentFamilyChangedV1, {"added": ("in-3",), "removed": ("in-4",)}, "增加 1 件，移出 1 件"),
    (orders.IncidentFloodOpenedV1, {"flood": FLOOD}, "自动结束"),
    (orders.IncidentFloodClosedV1, {"by": "expired"}, "到期自动结束"),
]


def test_no_event_is_without_a_case_here() -> None:
    assert {kind for kind, _, _ in TOLD} == set(orders.EVENTS)


@pytest.mark.parametrize(("kind", "facts", "says"), TOLD)
def test_a_step_is_said_in_the_countys_words(kind: Any, facts: dict[str, Any], says: str) -> None:
    last = STORY.feed[-1]
    common = last.model_dump(include={"incident_id", "jurisdiction", "pack_hash"})
    event = kind(**common, incident_version=9, at=NOW, incident=last.incident, **facts)
    said = aside(event, NAMES)
    assert said is not None
    assert says in said[1]


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        (orders.IncidentResumedV1, {}),
        (orders.IncidentExtensionDecidedV1, {"request": REQUEST, "granted": True, "count": 1}),
        (orders.IncidentGroupedV1, {"parent": "in-9", "parent_number": "N9"}),
        (orders.IncidentReleasedV1, {"parent": "in-9"}),
        (orders.IncidentFloodOpenedV1, {"flood": FLOOD}),
        (orders.IncidentFloodClosedV1, {"by": "person"}),
        (incidents.IncidentAskAnsweredV1, {"candidate": "in-2", "answer": "same"}),
    ],
)
def test_why_a_person_did_it_opens_below_the_step(kind: Any, facts: dict[str, Any]) -> None:
    last = STORY.feed[-1]
    common = last.model_dump(include={"incident_id", "jurisdiction", "pack_hash"})
    event = kind(**common, incident_version=9, at=NOW, incident=last.incident, reason="现场看过", **facts)
    assert "现场看过" in line_of_step(event, NAMES).detail


def test_the_main_lines_steps_are_not_said_here() -> None:
    assert all(aside(event, NAMES) is None for event in STORY.feed)


def test_the_page_says_what_stands_beside_the_main_line_and_escapes_it() -> None:
    course = Course(
        level="town",
        waiting_since=NOW,
        suspension=Suspension(state="accepted", since=NOW, reason="<b>等</b>", until=LATER),
        request=REQUEST,
        extensions=1,
        redone=1,
        supervision=Supervision(since=NOW, reason="拖"),
        whistle=Whistle(units=("U02", "U05"), arrived=("U05",), reason="看", meet_at="村口", at=NOW),
        review=Review(units=("U05",), topic="谁修", at=NOW),
        flood=FLOOD,
        parent="in-9",
    )
    child = {"_id": "in-7", "number": "N7", "state": "covered", "view": {"title": "<i>水</i>"}}
    html = beside({"view": {"course": course.model_dump(exclude_none=True)}}, NOW, NAMES, [child])
    for words in (
        "乡镇",
        "待裁决",
        "等配件",
        "1 次",
        "县城管局（未到）、县供电公司（已到）",
        "谁修",
        "汛期",
        "in-9",
        "N7",
    ):
        assert words in html
    assert "<b>等" not in html
    assert "<i>水" not in html
    assert beside({"view": {}}, NOW, NAMES, []) == ""
