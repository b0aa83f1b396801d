"""Steps that are not finite are not taken."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import Composition, GradientTransformation, adopt
from regopt_jax._trees import Array, PyTree
from regopt_jax.wrappers.gate import IN_PLACE, UPDATE, Mode, run_or_hold


def all_finite(tree: PyTree) -> Array:
    """Whether no leaf holds an infinity or a NaN; a boolean scalar.

    Two reductions tell without storing anything; a tree of booleans would be stored. A
    maximum finds infinities, but over devices XLA may drop a NaN from it, unlike from a sum.
    """

    def finite(x: Array) -> Array:
        return jnp.isfinite(jnp.max(jnp.abs(x), initial=0)) & ~jnp.isnan(jnp.sum(x))

    return functools.reduce(jnp.logical_and, map(finite, jax.tree.leaves(tree)), jnp.array(True))


def skip_not_finite(inner: optax.GradientTransformation) -> GradientTransformation:
    """Ignore gradients that hold an infinity or a NaN.

    Such an update is zero and leaves the inner state as it was. The state is Optax's
    ``ApplyIfFiniteState``: ``total_notfinite`` counts the ignored updates,
    ``notfinite_count`` those since the last good one.

    Args:
      inner: the transformation to protect.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.skip_not_finite(ro.sgd(1.0))
    >>> state = tx.init(jnp.array(0.0))
    >>> u, state = tx.update(jnp.array(jnp.nan), state)
    >>> float(u), int(state.notfinite_count)
    (0.0, 1)
    """
    part = adopt(inner)

    def init(params: PyTree) -> optax.ApplyIfFiniteState:
        return optax.ApplyIfFiniteState(
            notfinite_count=jnp.zeros([], jnp.int32),
            last_finite=jnp.array(True),
            total_notfinite=jnp.zeros([], jnp.int32),
            inner_state=part.init(params),
        )

    def advance(
        mode: Mode, updates: PyTree, state: optax.ApplyIfFiniteState, params: Any, extra: Any
    ) -> tuple[PyTree, optax.ApplyIfFiniteState]:
        def run(updates: PyTree, inner_state: Any, params: Any) -> tuple[PyTree, Any]:
            return mode.run(part, updates, inner_state, params, extra)

        def hold(updates: PyTree, inner_state: Any, params: Any) -> tuple[PyTree, Any]:
            return mode.hold(part, updates, inner_state, params, extra), inner_state

        finite = all_finite(updates)
        out, inner_state = run_or_hold(finite, run, hold, updates, state.inner_state, params)
        return out, optax.ApplyIfFiniteState(
            notfinite_count=jnp.where(finite, 0, optax.safe_increment(state.notfinite_count)),
            last_finite=finite,
            total_notfinite=jnp.where(
                finite, state.total_notfinite, optax.safe_increment(state.total_notfinite)
            ),
            inner_state=inner_state,
        )

    def update(updates: PyTree, state: Any, params: Any = None, **extra: Any) -> Any:
        return advance(UPDATE, updates, state, params, extra)

    def in_place(grads: PyTree, state: Any, params: PyTree, **extra: Any) -> Any:
        return advance(IN_PLACE, grads, state, params, extra)

    def rebuild(parts: Sequence[GradientTransformation]) -> GradientTransformation:
        (new,) = parts
        return skip_not_finite(new)

    return GradientTransformation(
        init,
        update,
        name="skip_not_finite",
        role="composite",
        elementwise=part.elementwise,
        in_place=in_place,
        composition=Composition(
            (part,), (part.name,), lambda s: (s.inner_state,), rebuild, gate=True
        ),
    )
