r"""D-Adaptation: AdamW with a step size that is estimated from sums of gradients."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax.contrib import DAdaptAdamWState as DAdaptAdamWState

from regopt_jax._core import GradientTransformation, ScalarOrSchedule, Step, leafwise, value_at
from regopt_jax._core.arithmetic import abs_sq, square_like
from regopt_jax._core.decorator import transformation
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax._core.vectors import inner, total
from regopt_jax.transforms.distance import scalar
from regopt_jax.transforms.moments import bias, moving_average
from regopt_jax.transforms.second_moments import divisor


class _Estimate(NamedTuple):
    """The step size, d after this step, and the weighted numerator of d."""

    rate: Array
    new_d: Array
    numerator: Array


@transformation(
    learning_rate="[0, inf)",
    betas="pair [0, 1)",
    eps="[0, inf)",
    estim_lr0="(0, inf)",
    weight_decay="[0, inf)",
)
def dadapt_adamw(
    learning_rate: ScalarOrSchedule = 1.0,
    betas: tuple[ArrayLike, ArrayLike] = (0.9, 0.999),
    eps: ArrayLike = 1e-8,
    estim_lr0: ArrayLike = 1e-6,
    weight_decay: ArrayLike = 0.0,
) -> GradientTransformation:
    r"""AdamW without a learning rate to tune, by D-Adaptation.

    .. math:: n_t &= β_3 n_{t-1} + (1-β_3) η_t \langle g_t, s_{t-1}/(\sqrt{r_{t-1}} + ε)\rangle,
       \qquad s_t = β_3 s_{t-1} + (1-β_3) η_t g_t \\
       d_{t+1} &= \max\left(d_t, \frac{n_t}{(1-β_3) \lVert s_t\rVert_1}\right), \qquad
       m_t = β_1 m_{t-1} + (1-β_1) η_t g_t, \quad r_t = β_2 r_{t-1} + (1-β_2) g_t^2 \\
       W &← W - m_t / (\sqrt{r_t} + ε) - λ η_t W

    with :math:`η_t = α d_t \sqrt{1-β_2^t} / (1-β_1^t)` and :math:`β_3 = \sqrt{β_2}`. While all
    gradients so far are zero, d stays; in Optax it is then no number.

    Args:
      learning_rate: α ≥ 0 or a schedule, which should have 1 as its largest value.
      betas: β₁, β₂ in [0, 1).
      eps: ε ≥ 0.
      estim_lr0: d₀ > 0, an underestimate of the step size.
      weight_decay: λ ≥ 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Defazio & Mishchenko, *Learning-rate-free learning by D-Adaptation*, arXiv 2301.07733.

    >>> import jax.numpy as jnp
    >>> tx, w = dadapt_adamw(estim_lr0=0.5), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.5
    """
    beta1, beta2 = betas
    beta3 = beta2**0.5

    def summed(g: Array, s: Array, rate: Array) -> Array:
        return moving_average(rate.astype(abs_sq(g).dtype) * g, s, beta3)

    def context(step: Step) -> _Estimate:
        state, t = step.state, optax.safe_increment(step.count)
        d = state.estim_lr
        with jax.numpy_dtype_promotion("standard"):
            correction = jnp.sqrt(bias(beta2, t)) / bias(beta1, t)
            rate = (d * value_at(learning_rate, step.count) * correction).astype(d.dtype)
            agreement = total(
                "dadapt_adamw",
                lambda g, s, r: inner(g, s / divisor(r, eps)),
                step.updates,
                sums=state.grad_sum,
                squares=state.exp_avg_sq,
            )
            size = total(
                "dadapt_adamw",
                lambda g, s: jnp.sum(abs(summed(g, s, rate))),
                step.updates,
                sums=state.grad_sum,
            )
            numerator = beta3 * state.numerator_weighted + (1 - beta3) * rate * agreement
            known = size > 0
            estimate = numerator / ((1 - beta3) * jnp.where(known, size, 1))
        new_d = jnp.where(known, jnp.maximum(d, estimate.astype(d.dtype)), d)
        return _Estimate(rate, new_d, numerator)

    def update(
        g: Array, m: Array, r: Array, s: Array, p: Array, now: _Estimate
    ) -> tuple[Array, ...]:
        rate = now.rate.astype(abs_sq(g).dtype)
        m = moving_average(rate * g, m, beta1)
        r = moving_average(abs_sq(g), r, beta2)
        return -m / divisor(r, eps) - weight_decay * rate * p, m, r, summed(g, s, now.rate)

    return leafwise(
        update,
        role="step",
        factor=lambda step: -jnp.asarray(value_at(learning_rate, step.count)),
        state=DAdaptAdamWState,
        init=lambda p: (square_like(p), square_like(p), square_like(p)),
        context=context,
        scalars={
            "estim_lr": lambda params: scalar(estim_lr0, params),
            "numerator_weighted": lambda params: scalar(0.0, params),
        },
        advance=lambda step, now: {"estim_lr": now.new_d, "numerator_weighted": now.numerator},
        needs_params=True,
    )
