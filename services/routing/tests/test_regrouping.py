"""People merge, split and undo: nothing lost, one active dispatch, and the citizen's clock never starts anew."""

from datetime import timedelta

import pytest
from orders_bench import PACK, START, TOWN, County

from huying.contracts import commands as c
from huying.contracts.course import Label
from huying.contracts.incidents import IncidentMergedV1
from huying.contracts.orders import IncidentSplitV1
from huying.contracts.reports import Attachment
from huying.contracts.topics import MAX_MESSAGE_BYTES
from huying.routing.incident import PLAIN
from huying.routing.repository import document, restore

HOUR = timedelta(hours=1)


@pytest.fixture
def county() -> County:
    return County()


def test_a_merge_withdraws_the_dispatch_and_the_earlier_clock_counts(county: County) -> None:
    older = county.arrives()
    county.passes(3 * HOUR)
    younger = county.arrives()
    county.done(younger, c.Accept())
    county.done(older, c.Merge(into=younger, reason="同一盏灯"))
    assert county.steps(older) == ["opened", "dispatched", "withdrawn", "merged"]
    assert (county[older].state, county[older].merged_into, county[older].reports) == ("merged", younger, ())
    assert (county[younger].state, county[younger].reports) == ("accepted", ("r1", "r0"))
    assert county[younger].since == START
    [told] = [event for event in county.told(older) if isinstance(event, IncidentMergedV1)]
    assert told.labels == (Label(one="r0", other="r1", same=True),)
    assert county.reports["r0"].moves == 1


def test_a_split_gives_the_reports_an_incident_of_their_own_and_clocks_from_their_own_reception(county: County) -> None:
    incident = county.arrives()
    for _ in range(2):
        county.passes(HOUR)
        county.arrives("merge", incident)
    county.passes(HOUR)
    county.done(incident, c.Split(reports=("r1", "r2"), reason="另一盏灯"))
    [told] = [event for event in county.told(incident) if isinstance(event, IncidentSplitV1)]
    fresh = county[told.into]
    assert (fresh.state, fresh.reports, fresh.number) == ("dispatched", ("r1", "r2"), told.into_number)
    assert fresh.since == START + HOUR
    assert (county[incident].reports, county[incident].since) == (("r0",), START)
    assert [label.same for label in told.labels] == [False, False]
    assert county.where == {"r0": incident, "r1": fresh.id, "r2": fresh.id}


def test_splitting_off_the_earliest_report_leaves_the_others_with_their_own_clock(county: County) -> None:
    incident = county.arrives()
    county.passes(2 * HOUR)
    county.arrives("merge", incident)
    county.done(incident, c.Split(reports=("r0",), reason="另一件"))
    assert county[incident].since == START + 2 * HOUR
    assert county[county.where["r0"]].since == START


def test_the_clock_starts_when_the_earliest_report_was_accepted_on_every_path(county: County) -> None:
    """Not when its channel had received it, and not when routing came to read it."""
    early, late = START - 20 * HOUR, START - HOUR / 4
    one = county.arrives(at=START - 6 * HOUR, accepted=START)
    other = county.arrives(at=early, accepted=late)
    assert (county[one].since, county[other].since) == (START, late)
    assert county[one].view().course is None
    county.passes(HOUR)
    county.arrives("merge", one, at=early, accepted=county.now)
    assert county[one].since == START
    county.done(other, c.Merge(into=one, reason="同"))
    assert county[one].since == late
    county.done(other, c.UndoMerge(reason="不同"))
    assert (county[one].since, county[other].since) == (START, late)
    asked = county.arrives("ask", one, at=early, accepted=late)
    county.done(asked, c.AnswerAsk(same=True))
    assert county[one].since == late
    county.done(one, c.Split(reports=("r3",), reason="另一件"))
    assert (county[one].since, county[county.where["r3"]].since) == (START, late)
    county.arrives("merge", one, at=early, accepted=START - 2 * HOUR)
    assert county[one].since == START - 2 * HOUR


@pytest.mark.parametrize(("reports", "says"), [(("r0", "r1"), "至少留下一件"), (("r9",), "没有诉求")])
def test_a_split_that_takes_all_or_strangers_is_declined(county: County, reports: tuple[str, ...], says: str) -> None:
    incident = county.arrives()
    county.arrives("merge", incident)
    declined = county.wishes(incident, c.Split(reports=reports, reason="两件")).declined
    assert declined is not None
    assert (declined.reason, says in declined.message) == ("not_possible", True)


def test_an_undone_merge_lives_again_under_its_number_with_its_reports_and_a_dispatch(county: County) -> None:
    gone = county.arrives()
    county.passes(HOUR)
    kept = county.arrives()
    county.arrives("merge", gone)
    county.done(gone, c.Merge(into=kept, reason="同一件"))
    back = county.done(gone, c.UndoMerge(reason="不是同一件"))
    assert (back.state, set(back.reports), back.merged_into) == ("dispatched", {"r0", "r2"}, None)
    assert (back.since, county[kept].since) == (START, START + HOUR)
    assert county.steps(gone)[-4:] == ["restored", "report-joined", "report-joined", "dispatched"]
    assert {county.reports[name].moves for name in ("r0", "r2")} == {2}
    assert county.refused(gone, c.UndoMerge(reason="再撤")) == "illegal_move"


def test_an_undone_merge_starts_with_the_earliest_of_the_reports_that_come_back_to_it(county: County) -> None:
    gone = county.arrives()
    county.passes(2 * HOUR)
    county.arrives("merge", gone)
    kept = county.arrives()
    county.done(gone, c.Merge(into=kept, reason="同一件"))
    county.done(kept, c.Split(reports=("r0",), reason="第三件"))
    back = county.done(gone, c.UndoMerge(reason="不是同一件"))
    assert (back.reports, back.since) == (("r1",), START + 2 * HOUR)
    assert county[county.where["r0"]].since == START


def test_a_merge_is_not_undone_where_the_other_would_be_left_without_a_report(county: County) -> None:
    gone, kept = county.arrives(), county.arrives()
    county.done(gone, c.Merge(into=kept, reason="同一件"))
    county.done(kept, c.Split(reports=("r1",), reason="另一件"))
    declined = county.wishes(gone, c.UndoMerge(reason="不同")).declined
    assert declined is not None
    assert (declined.reason, "只剩当初并入的诉求" in declined.message) == ("not_possible", True)
    assert (county[gone].state, county[kept].reports) == ("merged", ("r0",))


def worked_on(county: County) -> str:
    """An order that is listed, was given more time once, and that a person sent to U05."""
    incident = county.arrives()
    county.done(incident, c.Assign(unit="U05", assisting=("U09",), reason="更合适"))
    county.done(incident, c.Accept())
    county.done(incident, c.Supervise(reason="拖"), "supervisor")
    county.done(incident, c.RequestExtension(until=county.now + 90 * HOUR, reason="等料"))
    county.done(incident, c.ApproveExtension())
    return incident


def test_an_undone_merge_is_where_it_was_with_its_extensions_and_its_supervision(county: County) -> None:
    incident, other = worked_on(county), county.arrives()
    was = county[incident]
    county.done(incident, c.Merge(into=other, reason="同"))
    assert county[incident].course == PLAIN.model_copy(update={"citizen_since": was.course.citizen_since})
    county.passes(HOUR)
    back = restore(document(county[incident]))
    county.incidents[incident] = back
    back = county.done(incident, c.UndoMerge(reason="不同"))
    assert was.dispatch is not None
    assert back.dispatch is not None
    assert (back.unit, back.dispatch.assisting) == ("U05", was.dispatch.assisting)
    assert (back.dispatch.basis, back.dispatch.catalogue) == (was.dispatch.basis, was.dispatch.catalogue)
    assert back.dispatch.dispatch_id != was.dispatch.dispatch_id
    assert (back.dispatch.accepted_at, back.state, back.before) == (None, "dispatched", None)
    kept = {"supervision", "extensions", "extended_until"}
    assert back.course.model_dump(include=kept) == was.course.model_dump(include=kept)
    assert (back.course.request, back.course.suspension) == (None, None)


def test_an_order_that_waits_for_a_ruling_waits_for_it_after_an_undone_merge(county: County) -> None:
    incident, other = county.arrives(), county.arrives()
    for _ in range(PACK.county.orders.return_limit):
        county.done(incident, c.Return(reason="错", basis="职责清单"))
    since = county[incident].course.waiting_since
    county.done(incident, c.Merge(into=other, reason="同"))
    back = county.done(incident, c.UndoMerge(reason="不同"))
    assert (back.state, back.dispatch, back.course.waiting_since) == ("adjudicating", None, since)
    assert county.done(incident, c.Rule(unit="U04", basis="纪要", scope="once")).unit == "U04"
    county.done(incident, c.Merge(into=other, reason="同"))
    assert county.done(incident, c.UndoMerge(reason="不同")).unit == "U04"
    assert county.refused(incident, c.Return(reason="错", basis="职责清单")) == "return_limit"


def test_an_undone_merge_goes_back_to_its_family_and_has_no_second_dispatch_there(county: County) -> None:
    parent, child, other = county.arrives(), county.arrives(), county.arrives()
    county.done(parent, c.Group(children=(child,)))
    county.done(child, c.Merge(into=other, reason="同"))
    assert county[parent].children == ()
    back = county.done(child, c.UndoMerge(reason="不同"))
    assert (back.state, back.course.parent, back.course.covered_by) == ("covered", parent, parent)
    assert county[parent].children == (child,)
    county.done(child, c.Merge(into=other, reason="同"))
    county.done(parent, c.Accept())
    county.done(parent, c.Complete(text="好"))
    back = county.done(child, c.UndoMerge(reason="不同"))
    assert (back.state, back.course.parent, back.course.covered_by) == ("dispatched", None, None)


def test_a_question_that_was_answered_wrongly_is_dispatched_when_the_answer_is_undone(county: County) -> None:
    target = county.arrives()
    asked = county.arrives("ask", target)
    county.done(asked, c.AnswerAsk(same=True))
    back = county.done(asked, c.UndoMerge(reason="不同"))
    assert (back.state, back.unit) == ("dispatched", county[target].unit)


def test_what_is_merged_into_another_takes_its_supervision_along(county: County) -> None:
    listed, other = worked_on(county), county.arrives()
    county.done(listed, c.Merge(into=other, reason="同"))
    assert county.steps(other)[-2:] == ["supervised", "report-joined"]
    supervision = county[other].course.supervision
    assert supervision is not None
    assert supervision.reason == "拖"
    third = worked_on(county)
    county.done(third, c.Merge(into=other, reason="同"))
    assert county.steps(other).count("supervised") == 1
    assert county[other].course.supervision == supervision


def test_an_undone_merge_finds_its_reports_where_a_further_merge_took_them(county: County) -> None:
    first, second, third = county.arrives(), county.arrives(), county.arrives()
    county.done(first, c.Merge(into=second, reason="同"))
    county.done(second, c.Merge(into=third, reason="同"))
    assert county.done(first, c.UndoMerge(reason="不同")).reports == ("r0",)
    assert set(county[third].reports) == {"r1", "r2"}


def test_a_finished_incident_takes_no_merge_and_parents_must_let_go_first(county: County) -> None:
    done, other, child = county.arrives(), county.arrives(), county.arrives()
    county.done(done, c.Accept())
    county.done(done, c.Complete(text="好"))
    assert county.refused(other, c.Merge(into=done, reason="同")) == "not_possible"
    county.done(other, c.Group(children=(child,)))
    county.arrives()
    assert county.refused(other, c.Merge(into=county.where["r3"], reason="同")) == "not_possible"
    county.done(child, c.Merge(into=other, reason="同"))
    assert county[other].course.child_count == 0


def test_an_origins_deadline_follows_the_reports_that_carry_it(county: County) -> None:
    one, other = county.arrives(), county.arrives()
    due = START + 5 * HOUR
    county.reports["r0"] = county.reports["r0"].model_copy(update={"origin_due_at": due})
    county.done(one, c.Merge(into=other, reason="同"))
    assert county[other].origin_due_at == due
    county.done(one, c.UndoMerge(reason="不同"))
    assert (county[one].origin_due_at, county[other].origin_due_at) == (due, None)
    county.arrives("merge", other, origin_due_at=due)
    county.arrives("merge", other, origin_due_at=due + HOUR)
    county.done(other, c.Split(reports=("r2",), reason="另一件"))
    assert (county[county.where["r2"]].origin_due_at, county[other].origin_due_at) == (due, due + HOUR)


def test_a_report_that_leaves_takes_its_channel_along(county: County) -> None:
    one, other = county.arrives(), county.arrives()
    county.reports["r0"] = county.reports["r0"].model_copy(update={"channel": "iot"})
    county.done(one, c.Merge(into=other, reason="同"))
    assert county[other].channels == ("citizen_app", "iot")
    county.done(one, c.UndoMerge(reason="不同"))
    assert county[other].channels == ("citizen_app",)


def test_an_undone_merge_has_the_origins_deadline_of_the_reports_that_come_back(county: County) -> None:
    one, other = county.arrives(origin_due_at=START + 5 * HOUR), county.arrives()
    county.arrives("merge", one)
    county.done(one, c.Merge(into=other, reason="同"))
    county.done(other, c.Split(reports=("r0",), reason="另一件"))
    assert county.done(one, c.UndoMerge(reason="不同")).origin_due_at is None


def test_an_emergency_that_took_in_an_older_one_has_its_own_start_when_that_is_undone(county: County) -> None:
    oldest = county.arrives(emergency=True)
    county.passes(3 * HOUR)
    old, own = county.arrives(emergency=True), county.arrives()
    county.passes(2 * HOUR)
    county.arrives("merge", own, emergency=True)
    county.arrives("merge", own)
    assert county[own].emergency_since == START + 5 * HOUR
    for other in (old, oldest):
        county.done(other, c.Merge(into=own, reason="同"))
    assert county[own].emergency_since == START
    assert restore(document(county[own])) == county[own]
    assert county.done(oldest, c.UndoMerge(reason="不同")).emergency_since == START
    assert county[own].emergency_since == START + 3 * HOUR
    county.done(old, c.UndoMerge(reason="不同"))
    assert county[own].emergency_since == START + 5 * HOUR
    assert (county[own].since, county[own].classification.clock_class) == (START + 3 * HOUR, "emergency")


def test_an_emergency_that_only_the_undone_one_told_of_stays_and_starts_with_the_next_report_of_it(
    county: County,
) -> None:
    theirs = county.arrives(emergency=True)
    county.passes(HOUR)
    own, further = county.arrives(), county.arrives()
    county.done(theirs, c.Merge(into=own, reason="同"))
    county.done(theirs, c.UndoMerge(reason="不同"))
    assert (county[own].classification.clock_class, county[own].emergency_since) == ("emergency", START)
    county.done(theirs, c.Merge(into=further, reason="同"))
    county.passes(HOUR)
    county.arrives("merge", further, emergency=True)
    county.done(theirs, c.UndoMerge(reason="不同"))
    assert county[further].emergency_since == START + 2 * HOUR


def test_an_undone_merge_that_had_taken_in_others_has_the_start_of_those_that_come_back(county: County) -> None:
    oldest = county.arrives(emergency=True)
    county.passes(HOUR)
    middle, last = county.arrives(emergency=True), county.arrives()
    county.done(oldest, c.Merge(into=middle, reason="同"))
    county.done(middle, c.Merge(into=last, reason="同"))
    county.done(oldest, c.UndoMerge(reason="不同"))
    assert county.done(middle, c.UndoMerge(reason="不同")).emergency_since == START + HOUR


def test_a_reports_pictures_and_place_come_with_it_wherever_it_goes_and_a_split_stays_in_its_record(
    county: County,
) -> None:
    incident = county.arrives()
    pictures = tuple(Attachment(url=f"https://a.example/{n}/{'x' * 1900}.jpg") for n in range(20))
    for _ in range(40):
        county.arrives("merge", incident, attachments=pictures)
    county.done(incident, c.Split(reports=tuple(f"r{n}" for n in range(1, 41)), reason="两件"))
    opened, *joined = [event.report for event in county.told(county.where["r1"]) if hasattr(event, "report")]
    for report in (opened, *joined):
        assert (report.place.town_code, report.attachments) == (TOWN, pictures)
    [split] = [event for event in county.log if isinstance(event, IncidentSplitV1)]
    assert len(split.encode()) < MAX_MESSAGE_BYTES / 10
    assert b"attachments" not in county.told(incident)[0].encode(), "what has none says nothing of them"


def test_an_undone_merge_does_not_bring_a_report_that_another_merge_has_brought_since() -> None:
    county = County()
    first, second, third = county.arrives(), county.arrives(), county.arrives()
    same, other = "是一件", "是两件"
    for name, wish in (
        (first, c.Merge(into=second, reason=same)),
        (second, c.Merge(into=third, reason=same)),
        (first, c.UndoMerge(reason=other)),
        (first, c.Merge(into=third, reason=same)),
    ):
        county.passes(timedelta(minutes=1))
        county.done(name, wish)
    assert county.done(second, c.UndoMerge(reason=other)).reports == ("r1",)
    assert county.done(first, c.UndoMerge(reason=other)).reports == ("r0",)
    assert county[third].reports == ("r2",)
