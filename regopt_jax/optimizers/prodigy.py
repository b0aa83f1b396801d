r"""Prodigy: Adam with a step size that is estimated from how far the gradients agree."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax.contrib import ProdigyState as ProdigyState

from regopt_jax._core import GradientTransformation, ScalarOrSchedule, Step, leafwise, value_at
from regopt_jax._core.arithmetic import abs_sq, copied, real_dtype, square_like
from regopt_jax._core.decorator import transformation
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax._core.vectors import inner, total
from regopt_jax.transforms.moments import bias, moving_average
from regopt_jax.transforms.second_moments import divisor


class _Estimate(NamedTuple):
    """d before and after this step, the step size, and the weighted numerator of d."""

    d: Array
    new_d: Array
    rate: Array
    numerator: Array


@transformation(
    learning_rate="[0, inf)",
    betas="pair [0, 1)",
    beta3="[0, 1] or None",
    eps="[0, inf)",
    estim_lr0="(0, inf)",
    estim_lr_coef="(0, inf)",
    weight_decay="[0, inf)",
)
def prodigy(
    learning_rate: ScalarOrSchedule = 1.0,
    betas: tuple[ArrayLike, ArrayLike] = (0.9, 0.999),
    beta3: ArrayLike | None = None,
    eps: ArrayLike = 1e-8,
    estim_lr0: ArrayLike = 1e-6,
    estim_lr_coef: ArrayLike = 1.0,
    weight_decay: ArrayLike = 0.0,
    safeguard_warmup: bool = False,
) -> GradientTransformation:
    r"""Adam without a learning rate to tune.

    .. math:: m_t &= β_1 m_{t-1} + (1-β_1) d_t g_t, \qquad
       r_t = β_2 r_{t-1} + (1-β_2) d_t^2 g_t^2 \\
       n_t &= β_3 n_{t-1} + \tfrac{d_t}{d_0} η_t \langle g_t, W_0 - W_t\rangle, \qquad
       s_t = β_3 s_{t-1} + \tfrac{d_t}{d_0} η_t g_t \\
       d_{t+1} &= \max(d_t, c\, n_t / \lVert s_t\rVert_1), \qquad
       W ← W - η_t \left(m_t / (\sqrt{r_t} + d_{t+1} ε) + λ W\right)

    with :math:`η_t = α d_t \sqrt{1-β_2^t} / (1-β_1^t)`. While all gradients so far are zero,
    d stays; in Optax it is then no number.

    Args:
      learning_rate: α ≥ 0 or a schedule, which should have 1 as its largest value.
      betas: β₁, β₂ in [0, 1).
      beta3: β₃ in [0, 1]; :math:`\sqrt{β_2}` when ``None``.
      eps: ε ≥ 0.
      estim_lr0: d₀ > 0, an underestimate of the step size.
      estim_lr_coef: c > 0.
      weight_decay: λ ≥ 0.
      safeguard_warmup: :math:`d_t` for :math:`η_t` in :math:`s_t`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Mishchenko & Defazio, *Prodigy*, arXiv 2306.06101.

    >>> import jax.numpy as jnp
    >>> tx, w = prodigy(estim_lr0=0.5), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.5
    """
    beta1, beta2 = betas
    beta3 = beta2**0.5 if beta3 is None else beta3

    def weighted(g: Array, s: Array, weight: Array) -> Array:
        return jnp.add(beta3 * s, weight.astype(abs_sq(g).dtype) * g)

    def weight_of(d: Array, rate: Array) -> Array:
        return jnp.divide((d if safeguard_warmup else rate) * d, estim_lr0)

    def context(step: Step) -> _Estimate:
        state, t = step.state, optax.safe_increment(step.count)
        d = state.estim_lr
        with jax.numpy_dtype_promotion("standard"):
            correction = jnp.sqrt(bias(beta2, t)) / bias(beta1, t)
            rate = (d * value_at(learning_rate, step.count) * correction).astype(d.dtype)
            agreement = total(
                "prodigy",
                lambda g, p, start: inner(g, start - p),
                step.updates,
                W=step.params,
                start=state.params0,
            )
            size = total(
                "prodigy",
                lambda g, s: jnp.sum(abs(weighted(g, s, weight_of(d, rate)))),
                step.updates,
                sums=state.grad_sum,
            )
            numerator = beta3 * state.numerator_weighted + (d / estim_lr0) * rate * agreement
            known = size > 0
            estimate = estim_lr_coef * numerator / jnp.where(known, size, 1)
        new_d = jnp.where(known, jnp.maximum(d, estimate.astype(d.dtype)), d)
        return _Estimate(d, new_d, rate, numerator)

    def update(
        g: Array, m: Array, r: Array, s: Array, start: Array, p: Array, now: _Estimate
    ) -> tuple[Array, ...]:
        real = abs_sq(g).dtype
        d, new_d, rate = (x.astype(real) for x in (now.d, now.new_d, now.rate))
        m = moving_average(d * g, m, beta1)
        r = moving_average(abs_sq(d * g), r, beta2)
        s = weighted(g, s, weight_of(now.d, now.rate))
        u = m / divisor(r, new_d * eps) + weight_decay * p
        return -rate * u, m, r, s, start

    return leafwise(
        update,
        role="step",
        factor=lambda step: -jnp.asarray(value_at(learning_rate, step.count)),
        state=ProdigyState,
        init=lambda p: (square_like(p), square_like(p), square_like(p), copied(p)),
        context=context,
        scalars={
            "estim_lr": lambda params: jnp.asarray(estim_lr0, real_dtype(params)),
            "numerator_weighted": lambda params: jnp.zeros([], real_dtype(params)),
        },
        advance=lambda step, now: {"estim_lr": now.new_d, "numerator_weighted": now.numerator},
        needs_params=True,
    )
