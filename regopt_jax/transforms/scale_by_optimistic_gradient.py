"""Optimism: count the newest change of the gradient twice, as if it came again."""

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, GradientTransformation, leafwise, zeros_like
from regopt_jax._core.decorator import transformation
from regopt_jax._core.optax_states import ScaleByOptimisticGradientState


@transformation(alpha="[0, inf)", beta="(-inf, inf)")
def scale_by_optimistic_gradient(
    alpha: ArrayLike = 1.0, beta: ArrayLike = 1.0
) -> GradientTransformation:
    r"""Extrapolate the gradient by its newest change.

    .. math:: u_t = α g_t + β (g_t - g_{t-1}), \qquad u_1 = α g_1

    A steady gradient steps by α of it, so the metric is 1/α.

    Args:
      alpha: α ≥ 0.
      beta: β.

    Raises:
      ValueError: a hyperparameter out of its range.

    Mokhtari, Ozdaglar & Pattathil, *A unified analysis of extra-gradient and optimistic
    gradient methods for saddle point problems*, arXiv 1901.08511.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_optimistic_gradient()
    >>> state = tx.init(jnp.array(0.0))
    >>> for g in (1.0, 3.0):
    ...     u, state = tx.update(jnp.array(g), state)
    >>> float(u)
    5.0
    """

    def change(g: Array, before: Array, first: Array) -> tuple[Array, Array]:
        before = jnp.where(first, g, before)
        return jnp.subtract((alpha + beta) * g, beta * before), g

    return leafwise(
        change,
        role="precondition",
        state=ScaleByOptimisticGradientState,
        init=zeros_like,
        scalars={"is_initial_step": lambda params: jnp.asarray(True)},
        context=lambda step: step.state.is_initial_step,
        advance=lambda step, _: {"is_initial_step": False},
        metric=lambda before, first: 1 / jnp.asarray(alpha, float),
    )
