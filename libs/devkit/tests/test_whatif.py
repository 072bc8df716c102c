"""What-if and labels, from a log that routing's own domain tells."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from huying.contracts import commands as c
from huying.contracts.commands import Actor, CommandIssuedV1
from huying.contracts.envelope import CloudEvent
from huying.contracts.message import Event
from huying.contracts.places import Place
from huying.contracts.reports import ReportAcceptedV1
from huying.county import Pack, load
from huying.devkit.cli import app
from huying.devkit.commands.whatif import rules_of
from huying.devkit.evaluate.corrections import corrections
from huying.devkit.labels import labels_of
from huying.devkit.logbook import Record
from huying.devkit.whatif import Rules, what_if
from huying.routing.domain import Arrival, Catalogue, Decision, Scene, facts_of, obey, receive, ref_of
from huying.routing.incident import Cause, Incident
from huying.routing.judgement import Candidate, Judge, Verdict, load_model
from huying.routing.judgement.pack import bits_of

JULU = Path(__file__).parents[3] / "deploy/county/julu"
PACK = load(JULU)
JUDGE = Judge(bits_of(PACK), load_model(JULU / "model/judgement.npz"))
START = datetime(2026, 3, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
REPORTS, FEED = "huying.reports.v1", "huying.incidents.v1"


class Told:
    """A log that grows by reports and commands, an hour each."""

    def __init__(self) -> None:
        self.log: dict[str, list[Record]] = {REPORTS: [], FEED: []}
        self.known: dict[str, Incident] = {}
        self.refs: dict[str, Any] = {}
        self.catalogue = Catalogue(PACK)
        self.at = START

    def note(self, topic: str, name: str, event: Event) -> None:
        told = CloudEvent(name, "huying/test", event.TYPE, event.encode(), self.at)
        self.log[topic].append(Record(topic, 0, len(self.log[topic]), told))

    def take(self, decision: Decision) -> None:
        assert decision.declined is None, decision.declined
        self.known |= decision.incidents
        self.refs |= decision.moved
        if decision.rule is not None:
            self.catalogue = self.catalogue.ruled(decision.rule)
        for event in decision.events:
            self.note(FEED, f"{event.incident_id}/{event.incident_version}", event)

    def report(self, text: str, town: str = PACK.towns[0].code, asked: tuple[str, ...] = ()) -> str:
        self.at += HOUR
        number = len(self.refs)
        report = ReportAcceptedV1(
            report_id=f"r{number}",
            tracking_number=f"t{number}",
            jurisdiction=PACK.code,
            source="test",
            origin_id=str(number),
            channel="citizen_app",
            text=text,
            place=Place(town_code=town),
            received_at=self.at,
            accepted_at=self.at,
        )
        self.note(REPORTS, report.report_id, report)
        [screening] = JUDGE.screen([facts_of(report)])
        verdict = Verdict(report.report_id, "new", None, 0.0, ())
        if asked:
            likely = tuple(Candidate(name, 0.5, True) for name in asked)
            verdict = Verdict(report.report_id, "ask", asked[0], 0.6, (), None, likely)
        arrival = Arrival(report, ref_of(report), screening, verdict)
        self.refs[report.report_id] = ref_of(report)
        floods = [name for name, one in self.known.items() if one.course.flood is not None]
        scene = Scene(self.known, self.catalogue, self.refs, {}, f"N{number}", floods)
        decision = receive(arrival, scene, Cause(self.at, PACK.hash))
        self.take(decision)
        return decision.opened[0]

    def wish(self, incident: str, action: c.Action) -> None:
        self.at += HOUR
        command = CommandIssuedV1(
            command_id=f"c{self.at:%d%H}",
            jurisdiction=PACK.code,
            incident_id=incident,
            actor=Actor(id="zhang", role="dispatcher"),
            action=action,
            issued_at=self.at,
        )
        self.take(obey(command, Scene(self.known, self.catalogue, self.refs, {}, f"S{self.at:%d%H}"), self.at))


@pytest.fixture
def told() -> Told:
    return Told()


def pack_with(folder: Path, file: str, old: str, new: str) -> Pack:
    shutil.copytree(JULU, folder)
    path = folder / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return load(folder)


def test_a_changed_duty_moves_its_incidents_since_then_and_no_others(told: Told, tmp_path: Path) -> None:
    early = told.report("村口路灯不亮")
    since = told.at + HOUR / 2
    late, other = told.report("学校门口路灯不亮"), told.report("自来水停水了")
    new = pack_with(tmp_path / "pack", "duties.csv", "M02,any,U02,town", "M02,any,U03,town")
    answer = what_if(told.log, Rules(PACK), Rules(new), since)
    assert answer.looked_at == 2
    [change] = answer.changed
    assert (change.incident_id, change.old_unit, change.new_unit) == (late, "U02", "U03")
    assert new.unit("U03").name_zh in change.reason
    assert answer.moved() == [{"from": "U02", "to": "U03", "count": 1}]
    assert {early, other}.isdisjoint({one.incident_id for one in answer.changed})


def test_other_assisting_units_and_another_starting_level_are_changes_too(told: Told, tmp_path: Path) -> None:
    lamp, water = told.report("村口路灯不亮"), told.report("自来水停水了")
    new = pack_with(
        tmp_path / "pack", "duties.csv", "M02,any,U02,town,《城市照明管理规定》,county", "M02,any,U02,U03,x,town"
    )
    answer = what_if(told.log, Rules(PACK), Rules(new), START)
    assert answer.looked_at == 2
    [change] = answer.changed
    assert (change.incident_id, change.elsewhere) == (lamp, False)
    assert (change.old_assisting, change.new_assisting) == (("T01",), ("U03",))
    assert (change.old_level, change.new_level) == ("county", "town")
    assert answer.moved() == []
    assert any("correlation.yaml" in one for one in answer.as_json()["not_replayed"])
    assert water != lamp


def test_a_child_of_a_flood_that_was_covered_from_its_birth_is_looked_at(told: Told, tmp_path: Path) -> None:
    parent = told.report("村口路灯不亮")
    told.wish(parent, c.OpenFlood(until=told.at + 40 * HOUR, matters=("M02",)))
    child = told.report("学校门口路灯不亮")
    assert told.known[child].state == "covered"
    new = pack_with(tmp_path / "pack", "duties.csv", "M02,any,U02,town", "M02,any,U03,town")
    answer = what_if(told.log, Rules(PACK), Rules(new), START)
    assert answer.looked_at == 2
    assert [(one.incident_id, one.old_unit, one.new_unit) for one in answer.changed] == [
        (parent, "U02", "U03"),
        (child, "U02", "U03"),
    ]


def test_the_same_pack_changes_nothing_whatever_people_decided(told: Told) -> None:
    incident = told.report("路灯不亮")
    told.wish(incident, c.Assign(unit="U09", reason="更合适"))
    assert what_if(told.log, Rules(PACK), Rules(PACK), START).changed == ()


def test_a_record_that_fits_no_contract_is_left_out_of_what_is_asked_and_learned(told: Told) -> None:
    one, other = told.report("路灯不亮"), told.report("灯坏了")
    told.wish(one, c.Merge(into=other, reason="同一盏"))
    whole = (what_if(told.log, Rules(PACK), Rules(PACK), START), labels_of(told.log), corrections(told.log))
    for topic, kind in ((REPORTS, "report.accepted"), (FEED, "incident.opened"), (FEED, "incident.merged")):
        broken = CloudEvent("stranger", "huying/test", f"cn.huying.{kind}.v1", b'{"report_id": []}', told.at)
        told.log[topic].append(Record(topic, 0, len(told.log[topic]), broken))
    assert (what_if(told.log, Rules(PACK), Rules(PACK), START), labels_of(told.log), corrections(told.log)) == whole


def test_a_ruling_of_the_log_holds_under_both_packs(told: Told, tmp_path: Path) -> None:
    first = told.report("路灯不亮")
    for _ in range(2):
        told.wish(first, c.Return(reason="错", basis="职责清单"))
    told.wish(first, c.Rule(unit="U05", basis="纪要"))
    second = told.report("又一盏路灯不亮")
    new = pack_with(tmp_path / "pack", "duties.csv", "M02,any,U02,town", "M02,any,U03,town")
    changed = {one.incident_id for one in what_if(told.log, Rules(PACK), Rules(new), START).changed}
    assert (first in changed, second in changed) == (True, False)


def test_changed_words_of_a_circumstance_are_read_in_the_texts_again(told: Told, tmp_path: Path) -> None:
    incident = told.report("光缆施工后路面塌了个坑，一直没人管")
    new = pack_with(tmp_path / "pack", "pack.yaml", "words: [供水,", "words: [光缆施工, 供水,")
    judge = Judge(bits_of(new), JUDGE.model)
    answer = what_if(told.log, Rules(PACK, JUDGE), Rules(new, judge), START)
    assert [(one.incident_id, one.old_unit, one.new_unit) for one in answer.changed] == [(incident, "U01", "U04")]


def test_a_model_that_knows_a_heading_which_the_new_pack_has_dropped_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "pack"
    shutil.copytree(JULU, new)
    for file in (new / "matters.csv", new / "duties.csv"):
        lines = file.read_text("utf-8").splitlines(keepends=True)
        file.write_text("".join(line for line in lines if not line.startswith("M16,")), "utf-8")
    with pytest.raises(typer.Exit):
        rules_of(PACK, load(new), None)
    told = capsys.readouterr().err
    assert ("M16" in told, "huying learn" in told) == (True, True), told


def test_the_packs_that_are_named_are_taken_from_where_routing_takes_its_own(tmp_path: Path) -> None:
    words = ["whatif", "--pack", str(JULU), "--since", "2026-03-01", "--kafka", "127.0.0.1:1"]
    answer = CliRunner().invoke(app, words, env={"HUYING_PACK": str(tmp_path / "county")})
    assert (answer.exit_code, str(tmp_path / "county") in answer.stderr) == (1, True), answer.stderr


def test_labels_are_pairs_of_reports_and_the_later_word_counts(told: Told) -> None:
    one, other = told.report("路灯不亮"), told.report("灯坏了")
    told.wish(one, c.Merge(into=other, reason="同一盏"))
    assert [(label.one, label.other, label.same) for label in labels_of(told.log)] == [("r0", "r1", True)]
    told.wish(one, c.UndoMerge(reason="不是同一盏"))
    assert [(label.one, label.other, label.same) for label in labels_of(told.log)] == [("r0", "r1", False)]


@pytest.mark.parametrize(
    ("answer", "taught"),
    [
        ((True, ()), [("r2", "r0", True)]),
        ((True, (1,)), [("r2", "r1", True)]),
        ((False, ()), [("r2", "r0", False), ("r2", "r1", False)]),
    ],
    ids=["the likeliest", "another", "none"],
)
def test_an_answered_question_teaches_what_the_person_said(told: Told, answer: Any, taught: Any) -> None:
    same, chosen = answer
    named = (told.report("路灯不亮"), told.report("灯坏了"))
    asked = told.report("路灯又不亮", asked=named)
    told.wish(asked, c.AnswerAsk(same=same, candidates=tuple(named[n] for n in chosen)))
    assert [(label.one, label.other, label.same) for label in labels_of(told.log)] == taught
