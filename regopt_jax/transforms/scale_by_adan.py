r"""Adan: Nesterov momentum from the differences of the gradients."""

from typing import NamedTuple

import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, Step, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like, zeros_like
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import bias, moving_average, unbiased
from regopt_jax.transforms.second_moments import divisor


class _Corrections(NamedTuple):
    """Whether this is the first step, and the bias corrections of the three averages."""

    first: Array
    m: Array
    v: Array
    n: Array


@transformation(
    b1="[0, 1)",
    b2="[0, 1)",
    b3="[0, 1)",
    eps="[0, inf)",
    eps_root="[0, inf)",
    look_ahead="[0, 1] or None",
)
def scale_by_adan(
    b1: ArrayLike = 0.98,
    b2: ArrayLike = 0.92,
    b3: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    *,
    look_ahead: ArrayLike | None = None,
) -> GradientTransformation:
    r"""Average the gradients and their differences, over the root of a second moment (Adan).

    .. math:: u_t = \frac{\hat m_t + w \hat v_t}{\sqrt{\hat n_t + ε_{root}} + ε}

    where m, v and n are bias-corrected moving averages, with β₁, β₂ and β₃, of :math:`g_t`,
    :math:`d_t = g_t - g_{t-1}` and :math:`(g_t + w\, d_t)^2`; the first d is 0.

    Args:
      b1, b2, b3: β₁, β₂, β₃ in [0, 1), one minus those of the paper.
      eps, eps_root: ε, ε_root ≥ 0, outside and inside the root.
      look_ahead: w in [0, 1], the weight of the differences: β₂ when ``None``, as in the paper;
        Optax has 1-β₂.

    Raises:
      ValueError: a hyperparameter out of its range.

    Xie et al., *Adan: adaptive Nesterov momentum algorithm for faster optimizing deep
    models*, arXiv 2208.06677.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_adan()
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    1.0
    """

    weight = b2 if look_ahead is None else look_ahead

    def context(step: Step) -> _Corrections:
        t = optax.safe_increment(step.count)
        return _Corrections(step.count == 0, bias(b1, t), bias(b2, t), bias(b3, t))

    def metric(m: Array, v: Array, n: Array, last: Array, correction: _Corrections) -> Array:
        return divisor(unbiased(n, correction.n), eps, eps_root)

    def update(
        g: Array, m: Array, v: Array, n: Array, last: Array, correction: _Corrections
    ) -> tuple[Array, Array, Array, Array, Array]:
        difference = jnp.where(correction.first, jnp.zeros([], g.dtype), g - last)
        m = moving_average(g, m, b1)
        v = moving_average(difference, v, b2)
        n = moving_average(abs_sq(g + weight * difference), n, b3)
        ahead = unbiased(m, correction.m) + weight * unbiased(v, correction.v)
        return ahead / metric(m, v, n, last, correction), m, v, n, g

    return leafwise(
        update,
        role="precondition",
        state=optax.ScaleByAdanState,
        init=lambda p: (zeros_like(p), zeros_like(p), square_like(p), zeros_like(p)),
        context=context,
        metric=metric,
        counter="t",
    )
