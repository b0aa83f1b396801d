"""A step size that falls when a value stops improving."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import ReduceLROnPlateauState

from regopt_jax import _hyperparams, _trees
from regopt_jax._core import GradientTransformation
from regopt_jax._trees import Array, ArrayLike, PyTree


def reduce_on_plateau(
    factor: ArrayLike = 0.1,
    patience: ArrayLike = 10,
    rtol: ArrayLike = 1e-4,
    atol: ArrayLike = 0.0,
    cooldown: ArrayLike = 0,
    accumulation_size: ArrayLike = 1,
    min_scale: ArrayLike = 0.0,
) -> GradientTransformation:
    r"""Scale the updates by s, which falls to fs when a value has stopped improving.

    ``update`` takes the ``value``, such as the loss. The mean of ``accumulation_size``
    values improves on the best so far if it is below :math:`(1 - rtol)\,best - atol`; at the
    ``patience``-th mean in a row that does not, :math:`s ← \max(f s, s_{min})`.

    Args:
      factor: f in (0, 1).
      patience: an integer ≥ 0; 0 acts as 1.
      rtol: in [0, 1].
      atol: ≥ 0; one of ``rtol`` and ``atol`` must be positive.
      cooldown: how many means after a reduction do not count, an integer ≥ 0.
      accumulation_size: how many values make a mean, an integer ≥ 1.
      min_scale: :math:`s_{min}` ≥ 0.

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
    hyperparams = {
        "factor": (factor, "(0, 1)"),
        "patience": (patience, "integer [0, inf)"),
        "rtol": (rtol, "[0, 1]"),
        "atol": (atol, "[0, inf)"),
        "cooldown": (cooldown, "integer [0, inf)"),
        "accumulation_size": (accumulation_size, "integer [1, inf)"),
        "min_scale": (min_scale, "[0, inf)"),
    }
    _hyperparams.check("reduce_on_plateau", **hyperparams)
    if all(_hyperparams.is_number(tol, 0) for tol in (rtol, atol)):
        raise ValueError("reduce_on_plateau: one of rtol and atol must be positive, both are 0.")

    def init(params: PyTree) -> ReduceLROnPlateauState:
        _trees.check_inexact("reduce_on_plateau", params)
        dtype = _trees.real_dtype(params)
        return ReduceLROnPlateauState(
            scale=jnp.ones([], dtype),
            best_value=jnp.full([], jnp.inf, dtype),
            plateau_count=jnp.zeros([], jnp.int32),
            cooldown_count=jnp.zeros([], jnp.int32),
            count=jnp.zeros([], jnp.int32),
            avg_value=jnp.zeros([], dtype),
        )

    def judge(state: ReduceLROnPlateauState, mean: Array) -> ReduceLROnPlateauState:
        """The state after one mean of ``accumulation_size`` values."""
        better = mean < (1 - rtol) * state.best_value - atol
        stale = jnp.where(better, 0, optax.safe_increment(state.plateau_count))
        cooling = state.cooldown_count > 0
        reduce = ~(cooling | better) & (stale >= patience)
        reduced = jnp.maximum(jnp.where(reduce, state.scale * factor, state.scale), min_scale)
        remaining = jnp.where(reduce, jnp.asarray(cooldown, jnp.int32), 0)
        return ReduceLROnPlateauState(
            scale=jnp.where(cooling, state.scale, reduced),
            best_value=jnp.where(better, mean, state.best_value),
            plateau_count=jnp.where(cooling | reduce, 0, stale),
            cooldown_count=jnp.where(cooling, state.cooldown_count - 1, remaining),
            count=jnp.zeros([], jnp.int32),
            avg_value=jnp.zeros_like(mean),
        )

    def update(
        updates: PyTree,
        state: ReduceLROnPlateauState,
        params: PyTree | None = None,
        *,
        value: ArrayLike | None = None,
        **_: Any,
    ) -> tuple[PyTree, ReduceLROnPlateauState]:
        if value is None:
            raise TypeError("reduce_on_plateau: call update(updates, state, params, value=loss).")
        count = optax.safe_increment(state.count)
        with jax.numpy_dtype_promotion("standard"):
            total = state.count * state.avg_value + jnp.asarray(value)
            mean = (total / count).astype(state.avg_value.dtype)
            judged = judge(state, mean)
        kept = state._replace(count=count, avg_value=mean)
        full = count == accumulation_size
        new = jax.tree.map(
            lambda j, k: jnp.where(full, j, k).astype(jnp.result_type(k)), judged, kept
        )
        scale = jnp.asarray(new.scale)
        scaled = jax.tree.map(lambda g: scale.astype(jnp.result_type(g)) * g, updates)
        return scaled, new

    def metric(state: ReduceLROnPlateauState, params: PyTree) -> PyTree:
        return jax.tree.map(lambda _: 1 / state.scale, params)

    return GradientTransformation(
        init,
        update,
        name="reduce_on_plateau",
        hyperparams={name: value for name, (value, _) in hyperparams.items()},
        elementwise=True,
        metric=metric,
    )
