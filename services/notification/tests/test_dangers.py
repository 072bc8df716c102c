"""Who is told of a danger, of an order that becomes one, and of its end."""

from typing import Any

import pytest
from notify_lives import GRID, Life, pairs, tell

from huying.contracts import orders
from huying.notification.domain import Desk


def raised(kind: Any, before: dict[str, Any], after: dict[str, Any], **facts: Any) -> Life:
    """An order that a report or a person makes dangerous."""
    life = Life("A").opened().dispatched()
    known = life.steps[-1].incident.classification
    life.danger = after
    return life.beside(kind, before=known.model_copy(update=before), **facts)


@pytest.mark.parametrize(
    ("danger", "word", "said"),
    [({"clock_class": "emergency"}, "紧急", "立即处置"), ({"alarm": True}, "险情待核", "尽快核定")],
)
def test_a_danger_is_told_to_the_dispatchers_at_once_and_its_order_says_so(
    desk: Desk, danger: dict[str, Any], word: str, said: str
) -> None:
    life = Life("A")
    life.danger = danger
    _, told = tell(desk, life.opened().dispatched())
    assert pairs(told[0]) == [("unit:U22:dispatcher", "alarm")]
    assert told[0][0].title == f"【{word}】N-A 路灯照明"
    assert said in told[0][0].text
    assert told[1][0].title == f"【{word}·派单】N-A 路灯照明"


@pytest.mark.parametrize("danger", [{"clock_class": "emergency"}, {"alarm": True}])
def test_whoever_has_a_danger_reads_that_it_is_one_however_it_comes_to_them(desk: Desk, danger: dict[str, Any]) -> None:
    word = "【紧急·" if "clock_class" in danger else "【险情待核·"
    for life in (Life("A").opened(), Life("B").opened()):
        life.danger = danger
        _, told = tell(desk, life.dispatched(assisting=("U03",)) if life.name == "A" else life.covered())
        warned = [one.template for one in told[1] if one.title.startswith(word)]
        assert warned == (["dispatched", "assisting"] if life.name == "A" else ["covered"]) + ["grid_dispatched"]


@pytest.mark.parametrize("after", [{"clock_class": "emergency"}, {"alarm": True}])
def test_a_unit_that_has_the_order_hears_at_once_that_it_became_dangerous(desk: Desk, after: dict[str, Any]) -> None:
    _, told = tell(desk, raised(orders.IncidentAlarmedV1, {}, after, reason="新并入的诉求反映有险情"))
    assert pairs(told[-1]) == [
        ("unit:U02:duty_officer", "alarm"),
        ("unit:U02:leader", "alarm"),
        (GRID, "alarm"),
        ("unit:U22:dispatcher", "alarm"),
    ]
    assert "新并入的诉求反映有险情" in told[-1][0].text


def test_who_assists_hears_that_it_became_dangerous_and_that_it_is_no_danger(desk: Desk) -> None:
    life, danger = Life("A").opened().dispatched(assisting=("U03",)), {"clock_class": "emergency"}
    for before, after in (({}, danger), (danger, {})):
        life.danger = after
        known = life.steps[0].incident.classification.model_copy(update=before)
        life.beside(orders.IncidentConfirmedV1, before=known, reason="到场看过")
    told = [[one for one in notices if one.recipient.id == "unit:U03:duty_officer"] for notices in tell(desk, life)[1]]
    assert [pairs(notices) for notices in told[2:]] == [
        [("unit:U03:duty_officer", "alarm")],
        [("unit:U03:duty_officer", "alarm_over")],
    ]
    assert all(one.text.startswith("县住房和城乡建设局：") for notices in told[2:] for one in notices)


@pytest.mark.parametrize(
    ("before", "after", "heard"),
    [
        ({}, {"clock_class": "emergency"}, "alarm"),
        ({"alarm": True}, {"clock_class": "emergency"}, "alarm"),
        ({"alarm": True}, {"alarm": True}, ""),
        ({"clock_class": "emergency"}, {"clock_class": "emergency"}, ""),
        ({"clock_class": "emergency"}, {}, "alarm_over"),
        ({"alarm": True}, {}, "alarm_over"),
        ({}, {}, ""),
    ],
)
def test_a_confirmation_that_makes_an_emergency_or_ends_a_danger_is_told_to_whoever_heard_of_it(
    desk: Desk, before: dict[str, Any], after: dict[str, Any], heard: str
) -> None:
    _, told = tell(desk, raised(orders.IncidentConfirmedV1, before, after, reason="到场看过"))
    people = ["unit:U02:duty_officer", "unit:U02:leader", GRID, "unit:U22:dispatcher"]
    assert pairs(told[-1]) == ([(one, heard) for one in people] if heard else [])
    assert all("到场看过" in one.text for one in told[-1])


def test_a_held_incident_that_becomes_dangerous_is_told_to_the_dispatchers_and_then_to_its_unit(desk: Desk) -> None:
    life = Life("A").opened().asked()
    before = life.steps[-1].incident.classification
    life.danger = {"clock_class": "emergency"}
    life.beside(orders.IncidentAlarmedV1, "asked", before=before, reason="有险情").dispatched()
    _, told = tell(desk, life)
    assert pairs(told[2]) == [("unit:U22:dispatcher", "alarm")]
    assert told[3][0].title == "【紧急·派单】N-A 路灯照明"
