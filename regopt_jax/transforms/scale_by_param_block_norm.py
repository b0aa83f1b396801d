"""The size of a step by the norm of its array."""

from collections.abc import Callable

from regopt_jax._core import Array, ArrayLike, GradientTransformation, leafwise, transformation
from regopt_jax.transforms.norms import norm, scaled


@transformation(min_scale="[0, inf)")
def scale_by_param_block_norm(min_scale: ArrayLike = 1e-3) -> GradientTransformation:
    r"""Multiply each array's step by its parameter's norm.

    .. math:: u = g\, \max(\lVert W\rVert, c)

    Args:
      min_scale: c ≥ 0.

    Raises:
      ValueError: a negative ``min_scale``.

    >>> import jax.numpy as jnp
    >>> tx, w = scale_by_param_block_norm(), jnp.array([3.0, 4.0])
    >>> tx.update(jnp.array([1.0, 2.0]), tx.init(w), w)[0].tolist()
    [5.0, 10.0]
    """
    return by_size(norm, min_scale)


def by_size(
    size: Callable[[Array, ArrayLike], Array], min_scale: ArrayLike
) -> GradientTransformation:
    """Each array's step times the size of its parameter, at least ``min_scale``."""
    return leafwise(
        lambda g, p: scaled(g, size(p, min_scale)),
        role="precondition",
        needs_params=True,
        metric=lambda p: 1 / size(p, min_scale),
        elementwise=False,
    )
