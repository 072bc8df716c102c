"""Pieces of the pages, built from the projections of a morning."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from console_stories import Story, morning

from huying.console.domain import Own, card, clock_after, derived, line_of_step
from huying.console.pages import parts
from huying.console.pages.rows import row_of
from huying.console.repository import Wish, filter_of
from huying.console.words import Names

NOW = datetime(2026, 3, 9, 6, 20, tzinfo=UTC)
NAMES = Names("巨鹿县", {"U01": "县交通运输局"}, {}, {"citizen_app": "群众端", "hotline_12345": "12345热线"})
STORIES = {story.name.removeprefix("s-"): story for story in morning("s", NOW)}


def document(story: Story) -> dict[str, Any]:
    """The feed's document of a story."""
    found: dict[str, Any] = {"_id": story.name}
    for event in story.feed:
        found |= card(event)
    known: dict[str, Any] = {}
    for event in story.clocks:
        clock = clock_after(known.get(event.clock_id), event)
        known |= {event.clock_id: clock} if clock else {}
    return found | {"clocks": known} | derived(known)


@pytest.mark.parametrize(
    ("name", "done", "now"),
    [
        ("twin", ["事件上报"], "分类受理"),
        ("gas", ["事件上报", "分类受理", "响应指定"], "部门处置"),
        ("lamp", ["事件上报", "分类受理", "响应指定"], "部门处置"),
        ("garbage", ["事件上报", "分类受理", "响应指定", "部门处置", "结果反馈"], None),
    ],
)
def test_the_five_steps_show_what_is_done_and_where_it_stands(name: str, done: list[str], now: str | None) -> None:
    shown = parts.stepper(document(STORIES[name]), NOW)
    assert re.findall(r'class="done"><b>✓ (\w+)', shown) == done
    assert re.findall(r'class="now"><b>(\w+)', shown) == ([now] if now else [])


def test_a_side_of_a_question_says_where_the_incident_stands_and_who_has_it() -> None:
    assert "已办结" in parts.standing(document(STORIES["garbage"]))
    assert "县住房和城乡建设局" in parts.standing(document(STORIES["gas"]))
    assert "待研判" in parts.standing(document(STORIES["twin"]))


def test_a_merged_one_does_not_say_that_it_never_had_a_report() -> None:
    gone = Story("s-gone", "PA-0350", "灯杆歪了", NOW).opened().merged(STORIES["lamp"])
    assert "0 件诉求" not in parts.stepper(document(gone) | {"view": gone.feed[-1].incident.model_dump()}, NOW)


def test_a_clock_that_counts_no_more_is_shown_only_where_no_other_of_its_kind_does() -> None:
    back = Story("s-back", "PA-0351", "灯杆歪了", NOW).opened().dispatched()
    hour = timedelta(hours=1)
    void = back.clock("response", NOW, 9 * hour, ("void", hour)).clocks[:]
    assert parts.clocks(document(back), NOW).count("不计时限") == 1
    back.clock("response", NOW + hour, 9 * hour)
    back.clocks = [*void, *(one.model_copy(update={"clock_id": "again"}) for one in back.clocks[len(void) :])]
    shown = parts.clocks(document(back), NOW + 2 * hour)
    assert ("不计时限" in shown, "剩 8 小时" in shown) == (False, True)


def test_time_that_was_granted_after_a_breach_takes_nothing_back() -> None:
    hour = timedelta(hours=1)
    story = Story("s-late", "PA-0354", "灯杆歪了", NOW - 50 * hour).opened().dispatched()
    story.clock("response", NOW - 50 * hour, 48 * hour, ("breached", 48 * hour), ("extended", 49 * hour))
    found = document(story)
    assert ("剩 22 小时" in parts.clocks(found, NOW), "曾超期" in parts.clocks(found, NOW)) == (True, True)
    assert row_of(found, NOW, NAMES)["extended"] == "已延期 1 次 · 曾超期"
    assert "曾超期" in parts.title_line(found, NOW)
    assert "曾超期" not in parts.clocks(document(STORIES["water"]), NOW), "it is overdue, and says so"
    assert "曾超期" not in parts.clocks(document(STORIES["road"]), NOW)


def test_a_question_that_holds_a_dispatch_says_until_when_beside_its_clock() -> None:
    twin = Story("s-held", "PA-0352", "灯杆歪了", NOW).opened().asked(STORIES["lamp"])
    assert row_of(document(twin), NOW, NAMES)["beside"] == "", "its limit says so already"
    twin.clock("response", NOW, timedelta(days=2))
    assert row_of(document(twin), NOW, NAMES)["beside"] == "今天 14:50 自动派单"


def test_each_unit_is_metered_for_as_long_as_it_had_the_case() -> None:
    road = STORIES["road"]
    lines = [vars_of(line_of_step(event, NAMES)) for event in road.feed]
    held = parts.holding(lines[::-1], NOW)
    assert held == [
        ("县交通运输局", timedelta(minutes=30)),
        ("县供水服务中心", timedelta(hours=25, minutes=30)),
    ]


def test_nobody_is_metered_while_it_is_done_or_awaits_a_ruling_and_whoever_has_the_order_that_covers_it_is() -> None:
    def held(story: Story) -> list[tuple[str, timedelta]]:
        lines = [vars_of(line_of_step(event, NAMES)) for event in story.feed]
        return parts.holding(lines[::-1], story.at + hour)

    hour, roads = timedelta(hours=1), ("U01", "县交通运输局")
    road, gone = STORIES["road"], Story("s-gone", "PA-0360", "坑", NOW).opened().dispatched(roads)
    assert held(gone.accepted(hour).merged(road)) == [("县交通运输局", hour)]
    done = (
        Story("s-done", "PA-0361", "坑", NOW).opened().dispatched(roads).completed(hour).redone(30 * hour).dispatched()
    )
    assert held(done) == [("县交通运输局", hour), ("县交通运输局", hour)]
    ruled = Story("s-ruled", "PA-0362", "坑", NOW).opened().dispatched(roads).returned(hour, ruling=True)
    assert held(ruled) == [("县交通运输局", hour)]
    child = Story("s-child", "PA-0363", "坑", NOW).opened().covered(road)
    assert held(child) == [("县供水服务中心", hour)]
    assert held(child.covered(road)) == [("县供水服务中心", hour)], "the same order again is no other turn"
    assert held(child.covered(ruled)) == [("县供水服务中心", timedelta())]
    card = parts.unit_card(
        document(ruled), NOW, NAMES, [vars_of(line_of_step(event, NAMES)) for event in ruled.feed[::-1]]
    )
    assert ("还没有派单" in card, "等待裁决" in card, "1 小时" in card) == (False, True, True)


@pytest.mark.parametrize("ruling", [True, False])
def test_what_awaits_a_ruling_was_classified_and_is_to_be_assigned(ruling: bool) -> None:
    story = Story("s-ruled", "PA-0364", "坑", NOW).opened().dispatched().returned(ruling=True)
    child = Story("s-child", "PA-0365", "坑", NOW).opened().covered(story)
    shown = parts.stepper(document(story if ruling else child), NOW)
    assert re.findall(r'class="done"><b>✓ (\w+)', shown) == ["事件上报", "分类受理"]
    assert re.findall(r'class="now"><b>(\w+)', shown) == ["响应指定"]
    assert "等待裁决" in shown


def test_nobody_is_asked_to_accept_what_another_order_covers() -> None:
    child = Story("s-child", "PA-0366", "坑", NOW).opened().covered(STORIES["road"])
    card = parts.unit_card(document(child), NOW, NAMES, [])
    assert ("未签收" in card, "不另签收" in card) == (False, True)


def test_who_was_spoken_with_stays_so_with_the_next_unit() -> None:
    story = Story("s-told", "PA-0353", "灯杆歪了", NOW).opened().dispatched()
    found, lines = document(story), [vars_of(line_of_step(event, NAMES)) for event in story.feed[::-1]]
    assert "未联系" in parts.unit_card(found, NOW, NAMES, lines)
    found["view"] |= {"course": {"contacted_at": NOW}}
    assert "未联系" not in parts.unit_card(found, NOW, NAMES, lines)


def vars_of(line: Any) -> dict[str, Any]:
    return {name: getattr(line, name) for name in type(line).__slots__}


@pytest.mark.parametrize(
    ("name", "limit", "tone", "state"),
    [
        ("gas", "剩 1 小时 10 分", "on_time", "待签收"),
        ("twin", "研判剩 25 分", "held", "待研判"),
        ("water", "超期 1 天", "overdue", "处置中"),
        ("garbage", "按时答复", "on_time", "已办结"),
        ("policy", "剩 1 小时", "soon", "处置中"),
    ],
)
def test_a_row_says_what_is_due_and_where_it_stands(name: str, limit: str, tone: str, state: str) -> None:
    row = row_of(document(STORIES[name]), NOW, NAMES)
    assert (row["limit"], row["limit_tone"], row["state"]) == (limit, tone, state)


def test_a_question_beside_a_dispatch_stands_until_it_is_answered_or_the_incident_ends() -> None:
    lamp, gas = STORIES["lamp"], STORIES["gas"]
    story = Story("s-smell", "PA-0334", "煤气味很大", NOW - timedelta(minutes=5), clock_class="emergency")
    story.opened().dispatched().asked(gas, lamp).accepted()
    found = document(story)
    assert [one["number"] for one in found["ask"]["candidates"]] == ["PA-0319", "PA-0312"]
    row = row_of(found, NOW, NAMES)
    assert (row["asked"], row["limit"]) == (True, "—"), "it is dispatched by nobody's silence"
    assert "待研判" in parts.title_line(found, NOW)
    asked = line_of_step(story.feed[2], NAMES)
    assert asked.text == "疑似与 PA-0319、PA-0312 是同一件事；已派单，研判不影响处置"
    assert document(story.completed())["ask"] is None
    twin = document(STORIES["twin"])
    assert (row_of(twin, NOW, NAMES)["asked"], len(twin["ask"]["candidates"])) == (False, 2)
    old = STORIES["twin"].feed[-1].model_copy(update={"candidates": ()})
    assert [one["number"] for one in card(old)["ask"]["candidates"]] == ["PA-0312"]


def test_a_report_that_tells_of_two_problems_says_how_it_could_be_parted_until_it_was() -> None:
    pieces = [
        {"text": "路灯不亮", "matter": "M02", "matter_name": "路灯照明"},
        {"text": "水<黄>", "matter": "M04", "matter_name": "供水"},
    ]
    told = {"report_id": "r1", "channel": "citizen_app", "text": "路灯不亮，另外水<黄>", "tracking_number": "T1"}
    told |= {"received_at": NOW, "parts": pieces}
    html = parts.report(told, NOW, Names("巨鹿县", {}, {}, {}))
    assert "可以分件" in html
    assert "供水：水&lt;黄&gt;" in html
    assert parts.proposals([told]) == [pieces[1] | {"report": "r1"}]
    parted = told | {"parted": ["水<黄>"]}
    assert "可以分件" not in parts.report(parted, NOW, Names("巨鹿县", {}, {}, {}))
    assert parts.proposals([parted]) == []


def test_a_report_shows_where_it_says_it_is_and_its_pictures_as_links_that_load_nothing() -> None:
    told = {"report_id": "r2", "channel": "citizen_app", "text": "灯不亮", "tracking_number": "T2", "received_at": NOW}
    assert "href" not in parts.report(told, NOW, NAMES)
    told |= {
        "place": {"town": "巨鹿镇", "address": "南门<1>号"},
        "attachments": [{"url": 'https://a.example/1.jpg?"x'}],
    }
    html = parts.report(told, NOW, NAMES)
    assert "巨鹿镇南门&lt;1&gt;号" in html
    link = '<a href="https://a.example/1.jpg?&quot;x" target="_blank" rel="noopener noreferrer">附件 1</a>'
    assert link in html
    assert "<img" not in html


def test_emergencies_are_pinned_until_they_are_done_and_extensions_stand_apart() -> None:
    assert row_of(document(STORIES["gas"]), NOW, NAMES)["pinned"]
    assert not row_of(document(STORIES["lamp"]), NOW, NAMES)["pinned"]
    road = row_of(document(STORIES["road"]), NOW, NAMES)
    assert (road["extended"], road["beside"]) == ("已延期 1 次", "退回 1 次")
    asked = document(STORIES["road"])
    asked["view"] |= {"course": {"request": {"reason": "等配件"}}}
    assert row_of(asked, NOW, NAMES)["beside"] == "延期待批", "it waits for the centre"
    lamp = row_of(document(STORIES["lamp"]), NOW, NAMES)
    assert [door["name"] for door in lamp["doors"]] == ["群众端", "12345热线"]


@pytest.mark.parametrize(
    ("what", "word"), [({"clock_class": "emergency"}, "紧急"), ({"alarm": True}, "险情待核"), ({}, "")]
)
def test_a_danger_is_pinned_and_says_whether_it_is_confirmed(what: dict[str, Any], word: str) -> None:
    lamp = STORIES["lamp"].feed[0]
    seen = lamp.incident.classification.model_copy(update=what)
    event = lamp.model_copy(update={"incident": lamp.incident.model_copy(update={"classification": seen})})
    shown = {"_id": "lamp", **card(event)}
    row = row_of(shown, NOW, NAMES)
    assert (row["danger"], row["pinned"]) == (word, bool(word))
    assert re.findall(r'hy-tag urgent">([^<]+)', parts.title_line(shown, NOW)) == ([word] if word else [])


def test_a_reporters_words_stay_words() -> None:
    twin = document(STORIES["twin"])
    history = [vars_of(line_of_step(event, NAMES)) for event in STORIES["garbage"].feed]
    for shown in (
        parts.title_line(twin, NOW),
        parts.result(document(STORIES["garbage"])),
        parts.timeline(history, NOW),
    ):
        assert "<script>" not in shown
        assert "<b>灯杆已扶正</b>" not in shown


def test_a_wish_stands_in_the_address_and_a_search_is_no_pattern() -> None:
    assert Wish().address() == "/"
    assert Wish(state="overdue", q="灯").address(q="") == "/?state=overdue"
    [_, sought] = filter_of(Wish(q=".*("), NOW)["$and"]
    assert sought["$or"][0]["number"]["$regex"] == r"\.\*\("
    theirs = ("unit", "view.dispatch.assisting", "view.course.whistle.units")
    assert {"$or": [{name: "U04"} for name in theirs]} in filter_of(Wish(unit="U01"), NOW, own=Own("U04"))["$and"]
    nobody = {"$or": [{name: ""} for name in theirs]}
    assert nobody in filter_of(Wish(), NOW, own=Own(""))["$and"], "an account of a unit that nobody named sees nothing"


def test_what_has_no_history_was_held_by_nobody() -> None:
    assert parts.holding([], NOW) == []
