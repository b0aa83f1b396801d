"""Steps that are not finite are not taken."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import Composition, GradientTransformation, adopt
from regopt_jax._trees import Array, PyTree
from regopt_jax.wrappers.gate import run_if


def all_finite(tree: PyTree) -> Array:
    """Whether no leaf holds an infinity or a NaN; a boolean scalar."""
    finite = [jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(tree)]
    return jnp.all(jnp.stack(finite)) if finite else jnp.array(True)


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

    def update(
        updates: PyTree,
        state: optax.ApplyIfFiniteState,
        params: PyTree | None = None,
        **extra_args: Any,
    ) -> tuple[PyTree, optax.ApplyIfFiniteState]:
        finite = all_finite(updates)
        out, inner_state = run_if(finite, part, updates, state.inner_state, params, extra_args)
        return out, optax.ApplyIfFiniteState(
            notfinite_count=jnp.where(finite, 0, optax.safe_increment(state.notfinite_count)),
            last_finite=finite,
            total_notfinite=jnp.where(
                finite, state.total_notfinite, optax.safe_increment(state.total_notfinite)
            ),
            inner_state=inner_state,
        )

    def rebuild(parts: Sequence[GradientTransformation]) -> GradientTransformation:
        (new,) = parts
        return skip_not_finite(new)

    return GradientTransformation(
        init,
        update,
        name="skip_not_finite",
        role="composite",
        elementwise=part.elementwise,
        composition=Composition(
            (part,), (part.name,), lambda s: (s.inner_state,), rebuild, gate=True
        ),
    )
