"""A moving average of the parameters."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax._core import (
    Array,
    ArrayLike,
    PyTree,
    arithmetic,
    matching,
    transformation,
    trees,
    vectors,
)
from regopt_jax._core.nature import Rule
from regopt_jax._core.protocol import GradientTransformation, primitive


class ParamsEmaState(NamedTuple):
    """State of :func:`params_ema`.

    Attributes:
      count: int32 scalar, the number of steps averaged.
      params_ema: the average, ready for evaluation.
    """

    count: Array  # type: ignore[assignment]
    params_ema: PyTree


@transformation(decay="[0, 1)")
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
      accumulator_dtype: dtype of the average; when ``None`` the parameters', but at least
        float32: the precision of bfloat16 would swallow steps of :math:`1-β`.

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

    def init(params: PyTree) -> ParamsEmaState:
        return ParamsEmaState(jnp.zeros([], jnp.int32), jax.tree.map(copied, params))

    def copied(p: Array) -> Array:
        return arithmetic.copied(p, accumulator_dtype or arithmetic.real_dtype(p))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, ParamsEmaState]:
        if params is None:
            raise matching.params_needed("params_ema", updates)
        count = optax.safe_increment(state.count)
        weight = _debiased(decay, count) if debias else 1 - decay

        def follow(average: Array, p: Array) -> Array:
            return jnp.asarray(average + weight * (p - average), average.dtype)

        new = vectors.apply_updates(params, updates)
        average = matching.map_leaves("params_ema", follow, state.params_ema, parameters=new)
        return updates, ParamsEmaState(count, average)

    rule = Rule("gradient", elementwise=True, metric=lambda state, params: trees.ones(params))
    return primitive(init, update, rule)


def _debiased(decay: ArrayLike, count: Array) -> Array:
    r""":math:`(1-β)/(1-β^t)`, exactly 1 at the first step and precise for β close to 1."""
    if isinstance(decay, jax.Array):
        log = jnp.log1p(decay - 1)
    else:
        with np.errstate(divide="ignore"):
            log = jnp.asarray(np.log1p(np.asarray(decay, np.float64) - 1), float)
    return jnp.expm1(log) / jnp.expm1(count.astype(log.dtype) * log)
