"""Who is told what, by Julu's people and words."""

from datetime import UTC, datetime
from typing import Any

import pytest
from notify_lives import DUTY, GRID, HOUR, START, Life, breached, invited, pairs, stopped, tell, warned

from huying.contracts import incidents, orders
from huying.contracts.commands import Actor
from huying.contracts.course import ExtensionRequest
from huying.contracts.places import Place
from huying.notification.domain import Desk


def test_a_dispatch_tells_the_unit_its_helpers_the_grid_worker_and_the_reporter(desk: Desk) -> None:
    _, told = tell(desk, Life("A").opened().dispatched(assisting=("U03", "T01")))
    assert told[0] == []
    assert pairs(told[1]) == [
        DUTY,
        ("unit:U03:duty_officer", "assisting"),
        ("unit:T01:duty_officer", "assisting"),
        (GRID, "grid_dispatched"),
        ("reporter:wang", "reporter_progress"),
    ]
    duty = told[1][0]
    assert duty.title == "【派单】N-A 路灯照明"
    assert "单位U02：巨鹿镇南街居委会有群众反映" in duty.text
    assert "由你单位主责，县住房和城乡建设局、巨鹿镇配合。" in duty.text
    assert "依据：《城市照明管理规定》" in duty.text


def test_a_reporter_gets_the_link_to_the_progress(desk: Desk) -> None:
    link = "进度：https://julu.example/v1/reports/T0"
    assert [link in one.text for one in tell(desk, Life("A").opened().dispatched())[1][1]] == [False, False, True]


def test_what_a_reporter_wrote_is_text_and_never_a_template(desk: Desk) -> None:
    _, told = tell(desk, Life("A").opened().dispatched())
    assert "{{ 7*7 }}路灯不亮" in told[1][0].text


def test_the_result_goes_to_the_grid_worker_and_to_every_reporter_once(desk: Desk) -> None:
    life = Life("A").opened("wang").dispatched().joined("li").joined("wang").joined(None).completed()
    _, told = tell(desk, life)
    assert pairs(told[2]) == [("reporter:li", "reporter_joined")]
    assert pairs(told[3]) == [("reporter:wang", "reporter_joined")]
    assert told[4] == []
    assert pairs(told[5]) == [
        (GRID, "grid_completed"),
        ("reporter:wang", "reporter_completed"),
        ("reporter:li", "reporter_completed"),
    ]
    assert "灯修好了" in told[5][2].text
    assert "T2" in told[5][2].title, "everyone is told under the number of their own report"


def test_who_joins_what_is_finished_is_told_its_result_and_not_one_that_no_longer_stands(desk: Desk) -> None:
    life = Life("A").opened("wang").dispatched().completed().joined("li", "person", state="completed")
    _, told = tell(desk, life.joined(None, "person", state="completed"))
    assert pairs(told[3]) == [("reporter:li", "reporter_joined"), ("reporter:li", "reporter_completed")]
    assert "灯修好了" in told[3][1].text
    assert "T3" in told[3][1].title
    assert told[4] == []
    life.beside(orders.IncidentRedoneV1, reason="不满意", count=1).joined("zhao")
    _, told = tell(desk, life)
    assert pairs(told[-1]) == [("reporter:zhao", "reporter_joined")]


def test_what_is_covered_from_birth_is_told_to_grid_worker_and_reporter_as_an_order_is_and_once(desk: Desk) -> None:
    life = Life("A").opened("wang")
    life.beside(orders.IncidentGroupedV1, "dispatched", parent="B", parent_number="N-B")
    _, told = tell(desk, life.covered().covered())
    assert pairs(told[2]) == [
        ("unit:U02:duty_officer", "covered"),
        (GRID, "grid_dispatched"),
        ("reporter:wang", "reporter_progress"),
    ]
    assert pairs(told[3]) == [("unit:U02:duty_officer", "covered")]


def test_what_is_covered_while_that_is_ruled_upon_or_after_an_order_of_its_own_is_told_by_whom_it_is_placed(
    desk: Desk,
) -> None:
    _, told = tell(desk, Life("A").opened("wang").covered(None).covered())
    assert told[1] == []
    assert ("reporter:wang", "reporter_progress") in pairs(told[2])
    _, told = tell(desk, Life("A").opened("wang").dispatched().covered())
    assert pairs(told[2]) == [("unit:U02:duty_officer", "covered")]


def test_who_was_split_off_is_told_where_the_report_went_and_no_more_of_the_old_incident(desk: Desk) -> None:
    life = Life("A").opened().joined("li").joined("wang").dispatched()
    leaving = life.steps[1].report  # type: ignore[attr-defined]
    _, told = tell(desk, life.parted(leaving).completed())
    assert pairs(told[-2]) == [("reporter:li", "reporter_split")]
    assert "N-C" in told[-2][0].text
    assert "reporter:li" not in {who for who, _ in pairs(told[-1])}
    assert [who for who, _ in pairs(told[-1])].count("reporter:wang") == 1


def test_who_told_of_two_problems_is_told_of_both_and_has_one_voice_when_they_are_one_again(desk: Desk) -> None:
    life = Life("A").opened("li").dispatched()
    whole = life.steps[0].report  # type: ignore[attr-defined]
    part = whole.model_copy(update={"report_id": "rp-part", "part_of": whole.report_id})
    life.beside(orders.IncidentPartedV1, into="C", into_number="N-C", part=part, reason="两件事")
    _, told = tell(desk, life)
    assert pairs(told[-1]) == [("reporter:li", "reporter_parted")]
    assert "N-C" in told[-1][0].text
    life.beside(incidents.IncidentReportJoinedV1, report=part, how="person", score=1)
    life.parted(part).completed()
    _, told = tell(desk, life)
    assert [who for who, _ in pairs(told[-1])].count("reporter:li") == 1, "the report itself is still here"


def test_a_report_that_a_split_or_an_undoing_brings_is_not_told_twice_and_a_persons_merge_is(desk: Desk) -> None:
    for how, expected in (("split", []), ("restored", []), ("person", [("reporter:li", "reporter_joined")])):
        _, told = tell(desk, Life("A").opened().joined("li", how))
        assert pairs(told[-1]) == expected


def test_a_merged_incident_has_nobody_left_to_tell(desk: Desk) -> None:
    facts, _ = tell(desk, Life("A").opened().merged())
    assert facts.reporters == ()


def test_more_time_a_pause_and_a_redo_are_told_to_those_who_reported(desk: Desk) -> None:
    until = START + 90 * HOUR
    request = ExtensionRequest(until=until, reason="等配件", requested_at=START)
    cases: list[tuple[Any, str, dict[str, Any]]] = [
        (orders.IncidentExtensionDecidedV1, "reporter_extended", {"request": request, "granted": True, "count": 1}),
        (orders.IncidentSuspendedV1, "reporter_paused", {"reason": "等材料", "until": until}),
        (orders.IncidentRedoneV1, "reporter_redone", {"reason": "不满意", "count": 1}),
    ]
    for kind, template, facts in cases:
        _, told = tell(desk, Life("A").opened().dispatched().beside(kind, **facts))
        assert ("reporter:wang", template) in pairs(told[-1])
    refused = {"request": request, "granted": False, "count": 0, "reason": "不够充分"}
    _, told = tell(desk, Life("A").opened().dispatched().beside(orders.IncidentExtensionDecidedV1, **refused))
    assert {template for _, template in pairs(told[-1])} == {"extension_decided"}


def test_a_date_at_the_end_of_all_years_is_told_like_any_other(desk: Desk) -> None:
    request = ExtensionRequest(until=datetime(9999, 12, 31, 23, 59, tzinfo=UTC), reason="等", requested_at=START)
    _, told = tell(desk, Life("A").opened().dispatched().beside(orders.IncidentExtensionRequestedV1, request=request))
    assert "12月31日" in told[-1][0].text


def test_called_and_withdrawn_units_and_those_under_supervision_are_told(desk: Desk) -> None:
    whistle = {"units": ("U05", "U09"), "meet_at": "村口", "reason": "线杆要倒"}
    life = Life("A").opened().dispatched().beside(orders.IncidentWhistledV1, **whistle)
    life.beside(orders.IncidentSupervisedV1, listed=True, reason="拖")
    life.beside(orders.IncidentWithdrawnV1, dispatch=life.dispatch, reason="改派")
    _, told = tell(desk, life)
    assert [template for _, template in pairs(told[2])] == ["whistled", "whistled"]
    assert {template for _, template in pairs(told[3])} == {"supervised"}
    assert [template for _, template in pairs(told[4])] == ["withdrawn"]


def test_the_end_of_a_pause_is_told_to_the_unit_and_to_who_was_told_of_the_pause(desk: Desk) -> None:
    for expired in (True, False):
        life = Life("A").opened().dispatched()
        life.beside(orders.IncidentSuspendedV1, "suspended", reason="等材料", until=START + 90 * HOUR)
        _, told = tell(
            desk, life.beside(orders.IncidentResumedV1, expired=expired, reason=None if expired else "料到了")
        )
        assert pairs(told[-2]) == [("unit:U02:duty_officer", "suspended"), ("reporter:wang", "reporter_paused")]
        assert pairs(told[-1]) == [("unit:U02:duty_officer", "resumed"), ("reporter:wang", "reporter_resumed")]
        assert ("挂起到期" in told[-1][0].text, "料到了" in told[-1][0].text) == (expired, not expired)
    life.steps[-1] = life.steps[-1].model_copy(update={"actor": Actor(id="clerk", role="unit", unit="U02")})
    assert pairs(tell(desk, life)[1][-1]) == [("reporter:wang", "reporter_resumed")], "the unit did it itself"


def test_a_pause_that_ends_with_its_order_is_told_to_who_was_told_of_the_pause(desk: Desk) -> None:
    for state, heard in (("suspended", [("reporter:wang", "reporter_resumed")]), ("accepted", [])):
        life = Life("A").opened().dispatched()
        life.beside(orders.IncidentWithdrawnV1, state, dispatch=life.dispatch, reason="随 N-B 一并办理")
        _, told = tell(desk, life.covered().covered())
        assert pairs(told[-3]) == [("unit:U02:duty_officer", "withdrawn")]
        assert "不再由你单位主责" not in told[-3][0].text, "it is theirs still, under another order"
        assert pairs(told[-2]) == [("unit:U02:duty_officer", "covered"), *heard]
        assert pairs(told[-1]) == [("unit:U02:duty_officer", "covered")], "once"


def test_a_paused_order_that_is_merged_is_told_of_as_the_other_and_not_as_one_that_goes_on(desk: Desk) -> None:
    life = Life("A").opened().dispatched()
    life.beside(orders.IncidentSuspendedV1, "suspended", reason="等材料", until=START + 90 * HOUR)
    life.beside(orders.IncidentWithdrawnV1, "suspended", dispatch=life.dispatch, reason="并入 N-B")
    facts, told = tell(desk, life.merged())
    assert [pairs(one) for one in told[-2:]] == [[("unit:U02:duty_officer", "withdrawn")], []]
    assert not facts.pause_over


def test_who_heard_of_supervision_hears_that_it_is_lifted(desk: Desk) -> None:
    life = Life("A").opened().dispatched().beside(orders.IncidentSupervisedV1, listed=True, reason="拖")
    _, told = tell(desk, life.beside(orders.IncidentSupervisedV1, listed=False, reason="已按期整改"))
    assert [who for who, _ in pairs(told[-1])] == [who for who, _ in pairs(told[-2])]
    assert {template for _, template in pairs(told[-1])} == {"supervision_lifted"}
    assert "已按期整改" in told[-1][0].text


@pytest.mark.parametrize(("by", "why"), [("expired", "时间已到"), ("completed", "已办结"), ("person", "")])
def test_a_flood_mode_that_no_person_ended_is_told_to_the_dispatchers(desk: Desk, by: str, why: str) -> None:
    _, told = tell(desk, Life("A").opened().dispatched().beside(orders.IncidentFloodClosedV1, by=by))
    assert pairs(told[-1]) == ([("unit:U22:dispatcher", "flood_closed")] if why else [])
    assert all(why in one.text for one in told[-1])


@pytest.mark.parametrize(
    ("high", "others"),
    [
        ("village", ["unit:T01:duty_officer", "unit:T01:leader"]),
        ("town", ["unit:T01:duty_officer", "unit:T01:leader"]),
        ("county", ["unit:U22:dispatcher"]),
    ],
)
def test_a_level_up_is_told_to_the_unit_that_has_it_and_to_the_level(desk: Desk, high: str, others: list[str]) -> None:
    facts = {"from_level": "grid", "to_level": high, "reason": "缺材料"}
    _, told = tell(desk, Life("A").opened().dispatched().beside(orders.IncidentEscalatedV1, **facts))
    who = ["unit:U02:duty_officer", "unit:U02:leader", *others]
    assert pairs(told[-1]) == [(one, "escalated") for one in who]
    assert "由网格升到" in told[-1][0].text
    assert "缺材料" in told[-1][0].text


def test_an_order_of_the_town_itself_that_goes_up_is_told_once_each(desk: Desk) -> None:
    facts = {"from_level": "village", "to_level": "town", "reason": "缺材料"}
    _, told = tell(desk, Life("A").opened().dispatched("T01").beside(orders.IncidentEscalatedV1, **facts))
    assert pairs(told[-1]) == [("unit:T01:duty_officer", "escalated"), ("unit:T01:leader", "escalated")]


def test_an_impatient_reporter_reaches_the_duty_officer(desk: Desk) -> None:
    _, told = tell(desk, Life("A").opened().dispatched().joined("wang", how="follow_up"))
    assert pairs(told[2]) == [("reporter:wang", "reporter_joined"), ("unit:U02:duty_officer", "follow_up")]


def test_an_impatient_reporter_reaches_the_dispatchers_where_no_unit_has_it_and_nobody_where_it_is_done(
    desk: Desk,
) -> None:
    life = Life("A").opened().dispatched().returned("adjudicating").joined("wang", "follow_up", "adjudicating")
    assert pairs(tell(desk, life)[1][-1])[1:] == [("unit:U22:dispatcher", "follow_up")]
    life = Life("A").opened().dispatched().completed().joined("wang", "follow_up", "completed")
    assert [who for who, _ in pairs(tell(desk, life)[1][-1])] == ["reporter:wang", "reporter:wang"]


def test_questions_and_returns_go_to_the_dispatchers(desk: Desk) -> None:
    _, told = tell(desk, Life("A").opened().asked().dispatched().returned().dispatched("U04"))
    assert pairs(told[1]) == [("unit:U22:dispatcher", "asked")]
    assert "N-X" in told[1][0].text
    assert "3月2日11:00" in told[1][0].text
    assert "逾期将自动派单" in told[1][0].text
    assert pairs(told[3]) == [("unit:U22:dispatcher", "returned")]
    assert pairs(told[4])[0] == ("unit:U04:duty_officer", "dispatched")
    _, told = tell(desk, Life("A").opened().dispatched().asked_beside())
    assert pairs(told[2]) == [("unit:U22:dispatcher", "asked")]
    assert "可能与 N-X、N-Y、N-Z 是同一件事" in told[2][0].text
    assert "已先行派单，研判不影响处置" in told[2][0].text


def test_a_return_that_leaves_it_to_the_centre_asks_the_dispatchers_to_rule(desk: Desk) -> None:
    _, told = tell(desk, Life("A").opened().dispatched().returned().returned("adjudicating"))
    assert ["请裁决" in notices[0].text for notices in told[2:]] == [False, True]
    assert ["改派" in notices[0].text for notices in told[2:]] == [True, False]
    assert all(notices[0].text.startswith("单位U02退回") for notices in told[2:]), "the centre returns nothing"


def test_a_place_without_a_village_has_no_grid_worker_to_tell(desk: Desk) -> None:
    life = Life("A", Place(address="某处")).opened(None).dispatched()
    _, told = tell(desk, life)
    assert pairs(told[1]) == [DUTY]
    assert "某处有群众反映" in told[1][0].text


def test_a_warning_reaches_the_roles_of_its_step(desk: Desk) -> None:
    facts, _ = tell(desk, Life("A").opened().dispatched())
    people = desk.on_clock(facts, warned("A", 75, "duty_officer", "grid_worker"), "ck-A/75")
    assert pairs(people) == [("unit:U02:duty_officer", "clock_warned"), (GRID, "clock_warned")]
    assert people[0].title == "【提醒】N-A 答复时限已过 75%"
    assert "须在 3月4日18:00 前完成答复" in people[0].text
    assert "迟发" not in people[0].text
    late = desk.on_clock(facts, warned("A", 75, "leader", late=True), "ck-A/75")
    assert "迟发" in late[0].text


def test_a_breach_reaches_leader_and_supervisors_and_nobody_is_told_of_it_twice(desk: Desk) -> None:
    facts, _ = tell(desk, Life("A").opened().dispatched())
    last = desk.on_clock(facts, warned("A", 100, "leader", "dispatcher"), "ck-A/100")
    breach = desk.on_clock(facts, breached("A", "leader", "supervisor"), "ck-A/breached")
    assert pairs(last) == [("unit:U22:dispatcher", "clock_warned")]
    assert pairs(breach) == [
        ("unit:U02:leader", "clock_breached"),
        ("unit:U90:supervisor", "clock_breached"),
        ("unit:U91:supervisor", "clock_breached"),
    ]
    again = desk.on_clock(facts, warned("A", 140, "leader"), "ck-A/+1")
    assert pairs(again) == [("unit:U02:leader", "clock_reminded")]


def test_before_a_dispatch_a_warning_goes_to_the_dispatch_centre(desk: Desk) -> None:
    facts, _ = tell(desk, Life("A").opened())
    told = desk.on_clock(facts, warned("A", 50, "duty_officer", unit=None), "ck-A/50")
    assert pairs(told) == [("unit:U22:duty_officer", "clock_warned")]


def test_nobody_is_told_that_a_clock_stopped(desk: Desk) -> None:
    facts, _ = tell(desk, Life("A").opened())
    assert desk.on_clock(facts, stopped("A"), "ck-A/stopped") == []


def test_an_invitation_carries_the_citizens_link(desk: Desk) -> None:
    facts, _ = tell(desk, Life("A").opened())
    [notice] = desk.on_rating(facts, invited("A"))
    assert (notice.recipient.id, notice.template) == ("reporter:wang", "rating_invited")
    assert "https://rate.example/r/abc" in notice.text


def test_a_notice_is_named_by_what_it_is_about_and_whom_it_tells(desk: Desk) -> None:
    life = Life("A").opened().dispatched(assisting=("U03",)).dispatched()
    _, told = tell(desk, life)
    ids = [notice.id for notices in told for notice in notices]
    assert len(ids) == len(set(ids))
    assert ids == [notice.id for notices in tell(desk, life)[1] for notice in notices]
    assert desk.on_incident(tell(desk, life)[0], life.steps[1]) is None
