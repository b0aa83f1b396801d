"""A step size that falls when a value stops improving."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from optax.contrib import ReduceLROnPlateauState

from regopt_jax._core import (
    GradientTransformation,
    Step,
    arithmetic,
    leafwise,
    numbers,
    transformation,
)
from regopt_jax._core.tolerance import strict
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax.transforms.norms import scaled


@transformation(
    factor="(0, 1)",
    patience="integer [0, inf)",
    rtol="[0, 1]",
    atol="[0, inf)",
    cooldown="integer [0, inf)",
    accumulation_size="integer [1, inf)",
    min_scale="[0, inf)",
    eps="[0, inf)",
)
def reduce_on_plateau(
    factor: ArrayLike = 0.1,
    patience: ArrayLike = 10,
    rtol: ArrayLike = 1e-4,
    atol: ArrayLike = 0.0,
    cooldown: ArrayLike = 0,
    accumulation_size: ArrayLike = 1,
    min_scale: ArrayLike = 0.0,
    *,
    eps: ArrayLike = 0.0,
    signed_margin: bool = False,
) -> GradientTransformation:
    r"""Scale the updates by s, which falls to fs when a value has stopped improving.

    ``update`` takes the ``value``, such as the loss. The mean of ``accumulation_size``
    values improves on the best so far if it is below :math:`best - rtol\,|best| - atol`; at the
    ``patience``-th mean in a row that does not, :math:`s ← \max(f s, s_{min})`.

    Args:
      factor: f in (0, 1).
      patience: an integer ≥ 0; 0 acts as 1.
      rtol: in [0, 1].
      atol: ≥ 0; one of ``rtol`` and ``atol`` must be positive.
      cooldown: how many means after a reduction do not count, an integer ≥ 0.
      accumulation_size: how many values make a mean, an integer ≥ 1.
      min_scale: :math:`s_{min}` ≥ 0.
      eps: ε ≥ 0; s stays where it would fall by no more than ε. PyTorch's is that of the
        learning rate: divide it by the rate.
      signed_margin: take rtol of the best value as it is, as Optax and PyTorch do: a value
        that stays below zero then improves at every mean, and s never falls.

    Raises:
      ValueError: a hyperparameter out of its range.
      TypeError: (from ``update``) no ``value``.

    PyTorch's ``ReduceLROnPlateau``, whose ``patience`` is one less for the same reductions.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.chain(ro.sgd(1.0), ro.reduce_on_plateau(factor=0.5, patience=1))
    >>> state = tx.init(jnp.array(0.0))
    >>> for loss in (3.0, 2.0, 2.0):
    ...     u, state = tx.update(jnp.array(1.0), state, value=loss)
    ...     print(float(u))
    -1.0
    -1.0
    -0.5
    """
    if all(numbers.is_number(tol, 0) for tol in (rtol, atol)):
        raise ValueError("reduce_on_plateau: one of rtol and atol must be positive, both are 0.")

    def judge(state: ReduceLROnPlateauState, mean: Array) -> ReduceLROnPlateauState:
        """The state after one mean of ``accumulation_size`` values."""
        best = state.best_value
        kept = 1 - rtol if signed_margin else jnp.where(best > 0, 1 - rtol, 1 + rtol)
        better = mean < jnp.where(jnp.isinf(best), best, kept * best - atol)
        stale = jnp.where(better, 0, optax.safe_increment(state.plateau_count))
        cooling = state.cooldown_count > 0
        done = (stale >= patience) & ~better if strict() else stale == patience
        reduce = ~cooling & done
        reduced = jnp.maximum(jnp.where(reduce, state.scale * factor, state.scale), min_scale)
        ignored = reduce & (jnp.abs(state.scale - reduced) <= eps)
        remaining = jnp.where(reduce, jnp.asarray(cooldown, jnp.int32), 0)
        return ReduceLROnPlateauState(
            scale=jnp.where(cooling | ignored, state.scale, reduced),
            best_value=jnp.where(better, mean, best),
            plateau_count=jnp.where(cooling | reduce, 0, stale),
            cooldown_count=jnp.where(cooling, state.cooldown_count - 1, remaining),
            count=jnp.zeros([], jnp.int32),
            avg_value=jnp.zeros_like(mean),
        )

    def context(step: Step) -> ReduceLROnPlateauState:
        state = step.state
        if step.after:
            return state
        value = step.extra.get("value")
        if value is None:
            raise TypeError("reduce_on_plateau: call update(updates, state, params, value=loss).")
        count = optax.safe_increment(state.count)
        with jax.numpy_dtype_promotion("standard"):
            total = state.count * state.avg_value + jnp.asarray(value)
            mean = (total / count).astype(state.avg_value.dtype)
            judged = judge(state, mean)
        kept = state._replace(count=count, avg_value=mean)
        full = count == accumulation_size
        return jax.tree.map(
            lambda j, k: jnp.where(full, j, k).astype(jnp.result_type(k)), judged, kept
        )

    def real(value: float) -> Callable[[PyTree], Array]:
        return lambda params: jnp.full([], value, arithmetic.real_dtype(params))

    def whole(params: PyTree) -> Array:
        return jnp.zeros([], jnp.int32)

    return leafwise(
        lambda g, now: scaled(g, now.scale),
        role="scaling",
        state=ReduceLROnPlateauState,
        counter="",
        scalars={
            "scale": real(1.0),
            "best_value": real(jnp.inf),
            "plateau_count": whole,
            "cooldown_count": whole,
            "count": whole,
            "avg_value": real(0.0),
        },
        context=context,
        advance=lambda step, now: now._asdict(),
        metric=lambda now: 1 / now.scale,
        factor=lambda step: jnp.asarray(step.state.scale),
    )
