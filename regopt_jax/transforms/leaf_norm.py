"""Clipping each array on its own."""

import jax.numpy as jnp

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import leafwise, unit_metric
from regopt_jax._trees import ArrayLike
from regopt_jax.transforms.norms import norm, scaled


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
    _hyperparams.check("clip_by_leaf_norm", max_norm=(max_norm, "(0, inf]"))

    return leafwise(
        lambda g: scaled(g, 1 / jnp.maximum(norm(g) / max_norm, 1)),
        name="clip_by_leaf_norm",
        role="gradient",
        hyperparams={"max_norm": max_norm},
        metric=unit_metric,
        elementwise=False,
    )
