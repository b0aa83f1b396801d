"""Stochastic gradient descent, with and without momentum."""

from typing import Any

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.identity import identity
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.trace import trace


@transformation(momentum="[0, 1] or None")
def sgd(
    learning_rate: ScalarOrSchedule | None,
    momentum: ArrayLike | None = None,
    nesterov: bool = False,
    accumulator_dtype: Any = None,
) -> GradientTransformation:
    r"""Descend along the gradient, or along its momentum.

    .. math:: v_t = ρ v_{t-1} + g_t, \qquad W ← W - α v_t

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      momentum: ρ in [0, 1], usually 0.9; ``None`` for none.
      nesterov: step along :math:`g_t + ρ v_t`.
      accumulator_dtype: dtype of v; the parameters' when ``None``.

    Raises:
      ValueError: a hyperparameter out of its range.

    Sutskever et al., *On the importance of initialization and momentum*, ICML 2013.

    >>> import jax.numpy as jnp
    >>> tx = sgd(0.1)
    >>> float(tx.update(jnp.array(2.0), tx.init(jnp.array(0.0)))[0])
    -0.20000000298023224
    """
    return chain(
        identity() if momentum is None else trace(momentum, nesterov, accumulator_dtype),
        scale_by_learning_rate(learning_rate),
    )
