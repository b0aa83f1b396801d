"""Steps that are not finite are not taken."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, as_transformation, fields, transformation, wrap
from regopt_jax._core.modes import Mode, run_if
from regopt_jax._core.tolerance import strict
from regopt_jax._core.trees import Array, ArrayLike, PyTree


def all_finite(tree: PyTree) -> Array:
    """Whether no leaf holds an infinity or a NaN; a boolean scalar.

    A finite number less itself is zero, another is not a number. XLA sums such differences
    without storing them, unlike booleans or products with zero; and a sum, unlike a maximum,
    keeps a NaN over devices and does not overflow here.
    """

    def finite(x: Array) -> Array:
        return ~jnp.isnan(jnp.sum(x - x))

    return functools.reduce(jnp.logical_and, map(finite, jax.tree.leaves(tree)), jnp.array(True))


@transformation(max_consecutive_errors="integer [0, inf) or None")
def apply_if_finite(
    inner: optax.GradientTransformation, max_consecutive_errors: ArrayLike | None = None
) -> GradientTransformation:
    """Ignore gradients that hold an infinity or a NaN.

    Such an update is zero and leaves the inner state as it was. In the state,
    ``total_notfinite`` counts the gradients that were not finite, ``notfinite_count`` those
    ignored since the last one that was let through.

    Args:
      inner: the transformation to protect.
      max_consecutive_errors: n, an integer ≥ 0; after n ignored in a row the next is let
        through, so that a run which is lost shows it. ``None`` ignores all.

    Raises:
      ValueError: ``max_consecutive_errors`` out of its range.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.apply_if_finite(ro.sgd(1.0))
    >>> state = tx.init(jnp.array(0.0))
    >>> u, state = tx.update(jnp.array(jnp.nan), state)
    >>> float(u), int(state.notfinite_count)
    (0.0, 1)
    """
    limit = max_consecutive_errors
    part = as_transformation(inner)

    def init(params: PyTree) -> optax.ApplyIfFiniteState:
        return optax.ApplyIfFiniteState(
            notfinite_count=jnp.zeros([], jnp.int32),
            last_finite=jnp.array(True),
            total_notfinite=jnp.zeros([], jnp.int32),
            inner_state=part.init(params),
        )

    def run(
        mode: Mode, updates: PyTree, state: optax.ApplyIfFiniteState, params: Any, extra: Any
    ) -> tuple[Any, optax.ApplyIfFiniteState]:
        finite = all_finite(updates)
        passes = finite if limit is None else finite | (state.notfinite_count >= limit)
        over = passes if strict() else finite  # in Optax what is let through goes on counting
        out, inner_state = run_if(passes, part, mode, updates, state.inner_state, params, extra)
        return out, optax.ApplyIfFiniteState(
            notfinite_count=jnp.where(over, 0, optax.safe_increment(state.notfinite_count)),
            last_finite=finite,
            total_notfinite=jnp.where(
                finite, state.total_notfinite, optax.safe_increment(state.total_notfinite)
            ),
            inner_state=inner_state,
        )

    return wrap(part, init=init, run=run, lens=fields("inner_state"), holds=True)
