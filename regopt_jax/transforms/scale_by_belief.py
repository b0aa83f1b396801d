r"""AdaBelief: divide by how far the gradient is from what its mean foretold."""

import optax

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like, zeros_like
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import Corrections, adam_corrections, moving_average, unbiased
from regopt_jax.transforms.second_moments import divisor


@transformation(b1="[0, 1)", b2="[0, 1)", eps="[0, inf)", eps_root="[0, inf)")
def scale_by_belief(
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-16,
    eps_root: ArrayLike = 1e-16,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    r"""Divide a running mean of the gradient by how far gradients lie from it (AdaBelief).

    .. math:: m_t = β_1 m_{t-1} + (1-β_1) g_t, \quad
       s_t = β_2 s_{t-1} + (1-β_2) (g_t - m_t)^2 + ε_{root}, \qquad
       u_t = \frac{m_t/(1-β_1^t)}{\sqrt{s_t/(1-β_2^t)} + ε}

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      eps, eps_root: ε, ε_root ≥ 0.
      nesterov: look ahead by one more step of the mean, as in :func:`scale_by_adam`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Zhuang et al., *AdaBelief optimizer: adapting stepsizes by the belief in observed
    gradients*, arXiv 2010.07468.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_belief()
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    1.1111
    """

    def metric(m: Array, s: Array, correction: Corrections) -> Array:
        return divisor(unbiased(s, correction.nu), eps)

    def update(g: Array, m: Array, s: Array, correction: Corrections) -> tuple[Array, Array, Array]:
        m = moving_average(g, m, b1)
        s = moving_average(abs_sq(g - m), s, b2) + eps_root
        return correction.mean(g, m, b1, nesterov) / metric(m, s, correction), m, s

    return leafwise(
        update,
        role="precondition",
        state=optax.ScaleByBeliefState,
        init=lambda p: (zeros_like(p), square_like(p)),
        context=lambda step: adam_corrections(b1, b2, step),
        metric=metric,
    )
