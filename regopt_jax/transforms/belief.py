r"""Second moments that change otherwise than a moving average of the gradient's square."""

import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import leafwise
from regopt_jax._trees import Array, ArrayLike, abs_sq, full_like, zeros_like
from regopt_jax.transforms.adam import Shares, mean, shares
from regopt_jax.transforms.momentum import moving_average, unbiased


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
    _hyperparams.check(
        "scale_by_belief",
        b1=(b1, "[0, 1)"),
        b2=(b2, "[0, 1)"),
        eps=(eps, "[0, inf)"),
        eps_root=(eps_root, "[0, inf)"),
    )

    def metric(m: Array, s: Array, share: Shares) -> Array:
        return jnp.sqrt(unbiased(s, share.nu)) + eps

    def update(g: Array, m: Array, s: Array, share: Shares) -> tuple[Array, Array, Array]:
        m = moving_average(g, m, b1)
        s = moving_average(abs_sq(g - m), s, b2) + eps_root
        return mean(g, m, b1, share, nesterov) / metric(m, s, share), m, s

    return leafwise(
        update,
        name="scale_by_belief",
        role="precondition",
        hyperparams={"b1": b1, "b2": b2, "eps": eps, "eps_root": eps_root, "nesterov": nesterov},
        state=optax.ScaleByBeliefState,
        init=lambda p: (zeros_like(p), zeros_like(p)),
        context=lambda step: shares(b1, b2, step),
        metric=metric,
    )


def scale_by_yogi(
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-3,
    eps_root: ArrayLike = 0.0,
    initial_accumulator_value: ArrayLike = 1e-6,
) -> GradientTransformation:
    r"""Adam whose second moment moves by bounded steps, so that it forgets slowly (Yogi).

    .. math:: r_t = r_{t-1} - (1-β_2) \operatorname{sign}(r_{t-1} - g_t^2)\, g_t^2, \qquad
       u_t = \frac{m_t/(1-β_1^t)}{\sqrt{r_t/(1-β_2^t) + ε_{root}} + ε}

    with the mean m of :func:`scale_by_adam`.

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      eps, eps_root: ε, ε_root ≥ 0, outside and inside the root.
      initial_accumulator_value: m₀ and r₀ ≥ 0; m₀ too, as in Optax.

    Raises:
      ValueError: a hyperparameter out of its range.

    Zaheer et al., *Adaptive methods for nonconvex optimization*, NeurIPS 2018.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_yogi()
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 3)
    1.0
    """
    _hyperparams.check(
        "scale_by_yogi",
        b1=(b1, "[0, 1)"),
        b2=(b2, "[0, 1)"),
        eps=(eps, "[0, inf)"),
        eps_root=(eps_root, "[0, inf)"),
        initial_accumulator_value=(initial_accumulator_value, "[0, inf)"),
    )

    def init(p: Array) -> tuple[Array, Array]:
        return full_like(p, initial_accumulator_value), full_like(p, initial_accumulator_value)

    def metric(m: Array, r: Array, share: Shares) -> Array:
        return jnp.sqrt(unbiased(r, share.nu) + eps_root) + eps

    def update(g: Array, m: Array, r: Array, share: Shares) -> tuple[Array, Array, Array]:
        square = abs_sq(g)
        m = moving_average(g, m, b1)
        r = r - (1 - b2) * jnp.sign(r - square) * square
        return mean(g, m, b1, share, nesterov=False) / metric(m, r, share), m, r

    return leafwise(
        update,
        name="scale_by_yogi",
        role="precondition",
        hyperparams={
            "b1": b1,
            "b2": b2,
            "eps": eps,
            "eps_root": eps_root,
            "initial_accumulator_value": initial_accumulator_value,
        },
        state=optax.ScaleByAdamState,
        init=init,
        context=lambda step: shares(b1, b2, step),
        metric=metric,
    )
