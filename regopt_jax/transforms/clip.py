"""Clipping: bound what one bad batch can do."""

from collections.abc import Callable

import jax.numpy as jnp

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import Step, leafwise, unit_metric
from regopt_jax._trees import Array, ArrayLike
from regopt_jax._vectors import global_norm
from regopt_jax.transforms.norms import Axes, norm, root_mean_square, scaled


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
        real=True,
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
        return jnp.where(norm <= max_norm, 1.0, max_norm / norm)

    return leafwise(
        lambda g, factor: g * factor.astype(g.dtype),
        name="clip_by_global_norm",
        role="gradient",
        hyperparams={"max_norm": max_norm},
        context=factor,
        metric=unit_metric,
    )


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
    return _clip_each("clip_by_leaf_norm", norm, max_norm=max_norm)


def clip_by_block_rms(threshold: ArrayLike) -> GradientTransformation:
    r"""Scale each array down to a root-mean-square of at most d (Adafactor).

    .. math:: u = g / \max(1, \operatorname{RMS}(g) / d)

    Args:
      threshold: d > 0.

    Raises:
      ValueError: ``threshold`` is not positive.

    Shazeer & Stern, *Adafactor*, arXiv 1804.04235.

    >>> import jax.numpy as jnp
    >>> tx = clip_by_block_rms(1.0)
    >>> tx.update(jnp.array([2.0, 14.0]), tx.init(jnp.zeros(2)))[0].tolist()
    [0.20000000298023224, 1.399999976158142]
    """
    return _clip_each("clip_by_block_rms", root_mean_square, threshold=threshold)


def _clip_each(
    name: str, size: Callable[[Array], Array], **limit: ArrayLike
) -> GradientTransformation:
    """Scale each array down to a size of at most the one limit given."""
    ((hyperparam, most),) = limit.items()
    _hyperparams.check(name, **{hyperparam: (most, "(0, inf]")})
    return leafwise(
        lambda g: scaled(g, 1 / jnp.maximum(size(g) / most, 1)),
        name=name,
        role="gradient",
        hyperparams=limit,
        metric=unit_metric,
        elementwise=False,
    )


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
      ValueError: a hyperparameter out of its range; (from ``update``) an array of more than
        five axes without ``axis``.

    Brock et al., *High-performance large-scale image recognition without normalization*,
    arXiv 2102.06171.

    >>> import jax.numpy as jnp
    >>> tx, w = adaptive_grad_clip(0.5), jnp.array([3.0, 4.0])
    >>> tx.update(jnp.array([0.0, 10.0]), tx.init(w), w)[0].tolist()
    [0.0, 2.5]
    """
    _hyperparams.check("adaptive_grad_clip", clipping=(clipping, "[0, inf]"), eps=(eps, "[0, inf)"))

    def update(g: Array, p: Array) -> Array:
        axes = _unit_axes(g.shape) if axis is None else axis
        size = norm(g, axis=axes)
        most = clipping * jnp.maximum(norm(p, axis=axes), eps)
        return scaled(g, jnp.where(size < most, 1, most / jnp.maximum(size, 1e-6)))

    return leafwise(
        update,
        name="adaptive_grad_clip",
        role="gradient",
        hyperparams={"clipping": clipping, "eps": eps, "axis": axis},
        metric=unit_metric,
        needs_params=True,
        elementwise=False,
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
