"""Lion: the sign of an interpolated momentum."""

from typing import Any, Literal

import jax.numpy as jnp
import optax

from regopt_jax._core import Array, ArrayLike, GradientTransformation, transformation, zeros_like
from regopt_jax._core.lift import leafwise, unit_metric
from regopt_jax._core.tolerance import strict
from regopt_jax.transforms.moments import moving_average
from regopt_jax.transforms.scale_by_sign import check_mode


@transformation(b1="[0, 1]", b2="[0, 1]", smooth_beta="(0, inf)")
def scale_by_lion(
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.99,
    mu_dtype: Any = None,
    *,
    mode: Literal["hard", "smooth", "refined"] = "hard",
    smooth_beta: ArrayLike = 1.0,
) -> GradientTransformation:
    r"""Step by the sign of an interpolated momentum (Lion).

    .. math:: u_t = \operatorname{sign}(β_1 m_{t-1} + (1-β_1) g_t), \qquad
       m_t = β_2 m_{t-1} + (1-β_2) g_t

    The metric is 1: :func:`proximal` weighs a penalty against signs, not gradients.

    Args:
      b1, b2: β₁, β₂ in [0, 1].
      mu_dtype: dtype of m; the parameters' when ``None``.
      mode: ``hard`` is the sign; ``smooth`` is tanh(smooth_beta · x); ``refined``
        is x clipped to [-1, 1].
      smooth_beta: steepness of ``smooth``, > 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Chen et al., *Symbolic discovery of optimization algorithms*, arXiv 2302.06675.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_lion()
    >>> tx.update(jnp.array([3.0, -0.1]), tx.init(jnp.zeros(2)))[0].tolist()
    [1.0, -1.0]
    """
    if strict():
        check_mode("scale_by_lion", mode)

    def init(p: Array) -> Array:
        return zeros_like(p, mu_dtype)

    def direction(x: Array) -> Array:
        check_mode("scale_by_lion", mode)
        if mode == "smooth":
            return jnp.tanh(smooth_beta * x)
        if mode == "refined":
            return jnp.where(jnp.abs(x) < 1, x, jnp.sign(x))
        return jnp.sign(x)

    def update(g: Array, m: Array) -> tuple[Array, Array]:
        return direction(moving_average(g, m, b1)), moving_average(g, m, b2)

    return leafwise(
        update, role="precondition", state=optax.ScaleByLionState, init=init, metric=unit_metric
    )
