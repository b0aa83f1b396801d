"""Running a transformation only on the updates that count.

A gate asks its inner transformation either for an update or, in place, for a whole step.
Held back, an update is zeros, while a step leaves the parameters untouched: no array is
read or written for it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regopt_jax._core import GradientTransformation
from regopt_jax._trees import Array, PyTree


class Mode(NamedTuple):
    """What a gate asks for: functions of (transformation, updates, state, params, extras).

    Attributes:
      run: returns what comes out, and the new state.
      hold: returns what comes out when the step is held back.
    """

    run: Callable[..., tuple[PyTree, Any]]
    hold: Callable[..., PyTree]


def _update(
    tx: GradientTransformation, updates: PyTree, state: Any, params: PyTree, extra: Any
) -> tuple[PyTree, Any]:
    return tx.update(updates, state, params, **extra)


def _zeros(
    tx: GradientTransformation, updates: PyTree, state: Any, params: PyTree, extra: Any
) -> PyTree:
    out, _ = jax.eval_shape(lambda u, s, p: tx.update(u, s, p, **extra), updates, state, params)
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), out)


def _step(
    tx: GradientTransformation, updates: PyTree, state: Any, params: PyTree, extra: Any
) -> tuple[PyTree, Any]:
    return tx.step(updates, state, params, **extra)


def _params(
    tx: GradientTransformation, updates: PyTree, state: Any, params: PyTree, extra: Any
) -> PyTree:
    return params


UPDATE = Mode(_update, _zeros)
IN_PLACE = Mode(_step, _params)


def run_or_hold(
    condition: Array, run: Callable[..., Any], hold: Callable[..., Any], *operands: Any
) -> Any:
    """``lax.cond`` in which what ``run`` returns takes the dtypes that ``hold`` returns."""

    def stable(*operands: Any) -> Any:
        shapes = jax.eval_shape(hold, *operands)
        return jax.tree.map(_like, run(*operands), shapes)

    return jax.lax.cond(condition, stable, hold, *operands)


def _like(new: Any, old: jax.ShapeDtypeStruct) -> Array:
    """``new`` with the dtype and, if it has it, the weak type of ``old``."""
    same = jnp.result_type(new) == old.dtype and old.weak_type
    return jnp.asarray(new) if same else jax.lax.convert_element_type(new, old.dtype)
