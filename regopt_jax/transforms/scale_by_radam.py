r"""Rectified Adam: no division before there are gradients enough to know by what."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, Step, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like, zeros_like
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import (
    Corrections,
    adam_corrections,
    moving_average,
    power,
    unbiased,
)
from regopt_jax.transforms.second_moments import divisor


class Rectification(NamedTuple):
    """Adam's bias corrections, whether the step is divided, and by what it is rectified then."""

    correction: Corrections
    on: Array
    ratio: Array


def rectification(b1: ArrayLike, b2: ArrayLike, threshold: ArrayLike, step: Step) -> Rectification:
    """The rectification of this step, finite also where it is off."""
    t = optax.safe_increment(step.count)
    correction = adam_corrections(b1, b2, step)
    with jax.numpy_dtype_promotion("standard"):
        longest = jnp.asarray(2.0 / (1.0 - b2) - 1.0)
        length = longest - 2 * t * power(b2, t) / correction.nu
        on = length >= threshold
        now = jnp.where(on, length, threshold + 1.0)
        end = jnp.where(longest > threshold, longest, threshold + 1.0)
        square = (now - 4.0) * (now - 2.0) * end / ((end - 4.0) * (end - 2.0) * now)
    return Rectification(correction, on, jnp.sqrt(square))


@transformation(b1="[0, 1)", b2="[0, 1)", eps="[0, inf)", eps_root="[0, inf)", threshold="[4, inf)")
def scale_by_radam(
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    threshold: ArrayLike = 5.0,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    r"""Adam with the variance of its early divisor rectified (RAdam).

    .. math:: u_t = ϱ_t\, \frac{\hat m_t}{\sqrt{\hat r_t + ε_{root}} + ε}
       \text{ if } ρ_t ≥ ρ_{min}, \quad u_t = \hat m_t \text{ otherwise}

    .. math:: ρ_∞ = \frac{2}{1-β_2} - 1, \quad ρ_t = ρ_∞ - \frac{2 t β_2^t}{1-β_2^t}, \quad
       ϱ_t^2 = \frac{(ρ_t-4)(ρ_t-2) ρ_∞}{(ρ_∞-4)(ρ_∞-2) ρ_t}

    with the corrected averages of :func:`scale_by_adam`.

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      eps, eps_root: ε, ε_root ≥ 0, outside and inside the root.
      threshold: ρ_min ≥ 4, where ϱ is 0.
      nesterov: look ahead by one more step of the mean, as in :func:`scale_by_adam`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Liu et al., *On the variance of the adaptive learning rate and beyond*, arXiv 1908.03265.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_radam()
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    3.0
    """

    def metric(m: Array, r: Array, now: Rectification) -> Array:
        root = divisor(unbiased(r, now.correction.nu), eps, eps_root)
        return jnp.where(now.on, root / now.ratio.astype(r.dtype), jnp.ones([], r.dtype))

    def update(g: Array, m: Array, r: Array, now: Rectification) -> tuple[Array, Array, Array]:
        m = moving_average(g, m, b1)
        r = moving_average(abs_sq(g), r, b2)
        return now.correction.mean(g, m, b1, nesterov) / metric(m, r, now), m, r

    return leafwise(
        update,
        role="precondition",
        state=optax.ScaleByAdamState,
        init=lambda p: (zeros_like(p), square_like(p)),
        context=lambda step: rectification(b1, b2, threshold, step),
        metric=metric,
    )
