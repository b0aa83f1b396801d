r"""Rprop: a step size for every element, grown while the gradient keeps its sign."""

from typing import Any

import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, leafwise, numbers, transformation
from regopt_jax._core.arithmetic import full_like, zeros_like
from regopt_jax._core.matching import check_real
from regopt_jax._core.tolerance import strict
from regopt_jax._core.trees import Array, ArrayLike


@transformation(
    learning_rate="[0, inf)", eta_minus="(0, 1)", eta_plus="(1, inf)", min_step_size="[0, inf)"
)
def scale_by_rprop(
    learning_rate: ArrayLike,
    eta_minus: ArrayLike = 0.5,
    eta_plus: ArrayLike = 1.2,
    min_step_size: ArrayLike = 1e-6,
    max_step_size: ArrayLike = 50.0,
) -> GradientTransformation:
    r"""Step by the sign of the gradient times a size that follows the signs (Rprop).

    .. math:: s_t = \operatorname{clip}(η_t s_{t-1}, s_{min}, s_{max}), \qquad
       u_t = s_t \operatorname{sign}(g_t)

    where η is η₊ if :math:`g_t` has the sign of :math:`u_{t-1}`, η₋ if the opposite one, for
    which u is 0, and 1 if either is 0. As in PyTorch, :math:`u_t` is the step of this very
    gradient; Optax's is that of the gradient before.

    The metric is :math:`1/s`: :func:`proximal` weighs a penalty against signs, not gradients.

    Args:
      learning_rate: s₀ ≥ 0, a number.
      eta_minus: η₋ in (0, 1).
      eta_plus: η₊ > 1.
      min_step_size, max_step_size: the bounds of s, 0 ≤ s_min ≤ s_max.

    Raises:
      ValueError: a hyperparameter out of its range; from ``init``, complex parameters.
      TypeError: ``learning_rate`` is a schedule; the sizes follow the signs, not the count.

    Riedmiller & Braun, *A direct adaptive method for faster backpropagation learning: the
    RPROP algorithm*, ICNN 1993.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_rprop(0.25)
    >>> state = tx.init(jnp.array(0.0))
    >>> for g in (3.0, 0.1):
    ...     u, state = tx.update(jnp.array(g), state)
    >>> round(float(u), 4)
    0.3
    """
    least = min_step_size if isinstance(min_step_size, int | float) else 0
    numbers.check("scale_by_rprop", max_step_size=(max_step_size, f"[{least}, inf]"))

    def init(p: Any) -> tuple[Array, Array]:
        return full_like(p, learning_rate), zeros_like(p)

    def bounded(size: Array) -> Array:
        return jnp.clip(size, min_step_size, max_step_size)

    def update(g: Array, size: Array, before: Array) -> tuple[Array, Array, Array]:
        agreement = jnp.sign(g) * jnp.sign(before)
        moving = bounded(jnp.where(agreement > 0, eta_plus * size, size))
        resting = bounded(jnp.where(g == 0, size, eta_minus * size))
        u = jnp.where(agreement < 0, 0, moving * jnp.sign(g))
        # Read from u, so that XLA can overwrite the state: u needs both of its arrays.
        size = jnp.where(jnp.abs(u) > 0, jnp.abs(u), resting)
        given = u if strict() else jnp.where(agreement < 0, 0, before)  # Optax's lags one step
        return given, size, u

    return leafwise(
        update,
        role="precondition",
        state=optax.ScaleByRpropState,
        init=init,
        metric=lambda size, before: 1 / size,
        check=check_real,
    )
