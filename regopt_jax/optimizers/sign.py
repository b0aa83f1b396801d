"""Sign descent, of the gradient and of its momentum."""

from typing import Any

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.ema import ema
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_sign import scale_by_sign


@transformation()
def sign_sgd(learning_rate: ScalarOrSchedule | None) -> GradientTransformation:
    r"""Descend along the gradient's sign: steepest descent in the infinity norm.

    .. math:: W ← W - α \operatorname{sign}(g_t)

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.

    Raises:
      ValueError: a negative learning rate.

    Bernstein et al., *signSGD: compressed optimisation for non-convex problems*,
    arXiv 1802.04434.

    >>> import jax.numpy as jnp
    >>> tx = sign_sgd(0.5)
    >>> float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0])
    -0.5
    """
    return chain(scale_by_sign(), scale_by_learning_rate(learning_rate))


@transformation(beta="[0, 1]")
def signum(
    learning_rate: ScalarOrSchedule | None, beta: ArrayLike = 0.9, accumulator_dtype: Any = None
) -> GradientTransformation:
    r"""Descend along the sign of a running mean of the gradient.

    .. math:: m_t = β m_{t-1} + (1-β) g_t, \qquad W ← W - α \operatorname{sign}(m_t)

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      beta: β in [0, 1].
      accumulator_dtype: dtype of m; the parameters' when ``None``.

    Raises:
      ValueError: a hyperparameter out of its range.

    Bernstein et al., *signSGD: compressed optimisation for non-convex problems*,
    arXiv 1802.04434.

    >>> import jax.numpy as jnp
    >>> tx = signum(0.5)
    >>> float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0])
    -0.5
    """
    return chain(
        ema(beta, debias=False, accumulator_dtype=accumulator_dtype),
        scale_by_sign(),
        scale_by_learning_rate(learning_rate),
    )
