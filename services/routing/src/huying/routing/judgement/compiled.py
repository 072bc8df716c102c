"""Loops over numbers as machine code: numba compiles at the first call and keeps the result on disk.

Refuses to change meaning: without numba's compiler the same functions run as Python, only slower. Run
`python -m huying.routing.judgement` to compile ahead of the first report.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """`function` compiled; arrays and numbers in, arrays and numbers out. Division by zero gives inf or NaN."""
    try:
        return cast("F", njit(function, cache=True, nogil=True, error_model="numpy"))
    except RuntimeError:  # nowhere to write, as on a read-only disk: each start compiles anew, for half a minute
        return cast("F", njit(function, nogil=True, error_model="numpy"))
