r"""Simplified AdEMAMix: the gradient and one sum of those before, over Adam's root."""

from typing import NamedTuple

import jax.numpy as jnp
import optax
from optax.contrib import ScaleBySimplifiedAdEMAMixState as ScaleBySimplifiedAdEMAMixState

from regopt_jax._core import GradientTransformation, ScalarOrSchedule, Step, leafwise, value_at
from regopt_jax._core.arithmetic import abs_sq, cast_like, square_like, zeros_like
from regopt_jax._core.decorator import transformation
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import bias, moving_average, unbiased
from regopt_jax.transforms.second_moments import divisor


class _Now(NamedTuple):
    """α, the bias correction of the second moment, and what m is of a steady gradient."""

    alpha: ArrayLike
    correction: Array
    gain: Array


@transformation(b1="[0, 1)", b2="[0, 1)", alpha="[0, inf)", eps="[0, inf)", eps_root="[0, inf)")
def scale_by_simplified_ademamix(
    b1: ArrayLike = 0.99,
    b2: ArrayLike = 0.95,
    alpha: ScalarOrSchedule = 0.0,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
) -> GradientTransformation:
    r"""Add a multiple of the gradient to its trace, over Adam's root (Simplified AdEMAMix).

    .. math:: u_t = \frac{m_t + α\, g_t}{\sqrt{r_t/(1-β_2^t) + ε_{root}} + ε}, \qquad
       m_t = β_1 m_{t-1} + g_t, \quad r_t = β_2 r_{t-1} + (1-β_2) g_t^2

    A steady gradient g steps by :math:`g\,((1-β_1^t)/(1-β_1) + α)` over the root, so the metric
    is the root over that factor. The squares are :math:`|g|^2`, in Optax :math:`g^2` of complex
    gradients too.

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      alpha: α ≥ 0 or a schedule.
      eps, eps_root: ε, ε_root ≥ 0, outside and inside the root.

    Raises:
      ValueError: a hyperparameter out of its range.

    Morwani et al., *Connections between schedule-free optimizers, AdEMAMix, and accelerated
    SGD variants*, arXiv 2502.02431.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_simplified_ademamix(alpha=2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    3.0
    """

    def context(step: Step) -> _Now:
        t = optax.safe_increment(step.count)
        return _Now(value_at(alpha, step.count), bias(b2, t), bias(b1, t) / (1 - b1))

    def root(r: Array, now: _Now) -> Array:
        return divisor(unbiased(r, now.correction), eps, eps_root)

    def metric(m: Array, r: Array, now: _Now) -> Array:
        real = abs_sq(r).dtype
        return root(r, now) / (now.gain.astype(real) + jnp.asarray(now.alpha, real))

    def update(g: Array, m: Array, r: Array, now: _Now) -> tuple[Array, Array, Array]:
        m = g + b1 * m
        r = moving_average(abs_sq(g), r, b2)
        return (m + cast_like(now.alpha, g) * g) / root(r, now), m, r

    return leafwise(
        update,
        role="precondition",
        state=ScaleBySimplifiedAdEMAMixState,
        counter="t",
        init=lambda p: (zeros_like(p), square_like(p)),
        context=context,
        metric=metric,
    )
