r"""ACProp: divide by how far gradients were from their mean, before this one."""

from typing import NamedTuple

import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, Step, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like, zeros_like
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import bias, moving_average, unbiased
from regopt_jax.transforms.second_moments import divisor


class _Before(NamedTuple):
    """Whether no gradient came before this one, and the bias correction of those that did."""

    none: Array
    correction: Array


@transformation(b1="[0, 1)", b2="[0, 1)", eps="[0, inf)", eps_root="[0, inf)")
def scale_by_acprop(
    b1: ArrayLike = 0.9, b2: ArrayLike = 0.999, eps: ArrayLike = 1e-16, eps_root: ArrayLike = 1e-16
) -> GradientTransformation:
    r"""Divide a gradient by how far those before it lay from their running mean (ACProp).

    .. math:: u_t = \frac{g_t}{\sqrt{s_{t-1}/(1-β_2^{t-1})} + ε}, \qquad
       m_t = β_1 m_{t-1} + (1-β_1) g_t, \quad
       s_t = β_2 s_{t-1} + (1-β_2) (g_t - m_{t-1})^2 + ε_{root}

    with 1 for the first root. The paper, which has :math:`g_t - m_t = β_1 (g_t - m_{t-1})` in its
    place, steps :math:`1/β_1` times as far. The state after a step no longer holds what that
    step divided by, so there is no metric.

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      eps, eps_root: ε, ε_root ≥ 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Zhuang et al., *Momentum centering and asynchronous update for adaptive gradient methods*,
    arXiv 2110.05454.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_acprop()
    >>> _, state = tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))
    >>> round(float(tx.update(jnp.array(6.0), state)[0]), 4)
    2.0
    """

    def context(step: Step) -> _Before:
        return _Before(step.count == 0, bias(b2, step.count))

    def update(g: Array, m: Array, s: Array, before: _Before) -> tuple[Array, Array, Array]:
        correction = jnp.where(before.none, 1, before.correction)
        variance = jnp.where(before.none, 1, unbiased(s, correction))
        s = moving_average(abs_sq(g - m), s, b2) + eps_root
        return g / divisor(variance, eps), moving_average(g, m, b1), s

    return leafwise(
        update,
        role="precondition",
        state=optax.ScaleByBeliefState,
        init=lambda p: (zeros_like(p), square_like(p)),
        context=context,
    )
