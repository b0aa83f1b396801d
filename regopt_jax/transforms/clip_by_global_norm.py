"""Clipping the whole gradient: bound what one bad batch can do."""

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, GradientTransformation, Step, leafwise, unit_metric
from regopt_jax._core.decorator import transformation
from regopt_jax._core.vectors import global_norm
from regopt_jax.transforms.norms import scaled


@transformation(max_norm="[0, inf]")
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

    def factor(step: Step) -> Array:
        norm = global_norm(step.updates)
        # A norm that is not a number fails the comparison and spreads, as it should.
        return jnp.where(norm <= max_norm, 1.0, max_norm / norm)

    return leafwise(scaled, role="gradient", context=factor, metric=unit_metric)
