r"""MoMo: momentum and Adam with the step size that a model of the loss allows."""

import jax.numpy as jnp
import optax
from optax.contrib import MomoAdamState as MomoAdamState, MomoState as MomoState

from regopt_jax._core import GradientTransformation, ScalarOrSchedule, Step, leafwise
from regopt_jax._core.arithmetic import abs_sq, square_like, zeros_like
from regopt_jax._core.decorator import transformation
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.loss_model import Model, Truncated
from regopt_jax.transforms.moments import bias, moving_average, unbiased
from regopt_jax.transforms.second_moments import divisor


@transformation(
    learning_rate="[0, inf)", beta="[0, 1)", lower_bound="(-inf, inf)", weight_decay="[0, inf)"
)
def momo(
    learning_rate: ScalarOrSchedule = 1.0,
    beta: ArrayLike = 0.9,
    lower_bound: ArrayLike = 0.0,
    weight_decay: ArrayLike = 0.0,
    adapt_lower_bound: bool = False,
) -> GradientTransformation:
    r"""Momentum that steps no further than where a model of the loss is at its lower bound (MoMo).

    .. math:: m_t &= β m_{t-1} + (1-β) g_t, \quad \bar f_t = β \bar f_{t-1} + (1-β) L(W_t), \quad
       γ_t = β γ_{t-1} + (1-β) \langle g_t, W_t\rangle \\
       τ_t &= \min\left(α, \frac{\left((1+αλ)(\bar f_t - γ_t - L^*)
       + \langle m_t, W_t\rangle\right)_+}{\lVert m_t\rVert^2}\right), \qquad
       W ← \frac{W}{1+αλ} - τ_t m_t

    with the first gradient, loss and product for the means before them, and τ = 0 where
    :math:`\lVert m\rVert^2 ≤ 2^{-52}`. ``update`` needs the loss, as ``value=``. The paper divides
    the step by 1 + αλ too; here as in Optax the decay leaves it as it is.

    Args:
      learning_rate: α ≥ 0 or a schedule, the longest step; rather too large than too small.
      beta: β in [0, 1).
      lower_bound: L*, a lower bound of the loss.
      weight_decay: λ ≥ 0.
      adapt_lower_bound: estimate a higher bound than L* by the model after each step.

    Raises:
      ValueError: a hyperparameter out of its range; (from ``update``) no ``value``.

    Schaipp et al., *MoMo: momentum models for adaptive learning rates*, arXiv 2305.07583.

    >>> import jax.numpy as jnp
    >>> tx, w = momo(), jnp.array([3.0, 4.0])
    >>> tx.update(2 * w, tx.init(w), w, value=25.0)[0].tolist()
    [-1.5, -2.0]
    """
    truncated = Truncated(learning_rate, weight_decay, lower_bound, adapt_lower_bound)

    def context(step: Step) -> tuple[Array, Model]:
        decay = jnp.where(step.count == 0, 0.0, beta)

        def direction(g: Array, m: Array) -> tuple[Array, float]:
            return moving_average(g, m, decay), 1.0

        slots = {"means": step.state.exp_avg}
        return decay, truncated.model("momo", step, direction, slots, decay)

    def update(g: Array, m: Array, p: Array, now: tuple[Array, Model]) -> tuple[Array, Array]:
        decay, model = now
        m = moving_average(g, m, decay)
        return model.step(m, p), m

    return leafwise(
        update,
        role="step",
        factor=truncated.factor,
        state=MomoState,
        init=zeros_like,
        context=context,
        scalars=truncated.scalars(),
        advance=lambda step, now: now[1].advanced(),
        needs_params=True,
    )


@transformation(
    learning_rate="[0, inf)",
    b1="[0, 1)",
    b2="[0, 1)",
    eps="[0, inf)",
    lower_bound="(-inf, inf)",
    weight_decay="[0, inf)",
)
def momo_adam(
    learning_rate: ScalarOrSchedule = 1e-2,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    lower_bound: ArrayLike = 0.0,
    weight_decay: ArrayLike = 0.0,
    adapt_lower_bound: bool = False,
) -> GradientTransformation:
    r"""Adam that steps no further than where a model of the loss is at its lower bound (MoMo-Adam).

    .. math:: D_t = \sqrt{r_t/(1-β_2^t)} + ε, \quad
       τ_t = \min\left(\frac{α}{ρ_t}, \frac{\left((1+αλ)(\bar f_t - γ_t - ρ_t L^*)
       + \langle m_t, W_t\rangle\right)_+}{\langle m_t, m_t / D_t\rangle}\right), \quad
       W ← \frac{W}{1+αλ} - τ_t \frac{m_t}{D_t}

    with :math:`ρ_t = 1-β_1^t`, r as in :func:`scale_by_adam` and the means m, f̄ and γ as in
    :func:`momo`, but from zero. ``update`` needs the loss, as ``value=``.

    Args:
      learning_rate: α ≥ 0 or a schedule, the longest step.
      b1, b2: β₁, β₂ in [0, 1).
      eps: ε ≥ 0.
      lower_bound, weight_decay, adapt_lower_bound: see :func:`momo`.

    Raises:
      ValueError: a hyperparameter out of its range; (from ``update``) no ``value``.

    Schaipp et al., *MoMo: momentum models for adaptive learning rates*, arXiv 2305.07583.

    >>> import jax.numpy as jnp
    >>> tx, w = momo_adam(10.0), jnp.array([4.0, 4.0])
    >>> tx.update(2 * w, tx.init(w), w, value=32.0)[0].round(4).tolist()
    [-2.0, -2.0]
    """
    truncated = Truncated(learning_rate, weight_decay, lower_bound, adapt_lower_bound)

    def moments(g: Array, m: Array, r: Array) -> tuple[Array, Array]:
        return moving_average(g, m, b1), moving_average(abs_sq(g), r, b2)

    def context(step: Step) -> tuple[Array, Model]:
        t = optax.safe_increment(step.count)
        correction = bias(b2, t)

        def direction(g: Array, m: Array, r: Array) -> tuple[Array, Array]:
            m, r = moments(g, m, r)
            return m, divisor(unbiased(r, correction), eps)

        slots = {"means": step.state.exp_avg, "squares": step.state.exp_avg_sq}
        return correction, truncated.model("momo_adam", step, direction, slots, b1, bias(b1, t))

    def update(
        g: Array, m: Array, r: Array, p: Array, now: tuple[Array, Model]
    ) -> tuple[Array, ...]:
        correction, model = now
        m, r = moments(g, m, r)
        return model.step(m / divisor(unbiased(r, correction), eps), p), m, r

    return leafwise(
        update,
        role="step",
        factor=truncated.factor,
        state=MomoAdamState,
        init=lambda p: (zeros_like(p), square_like(p)),
        context=context,
        scalars=truncated.scalars(),
        advance=lambda step, now: now[1].advanced(),
        needs_params=True,
    )
