"""What people read, as a table of moments."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huying.console.evidence import marked
from huying.console.words import ZONE, dated, deadline, exact, leading, place, question, span, when

NOW = datetime(2026, 3, 9, 6, 20, tzinfo=UTC)
"""Monday 14:20 in the county."""
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ((2026, 3, 9, 14, 20), "今天 14:20"),
        ((2026, 3, 9, 0, 0), "今天 00:00"),
        ((2026, 3, 8, 23, 59), "昨天 23:59"),
        ((2026, 3, 10, 17, 30), "明天 17:30"),
        ((2026, 3, 2, 8, 5), "3月2日 08:05"),
        ((2025, 12, 31, 8, 5), "2025年12月31日 08:05"),
    ],
)
def test_times_are_said_as_people_say_them(moment, said):
    assert when(datetime(*moment, tzinfo=ZONE).astimezone(UTC), NOW) == said


def test_a_line_of_the_history_says_a_date_that_stays_true():
    tomorrow = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
    assert dated(tomorrow, NOW) == "3月10日 17:30"
    assert dated(tomorrow, NOW.replace(year=2025)) == "2026年3月10日 17:30"


def test_a_date_at_the_end_of_all_years_is_said_like_any_other():
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    assert when(last, NOW) == "9999年12月31日 23:59"
    assert exact(last) == "9999-12-31 23:59:00"


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(days=1, hours=3, minutes=40), "1 天 3 小时"),
        (timedelta(days=2), "2 天"),
        (timedelta(hours=2), "2 小时"),
        (timedelta(hours=2, minutes=5), "2 小时 5 分"),
        (timedelta(minutes=12), "12 分"),
        (timedelta(seconds=59), "不到 1 分"),
    ],
)
def test_a_span_has_two_parts_at_most(length, said):
    assert span(length) == said


def clock(**changes):
    return {
        "kind": "resolution",
        "state": "running",
        "due_at": NOW + 10 * HOUR,
        "started_at": NOW - 10 * HOUR,
        "at": NOW,
        "verdict": None,
        "extended": 0,
    } | changes


@pytest.mark.parametrize(
    ("changes", "text", "until", "tone"),
    [
        ({}, "剩 10 小时", "明天 00:20 前", "on_time"),
        ({"due_at": NOW + HOUR}, "剩 1 小时", "今天 15:20 前", "soon"),
        ({"due_at": NOW}, "超期 不到 1 分", "今天 14:20 前", "overdue"),
        ({"due_at": NOW - 2 * HOUR}, "超期 2 小时", "今天 12:20 前", "overdue"),
        ({"state": "paused"}, "已暂停", "原定明天 00:20 前", "held"),
        ({"state": "stopped", "verdict": "on_time"}, "按时办结", "", "on_time"),
        ({"state": "stopped", "verdict": "late", "kind": "acceptance"}, "超期签收", "", "overdue"),
        ({"state": "stopped", "verdict": "void"}, "不计时限", "", "done"),
    ],
)
def test_a_deadline_says_what_is_left_and_until_when(changes, text, until, tone):
    said = deadline(clock(**changes), NOW)
    assert (said.text, said.until, said.tone) == (text, until, tone)


def test_a_question_says_when_it_answers_itself():
    assert question(NOW + timedelta(minutes=25), NOW).text == "研判剩 25 分"
    assert question(NOW, NOW).text == "即将自动派单"


def test_the_list_shows_the_earliest_final_clock_and_others_only_when_there_is_none():
    acceptance = clock(kind="acceptance", due_at=NOW + HOUR)
    response = clock(kind="response", due_at=NOW + 3 * HOUR)
    resolution = clock(kind="resolution", due_at=NOW + 5 * HOUR)
    done = clock(kind="response", state="stopped", verdict="on_time")
    void = clock(kind="resolution", state="stopped", verdict="void")
    assert leading({"a": acceptance, "b": resolution, "c": response}) == response
    assert leading({"a": acceptance}) == acceptance
    assert leading({"a": acceptance, "d": done, "v": void}) == done
    assert leading({"v": void}) is None
    assert leading({}) is None


@pytest.mark.parametrize(
    ("spot", "said"),
    [
        ({"town": "官亭镇", "address": "官亭村口"}, "官亭镇官亭村口"),
        ({"town": "官亭镇", "village": "官亭村", "address": "官亭镇官亭村口"}, "官亭镇官亭村口"),
        ({"town": "官亭镇"}, "官亭镇"),
        ({}, "地点不明"),
    ],
)
def test_a_place_is_said_once(spot, said):
    assert place({"place": spot}) == said


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_marks_never_let_a_reporters_words_become_markup(texts):
    for text, shown in zip(texts, marked(*texts), strict=True):
        bare = shown.replace("<mark>", "").replace("</mark>", "")
        assert "<" not in bare
        assert bare.count("&lt;") == text.count("<")


def test_what_two_reports_share_is_marked_in_both():
    left, right = marked("南门灯杆歪了", "灯杆让车撞歪了")
    assert left == "南门<mark>灯杆</mark><mark>歪了</mark>"
    assert right == "<mark>灯杆</mark>让车撞<mark>歪了</mark>"


def test_what_a_report_shares_with_any_of_several_is_marked_in_it():
    left, first, second = marked("育红街饭店煤气味很大", "垃圾很大一堆", "饭店煤气味，在育红街")
    assert left == "育红街<mark>饭店煤气味</mark><mark>很大</mark>"
    assert first == "垃圾<mark>很大</mark>一堆"
    assert "<mark>饭店煤气味</mark>" in second
    assert marked("南门灯杆歪了", "灯杆歪", "门灯杆")[0] == "南<mark>门灯杆歪</mark>了"
    assert marked("南门灯杆歪了") == ("南门灯杆歪了",)
