"""Names what is wrong in a pack, where, and what to do about it; refuses to guess a repair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing a person must correct (error) or should look at (warning).

    `file` is relative to the pack's parent folder (`julu/duties.csv`), `line` counts from 1; 0 means
    the file or folder as a whole.
    """

    file: str
    line: int
    message: str
    fix: str
    severity: Severity = "error"

    def __str__(self) -> str:
        """Print-ready, in the form editors jump to: `file:line: message; fix`."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        mark = "" if self.severity == "error" else "warning: "
        return f"{where}: {mark}{self.message}; {self.fix}"


class PackError(Exception):
    """The pack cannot be used. `findings` holds every error, `str()` prints them a line each."""

    def __init__(self, path: Path, findings: tuple[Finding, ...]) -> None:
        self.path = path
        self.findings = findings
        lines = "\n".join(f"  {finding}" for finding in findings)
        super().__init__(
            f"county pack {str(path)!r} has {len(findings)} error(s); correct them, then run "
            f"`huying county check {path}`:\n{lines}"
        )
