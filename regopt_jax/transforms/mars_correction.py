r"""MARS: variance reduction, before the moments."""

from typing import NamedTuple

from regopt_jax._core import GradientTransformation, leafwise, transformation, unit_metric
from regopt_jax._core.arithmetic import zeros_like
from regopt_jax._core.trees import Array, ArrayLike, PyTree


class MarsCorrectionState(NamedTuple):
    """The gradient of the update before."""

    last_grad: PyTree


@transformation(b1="[0, 1)", gamma="[0, inf)")
def mars_correction(b1: ArrayLike = 0.95, gamma: ArrayLike = 0.025) -> GradientTransformation:
    r"""Extrapolate the gradient from the last one (MARS).

    .. math:: c_t = g_t + γ \frac{β_1}{1-β_1} (g_t - g_{t-1})

    This is the approximate variant, whose :math:`g_{t-1}` is the gradient of the last batch;
    as in the authors' code, :math:`g_0 = 0`.

    Args:
      b1: β₁ in [0, 1) of the moments after it.
      gamma: γ ≥ 0, the strength of the correction.

    Raises:
      ValueError: a hyperparameter out of its range.

    Yuan et al., *MARS: unleashing the power of variance reduction for training large
    models*, arXiv 2411.10438.

    >>> import jax.numpy as jnp
    >>> tx = mars_correction(b1=0.9, gamma=0.1)
    >>> state = tx.init(jnp.array(0.0))
    >>> for g in (0.2, 0.3):
    ...     u, state = tx.update(jnp.array(g), state)
    >>> round(float(u), 4)
    0.39
    """

    def update(g: Array, last: Array) -> tuple[Array, Array]:
        return g + gamma * b1 / (1 - b1) * (g - last), g

    return leafwise(
        update, role="precondition", state=MarsCorrectionState, init=zeros_like, metric=unit_metric
    )
