r"""AdEMAMix: Adam with a second, much slower mean of the gradients."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from optax.contrib import ScaleByAdemamixState as ScaleByAdemamixState

from regopt_jax._core import GradientTransformation, Step, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, cast_like, square_like, zeros_like
from regopt_jax._core.schedule import ScalarOrSchedule, previous, value_at
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax.transforms.moments import bias, moving_average, unbiased
from regopt_jax.transforms.second_moments import divisor


class _Now(NamedTuple):
    """The steps before for the slow mean, the bias corrections of the others, β₃ and α."""

    slow: Array
    fast: Array
    nu: Array
    b3: ArrayLike
    alpha: ArrayLike


@transformation(
    b1="[0, 1)", b2="[0, 1)", b3="[0, 1]", alpha="[0, inf)", eps="[0, inf)", eps_root="[0, inf)"
)
def scale_by_ademamix(
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    b3: ScalarOrSchedule = 0.9999,
    alpha: ScalarOrSchedule = 6.0,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    mu_dtype: Any = None,
) -> GradientTransformation:
    r"""Add a slow mean of the gradients to Adam's (AdEMAMix).

    .. math:: u_t = \frac{m_t/(1-β_1^t) + α\, s_t}{\sqrt{r_t/(1-β_2^t) + ε_{root}} + ε},
       \qquad s_t = β_3 s_{t-1} + (1-β_3) g_t

    with m and r as in :func:`scale_by_adam`. The slow mean fills from zero, uncorrected.
    A steady gradient g steps by :math:`g\,(1 + α(1-β_3^t))` over the root, so the metric is the
    root over :math:`1 + α(1-β_3^t)`.

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      b3: β₃ in [0, 1] or a schedule, of a count of its own in the state.
      alpha: α ≥ 0 or a schedule, of the same count.
      eps, eps_root: ε, ε_root ≥ 0, outside and inside the root.
      mu_dtype: dtype of m, s and r; the parameters' when ``None``.

    Raises:
      ValueError: a hyperparameter out of its range.

    Pagliardini, Ablin & Grangier, *The AdEMAMix optimizer*, arXiv 2409.03137.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_ademamix(b3=0.5)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    4.0
    """

    def init(p: Array) -> tuple[Array, ...]:
        mean = zeros_like(p, mu_dtype)
        return mean, zeros_like(p, mu_dtype), square_like(mean)

    def context(step: Step) -> _Now:
        t, slow = optax.safe_increment(step.count), step.state.count_m2
        if step.updates is None:
            slow = previous(slow)
        b3_now, alpha_now = value_at(b3, slow), value_at(alpha, slow)
        return _Now(slow, bias(b1, t), bias(b2, t), b3_now, alpha_now)

    def root(r: Array, now: _Now) -> Array:
        return divisor(unbiased(r, now.nu), eps, eps_root)

    def metric(m: Array, s: Array, r: Array, now: _Now) -> Array:
        real = abs_sq(r).dtype
        correction = bias(now.b3, optax.safe_increment(now.slow)).astype(real)
        return root(r, now) / (1 + jnp.asarray(now.alpha, real) * correction)

    def update(g: Array, m: Array, s: Array, r: Array, now: _Now) -> tuple[Array, ...]:
        mixed = cast_like(now.alpha, g)
        m = moving_average(g, m, b1)
        s = moving_average(g, s, now.b3 if callable(b3) else b3)
        r = moving_average(abs_sq(g), r, b2)
        return (unbiased(m, now.fast) + mixed * s) / root(r, now), m, s, r

    def start(params: PyTree) -> Array:
        return jnp.zeros([], jnp.int32)

    return leafwise(
        update,
        role="precondition",
        state=ScaleByAdemamixState,
        init=init,
        context=context,
        scalars={"count_m2": start},
        advance=lambda step, now: {"count_m2": optax.safe_increment(step.state.count_m2)},
        metric=metric,
    )
