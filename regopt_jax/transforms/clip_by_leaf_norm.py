"""Clipping each array by its norm."""

from collections.abc import Callable

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, GradientTransformation, numbers, transformation
from regopt_jax._core.arithmetic import cast_like
from regopt_jax._core.lift import leafwise, unit_metric
from regopt_jax.transforms.norms import norm


@transformation()
def clip_by_leaf_norm(max_norm: ArrayLike) -> GradientTransformation:
    r"""Scale each array of the gradient down to a norm of at most c.

    .. math:: u = g\,\min(1, c / \lVert g \rVert)

    Args:
      max_norm: c > 0, the largest Euclidean norm of each leaf on its own.

    Raises:
      ValueError: ``max_norm`` is not positive.

    >>> import jax.numpy as jnp
    >>> tx, g = clip_by_leaf_norm(1.0), {"a": jnp.array([0.0, 4.0]), "b": jnp.array(0.5)}
    >>> u, _ = tx.update(g, tx.init(g))
    >>> [u["a"].tolist(), float(u["b"])]
    [[0.0, 1.0], 0.5]
    """
    return clip_each("clip_by_leaf_norm", norm, max_norm=max_norm)


def clip_each(
    name: str, size: Callable[[Array], Array], **limit: ArrayLike
) -> GradientTransformation:
    """Scale each array down to a size of at most the one limit given."""
    ((hyperparam, most),) = limit.items()
    numbers.check(name, **{hyperparam: (most, "(0, inf]")})
    return leafwise(
        lambda g: g / cast_like(jnp.maximum(size(g) / most, 1), g),
        name=name,
        role="gradient",
        hyperparams=limit,
        metric=unit_metric,
        elementwise=False,
    )
