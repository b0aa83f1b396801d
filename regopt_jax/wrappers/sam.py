"""Sharpness-aware minimisation: gradients from where the loss nearby is worst."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import SAMState as SAMState

from regopt_jax._core import (
    Array,
    GradientTransformation,
    PyTree,
    arithmetic,
    fields,
    matching,
    vectors,
    wrap,
)
from regopt_jax._core.decorator import transformation
from regopt_jax._core.foreign import as_transformation
from regopt_jax._core.tolerance import strict


@transformation(sync_period="integer [1, inf)")
def sam(
    optimizer: optax.GradientTransformation,
    adv_optimizer: optax.GradientTransformation,
    sync_period: int = 2,
    reset_state: bool = True,
    opaque_mode: bool = False,
    batch_axis_name: str | None = None,
) -> GradientTransformation:
    r"""Climb k-1 steps, then take the optimiser's step from where the climb began (SAM).

    .. math:: W' = W + ρ\, \frac{∇L(W)}{\lVert ∇L(W)\rVert}, \qquad W ← W - α ∇L(W')

    with ``sgd(α)``, ``chain(normalize(), sgd(ρ))`` and a period of 2.

    Args:
      optimizer: takes every k-th step, from the gradient at the end of the climb.
      adv_optimizer: takes the steps between, turned into ascent.
      sync_period: k, an integer ≥ 1.
      reset_state: start the climber anew after every climb; else it goes on.
      opaque_mode: climb within ``update``, which then needs ``grad_fn(params, i)``, the
        gradient for step i of the climb. Otherwise each update is one step, and the
        parameters on the way, and their losses, are seen outside.
      batch_axis_name: in opaque mode, the mapped axis over which to average those gradients.

    Raises:
      ValueError: ``sync_period`` out of its range; from ``update``, no parameters, or no
        ``grad_fn`` in opaque mode.

    Foret et al., *Sharpness-aware minimization*, arXiv 2010.01412.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.sam(ro.sgd(0.25), ro.chain(ro.normalize(), ro.sgd(1.0)))
    >>> w = jnp.array(1.0)
    >>> state = tx.init(w)
    >>> for _ in range(2):
    ...     updates, state = tx.update(2 * w, state, w)
    ...     w = ro.apply_updates(w, updates)
    ...     print(float(w))
    2.0
    0.0
    """
    outer, climber = as_transformation(optimizer), as_transformation(adv_optimizer)

    def init(params: PyTree) -> SAMState:
        return SAMState(
            steps_since_sync=jnp.zeros([], jnp.int32),
            opt_state=outer.init(params),
            adv_state=climber.init(params),
            cache=None if opaque_mode else _map(arithmetic.copied, params),
        )

    def climb(updates: PyTree, state: Any, params: PyTree, extra: Any) -> tuple[PyTree, Any]:
        steps, state = climber.update(updates, state, params, **extra)
        return _map(jnp.negative, steps), state

    def one_step(
        updates: PyTree, state: Any, params: PyTree, grad_fn: Any, extra: Any
    ) -> tuple[PyTree, SAMState]:
        first, last = (state.steps_since_sync == i for i in (0, sync_period - 1))
        start = _pick(first, params, state.cache)
        up, adv_state = climb(updates, state.adv_state, params, extra)
        down, opt_state = outer.update(updates, state.opt_state, start, **extra)
        kept = start if strict() else state.cache  # another one where each step is the last
        back = _map(lambda u, p, w: w - p + u, down, parameters=params, starts=kept)
        rested = climber.init(params) if reset_state else state.adv_state
        return _pick(last, back, up), SAMState(
            steps_since_sync=(state.steps_since_sync + 1) % sync_period,
            opt_state=_pick(last, opt_state, state.opt_state),
            adv_state=_pick(last, rested, adv_state),
            cache=start,
        )

    def whole_climb(
        updates: PyTree, state: Any, params: PyTree, grad_fn: Any, extra: Any
    ) -> tuple[PyTree, SAMState]:
        if grad_fn is None:
            raise ValueError("sam: opaque_mode=True needs update(..., grad_fn=f), f(params, i).")
        there, adv_state = params, state.adv_state
        for i in range(sync_period - 1):
            up, adv_state = climb(updates, adv_state, there, extra)
            there = vectors.apply_updates(there, up)
            updates = _map(lambda _, g: g, updates, gradients=grad_fn(there, i))
            if batch_axis_name is not None:
                updates = jax.lax.pmean(updates, batch_axis_name)  # type: ignore[no-untyped-call]
        out, opt_state = outer.update(updates, state.opt_state, params, **extra)
        return out, SAMState(
            steps_since_sync=jnp.zeros([], jnp.int32),
            opt_state=opt_state,
            adv_state=climber.init(params) if reset_state else adv_state,
            cache=None,
        )

    def update(
        updates: PyTree,
        state: Any,
        params: PyTree | None = None,
        *,
        grad_fn: Callable[[PyTree, int], PyTree] | None = None,
        **extra: Any,
    ) -> tuple[PyTree, SAMState]:
        if params is None:
            raise matching.params_needed("sam", updates)
        go = whole_climb if opaque_mode else one_step
        return go(updates, state, params, grad_fn, extra)

    return wrap(outer, climber, init=init, update=update, lens=fields("opt_state", "adv_state"))


def _map(function: Callable[..., Any], tree: PyTree, **others: PyTree) -> PyTree:
    return matching.map_leaves("sam", function, tree, **others)


def _pick(condition: Array, new: PyTree, old: PyTree) -> PyTree:
    """``new`` where the condition holds, in the dtypes of ``old``."""

    def one(n: Any, o: Any) -> Array:
        o = jnp.asarray(o)
        return jnp.where(condition, jnp.asarray(n).astype(o.dtype), o)

    return jax.tree.map(one, new, old)
