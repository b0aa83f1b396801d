"""Clipping each unit in proportion to its own weights."""

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, GradientTransformation, PyTree, numbers, trees
from regopt_jax._core.decorator import transformation
from regopt_jax._core.lift import leafwise, unit_metric
from regopt_jax.transforms.norms import Axes, norm, scaled


@transformation(clipping="[0, inf]", eps="[0, inf)")
def adaptive_grad_clip(
    clipping: ArrayLike, eps: ArrayLike = 1e-3, axis: Axes = None
) -> GradientTransformation:
    r"""Scale each unit's gradient down to a share of the unit's own norm.

    .. math:: u_i = g_i \min\left(1,\ λ \frac{\max(\lVert W_i\rVert, ε)}{\lVert g_i\rVert}\right)

    Args:
      clipping: λ ≥ 0, the largest ratio of a gradient's norm to its parameter's.
      eps: ε ≥ 0, so that units that start at zero can leave it.
      axis: the axes that a unit spans. By default all of a vector, the first of a matrix or
        of three axes, all but the last of four (a convolution's kernel) or five.

    Raises:
      ValueError: a hyperparameter out of its range; (from ``init``) an axis that a leaf has
        not, by path; (from ``update``) an array of more than five axes without ``axis``.

    Brock et al., *High-performance large-scale image recognition without normalization*,
    arXiv 2102.06171.

    >>> import jax.numpy as jnp
    >>> tx, w = adaptive_grad_clip(0.5), jnp.array([3.0, 4.0])
    >>> tx.update(jnp.array([0.0, 10.0]), tx.init(w), w)[0].tolist()
    [0.0, 2.5]
    """

    units = () if axis is None else numbers.axes("adaptive_grad_clip", "axis", axis)

    def check(name: str, params: PyTree) -> None:
        for path, p in zip(trees.leaf_paths(params), trees.flatten(params)[0], strict=True):
            rank = 0 if p is None else jnp.ndim(p)
            if p is not None and len({i % rank for i in units if -rank <= i < rank}) < len(units):
                raise ValueError(
                    f"{name}: axis={axis!r} does not fit the leaf at '{path}' of shape "
                    f"{jnp.shape(p)}; use masked for those that it fits."
                )

    def update(g: Array, p: Array) -> Array:
        axes = _unit_axes(g.shape) if axis is None else units
        size = norm(g, axis=axes)
        most = clipping * jnp.maximum(norm(p, axis=axes), eps)
        return scaled(g, jnp.where(size < most, 1, most / jnp.maximum(size, 1e-6)))

    return leafwise(
        update,
        role="gradient",
        metric=unit_metric,
        needs_params=True,
        elementwise=False,
        check=check,
    )


def _unit_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of the inputs of one output, by the usual layouts of weights."""
    if sum(n != 1 for n in shape) <= 1:
        return tuple(range(len(shape)))
    if len(shape) <= 3:
        return (0,)
    if len(shape) <= 5:
        return tuple(range(len(shape) - 1))
    raise ValueError(
        f"adaptive_grad_clip: an array of shape {shape} has no usual layout; pass axis=."
    )
