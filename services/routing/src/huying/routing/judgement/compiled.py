"""Loops over numbers as machine code: numba compiles at the first call and keeps the result on disk.

Refuses to change meaning: but for `lanes` the same functions would run as Python, only slower. Run
`python -m huying.routing.judgement` to compile ahead of the first start.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])

HERE = Path(__file__).parent


def _place() -> Path:
    """A folder for this very version: numba looks at one file for changes, and a loop holds the constants of others."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(HERE.glob("*.py"))))
    return Path(os.environ.get("NUMBA_CACHE_DIR") or HERE / "__pycache__") / f"compiled-{digest.hexdigest()[:12]}"


vars(numba.config)["CACHE_DIR"] = str(_place())


def _without_blas() -> None:
    """Numba asks scipy for a BLAS; the answer would cost each process 20 MB and 0.1 s.

    No loop here needs it; one that says `@` or `np.dot` would not compile.
    """
    if "scipy.linalg" in sys.modules:
        return
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]
    try:
        with suppress(ImportError):  # another numba may ask elsewhere: then it is only larger
            importlib.import_module("numba.np.arraymath")
    finally:
        del sys.modules["scipy.linalg"]


_without_blas()


def compiled(function: F) -> F:
    """`function` compiled; arrays and numbers in, arrays and numbers out. Division by zero gives inf or NaN."""
    try:
        return cast("F", numba.njit(function, cache=True, nogil=True, error_model="numpy"))
    except RuntimeError:  # nowhere to write, as on a read-only disk: each start compiles anew, for half a minute
        return cast("F", numba.njit(function, nogil=True, error_model="numpy"))
