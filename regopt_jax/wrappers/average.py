"""Averages and copies of parameters that lag behind them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax import _hyperparams, _trees, _vectors
from regopt_jax._core import GradientTransformation
from regopt_jax._trees import Array, ArrayLike, PyTree
from regopt_jax.wrappers.gate import run_or_hold


class ParamsEmaState(NamedTuple):
    """State of :func:`params_ema`.

    Attributes:
      count: int32 scalar, the number of steps averaged.
      params_ema: the average, ready for evaluation.
    """

    count: Array  # type: ignore[assignment]
    params_ema: PyTree


def params_ema(
    decay: ArrayLike, debias: bool = True, accumulator_dtype: Any = None
) -> GradientTransformation:
    r"""Keep an exponential moving average of the parameters; pass the updates through.

    .. math:: \bar W_t = \bar W_{t-1} + \frac{1-β}{1-β^t} (W_t - \bar W_{t-1})

    the bias-corrected average of the parameters after each step. It belongs at the end of a
    chain; ``optax.tree.get(state, "params_ema")`` is what to evaluate.

    Args:
      decay: β in [0, 1), usually 0.999 or closer to 1.
      debias: leave the initial parameters out; without it the average starts at them and
        the weight is :math:`1-β` throughout.
      accumulator_dtype: dtype of the average, the parameters' when ``None``; float32 for
        bfloat16 parameters, whose precision would swallow steps of :math:`1-β`.

    Raises:
      ValueError: ``decay`` out of its range; from ``update``, no parameters.

    Polyak & Juditsky, *Acceleration of stochastic approximation by averaging*, 1992.

    >>> import jax.numpy as jnp, optax, regopt_jax as ro
    >>> tx = ro.chain(ro.sgd(1.0), ro.params_ema(0.5))
    >>> w = jnp.array(0.0)
    >>> state = tx.init(w)
    >>> for _ in range(2):
    ...     updates, state = tx.update(jnp.array(-3.0), state, w)
    ...     w = ro.apply_updates(w, updates)
    >>> float(w), float(optax.tree.get(state, "params_ema"))
    (6.0, 5.0)
    """
    _hyperparams.check("params_ema", decay=(decay, "[0, 1)"))

    def init(params: PyTree) -> ParamsEmaState:
        _trees.check_inexact("params_ema", params)
        copies = jax.tree.map(lambda p: _trees.copied(p, accumulator_dtype), params)
        return ParamsEmaState(jnp.zeros([], jnp.int32), copies)

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, ParamsEmaState]:
        if params is None:
            raise _trees.params_needed("params_ema", updates)
        count = optax.safe_increment(state.count)
        weight = _debiased(decay, count) if debias else 1 - decay

        def follow(average: Array, p: Array) -> Array:
            return jnp.asarray(average + weight * (p - average), average.dtype)

        new = _vectors.apply_updates(params, updates)
        average = _trees.map_leaves("params_ema", follow, state.params_ema, parameters=new)
        return updates, ParamsEmaState(count, average)

    return GradientTransformation(
        init,
        update,
        name="params_ema",
        hyperparams={"decay": decay, "debias": debias},
        role="gradient",
        elementwise=True,
        metric=lambda state, params: _trees.ones(params),
    )


def _debiased(decay: ArrayLike, count: Array) -> Array:
    r""":math:`(1-β)/(1-β^t)`, exactly 1 at the first step and precise for β close to 1."""
    if isinstance(decay, jax.Array):
        log = jnp.log1p(decay - 1)
    else:
        with np.errstate(divide="ignore"):
            log = jnp.asarray(np.log1p(np.asarray(decay, np.float64) - 1), float)
    return jnp.expm1(log) / jnp.expm1(count.astype(log.dtype) * log)


def incremental_update(new_tensors: PyTree, old_tensors: PyTree, step_size: ArrayLike) -> PyTree:
    r"""One step of an average towards new values, :math:`s\,x_{new} + (1-s)\,x_{old}`.

    Args:
      new_tensors: the new values.
      old_tensors: the average, whose dtypes the result has.
      step_size: s in [0, 1].

    Raises:
      ValueError: ``step_size`` out of its range, or the trees differ; names the paths.

    Polyak & Juditsky, *Acceleration of stochastic approximation by averaging*, 1992.

    >>> import jax.numpy as jnp
    >>> float(incremental_update(jnp.array(4.0), jnp.array(0.0), 0.25))
    1.0
    """
    _hyperparams.check("incremental_update", step_size=(step_size, "[0, 1]"))

    def one(new: Array, old: Array) -> Array:
        return jnp.asarray(step_size * new + (1 - step_size) * old, jnp.result_type(old))

    return _trees.map_leaves("incremental_update", one, new_tensors, old=old_tensors)


def periodic_update(
    new_tensors: PyTree, old_tensors: PyTree, steps: ArrayLike, update_period: ArrayLike
) -> PyTree:
    """The new values at every k-th step, the old ones in between.

    Args:
      new_tensors: the new values.
      old_tensors: the copy that lags behind, whose dtypes the result has.
      steps: the number of steps done.
      update_period: k, an integer ≥ 1.

    Raises:
      ValueError: ``update_period`` out of its range.

    Mnih et al., *Human-level control through deep reinforcement learning*, Nature 2015.

    >>> import jax.numpy as jnp
    >>> [float(periodic_update(jnp.array(1.0), jnp.array(0.0), t, 3)) for t in (2, 3)]
    [0.0, 1.0]
    """
    _hyperparams.check("periodic_update", update_period=(update_period, "integer [1, inf)"))
    now = jnp.equal(jnp.asarray(steps) % update_period, 0)
    return run_or_hold(now, lambda new, old: new, lambda new, old: old, new_tensors, old_tensors)
