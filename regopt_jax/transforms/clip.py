"""Clipping: bound what one bad batch can do."""

import jax.numpy as jnp

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import Step, leafwise, unit_metric
from regopt_jax._trees import Array, ArrayLike, global_norm


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
    _hyperparams.check("clip", max_delta=(max_delta, "[0, inf]"))
    return leafwise(
        lambda g: jnp.clip(g, jnp.negative(max_delta), max_delta),
        name="clip",
        role="gradient",
        hyperparams={"max_delta": max_delta},
        metric=unit_metric,
    )


def clip_by_global_norm(max_norm: ArrayLike) -> GradientTransformation:
    r"""Scale the whole gradient down to a norm of at most c.

    .. math:: u = g\,\min(1, c / \lVert g \rVert)

    The factor is one scalar, so the clipped gradients are never stored.

    Args:
      max_norm: c ≥ 0, the largest Euclidean norm of all leaves together.

    Raises:
      ValueError: a negative ``max_norm``.

    Pascanu, Mikolov & Bengio, *On the difficulty of training recurrent neural
    networks*, arXiv 1211.5063.

    >>> import jax.numpy as jnp
    >>> tx = clip_by_global_norm(1.0)
    >>> tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))[0].tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    _hyperparams.check("clip_by_global_norm", max_norm=(max_norm, "[0, inf]"))

    def factor(step: Step) -> Array:
        norm = global_norm(step.updates)
        # A norm that is not a number fails the comparison and spreads, as it should.
        return jnp.where(norm < max_norm, 1.0, max_norm / norm)

    return leafwise(
        lambda g, factor: g * factor.astype(g.dtype),
        name="clip_by_global_norm",
        role="gradient",
        hyperparams={"max_norm": max_norm},
        context=factor,
        metric=unit_metric,
    )
