r"""Adam: momentum over a second moment, both corrected for their start from zero."""

from typing import Any

import optax

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like, zeros_like
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import Corrections, adam_corrections, moving_average, unbiased
from regopt_jax.transforms.second_moments import divisor


@transformation(b1="[0, 1)", b2="[0, 1)", eps="[0, inf)", eps_root="[0, inf)")
def scale_by_adam(
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    r"""Divide a running mean of the gradient by its running root-mean-square (Adam).

    .. math:: m_t = β_1 m_{t-1} + (1-β_1) g_t, \quad r_t = β_2 r_{t-1} + (1-β_2) g_t^2, \qquad
       u_t = \frac{m_t/(1-β_1^t)}{\sqrt{r_t/(1-β_2^t) + ε_{root}} + ε}

    With ``nesterov`` the numerator is
    :math:`β_1 m_t/(1-β_1^{t+1}) + (1-β_1) g_t/(1-β_1^t)` (NAdam).

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      eps, eps_root: ε, ε_root ≥ 0, outside and inside the root.
      mu_dtype: dtype of m; the parameters' when ``None``.
      nesterov: look ahead by one more step of the mean.

    Raises:
      ValueError: a hyperparameter out of its range.

    Kingma & Ba, *Adam*, arXiv 1412.6980; Dozat, *Incorporating Nesterov momentum into
    Adam*, ICLR workshop 2016.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_adam()
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    1.0
    """

    def init(p: Array) -> tuple[Array, Array]:
        return zeros_like(p, mu_dtype), square_like(p)

    def metric(m: Array, r: Array, correction: Corrections) -> Array:
        return divisor(unbiased(r, correction.nu), eps, eps_root)

    def update(g: Array, m: Array, r: Array, correction: Corrections) -> tuple[Array, Array, Array]:
        m = moving_average(g, m, b1)
        r = moving_average(abs_sq(g), r, b2)
        return correction.mean(g, m, b1, nesterov) / metric(m, r, correction), m, r

    return leafwise(
        update,
        role="precondition",
        state=optax.ScaleByAdamState,
        init=init,
        context=lambda step: adam_corrections(b1, b2, step),
        metric=metric,
        averages={} if nesterov else {"mu": "b1", "nu": "b2"},
        keeps=("nu",),
    )
