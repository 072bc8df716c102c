"""The state table of an order: which move is legal in which state, and for whom. One table for all.

Routing obeys it, the console offers buttons by it, docs/orders.md prints it. What a single order's circumstances
forbid beyond it (limits, an open request, a family) routing says when it declines.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from .commands import Actor, Role
from .incidents import State

ACTIVE: frozenset[State] = frozenset({"dispatched", "accepted", "contacted", "suspended"})
"""States in which one unit has the one active main dispatch."""
CLOSED: frozenset[State] = frozenset({"completed", "merged"})
OPEN: frozenset[State] = frozenset(get_args(State)) - CLOSED

STATE_WORDS: Mapping[State, str] = {
    "asked": "待研判",
    "dispatched": "待签收",
    "accepted": "处置中",
    "contacted": "处置中 · 已联系",
    "suspended": "已挂起",
    "adjudicating": "待裁决",
    "covered": "随群体事件办理",
    "completed": "已办结",
    "merged": "已合并",
}
"""As people read them."""
ROLE_WORDS: Mapping[Role, str] = {
    "unit": "单位",
    "dispatcher": "调度员",
    "leader": "领导",
    "supervisor": "督办员",
    "grid_worker": "网格员",
    "citizen": "群众",
    "system": "系统",
}

_HANDED: frozenset[State] = frozenset({"dispatched", "accepted", "contacted"})
_WORKED: frozenset[State] = frozenset({"accepted", "contacted"})
_CENTRE: frozenset[Role] = frozenset({"dispatcher", "leader"})
_UNIT: frozenset[Role] = _CENTRE | {"unit"}
_STREET: frozenset[Role] = _UNIT | {"grid_worker"}
_WATCH: frozenset[Role] = frozenset({"supervisor", "leader"})

Whose = Literal["main", "called"]


@dataclass(frozen=True, slots=True)
class Move:
    """One row. `unit` says which unit a person of a unit must belong to: the main one, or any that takes part.

    `leader` is the county's; the head of a unit is read as `unit` (`Actor.standing`). A grid worker acts in their
    town, or for a unit that has it or takes part.
    """

    word: str
    states: frozenset[State]
    roles: frozenset[Role]
    unit: Whose = "main"


MOVES: Mapping[str, Move] = {
    "accept": Move("签收", frozenset({"dispatched"}), _UNIT),
    "contact": Move("登记已联系", _WORKED | {"covered"}, _UNIT),
    "return": Move("退回", _HANDED, _UNIT),
    "complete": Move("办结并反馈", _WORKED | {"covered"}, _UNIT),
    "answer_ask": Move("研判", OPEN, _CENTRE),
    "confirm": Move("核定事项地点", OPEN, _CENTRE),
    "assign": Move("改派", _HANDED, _CENTRE),
    "rule": Move("裁决", frozenset({"adjudicating"}), _CENTRE),
    "escalate": Move("升级", _HANDED, _STREET),
    "whistle": Move("吹哨", _HANDED, _STREET),
    "check_in": Move("报到", _HANDED | {"suspended"}, _UNIT, "called"),
    "joint_review": Move("联席会商", ACTIVE | {"adjudicating"}, _CENTRE),
    "supervise": Move("挂牌督办", OPEN - {"asked"}, _WATCH),
    "lift_supervision": Move("摘牌", (OPEN - {"asked"}) | {"completed"}, _WATCH),
    "suspend": Move("挂起", _WORKED, _UNIT),
    "resume": Move("恢复办理", frozenset({"suspended"}), _UNIT),
    "request_extension": Move("申请延期", _WORKED | {"covered"}, _UNIT),
    "approve_extension": Move("批准延期", _WORKED | {"suspended", "covered"}, _CENTRE),
    "refuse_extension": Move("不予延期", _WORKED | {"suspended", "covered"}, _CENTRE),
    "redo": Move("重办", frozenset({"completed"}), _CENTRE | {"supervisor", "system"}),
    "group": Move("并入群体事件", _HANDED, _CENTRE),
    "release": Move("移出群体事件", OPEN - {"asked"}, _CENTRE),
    "open_flood": Move("开启汛期模式", _HANDED, _CENTRE),
    "close_flood": Move("结束汛期模式", OPEN, _CENTRE),
    "merge": Move("合并", OPEN, _CENTRE),
    "split": Move("拆分", OPEN | {"completed"}, _CENTRE),
    "part_report": Move("分件", OPEN | {"completed"}, _CENTRE),
    "undo_merge": Move("撤销合并", frozenset({"merged"}), _CENTRE),
}
"""Kind of a command to its row."""


def legal(state: State) -> tuple[str, ...]:
    """Moves that somebody may make in a state, in the table's order."""
    return tuple(kind for kind, move in MOVES.items() if state in move.states)


def permitted(
    kind: str, actor: Actor, main: str | None, called: frozenset[str] = frozenset(), here: str | None = None
) -> bool:
    """Whether this person may make the move at all: by role, and for the people of a unit or a town by that.

    Args:
        kind: a key of `MOVES`.
        actor: who.
        main: the unit that has it now.
        called: units that assist or were called to the place.
        here: the unit of the town where it is.
    """
    move = MOVES[kind]
    if actor.standing not in move.roles:
        return False
    own = actor.unit
    if actor.standing == "grid_worker":
        return own is not None and own in {here, main, *called}
    if actor.standing == "unit":
        return own is not None and (own == main or (move.unit == "called" and own in called))
    return True
