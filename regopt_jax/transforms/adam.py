r"""Adam: momentum over a second moment, both corrected for their start from zero."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import Step, leafwise
from regopt_jax._trees import Array, ArrayLike, abs_sq, zeros_like
from regopt_jax.transforms.momentum import bias, look_ahead, moving_average, unbiased


class Shares(NamedTuple):
    """Of the two averages' weights, and the first's one step ahead, the shares spent."""

    mu: Array
    nu: Array
    next_mu: Array


def shares(b1: ArrayLike, b2: ArrayLike, step: Step) -> Shares:
    """The shares after this step."""
    t = optax.safe_increment(step.count)
    return Shares(bias(b1, t), bias(b2, t), bias(b1, optax.safe_increment(t)))


def mean(g: Array, m: Array, b1: ArrayLike, share: Shares, nesterov: bool) -> Array:
    """The first moment, corrected; with ``nesterov`` one step ahead."""
    if nesterov:
        return look_ahead(g, m, b1, share.mu, share.next_mu)
    return unbiased(m, share.mu)


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
    _hyperparams.check(
        "scale_by_adam",
        b1=(b1, "[0, 1)"),
        b2=(b2, "[0, 1)"),
        eps=(eps, "[0, inf)"),
        eps_root=(eps_root, "[0, inf)"),
    )

    def init(p: Array) -> tuple[Array, Array]:
        return zeros_like(p, mu_dtype), zeros_like(p)

    def metric(m: Array, r: Array, share: Shares) -> Array:
        return jnp.sqrt(unbiased(r, share.nu) + eps_root) + eps

    def update(g: Array, m: Array, r: Array, share: Shares) -> tuple[Array, Array, Array]:
        m = moving_average(g, m, b1)
        r = moving_average(abs_sq(g), r, b2)
        return mean(g, m, b1, share, nesterov) / metric(m, r, share), m, r

    return leafwise(
        update,
        name="scale_by_adam",
        role="precondition",
        hyperparams={
            "b1": b1,
            "b2": b2,
            "eps": eps,
            "eps_root": eps_root,
            "mu_dtype": mu_dtype,
            "nesterov": nesterov,
        },
        state=optax.ScaleByAdamState,
        init=init,
        context=lambda step: shares(b1, b2, step),
        metric=metric,
    )
