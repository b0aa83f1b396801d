"""Signs: steps whose every coordinate has the same size, whatever the gradient's.

Their metric is 1, that of the sign: under :func:`~regopt_jax.proximal` a penalty weighs against
the mean sign of the gradients, which is in [-1, 1], not against the gradients. So under
``l1(λ)`` with λ < 1 no weight whose gradient keeps its sign becomes zero, with λ > 1 all do.
"""

from typing import Any, Literal

import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import leafwise, unit_metric
from regopt_jax._trees import Array, ArrayLike, zeros_like
from regopt_jax.transforms.momentum import moving_average

_MODES = ("hard", "smooth", "refined")


def scale_by_sign() -> GradientTransformation:
    r"""Replace each gradient by its sign, of a complex number :math:`g/|g|`.

    .. math:: u_t = \operatorname{sign}(g_t)

    The metric is 1: :func:`proximal` weighs a penalty against signs, not gradients.

    Bernstein et al., *signSGD: compressed optimisation for non-convex problems*,
    arXiv 1802.04434.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_sign()
    >>> tx.update(jnp.array([3.0, 0.0]), tx.init(jnp.zeros(2)))[0].tolist()
    [1.0, 0.0]
    """
    return leafwise(jnp.sign, name="scale_by_sign", role="precondition", metric=unit_metric)


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
    _hyperparams.check(
        "scale_by_lion", b1=(b1, "[0, 1]"), b2=(b2, "[0, 1]"), smooth_beta=(smooth_beta, "(0, inf)")
    )
    if mode not in _MODES:
        raise ValueError(f"scale_by_lion: mode must be one of {_MODES}, got {mode!r}.")

    def init(p: Array) -> Array:
        return zeros_like(p, mu_dtype)

    def direction(x: Array) -> Array:
        if mode == "smooth":
            return jnp.tanh(smooth_beta * x)
        if mode == "refined":
            return jnp.where(jnp.abs(x) < 1, x, jnp.sign(x))
        return jnp.sign(x)

    def update(g: Array, m: Array) -> tuple[Array, Array]:
        return direction(moving_average(g, m, b1)), moving_average(g, m, b2)

    return leafwise(
        update,
        name="scale_by_lion",
        role="precondition",
        hyperparams={"b1": b1, "b2": b2, "mode": mode, "smooth_beta": smooth_beta},
        state=optax.ScaleByLionState,
        init=init,
        metric=unit_metric,
    )
