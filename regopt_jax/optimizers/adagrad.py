"""Adagrad: steps that shrink where gradients have been large."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_rss import scale_by_rss


@transformation()
def adagrad(
    learning_rate: ScalarOrSchedule | None,
    initial_accumulator_value: ArrayLike = 0.1,
    eps: ArrayLike = 1e-7,
) -> GradientTransformation:
    r"""Adagrad.

    .. math:: s_t = s_{t-1} + g_t^2, \qquad W ← W - α\, g_t / \sqrt{s_t + ε}

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      initial_accumulator_value, eps: see :func:`scale_by_rss`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Duchi, Hazan & Singer, *Adaptive subgradient methods*, JMLR 12, 2011.

    >>> import jax.numpy as jnp
    >>> tx = adagrad(0.1, initial_accumulator_value=7.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 6)
    -0.075
    """
    return chain(
        scale_by_rss(initial_accumulator_value, eps), scale_by_learning_rate(learning_rate)
    )
