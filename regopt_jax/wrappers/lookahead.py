"""Lookahead: slow parameters that follow fast ones."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax import LookaheadParams as LookaheadParams

from regopt_jax import _hyperparams, _trees
from regopt_jax._core import Composition, GradientTransformation, adopt
from regopt_jax._trees import Array, ArrayLike, PyTree


def lookahead(
    fast_optimizer: optax.GradientTransformation,
    sync_period: ArrayLike,
    slow_step_size: ArrayLike,
    reset_state: bool = False,
) -> GradientTransformation:
    r"""k steps of an optimiser, then one step of the slow parameters towards where it got.

    .. math:: φ ← φ + α (θ - φ), \qquad θ ← φ \qquad \text{every } k \text{ steps of } θ

    The parameters are ``LookaheadParams(fast=θ, slow=φ)``: take gradients at ``fast``,
    evaluate at ``slow``. Their updates must be applied as they come.

    Args:
      fast_optimizer: steps the fast parameters; it gets the gradients with respect to them,
        alone or as ``LookaheadParams``.
      sync_period: k, an integer ≥ 1.
      slow_step_size: α in [0, 1].
      reset_state: start the fast optimiser anew after each slow step.

    Raises:
      ValueError: a hyperparameter out of its range.

    Zhang et al., *Lookahead optimizer*, arXiv 1907.08610.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.lookahead(ro.sgd(1.0), sync_period=2, slow_step_size=0.5)
    >>> params = ro.LookaheadParams.init_synced(jnp.array(0.0))
    >>> state = tx.init(params)
    >>> for _ in range(2):
    ...     updates, state = tx.update(jnp.array(-1.0), state, params)
    ...     params = ro.apply_updates(params, updates)
    ...     print(float(params.fast), float(params.slow))
    1.0 0.0
    1.0 1.0
    """
    _hyperparams.check(
        "lookahead",
        sync_period=(sync_period, "[1, inf)"),
        slow_step_size=(slow_step_size, "[0, 1]"),
    )
    part = adopt(fast_optimizer)

    def init(params: PyTree) -> optax.LookaheadState:
        return optax.LookaheadState(part.init(_fast(params)), jnp.zeros([], jnp.int32))

    def update(
        updates: PyTree,
        state: optax.LookaheadState,
        params: optax.LookaheadParams | None = None,
        **extra: Any,
    ) -> tuple[optax.LookaheadParams, optax.LookaheadState]:
        grads = _fast(updates)
        if params is None:
            raise _trees.params_needed("lookahead", grads)
        steps, fast_state = part.update(grads, state.fast_state, params.fast, **extra)
        sync = state.steps_since_sync == sync_period - 1

        def ahead(u: Array, fast: Array, slow: Array) -> Array:
            return fast + u - slow

        def fast_update(u: Array, lead: Array) -> Array:
            return jnp.where(sync, u - (1 - slow_step_size) * lead, u).astype(u.dtype)

        def slow_update(slow: Array, lead: Array) -> Array:
            return jnp.where(sync, slow_step_size * lead, 0).astype(slow.dtype)

        def map_leaves(function: Any, tree: PyTree, **others: PyTree) -> PyTree:
            return _trees.map_leaves("lookahead", function, tree, **others)

        lead = map_leaves(ahead, steps, parameters=params.fast, slow=params.slow)
        if reset_state:
            start = part.init(params.fast)
            fast_state = jax.tree.map(
                lambda now, new: jnp.where(sync, new.astype(now.dtype), now), fast_state, start
            )
        return optax.LookaheadParams(
            fast=map_leaves(fast_update, steps, leads=lead),
            slow=map_leaves(slow_update, params.slow, leads=lead),
        ), optax.LookaheadState(fast_state, (state.steps_since_sync + 1) % sync_period)

    def rebuild(parts: Sequence[GradientTransformation]) -> GradientTransformation:
        (new,) = parts
        return lookahead(new, sync_period, slow_step_size, reset_state)

    return GradientTransformation(
        init,
        update,
        name="lookahead",
        hyperparams={"sync_period": sync_period, "slow_step_size": slow_step_size},
        role="composite",
        elementwise=part.elementwise,
        composition=Composition((part,), (part.name,), lambda s: (s.fast_state,), rebuild),
    )


def _fast(tree: PyTree) -> PyTree:
    return tree.fast if isinstance(tree, optax.LookaheadParams) else tree
