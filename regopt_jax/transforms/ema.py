r"""An exponential moving average of the gradients."""

from typing import Any

import optax

from regopt_jax._core import GradientTransformation, leafwise, numbers, transformation, unit_metric
from regopt_jax._core.arithmetic import zeros_like
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import ahead, corrections, moving_average, unbiased


@transformation()
def ema(
    decay: ArrayLike, debias: bool = True, accumulator_dtype: Any = None, *, nesterov: bool = False
) -> GradientTransformation:
    r"""Replace the gradient by an exponential moving average of itself.

    .. math:: m_t = β m_{t-1} + (1-β) g_t, \qquad u_t = m_t / (1-β^t)

    Args:
      decay: β in [0, 1), and 1 without ``debias``.
      debias: divide by :math:`1-β^t`; without it u = m.
      accumulator_dtype: dtype of m; the parameters' when ``None``.
      nesterov: look ahead by one more step of the mean, to
        :math:`β m_t/(1-β^{t+1}) + (1-β) g_t/(1-β^t)`.

    Raises:
      ValueError: ``decay`` out of its range.

    >>> import jax.numpy as jnp
    >>> tx = ema(0.9)
    >>> round(float(tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))[0]), 6)
    1.0
    """
    numbers.check("ema", decay=(decay, "[0, 1)" if debias else "[0, 1]"))

    def init(p: Array) -> Array:
        return zeros_like(p, accumulator_dtype)

    def update(g: Array, m: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        m = moving_average(g, m, decay)
        if nesterov:
            return (ahead(g, m, decay, *now) if debias else moving_average(g, m, decay)), m
        return (unbiased(m, now[0]) if debias else m), m

    return leafwise(
        update,
        role="precondition",
        state=optax.EmaState,
        init=init,
        context=lambda step: corrections(decay, step),
        metric=unit_metric,
        averages={} if nesterov else {"ema": "decay"},
    )
