"""Lookahead: slow parameters that follow fast ones."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax import LookaheadParams as LookaheadParams

from regopt_jax._core import (
    Array,
    ArrayLike,
    GradientTransformation,
    PyTree,
    arithmetic,
    fields,
    matching,
    trees,
    wrap,
)
from regopt_jax._core.decorator import transformation
from regopt_jax._core.foreign import as_transformation
from regopt_jax._core.modes import Mode, Onto, run_or_hold


@transformation(sync_period="integer [1, inf)", slow_step_size="[0, 1]")
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
      TypeError: (from ``update``) the parameters are not ``LookaheadParams``; ``init`` takes
        the fast ones alone too.

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
    part = as_transformation(fast_optimizer)

    def init(params: PyTree) -> optax.LookaheadState:
        return optax.LookaheadState(part.init(trees.fast(params)), jnp.zeros([], jnp.int32))

    def due(state: optax.LookaheadState) -> Array:
        return state.steps_since_sync == sync_period - 1

    def counted(fast_state: Any, state: optax.LookaheadState) -> optax.LookaheadState:
        return optax.LookaheadState(fast_state, (state.steps_since_sync + 1) % sync_period)

    def restarted(fast_state: Any, fast: PyTree) -> Any:
        return jax.tree.map(arithmetic.in_dtype_of, fast_state, part.init(fast))

    def share(lead: Array) -> Array:
        """How far the slow parameters go towards fast ones that lead by ``lead``."""
        return jnp.multiply(slow_step_size, lead)

    def run(
        mode: Mode, updates: PyTree, state: optax.LookaheadState, params: Any, extra: Any
    ) -> tuple[Any, optax.LookaheadState]:
        grads = trees.fast(updates)
        if params is None:
            raise matching.params_needed("lookahead", grads)
        _require_pair(params)
        if isinstance(mode, Onto):
            return in_place(mode.base, grads, state, params, extra)
        steps, fast_state = part.update(grads, state.fast_state, params.fast, **extra)
        sync = due(state)

        def fast_update(u: Array, lead: Array) -> Array:
            return jnp.where(sync, u - (1 - slow_step_size) * lead, u).astype(u.dtype)

        def slow_update(slow: Array, lead: Array) -> Array:
            return jnp.where(sync, share(lead), 0).astype(slow.dtype)

        lead = _map(
            lambda u, fast, slow: fast + u - slow, steps, parameters=params.fast, slow=params.slow
        )
        if reset_state:
            start = restarted(fast_state, params.fast)
            fast_state = jax.tree.map(partial(jnp.where, sync), start, fast_state)
        out = optax.LookaheadParams(
            fast=_map(fast_update, steps, leads=lead),
            slow=_map(slow_update, params.slow, leads=lead),
        )
        return mode.land(out), counted(fast_state, state)

    def in_place(
        base: Any, grads: PyTree, state: optax.LookaheadState, params: Any, extra: Any
    ) -> tuple[optax.LookaheadParams, optax.LookaheadState]:
        """Without a difference of like numbers; a step that is held back moves nothing."""
        fast, fast_state = part.run(Onto(base.fast), grads, state.fast_state, params.fast, extra)

        def follow(slow: Array, fast: Array) -> Array:
            return slow + share(fast - slow)

        def synced(fast: PyTree, slow: PyTree, fast_state: Any) -> Any:
            slow = _map(follow, slow, parameters=fast)
            return slow, slow, restarted(fast_state, slow) if reset_state else fast_state

        def apart(*operands: Any) -> Any:
            return operands

        fast, slow, fast_state = run_or_hold(due(state), synced, apart, fast, base.slow, fast_state)
        return optax.LookaheadParams(fast, slow), counted(fast_state, state)

    return wrap(
        part,
        init=init,
        run=run,
        lens=fields("fast_state"),
        sees=lambda tree: (trees.fast(tree),),
        pairs=True,
    )


def _map(function: Callable[..., Any], tree: PyTree, **others: PyTree) -> PyTree:
    return matching.map_leaves("lookahead", function, tree, **others)


def _require_pair(params: Any) -> None:
    if not isinstance(params, optax.LookaheadParams):
        raise TypeError(
            "lookahead: the parameters must be LookaheadParams, such as "
            f"regopt_jax.LookaheadParams.init_synced(params), got a {type(params).__name__}."
        )
