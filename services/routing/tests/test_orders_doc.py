"""docs/orders.md prints the state table of the code; `python services/routing/tests/test_orders_doc.py` rewrites it."""

from pathlib import Path
from typing import get_args

from huying.contracts.commands import Role
from huying.contracts.incidents import State
from huying.contracts.moves import MOVES

DOC = Path(__file__).parents[3] / "docs/orders.md"
BEGIN, END = "<!-- table: from huying.contracts.moves -->", "<!-- /table -->"


def table() -> str:
    """States x moves x roles, a line a move."""
    states, roles = get_args(State), [role for role in get_args(Role) if role != "citizen"]
    lines = [
        f"| command | 按钮 | {' | '.join(states)} | {' | '.join(roles)} |",
        "|" + "---|" * (2 + len(states) + len(roles)),
    ]
    for kind, move in MOVES.items():
        legal = ["●" if state in move.states else "" for state in states]
        may = [
            ("called" if role == "unit" and move.unit == "called" else "✓") if role in move.roles else ""
            for role in roles
        ]
        lines.append(f"| `{kind}` | {move.word} | {' | '.join(legal)} | {' | '.join(may)} |")
    return "\n".join(lines)


def test_the_document_prints_the_table_of_the_code() -> None:
    text = DOC.read_text("utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == table()


if __name__ == "__main__":
    before, _, rest = DOC.read_text("utf-8").partition(BEGIN)
    DOC.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}", "utf-8")
