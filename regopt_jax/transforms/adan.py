r"""Adan: Nesterov momentum from the differences of the gradients."""

from typing import NamedTuple

import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import Step, leafwise
from regopt_jax._trees import Array, ArrayLike, abs_sq, zeros_like
from regopt_jax.transforms.momentum import bias, moving_average, unbiased


class _Shares(NamedTuple):
    """Whether this is the first step, and of the three averages' weights the shares spent."""

    first: Array
    m: Array
    v: Array
    n: Array


def scale_by_adan(
    b1: ArrayLike = 0.98,
    b2: ArrayLike = 0.92,
    b3: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
) -> GradientTransformation:
    r"""Average the gradients and their differences, over the root of a second moment (Adan).

    .. math:: u_t = \frac{\hat m_t + (1-β_2) \hat v_t}{\sqrt{\hat n_t + ε_{root}} + ε}

    where m, v and n are bias-corrected moving averages, with β₁, β₂ and β₃, of :math:`g_t`,
    :math:`d_t = g_t - g_{t-1}` and :math:`(g_t + (1-β_2) d_t)^2`; the first d is 0.

    Args:
      b1, b2, b3: β₁, β₂, β₃ in [0, 1), one minus those of the paper.
      eps, eps_root: ε, ε_root ≥ 0, outside and inside the root.

    Raises:
      ValueError: a hyperparameter out of its range.

    Xie et al., *Adan: adaptive Nesterov momentum algorithm for faster optimizing deep
    models*, arXiv 2208.06677.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_adan()
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    1.0
    """
    _hyperparams.check(
        "scale_by_adan",
        b1=(b1, "[0, 1)"),
        b2=(b2, "[0, 1)"),
        b3=(b3, "[0, 1)"),
        eps=(eps, "[0, inf)"),
        eps_root=(eps_root, "[0, inf)"),
    )

    def context(step: Step) -> _Shares:
        t = optax.safe_increment(step.count)
        return _Shares(step.count == 0, bias(b1, t), bias(b2, t), bias(b3, t))

    def metric(m: Array, v: Array, n: Array, last: Array, share: _Shares) -> Array:
        return jnp.sqrt(unbiased(n, share.n) + eps_root) + eps

    def update(
        g: Array, m: Array, v: Array, n: Array, last: Array, share: _Shares
    ) -> tuple[Array, Array, Array, Array, Array]:
        difference = jnp.where(share.first, jnp.zeros([], g.dtype), g - last)
        m = moving_average(g, m, b1)
        v = moving_average(difference, v, b2)
        n = moving_average(abs_sq(g + (1 - b2) * difference), n, b3)
        ahead = unbiased(m, share.m) + (1 - b2) * unbiased(v, share.v)
        return ahead / metric(m, v, n, last, share), m, v, n, g

    return leafwise(
        update,
        name="scale_by_adan",
        role="precondition",
        hyperparams={"b1": b1, "b2": b2, "b3": b3, "eps": eps, "eps_root": eps_root},
        state=optax.ScaleByAdanState,
        init=lambda p: (zeros_like(p), zeros_like(p), zeros_like(p), zeros_like(p)),
        context=context,
        metric=metric,
        counter="t",
    )
