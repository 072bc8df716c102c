"""Reads a pack's files into plain values with their line numbers; refuses what is not UTF-8 or not its format."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from huying.county.findings import Finding, Severity

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML built without libyaml: ten times slower, same result
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

HASH_DIGITS = 16
"""64 bits: enough to tell every version a county will ever have apart, short enough to read out."""

Location = tuple[Hashable, ...]
T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: where it stands and its cells by column name."""

    line: int
    cells: dict[str, str]


@dataclass(slots=True)
class Tree:
    """A YAML file: its values, and the line on which each key or entry stands."""

    value: Any = None
    lines: dict[Location, int] = field(default_factory=dict)

    def line(self, location: Sequence[Hashable]) -> int:
        """The line of a place in the tree, or of its nearest known ancestor."""
        for end in range(len(location), -1, -1):
            found = self.lines.get(tuple(location[:end]))
            if found is not None:
                return found
        return 0


@dataclass
class Reader:
    """One reading of a pack's folder: hands out values, collects findings, never raises for a bad file."""

    folder: Path
    findings: list[Finding] = field(default_factory=list)

    def report(self, file: str, line: int, message: str, fix: str, severity: Severity = "error") -> None:
        """Keep a finding about a file of the pack."""
        self.findings.append(Finding(f"{self.folder.name}/{file}", line, message, fix, severity))

    def text(self, file: str, required: bool = True) -> str | None:
        """A file's text; None with a finding when it is missing or not UTF-8."""
        path = self.folder / file
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            if required:
                self.report(file, 0, "file is missing", "add it (copy the one of deploy/county/julu and adapt it)")
            return None
        except OSError as error:
            self.report(file, 0, f"cannot be read ({error.strerror})", "correct its permissions or type")
            return None
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            guess = "looks like GB18030" if _is_gb18030(raw) else "unknown encoding"
            self.report(file, line, f"is not UTF-8 ({guess})", "save the file as UTF-8")
            return None

    def table(self, file: str, columns: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
        """A CSV file's rows; a missing or unknown column is a finding. `optional` columns may be absent."""
        text = self.text(file)
        if text is None:
            return []
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows: list[Row] = []
        header: list[str] = []
        end = 0
        try:
            for cells in reader:
                line, end = end + 1, reader.line_num
                if not any(cell.strip() for cell in cells):
                    continue
                if not header:
                    header = [cell.strip() for cell in cells]
                    if not self._header_fits(file, line, header, columns, optional):
                        return []
                elif len(cells) != len(header):
                    self.report(
                        file,
                        line,
                        f"has {len(cells)} cells, the header has {len(header)}",
                        "add or remove commas; put a text with a comma in quotes",
                    )
                else:
                    rows.append(Row(line, dict(zip(header, (cell.strip() for cell in cells), strict=True))))
        except csv.Error as error:
            self.report(file, reader.line_num, f"is not CSV ({error})", "close the quotes")
        if not header:
            self.report(file, 1, "is empty", f"start it with the header {','.join(columns)}")
        return rows

    def _header_fits(
        self, file: str, line: int, header: list[str], columns: Sequence[str], optional: Sequence[str]
    ) -> bool:
        missing = [column for column in columns if column not in header]
        for column in missing:
            self.report(file, line, f"column {column!r} is missing", "add it to the header and to every line")
        for column in header:
            if column not in columns and column not in optional:
                known = ",".join((*columns, *optional))
                self.report(file, line, f"column {column!r} is unknown", f"remove it or correct it; known: {known}")
        if len(set(header)) != len(header):
            self.report(file, line, "a column stands twice in the header", "keep one of them")
            return False
        return not missing

    def tree(self, file: str, required: bool = True) -> Tree:
        """A YAML file's values; an empty tree with a finding when it is bad. Keys that stand twice are findings."""
        text = self.text(file, required)
        if text is None:
            return Tree()
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            value = loader.construct_document(node) if node is not None else None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "cannot be parsed"
            self.report(
                file, mark.line + 1 if mark else 0, f"is not YAML ({problem})", "correct indentation and quotes"
            )
            return Tree()
        except ValueError as error:  # a date such as 2026-02-30 passes the grammar and fails here
            self.report(file, 0, f"holds an impossible value ({error})", "correct the date or number")
            return Tree()
        finally:
            loader.dispose()
        if value is None:
            self.report(file, 0, "is empty", "fill it in (copy the one of deploy/county/julu and adapt it)")
            return Tree()
        tree = Tree(value)
        self._note_lines(file, node, (), tree.lines)
        return tree

    def _note_lines(self, file: str, node: Any, at: Location, lines: dict[Location, int]) -> None:
        if node is None:
            return
        lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                place = (*at, str(key.value))
                if place in lines:
                    self.report(
                        file,
                        key.start_mark.line + 1,
                        f"key {key.value!r} stands twice (first on line {lines[place]})",
                        "keep one of them",
                    )
                lines[place] = key.start_mark.line + 1
                self._note_lines(file, value, place, lines)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._note_lines(file, value, (*at, index), lines)

    def words(self, file: str) -> list[tuple[int, str]]:
        """Lines of a word list with their numbers, without comments (`#`) and blanks; the file may be absent."""
        lines = (self.text(file, required=False) or "").splitlines()
        kept = ((number, line.split("#", 1)[0].strip()) for number, line in enumerate(lines, 1))
        return [(number, line) for number, line in kept if line]

    def build(self, file: str, model: type[T], value: object, line: Callable[[Location], int]) -> T | None:
        """A record from plain values; None with one finding per wrong field. `line` finds a field's line."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for wrong in error.errors():
                name = ".".join(str(part) for part in wrong["loc"])
                message = wrong["msg"].removeprefix("Value error, ")
                given = f" (given {wrong['input']!r})" if isinstance(wrong["input"], str | int | float) else ""
                if wrong["type"] == "literal_error":
                    message = f"value is unknown; use one of {wrong['ctx']['expected']}"
                what, _, fix = message.partition("; ")
                self.report(
                    file,
                    line(wrong["loc"]),
                    f"{name or model.__name__}: {what}{given}",
                    fix or "correct this value; the pack's README lists the fields",
                )
            return None

    def records(
        self, file: str, model: type[T], rows: Iterable[Row], lists: Sequence[str] = (), separator: str = ";"
    ) -> list[tuple[int, T]]:
        """Records of a table with their lines. Cells named in `lists` are split; empty cells take the default."""
        built: list[tuple[int, T]] = []
        for row in rows:
            value: dict[str, object] = {name: cell for name, cell in row.cells.items() if cell}
            for name in lists:
                if name in value:
                    parts = str(value[name]).split(separator)
                    value[name] = tuple(part.strip() for part in parts if part.strip())
            record = self.build(file, model, value, lambda _, line=row.line: line)  # type: ignore[misc]
            if record is not None:
                built.append((row.line, record))
        return built


def _is_gb18030(raw: bytes) -> bool:
    try:
        raw.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return True


def pack_hash(folder: Path) -> str:
    """Short SHA-256 over names and contents of the pack's files; prose (`*.md`) and hidden files do not count."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        inside = path.relative_to(folder)
        if path.suffix == ".md" or any(part.startswith(".") for part in inside.parts) or not path.is_file():
            continue
        name, content = inside.as_posix().encode(), path.read_bytes()
        digest.update(b"%d:%s%d:" % (len(name), name, len(content)))
        digest.update(content)
    return digest.hexdigest()[:HASH_DIGITS]
