r"""AMSGrad: divide by the largest second moment so far."""

from typing import Any

import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like, zeros_like
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import Corrections, adam_corrections, moving_average, unbiased
from regopt_jax.transforms.second_moments import divisor


@transformation(b1="[0, 1)", b2="[0, 1)", eps="[0, inf)", eps_root="[0, inf)")
def scale_by_amsgrad(
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    mu_dtype: Any = None,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
) -> GradientTransformation:
    r"""Adam over the largest second moment so far, which never lets a step grow again.

    .. math:: v_t = \max\left(v_{t-1}, \frac{r_t}{1-β_2^t}\right), \qquad
       u_t = \frac{m_t/(1-β_1^t)}{\sqrt{v_t + ε_{root}} + ε}

    with the averages m, r of :func:`scale_by_adam`.

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      eps, eps_root: ε, ε_root ≥ 0, outside and inside the root.
      mu_dtype: dtype of m; the parameters' when ``None``.
      bias_correction_mu, bias_correction_nu: divide m, r by :math:`1-β^t`; neither in the paper.

    Raises:
      ValueError: a hyperparameter out of its range.

    Reddi, Kale & Kumar, *On the convergence of Adam and beyond*, arXiv 1904.09237.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_amsgrad(b1=0.0, b2=0.0)
    >>> state = tx.init(jnp.array(0.0))
    >>> for g in (4.0, 1.0):
    ...     u, state = tx.update(jnp.array(g), state)
    >>> round(float(u), 4)
    0.25
    """

    def init(p: Array) -> tuple[Array, Array, Array]:
        return zeros_like(p, mu_dtype), square_like(p), square_like(p)

    def metric(m: Array, r: Array, largest: Array, correction: Corrections) -> Array:
        return divisor(largest, eps, eps_root)

    def update(
        g: Array, m: Array, r: Array, largest: Array, correction: Corrections
    ) -> tuple[Array, Array, Array, Array]:
        m = moving_average(g, m, b1)
        r = moving_average(abs_sq(g), r, b2)
        mean = unbiased(m, correction.mu) if bias_correction_mu else m
        largest = jnp.maximum(largest, unbiased(r, correction.nu) if bias_correction_nu else r)
        return mean / metric(m, r, largest, correction), m, r, largest

    return leafwise(
        update,
        role="precondition",
        state=optax.ScaleByAmsgradState,
        init=init,
        context=lambda step: adam_corrections(b1, b2, step),
        metric=metric,
    )
