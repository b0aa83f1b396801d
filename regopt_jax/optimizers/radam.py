"""Rectified Adam."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_radam import scale_by_radam


@transformation()
def radam(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    threshold: ArrayLike = 5.0,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    r"""RAdam: Adam that warms up by itself.

    .. math:: W ← W - α\, ϱ_t \hat m_t / (\sqrt{\hat r_t} + ε)
       \text{ if } ρ_t ≥ ρ_{min}, \quad W ← W - α\, \hat m_t \text{ otherwise}

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, eps_root, threshold, nesterov: see :func:`scale_by_radam`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Liu et al., *On the variance of the adaptive learning rate and beyond*, arXiv 1908.03265.

    >>> import jax.numpy as jnp
    >>> tx = radam(0.1)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    -0.3
    """
    return chain(
        scale_by_radam(b1, b2, eps, eps_root, threshold, nesterov=nesterov),
        scale_by_learning_rate(learning_rate),
    )
