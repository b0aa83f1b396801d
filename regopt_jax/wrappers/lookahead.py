"""Lookahead: slow parameters that follow fast ones."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax import LookaheadParams as LookaheadParams

from regopt_jax import _hyperparams, _trees
from regopt_jax._core import Composition, GradientTransformation, adopt
from regopt_jax._trees import Array, ArrayLike, PyTree
from regopt_jax.wrappers.gate import run_or_hold


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
    _hyperparams.check(
        "lookahead",
        sync_period=(sync_period, "integer [1, inf)"),
        slow_step_size=(slow_step_size, "[0, 1]"),
    )
    part = adopt(fast_optimizer)

    def init(params: PyTree) -> optax.LookaheadState:
        return optax.LookaheadState(part.init(_trees.fast(params)), jnp.zeros([], jnp.int32))

    def due(state: optax.LookaheadState) -> Array:
        return state.steps_since_sync == sync_period - 1

    def counted(fast_state: Any, state: optax.LookaheadState) -> optax.LookaheadState:
        return optax.LookaheadState(fast_state, (state.steps_since_sync + 1) % sync_period)

    def restarted(fast_state: Any, fast: PyTree) -> Any:
        return jax.tree.map(lambda old, new: new.astype(old.dtype), fast_state, part.init(fast))

    def update(
        updates: PyTree,
        state: optax.LookaheadState,
        params: optax.LookaheadParams | None = None,
        **extra: Any,
    ) -> tuple[optax.LookaheadParams, optax.LookaheadState]:
        grads = _trees.fast(updates)
        if params is None:
            raise _trees.params_needed("lookahead", grads)
        _require_pair(params)
        steps, fast_state = part.update(grads, state.fast_state, params.fast, **extra)
        sync = due(state)

        def ahead(u: Array, fast: Array, slow: Array) -> Array:
            return fast + u - slow

        def fast_update(u: Array, lead: Array) -> Array:
            return jnp.where(sync, u - (1 - slow_step_size) * lead, u).astype(u.dtype)

        def slow_update(slow: Array, lead: Array) -> Array:
            return jnp.where(sync, slow_step_size * lead, 0).astype(slow.dtype)

        lead = _trees.map_leaves(
            "lookahead", ahead, steps, parameters=params.fast, slow=params.slow
        )
        if reset_state:
            start = restarted(fast_state, params.fast)
            fast_state = jax.tree.map(partial(jnp.where, sync), start, fast_state)
        return optax.LookaheadParams(
            fast=_trees.map_leaves("lookahead", fast_update, steps, leads=lead),
            slow=_trees.map_leaves("lookahead", slow_update, params.slow, leads=lead),
        ), counted(fast_state, state)

    def in_place(
        grads: PyTree, state: optax.LookaheadState, params: optax.LookaheadParams, **extra: Any
    ) -> tuple[optax.LookaheadParams, optax.LookaheadState]:
        _require_pair(params)
        fast, fast_state = part.step(_trees.fast(grads), state.fast_state, params.fast, **extra)

        def follow(slow: Array, fast: Array) -> Array:
            return slow + slow_step_size * (fast - slow)

        def run(fast: PyTree, slow: PyTree, fast_state: Any) -> Any:
            slow = _trees.map_leaves("lookahead", follow, slow, parameters=fast)
            return slow, slow, restarted(fast_state, slow) if reset_state else fast_state

        def hold(*operands: Any) -> Any:
            return operands

        fast, slow, fast_state = run_or_hold(due(state), run, hold, fast, params.slow, fast_state)
        return optax.LookaheadParams(fast, slow), counted(fast_state, state)

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
        in_place=in_place,
        composition=Composition(
            (part,),
            (part.name,),
            lambda s: (s.fast_state,),
            rebuild,
            narrow=lambda tree: (_trees.fast(tree),),
        ),
    )


def _require_pair(params: Any) -> None:
    if not isinstance(params, optax.LookaheadParams):
        raise TypeError(
            "lookahead: the parameters must be LookaheadParams, such as "
            f"regopt_jax.LookaheadParams.init_synced(params), got a {type(params).__name__}."
        )
