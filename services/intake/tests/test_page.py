"""The citizen's page: words people use, everything escaped, nothing from elsewhere."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from huying.intake import page
from huying.intake.domain import progress

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")


def light(colour: str) -> float:
    """Relative luminance, as WCAG has it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((light(one), light(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_every_colour_can_be_read_on_its_ground() -> None:
    """A rule's ink on its own ground; where it has none, on both of the page."""
    rules = [
        (re.findall(r"[;{]color:(#\w{6})", rule), re.findall(r"background:(#\w{6})", rule))
        for rule in re.findall(r"{[^}]*}", page.STYLE)
    ]
    grounds = ["#F5F7FA", "#FFFFFF"]
    assert sum(bool(ink) for ink, _ in rules) == 10, "every coloured rule is looked at"
    stands = [(ink, ground) for inks, own in rules for ink in inks for ground in own or grounds]
    assert [pair for pair in stands if contrast(*pair) < 4.5] == []


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0, "今天 09:00"),
        (-10, "昨天 23:00"),
        (20, "明天 05:00"),
        (24 * 7 + 8.5, "3月9日 17:30"),
        (-24 * 365, "2025年3月2日 09:00"),
    ],
)
def test_times_are_spoken_as_people_do(hours: float, words: str) -> None:
    assert page.spoken(NOW + timedelta(hours=hours), NOW, ZONE) == words


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(27 * 60, "剩 1 天 3 小时"), (-120, "超期 2 小时"), (0, "剩 不到 1 分钟"), (65, "剩 1 小时 5 分钟")],
)
def test_deadlines_say_what_is_left(minutes: int, words: str) -> None:
    assert page.remaining(NOW + timedelta(minutes=minutes), NOW) == words


def shown(**changes: object) -> str:
    report = {"tracking_number": "ABCDEFGHJKMN", "received_at": NOW, "accepted_at": NOW}
    plain = progress.page(report, {}, {})
    return page.render(plain.model_copy(update=changes), NOW, "Asia/Shanghai")


def test_every_state_has_its_word_and_every_step_its_name() -> None:
    html = shown()
    for words in ("ABCD-EFGH-JKMN", "县调度中心", "✓ 已完成", "● 进行中", "○ 未开始", *progress.STEPS_ZH.values()):
        assert words in html
    assert "<script" not in html
    assert "src=" not in html


def test_words_of_others_are_escaped() -> None:
    result = progress.Result(text="<script>alert(1)</script>", at=NOW, pictures=('https://a.example/"><b>',))
    html = shown(result=result, unit=progress.Unit(code="U02", name="<i>局</i>"), matter="a&b")
    assert "<script>" not in html
    assert "<i>" not in html
    assert 'a.example/"' not in html
    assert "&lt;script&gt;" in html


def test_a_passed_deadline_and_an_extension_stand_apart() -> None:
    html = shown(until=NOW - timedelta(hours=2), extensions=1)
    assert "超期 2 小时" in html
    assert "已延期 1 次" in html
    assert "时限已暂停" in shown(paused=True, until=NOW)
    granted = shown(until=NOW + timedelta(hours=2), extensions=1, was_overdue=True)
    assert ("剩 2 小时" in granted, "曾超期" in granted) == (True, True)
    assert ("曾超期" in html, "曾超期" in shown(until=NOW + timedelta(hours=2))) == (False, False)


def test_what_is_done_again_says_so() -> None:
    assert "正在重新办理，第 1 次" in shown(redone=1, state="accepted")
    assert "已重新办理 1 次" in shown(redone=1, state="completed")
    assert "重新办理" not in shown()


def test_a_report_of_two_problems_shows_both_ways() -> None:
    other = progress.Progress(
        tracking_number="ABCDEFGHJKMN", received_at=NOW, steps=(), matter="供水", state="accepted"
    )
    html = shown(matter="路灯照明", others=(other,))
    assert html.index("路灯照明") < html.index("您反映的第 2 件事") < html.index("供水")
    assert "您反映的第" not in shown()


def test_a_ring_of_merges_does_not_hang_the_page() -> None:
    ring = {"a": {"version": 1, "merged_into": "b"}, "b": {"version": 1, "merged_into": "a"}}
    assert progress.incident_of({"a": 0}, ring) in ring.values()


def test_merges_of_merges_are_followed_to_their_end() -> None:
    chain = {f"in-{step}": {"version": 2, "merged_into": f"in-{step + 1}"} for step in range(30)}
    last = {"version": 1, "merged_into": None}
    assert progress.incident_of({"in-0": 0}, chain | {"in-30": last}) is last


def test_a_merge_whose_target_is_not_known_yet_shows_the_incident_it_was() -> None:
    known = {"a": {"version": 3, "merged_into": "b"}, "b": {"clocks": {}}}
    assert progress.incident_of({"a": 0}, known) is known["a"]


def way(state: str, **changes: object) -> progress.Progress:
    """The page of a matter in this state."""
    report = {"tracking_number": "ABCDEFGHJKMN", "received_at": NOW, "accepted_at": NOW, "incidents": {"a": 0}}
    incident = {"version": 5, "number": "260302-00001", "state": state, "matter": "路灯照明", "opened_at": NOW}
    return progress.page(report, {"a": incident | {"completed_at": None} | changes}, {})


def completed(*clocks: dict[str, object]) -> progress.Progress:
    """The page of a matter that was completed now, with these clocks."""
    plain = {"kind": "resolution", "state": "stopped", "breached": False, "extensions": 0, "at": NOW}
    told = {str(n): plain | clock for n, clock in enumerate(clocks)}
    return way("completed", completed_at=NOW, clocks=told)


def test_what_another_order_covers_waits_for_its_ruling_or_is_handled_with_it_and_nobody_has_to_accept_it() -> None:
    def note(shown: progress.Progress, code: str) -> str | None:
        return next(step.note for step in shown.steps if step.code == code)

    assert note(way("covered", dispatch=None), "assigned") == note(way("adjudicating", dispatch=None), "assigned")
    under = {"unit": "U02", "unit_name": "城管局", "dispatched_at": NOW}
    assert note(way("covered", dispatch=under), "handled") == "与同一群体事件一并办理"
    assert note(way("covered", dispatch=under | {"contacted_at": NOW}), "handled") == "已与反映人联系，正在处置"
    assert note(way("dispatched", dispatch=under), "handled") == "等待责任单位签收"


def test_a_completed_matter_still_says_its_deadline_extensions_and_breach() -> None:
    due = NOW - timedelta(hours=2)
    late = completed({"due_at": due, "verdict": "late", "extensions": 1})
    assert (late.until, late.overdue, late.extensions) == (due, True, 1)
    html = page.render(late, NOW, "Asia/Shanghai")
    assert "超期 2 小时办结 · 时限为 今天 07:00" in html
    assert "已延期 1 次" in html
    kept = completed({"due_at": NOW + timedelta(hours=1), "verdict": "on_time"})
    assert (kept.overdue, kept.extensions) == (False, 0)
    assert "按时办结 · 时限为 今天 10:00" in page.render(kept, NOW, "Asia/Shanghai")


def test_a_breach_of_the_first_time_stays_when_it_was_done_again_in_time_and_a_void_clock_says_nothing() -> None:
    first = {"due_at": NOW - timedelta(days=5), "breached": True, "at": NOW - timedelta(days=4)}
    void = {"due_at": NOW - timedelta(days=9), "verdict": "void", "breached": True, "extensions": 3}
    again = {"due_at": NOW + timedelta(hours=1), "verdict": "on_time"}
    accepted = {"kind": "acceptance", "due_at": NOW, "verdict": "late"}
    both = completed(again, first, void, accepted)
    assert (both.until, both.overdue, both.extensions) == (again["due_at"], True, 0)
    assert "办理中曾超期" in page.render(both, NOW, "Asia/Shanghai")
    assert completed(again, void, accepted).overdue is False
    assert completed(void).until is None
