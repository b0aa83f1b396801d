"""Running a transformation only on the updates that count."""

from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax._core import GradientTransformation
from regopt_jax._trees import Array, PyTree


def run_if(
    condition: Array,
    tx: GradientTransformation,
    updates: PyTree,
    state: Any,
    params: PyTree | None,
    extra_args: dict[str, Any],
) -> tuple[PyTree, Any]:
    """The transformation's update where ``condition`` holds, else zeros and the old state."""

    def run(updates: PyTree, state: Any, params: PyTree | None) -> tuple[PyTree, Any]:
        return tx.update(updates, state, params, **extra_args)

    out, _ = jax.eval_shape(run, updates, state, params)

    def hold(updates: PyTree, state: Any, params: PyTree | None) -> tuple[PyTree, Any]:
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), out), state

    def run_stable(updates: PyTree, state: Any, params: PyTree | None) -> tuple[PyTree, Any]:
        new_updates, new_state = run(updates, state, params)
        strong = jax.tree.map(lambda x, o: jnp.asarray(x, o.dtype), new_updates, out)
        return strong, jax.tree.map(_like, new_state, state)

    return jax.lax.cond(condition, run_stable, hold, updates, state, params)


def _like(new: Any, old: Any) -> Array:
    """``new`` with the dtype and weak type of ``old``."""
    old = jnp.asarray(old)
    return jax.lax.convert_element_type(new, old.dtype) if not old.weak_type else jnp.asarray(new)
