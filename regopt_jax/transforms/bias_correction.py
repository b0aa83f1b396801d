r"""The start from zero of a moving average, undone."""

import optax

from regopt_jax._core import ArrayLike, GradientTransformation, leafwise, unit_metric
from regopt_jax._core.decorator import transformation
from regopt_jax.transforms.moments import bias, unbiased


@transformation(decay="[0, 1)")
def bias_correction(decay: ArrayLike) -> GradientTransformation:
    r"""Undo the start from zero of the moving average before it: :math:`u_t = g_t/(1-β^t)`.

    Args:
      decay: β in [0, 1) of the average that precedes this in the chain.

    Raises:
      ValueError: ``decay`` out of its range.

    Kingma & Ba, *Adam*, arXiv 1412.6980, section 3.

    >>> import jax.numpy as jnp
    >>> tx = bias_correction(0.9)
    >>> round(float(tx.update(jnp.array(0.1), tx.init(jnp.array(0.0)))[0]), 6)
    1.0
    """
    return leafwise(
        unbiased,
        role="precondition",
        state=optax.ScaleByScheduleState,
        context=lambda step: bias(decay, optax.safe_increment(step.count)),
        metric=unit_metric,
    )
