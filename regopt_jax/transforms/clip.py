"""Clipping each element."""

import jax.numpy as jnp

from regopt_jax._core import GradientTransformation, leafwise, transformation, unit_metric
from regopt_jax._core.matching import check_real
from regopt_jax._core.trees import ArrayLike


@transformation(max_delta="[0, inf]")
def clip(max_delta: ArrayLike) -> GradientTransformation:
    r"""Clip each element to :math:`[-δ, δ]`.

    Args:
      max_delta: δ ≥ 0, a scalar.

    Raises:
      ValueError: a negative ``max_delta``.

    >>> import jax.numpy as jnp
    >>> tx = clip(1.0)
    >>> tx.update(jnp.array([3.0, -0.5]), tx.init(jnp.zeros(2)))[0].tolist()
    [1.0, -0.5]
    """
    return leafwise(
        lambda g: jnp.clip(g, jnp.negative(max_delta), max_delta),
        role="gradient",
        metric=unit_metric,
        check=check_real,
    )
