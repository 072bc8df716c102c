"""Eight numbers at once: the one step that the compiler must be told to take for all lanes together.

Left to itself it takes them one after the other, and guesses: six times as long (`huying bench correlate`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

LANES = 8
_NUMBERS = ir.VectorType(ir.FloatType(), LANES)
_BITS = ir.VectorType(ir.IntType(32), LANES)


Narrow = Callable[[npt.NDArray[np.int32], npt.NDArray[np.float32], np.float32, np.int32], None]


def _narrow(typing: Any, alive: Any, seen: Any, limit: Any, rest: Any) -> Any:
    del typing, limit, rest

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def place(number: int, lanes: ir.VectorType) -> Any:
            array = context.make_array(signature.args[number])(context, builder, values[number])
            return builder.bitcast(array.data, lanes.as_pointer())

        def everywhere(number: int, lanes: ir.VectorType) -> Any:
            nothing = ir.Constant(lanes, ir.Undefined)
            first = builder.insert_element(nothing, values[number], ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(first, nothing, ir.Constant(_BITS, [0] * LANES))

        kept = place(0, _BITS)
        below = builder.fcmp_ordered("<=", builder.load(place(1, _NUMBERS), align=4), everywhere(2, _NUMBERS))
        left = builder.or_(builder.sext(below, _BITS), everywhere(3, _BITS))
        builder.store(builder.and_(builder.load(kept, align=4), left), kept, align=4)
        return context.get_dummy_value()

    return types.void(alive, seen, types.float32, types.int32), generate


narrow = cast("Narrow", intrinsic(_narrow))
"""`alive &= rest | -(seen <= limit)` in every lane; an unknown number (NaN) is not below the limit.

`alive` and `seen` are arrays of LANES, one after the other in memory. In compiled code only.
"""
