"""Predicates ``(updates, gradient_step, params) -> (skip, info)`` for accumulation."""

import jax
import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, PyTree, vectors

Decision = tuple[Array, dict[str, Array]]


def skip_not_finite(updates: PyTree, gradient_step: ArrayLike, params: PyTree | None) -> Decision:
    """Skip updates that hold an infinity or a NaN.

    Args:
      updates: the tree to judge.
      gradient_step, params: not used.

    Returns:
      Whether to skip, and ``should_skip`` and ``num_not_finite``, the number of such elements.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.accumulate(ro.sgd(1.0), 2, should_skip_update_fn=ro.skip_not_finite)
    >>> _, state = tx.update(jnp.array([1.0, jnp.nan]), tx.init(jnp.zeros(2)))
    >>> int(state.mini_step), int(state.skip_state["num_not_finite"])
    (0, 1)
    """
    counts = [jnp.sum(~jnp.isfinite(x), dtype=jnp.int32) for x in jax.tree.leaves(updates)]
    number = sum(counts, jnp.zeros([], jnp.int32))
    return number > 0, {"should_skip": number > 0, "num_not_finite": number}


def skip_large_updates(
    updates: PyTree, gradient_step: ArrayLike, params: PyTree | None, max_squared_norm: ArrayLike
) -> Decision:
    """Skip updates whose squared global norm is not below a limit, NaN included.

    Args:
      updates: the tree to judge.
      gradient_step, params: not used.
      max_squared_norm: the limit; bind it with ``functools.partial``.

    Returns:
      Whether to skip, and ``should_skip`` and ``norm_squared``.

    >>> import functools, jax.numpy as jnp, regopt_jax as ro
    >>> too_large = functools.partial(ro.skip_large_updates, max_squared_norm=4.0)
    >>> tx = ro.accumulate(ro.sgd(1.0), 2, should_skip_update_fn=too_large)
    >>> _, state = tx.update(jnp.array([0.0, 3.0]), tx.init(jnp.zeros(2)))
    >>> int(state.mini_step), float(state.skip_state["norm_squared"])
    (0, 9.0)
    """
    squared = jnp.square(vectors.global_norm(updates))
    skip = ~(squared < max_squared_norm)
    return skip, {"should_skip": skip, "norm_squared": squared}
