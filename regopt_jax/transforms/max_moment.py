r"""Largest moments: divisors that remember the largest gradient and not only the typical one."""

from typing import Any

import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import leafwise
from regopt_jax._trees import Array, ArrayLike, abs_sq, zeros_like
from regopt_jax.transforms.adam import Shares, shares
from regopt_jax.transforms.momentum import bias, moving_average, unbiased


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
    _hyperparams.check(
        "scale_by_amsgrad",
        b1=(b1, "[0, 1)"),
        b2=(b2, "[0, 1)"),
        eps=(eps, "[0, inf)"),
        eps_root=(eps_root, "[0, inf)"),
    )

    def init(p: Array) -> tuple[Array, Array, Array]:
        return zeros_like(p, mu_dtype), zeros_like(p), zeros_like(p)

    def metric(m: Array, r: Array, largest: Array, share: Shares) -> Array:
        return jnp.sqrt(largest + eps_root) + eps

    def update(
        g: Array, m: Array, r: Array, largest: Array, share: Shares
    ) -> tuple[Array, Array, Array, Array]:
        m = moving_average(g, m, b1)
        r = moving_average(abs_sq(g), r, b2)
        mean = unbiased(m, share.mu) if bias_correction_mu else m
        largest = jnp.maximum(largest, unbiased(r, share.nu) if bias_correction_nu else r)
        return mean / metric(m, r, largest, share), m, r, largest

    return leafwise(
        update,
        name="scale_by_amsgrad",
        role="precondition",
        hyperparams={
            "b1": b1,
            "b2": b2,
            "eps": eps,
            "eps_root": eps_root,
            "mu_dtype": mu_dtype,
            "bias_correction_mu": bias_correction_mu,
            "bias_correction_nu": bias_correction_nu,
        },
        state=optax.ScaleByAmsgradState,
        init=init,
        context=lambda step: shares(b1, b2, step),
        metric=metric,
    )


def scale_by_adamax(
    b1: ArrayLike = 0.9, b2: ArrayLike = 0.999, eps: ArrayLike = 1e-8
) -> GradientTransformation:
    r"""Divide a running mean of the gradient by its decaying maximum (Adamax).

    .. math:: m_t = β_1 m_{t-1} + (1-β_1) g_t, \quad r_t = \max(|g_t| + ε, β_2 r_{t-1}), \qquad
       u_t = \frac{m_t}{(1-β_1^t)\, r_t}

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      eps: ε ≥ 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Kingma & Ba, *Adam*, arXiv 1412.6980, section 7.1.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_adamax(b1=0.0)
    >>> state = tx.init(jnp.array(0.0))
    >>> for g in (4.0, 1.0):
    ...     u, state = tx.update(jnp.array(g), state)
    >>> round(float(u), 4)
    0.2503
    """
    _hyperparams.check(
        "scale_by_adamax", b1=(b1, "[0, 1)"), b2=(b2, "[0, 1)"), eps=(eps, "[0, inf)")
    )

    def update(g: Array, m: Array, r: Array, share: Array) -> tuple[Array, Array, Array]:
        m = moving_average(g, m, b1)
        r = jnp.maximum(jnp.abs(g) + eps, b2 * r)
        return unbiased(m, share) / r, m, r

    return leafwise(
        update,
        name="scale_by_adamax",
        role="precondition",
        hyperparams={"b1": b1, "b2": b2, "eps": eps},
        state=optax.ScaleByAdamState,
        init=lambda p: (zeros_like(p), zeros_like(p)),
        context=lambda step: bias(b1, optax.safe_increment(step.count)),
        metric=lambda m, r, share: r,
    )
