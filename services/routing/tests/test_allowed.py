"""Which move is allowed to whom in which state: every row of the state table, and what a refusal says."""

import re

import pytest
from orders_bench import HOUR, PACK, START, TOWN, County, accepted, adjudicating, in_state

from huying.contracts import commands as c
from huying.contracts.incidents import State
from huying.contracts.moves import MOVES, STATE_WORDS, legal
from huying.contracts.places import Place

WISHES: tuple[c.Action, ...] = (
    c.Accept(),
    c.Contact(),
    c.Return(reason="错", basis="职责清单"),
    c.Complete(text="好"),
    c.AnswerAsk(same=False),
    c.Confirm(),
    c.Assign(unit="U09", reason="更合适"),
    c.Rule(unit="U09", basis="职责清单第三条"),
    c.Escalate(reason="办不了"),
    c.BlowWhistle(units=("U09",), meet_at="村口", reason="要一起看"),
    c.CheckIn(unit="U09"),
    c.JointReview(units=("U09",), topic="谁来修"),
    c.Supervise(reason="拖得太久"),
    c.LiftSupervision(reason="办完了"),
    c.Suspend(reason="等材料", until=START + HOUR),
    c.Resume(),
    c.RequestExtension(until=START + 90 * HOUR, reason="等配件"),
    c.ApproveExtension(),
    c.RefuseExtension(reason="不够充分"),
    c.Redo(reason="没修好"),
    c.Group(children=("nothing",)),
    c.Release(),
    c.OpenFlood(until=START + HOUR),
    c.CloseFlood(),
    c.Merge(into="nothing", reason="同一件"),
    c.Split(reports=("nothing",), reason="两件事"),
    c.PartReport(report="r0", text="路灯不亮", reason="x"),
    c.UndoMerge(reason="并错了"),
)


def test_every_command_of_the_contract_has_its_row_in_the_state_table() -> None:
    assert [wish.kind for wish in WISHES] == list(MOVES)
    assert {wish.kind for wish in WISHES} == {
        kind.model_fields["kind"].default for kind in c.Action.__args__[0].__args__
    }  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "state",
    ["asked", "dispatched", "accepted", "contacted", "suspended", "adjudicating", "covered", "completed", "merged"],
)
@pytest.mark.parametrize("wish", WISHES, ids=[wish.kind for wish in WISHES])
def test_a_move_outside_the_table_is_declined_with_the_state_and_the_legal_ones(
    county: County, state: State, wish: c.Action
) -> None:
    incident = in_state(county, state)
    before = county[incident]
    declined = county.wishes(incident, wish, "leader").declined
    illegal = declined is not None and declined.reason == "illegal_move"
    assert illegal == (state not in MOVES[wish.kind].states)
    if illegal:
        assert declined is not None
        assert (declined.state, declined.legal) == (state, legal(state))
        assert STATE_WORDS[state] in declined.message
        assert all(MOVES[kind].word in declined.message for kind in declined.legal)
        assert not re.search("[a-z_]", declined.message), "people read it; programs read `state` and `legal`"
        assert county[incident] == before


@pytest.mark.parametrize("wish", WISHES, ids=[wish.kind for wish in WISHES])
@pytest.mark.parametrize("role", ["citizen", "grid_worker", "unit", "dispatcher", "leader", "supervisor", "system"])
def test_a_role_that_the_table_does_not_name_is_refused(county: County, role: c.Role, wish: c.Action) -> None:
    state = sorted(MOVES[wish.kind].states)[0]
    incident = in_state(county, state)
    unit = county[incident].unit
    declined = county.wishes(incident, wish, role, None if role == "leader" else unit).declined
    forbidden = declined is not None and declined.reason == "not_allowed"
    assert forbidden == (role not in MOVES[wish.kind].roles or (role == "unit" and unit is None))


@pytest.mark.parametrize("wish", WISHES, ids=[wish.kind for wish in WISHES])
def test_the_head_of_a_unit_may_what_the_unit_may_and_nothing_of_the_centre(county: County, wish: c.Action) -> None:
    incident = in_state(county, sorted(MOVES[wish.kind].states)[0])
    unit = county[incident].unit or "U02"

    if "unit" not in MOVES[wish.kind].roles:
        declined = county.wishes(incident, wish, "leader", unit).declined
        assert declined is not None
        assert declined.reason == "not_allowed"
        assert "单位负责人" in declined.message
    else:
        assert county.refused(incident, wish, "leader", "U13") == "not_allowed", "it is another's"
        declined = county.wishes(incident, wish, "leader", unit).declined
        assert declined is None or declined.reason != "not_allowed"


@pytest.mark.parametrize(
    ("role", "unit", "reason"),
    [
        ("unit", "U05", "not_allowed"),
        ("unit", "U02", None),
        ("leader", None, None),
        ("leader", "U02", None),
        ("leader", "U05", "not_allowed"),
    ],
)
def test_only_the_responsible_unit_its_head_or_the_centre_may_accept(
    county: County, role: str, unit: str | None, reason: str | None
) -> None:
    declined = county.wishes(county.arrives(), c.Accept(), role, unit).declined
    assert (declined.reason if declined else None) == reason


def test_the_head_of_a_unit_does_not_rule_on_its_own_case_nor_grant_its_own_time(county: County) -> None:
    case = adjudicating(county)
    assert county.refused(case, c.Rule(unit="U05", basis="纪要"), "leader", "U02") == "not_allowed"
    order = accepted(county)
    county.done(order, c.RequestExtension(until=START + 90 * HOUR, reason="等"), "leader", "U02")
    assert county.refused(order, c.ApproveExtension(), "leader", "U02") == "not_allowed"
    assert county.done(order, c.ApproveExtension(), "leader").course.extensions == 1


@pytest.mark.parametrize(
    "wish",
    [c.Accept(), c.Contact(), c.Return(reason="错", basis="职责清单"), c.Complete(text="好")],
    ids=lambda w: w.kind,
)
def test_a_unit_that_helps_or_was_called_may_not_act_for_the_one_that_has_it(county: County, wish: c.Action) -> None:
    incident = county.arrives()
    county.done(incident, c.Assign(unit="U09", assisting=("U05",), reason="更合适"))
    county.done(incident, c.BlowWhistle(units=("U07",), meet_at="村口", reason="线杆要倒"))
    if "dispatched" not in MOVES[wish.kind].states:
        county.done(incident, c.Accept())
    for unit in ("U05", "U07"):
        assert county.refused(incident, wish, "unit", unit) == "not_allowed"
    county.done(incident, wish, "unit", "U09")


@pytest.mark.parametrize(
    ("unit", "reason"), [("T01", None), ("T02", "not_allowed"), (None, "not_allowed"), ("U02", None)]
)
def test_a_grid_worker_whistles_in_their_own_town(county: County, unit: str | None, reason: str | None) -> None:
    whistle = c.BlowWhistle(units=("U05", "U09"), meet_at="村口", reason="线杆要倒")
    assert PACK.town_unit(TOWN).code == "T01"  # type: ignore[union-attr]
    declined = county.wishes(county.arrives(), whistle, "grid_worker", unit).declined
    assert (declined.reason if declined else None) == reason


def test_a_command_on_old_news_is_declined_with_the_current_version(county: County) -> None:
    declined = county.wishes(county.arrives(), c.Accept(), expected_version=1).declined
    assert declined is not None
    assert (declined.reason, declined.current_version) == ("stale_version", 2)


def test_no_number_of_a_person_in_a_commands_words_comes_onto_the_feed(county: County) -> None:
    told, shown = "找老张＋８６　１３８１２３４５６７８、13052919900101123X", "找老张138****5678、13**************3X"
    incident = accepted(county)
    county.done(incident, c.Contact(note=told))
    county.done(incident, c.Confirm(place=Place(town_code=TOWN, address=told), reason=told))
    county.done(incident, c.BlowWhistle(units=("U03",), meet_at=told, reason=told))
    county.done(incident, c.Supervise(reason=told), "leader")
    county.done(incident, c.Suspend(reason=told, until=START + 9 * HOUR))
    county.done(incident, c.Resume())
    county.done(incident, c.RequestExtension(until=START + 99 * HOUR, reason=told))
    county.done(incident, c.Complete(text=told))
    county.done(incident, c.Redo(reason=told))
    feed = "".join(event.model_dump_json() for event in county.log)
    assert told not in feed
    assert feed.count(shown) >= 10
    assert not any(number in feed for number in ("１３８", "13812345678", "13052919900101123X"))


def test_a_return_without_its_ground_is_declined_by_the_fields_name_and_changes_nothing(county: County) -> None:
    incident = county.arrives()
    for basis in (None, "", "  "):
        declined = county.wishes(incident, c.Return(reason="不归我们管", basis=basis), "unit", "U02").declined
        assert declined is not None
        assert declined.reason == "not_possible"
        assert "basis" in declined.message
    assert county[incident].returns == 0
    county.done(incident, c.Return(reason="不归我们管", basis="职责清单第三条"), "unit", "U02")
    assert county[incident].returns == 1


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (
            c.Confirm(circumstances=("nonsense",), reason="看过"),
            "circumstances：没有情形 nonsense；可选 after_water_works",
        ),
        (
            c.Return(reason="错", basis="职责清单", suggested_unit="NOPE"),
            "suggested_unit：没有单位 'NOPE'：请从清单中选",
        ),
        (c.Assign(unit="NOPE", reason="更合适"), "unit：没有单位 'NOPE'：请从清单中选"),
        (
            c.Assign(unit="U09", assisting=("U05", "NO", "NOPE"), reason="更合适"),
            "assisting：没有单位 'NO'、'NOPE'：请从清单中选",
        ),
        (c.BlowWhistle(units=("U09", "NOPE"), meet_at="村口", reason="看"), "units：没有单位 'NOPE'"),
        (c.JointReview(units=("NOPE",), topic="谁来修"), "units：没有单位 'NOPE'"),
        (c.JointReview(units=("U09",)), "topic：请写明会商事项"),
        (c.JointReview(topic="谁来修"), "units：请写明参加单位"),
        (c.Confirm(place=Place(town_code="999999999")), "place：没有这个村或乡镇"),
        (c.Confirm(matter="M999"), "matter：没有事项 'M999'"),
    ],
)
def test_a_code_that_the_pack_does_not_know_is_declined_with_its_field(
    county: County, wish: c.Action, says: str
) -> None:
    declined = county.wishes(county.arrives(), wish).declined
    assert declined is not None
    assert (declined.reason, declined.message.startswith(says)) == ("not_possible", True)


def test_a_ruling_for_an_unknown_unit_is_declined_with_its_field(county: County) -> None:
    case = adjudicating(county)
    for wish, field in [
        (c.Rule(unit="NOPE", basis="纪要"), "unit"),
        (c.Rule(unit="U09", assisting=("NOPE",), basis="纪要"), "assisting"),
    ]:
        declined = county.wishes(case, wish).declined
        assert declined is not None
        assert declined.message.startswith(f"{field}：没有单位 'NOPE'")


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (c.Complete(text=" \n "), "text"),
        (c.Return(reason="  ", basis="职责清单"), "reason"),
        (c.Assign(unit="U09", reason="\u3000"), "reason"),
        (c.BlowWhistle(units=("U09",), meet_at=" ", reason="看"), "meet_at"),
        (c.JointReview(conclusion=" "), "conclusion"),
    ],
)
def test_blank_words_say_nothing_and_are_declined_with_their_field(county: County, wish: c.Action, field: str) -> None:
    incident = accepted(county)
    county.done(incident, c.JointReview(units=("U09",), topic="谁来修"))
    declined = county.wishes(incident, wish).declined
    assert declined is not None
    assert (declined.reason, declined.message.startswith(f"{field}：")) == ("not_possible", True)
    assert county[incident].course.review is not None


@pytest.mark.parametrize("role", ["unit", "dispatcher", "leader"])
def test_nobody_suspends_an_emergency(county: County, role: str) -> None:
    incident = county.arrives(emergency=True)
    county.done(incident, c.Accept())
    unit = county[incident].unit if role == "unit" else None
    assert county.refused(incident, c.Suspend(reason="等", until=county.now + HOUR), role, unit) == "not_possible"
    county.done(incident, c.Confirm(clock_class="other", reason="不紧急"))
    assert county.done(incident, c.Suspend(reason="等", until=county.now + HOUR), role, unit).state == "suspended"
