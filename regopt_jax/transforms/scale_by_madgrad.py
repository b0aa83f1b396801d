r"""MADGRAD: dual averaging, every step taken from where training started."""

import jax
import jax.numpy as jnp
from optax.contrib import MadgradState as MadgradState

from regopt_jax._core import GradientTransformation, ScalarOrSchedule, Step, leafwise, value_at
from regopt_jax._core.arithmetic import abs_sq, copied, square_like, zeros_like
from regopt_jax._core.decorator import transformation
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import moving_average
from regopt_jax.transforms.norms import nonzero


@transformation(learning_rate="[0, inf)", momentum="[0, 1)", eps="[0, inf)")
def scale_by_madgrad(
    learning_rate: ScalarOrSchedule, momentum: ArrayLike = 0.9, eps: ArrayLike = 1e-6
) -> GradientTransformation:
    r"""Step towards the minimiser of all gradients so far, around the start (MADGRAD).

    .. math:: v_t = v_{t-1} + λ_t g_t^2, \quad s_t = s_{t-1} + λ_t g_t, \qquad
       u_t = (1-c) \left(W_0 - \frac{s_t}{\sqrt[3]{v_t} + ε} - W_t\right)

    with :math:`λ_t = (α + ε) \sqrt{t}`. The update is a whole step, to be added as it is. Where
    all gradients were zero and ε is, the root is infinite, as in the authors' code.

    Args:
      learning_rate: α ≥ 0 or a schedule.
      momentum: c in [0, 1).
      eps: ε ≥ 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Defazio & Jelassi, *Adaptivity without compromise*, arXiv 2101.11075.

    >>> import jax.numpy as jnp
    >>> tx, w = scale_by_madgrad(1.0, momentum=0.5, eps=0.0), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(8.0), tx.init(w), w)[0]), 4)
    -1.0
    """

    def weight(step: Step) -> Array:
        with jax.numpy_dtype_promotion("standard"):
            rate = value_at(learning_rate, step.count) + eps
            return jnp.asarray(rate * jnp.sqrt(step.count.astype(float) + 1))

    def update(
        g: Array, v: Array, s: Array, start: Array, p: Array, weight: Array
    ) -> tuple[Array, ...]:
        weight = weight.astype(abs_sq(g).dtype)
        v = v + weight * abs_sq(g)
        s = s + weight * g
        root = jnp.cbrt(v.real) + eps
        target = start - s / nonzero(root)
        return moving_average(target, p, momentum) - p, v, s, start

    return leafwise(
        update,
        role="step",
        factor=lambda step: -jnp.asarray(value_at(learning_rate, step.count)),
        state=MadgradState,
        init=lambda p: (square_like(p), zeros_like(p), copied(p)),
        context=weight,
        needs_params=True,
    )
