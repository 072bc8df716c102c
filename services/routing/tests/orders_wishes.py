"""What somebody may wish of an order in a life of any orders: for every kind of command one that can be meant."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from orders_bench import County

from huying.contracts import commands as c
from huying.contracts.moves import legal

UNITS = st.sampled_from(["U02", "U04", "U05", "T01"])
HOURS = st.integers(-2, 60)
TWO = "村口路灯不亮三天了，另外学校门口垃圾没人拉"
PIECES = ["学校门口垃圾没人拉", "村口路灯不亮三天了", "垃圾没人拉"]


class Wishing(RuleBasedStateMachine):
    """A county, and people who wish."""

    county: County

    def some(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.county.incidents)))

    def legal(self, name: str) -> list[str]:
        """Moves that its state allows and that something is there for; the ones that end it are left to chance."""
        incident = self.county[name]
        there = {
            "check_in": incident.course.whistle,
            "lift_supervision": incident.course.supervision,
            "approve_extension": incident.course.request,
            "refuse_extension": incident.course.request,
            "release": incident.course.parent,
            "close_flood": incident.course.flood,
            "answer_ask": incident.ask,
            "split": len(incident.reports) > 1,
        }
        return [kind for kind in legal(incident.state) if there.get(kind, True)]

    def answer(self, name: str, data: st.DataObject) -> c.AnswerAsk:
        ask = self.county[name].ask
        named = [one.incident_id for one in ask.candidates] if ask else [self.some(data)]
        why = data.draw(st.sampled_from([None, "看过"]))
        if not data.draw(st.booleans()):
            return c.AnswerAsk(same=False, reason=why)
        chosen = data.draw(st.lists(st.sampled_from(named), max_size=3))
        return c.AnswerAsk(same=True, candidates=tuple(chosen), reason=why)

    def wish(self, kind: str, name: str, data: st.DataObject) -> c.Action:
        until = self.county.now + timedelta(hours=data.draw(HOURS))
        unit = data.draw(UNITS)
        reports = self.county[name].reports or ("r0",)
        made: dict[str, c.Action] = {
            "accept": c.Accept(),
            "contact": c.Contact(),
            "return": c.Return(reason="错", basis=data.draw(st.sampled_from(["职责清单", None])), suggested_unit=unit),
            "complete": c.Complete(text="好", with_covered=data.draw(st.booleans())),
            "answer_ask": self.answer(name, data),
            "confirm": c.Confirm(
                matter=data.draw(st.sampled_from(["M02", "M04", "M23", None])),
                clock_class=data.draw(st.sampled_from(["emergency", "other", None])),
            ),
            "assign": c.Assign(unit=unit, reason="更合适"),
            "rule": c.Rule(unit=unit, basis="纪要", scope=data.draw(st.sampled_from(["town", "county", "once"]))),
            "escalate": c.Escalate(reason="难"),
            "whistle": c.BlowWhistle(units=(unit, "U09"), meet_at="村口", reason="看"),
            "check_in": c.CheckIn(unit="U09"),
            "joint_review": c.JointReview(
                units=("U09",), topic="谁", conclusion=data.draw(st.sampled_from([None, "定"]))
            ),
            "supervise": c.Supervise(reason="拖"),
            "lift_supervision": c.LiftSupervision(reason="完"),
            "suspend": c.Suspend(reason="等", until=until),
            "resume": c.Resume(),
            "request_extension": c.RequestExtension(until=until, reason="等"),
            "approve_extension": c.ApproveExtension(),
            "refuse_extension": c.RefuseExtension(reason="不"),
            "redo": c.Redo(reason="没好"),
            "group": c.Group(children=tuple({self.some(data), self.some(data)})),
            "release": c.Release(),
            "open_flood": c.OpenFlood(until=until, matters=("M20", "M02")),
            "close_flood": c.CloseFlood(),
            "merge": c.Merge(into=self.some(data), reason="同"),
            "split": c.Split(reports=(data.draw(st.sampled_from(reports)),), reason="两件"),
            "part_report": c.PartReport(report=reports[0], text=data.draw(st.sampled_from(PIECES)), reason="两件"),
            "undo_merge": c.UndoMerge(reason="不同"),
        }
        return made[kind]
