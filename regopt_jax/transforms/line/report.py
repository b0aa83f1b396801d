"""What a line search prints of a search that failed, in words that programs may look for."""

from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike
from regopt_jax._core.optax_states import (
    FLAG_CURVATURE_COND_NOT_SATISFIED,
    FLAG_INTERVAL_NOT_FOUND,
    FLAG_INTERVAL_TOO_SMALL,
    FLAG_NO_STEPSIZE_FOUND,
    FLAG_NOT_A_DESCENT_DIRECTION,
)


def _say_if(condition: ArrayLike, text: str, **numbers: Any) -> None:
    jax.lax.cond(condition, lambda: jax.debug.print(text, **numbers, ordered=True), lambda: None)


def report_backtracking(found: Any, value: Array, slope: Array, tolerance: Array) -> None:
    """Of a backtracking search whose last try lacks a sufficient decrease."""
    _say_if(
        found.error > tolerance,
        "scale_by_backtracking_linesearch: no step size with a sufficient decrease. Loss {value}, "
        "slope {slope}, last step size {size}, which lacks {error} of the decrease.",
        value=value,
        slope=slope,
        size=found.size,
        error=found.error,
    )
    _say_if(jnp.isinf(found.error), "No loss on the way is finite: the step is zero.")


def report_zoom(found: Any, start: Any, precision: Array) -> None:
    """Of a zoom search that failed, or that ended at the longest step."""
    longest = found.done & ((found.decrease_error > 0) | (found.curvature_error > 0))
    _say_if(
        longest | found.failed,
        "scale_by_zoom_linesearch: loss {value}, slope {slope}, last step size {size}, which lacks "
        "{decrease} of the decrease and {curvature} of the curvature.",
        value=start.value,
        slope=start.slope,
        size=found.now.size,
        decrease=found.decrease_error,
        curvature=found.curvature_error,
    )
    _say_if(longest, f"{FLAG_INTERVAL_NOT_FOUND} {FLAG_CURVATURE_COND_NOT_SATISFIED}")
    length = jnp.abs(found.high.size - found.low.size)
    _say_if(found.failed & (length <= precision), FLAG_INTERVAL_TOO_SMALL)
    safe = found.safe.size > 0
    _say_if(
        found.failed & safe,
        f"{FLAG_CURVATURE_COND_NOT_SATISFIED} It is {{size}}.",
        size=found.safe.size,
    )
    lost, downhill = found.failed & ~safe, start.slope < 0
    _say_if(lost, FLAG_NO_STEPSIZE_FOUND)
    _say_if(
        lost & ~downhill,
        FLAG_NOT_A_DESCENT_DIRECTION + "The slope along it is {slope}.",
        slope=start.slope,
    )
    _say_if(lost & downhill, "Try more steps (max_linesearch_steps), or float64.")
    outside = jnp.isinf(found.decrease_error)
    _say_if(lost & outside, "The loss there is not finite: the step is zero.")
    _say_if(lost & ~outside, "The step is the last that was tried: the loss may rise.")
