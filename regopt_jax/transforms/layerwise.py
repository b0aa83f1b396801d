"""Layerwise scaling: one number for each array, from its norm or its parameter's."""

import jax.numpy as jnp

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import Step, leafwise, unit_metric
from regopt_jax._trees import Array, ArrayLike, at_least_float32
from regopt_jax._vectors import global_norm
from regopt_jax.transforms.norms import norm, root_mean_square, scaled


def scale_by_trust_ratio(
    min_norm: ArrayLike = 0.0, trust_coefficient: ArrayLike = 1.0, eps: ArrayLike = 0.0
) -> GradientTransformation:
    r"""Scale each array's step to the size of the array itself (LARS, LAMB).

    .. math:: u = g\, \frac{η \max(\lVert W\rVert, c)}{\max(\lVert g\rVert, c) + ε}
       \quad\text{and } g \text{ where a norm is } 0

    Args:
      min_norm: c ≥ 0.
      trust_coefficient: η ≥ 0.
      eps: ε ≥ 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    You, Gitman & Ginsburg, *Large batch training of convolutional networks*, arXiv 1708.03888.

    >>> import jax.numpy as jnp
    >>> tx, w = scale_by_trust_ratio(), jnp.array([3.0, 4.0])
    >>> tx.update(jnp.array([0.0, 2.0]), tx.init(w), w)[0].tolist()
    [0.0, 5.0]
    """
    _hyperparams.check(
        "scale_by_trust_ratio",
        min_norm=(min_norm, "[0, inf)"),
        trust_coefficient=(trust_coefficient, "[0, inf)"),
        eps=(eps, "[0, inf)"),
    )

    def update(g: Array, p: Array) -> Array:
        weight, step = norm(p, min_norm), norm(g, min_norm)
        unknown = (weight == 0) | (step == 0)
        ratio = trust_coefficient * weight / jnp.where(unknown, 1, step + eps)
        return scaled(g, jnp.where(unknown, 1, ratio))

    return leafwise(
        update,
        name="scale_by_trust_ratio",
        role="precondition",
        hyperparams={"min_norm": min_norm, "trust_coefficient": trust_coefficient, "eps": eps},
        needs_params=True,
        elementwise=False,
    )


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
    _hyperparams.check("scale_by_param_block_norm", min_scale=(min_scale, "[0, inf)"))
    return leafwise(
        lambda g, p: scaled(g, norm(p, min_scale)),
        name="scale_by_param_block_norm",
        role="precondition",
        hyperparams={"min_scale": min_scale},
        needs_params=True,
        metric=lambda p: 1 / norm(p, min_scale),
        elementwise=False,
    )


def scale_by_param_block_rms(min_scale: ArrayLike = 1e-3) -> GradientTransformation:
    r"""Multiply each array's step by its parameter's root-mean-square (Adafactor).

    .. math:: u = g\, \max(\operatorname{RMS}(W), c)

    Args:
      min_scale: c ≥ 0.

    Raises:
      ValueError: a negative ``min_scale``.

    Shazeer & Stern, *Adafactor*, arXiv 1804.04235.

    >>> import jax.numpy as jnp
    >>> tx, w = scale_by_param_block_rms(), jnp.array([1.0, 7.0])
    >>> tx.update(jnp.array([1.0, 2.0]), tx.init(w), w)[0].tolist()
    [5.0, 10.0]
    """
    _hyperparams.check("scale_by_param_block_rms", min_scale=(min_scale, "[0, inf)"))
    return leafwise(
        lambda g, p: scaled(g, root_mean_square(p, min_scale)),
        name="scale_by_param_block_rms",
        role="precondition",
        hyperparams={"min_scale": min_scale},
        needs_params=True,
        metric=lambda p: 1 / root_mean_square(p, min_scale),
        elementwise=False,
    )


def normalize_by_update_norm(
    scale_factor: ArrayLike = 1.0, eps: ArrayLike = 1e-6
) -> GradientTransformation:
    r"""Divide the whole step by its own norm, :math:`u = s\,g / (\lVert g\rVert + ε)`.

    Args:
      scale_factor: s, the norm of the result.
      eps: ε ≥ 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    >>> import jax.numpy as jnp
    >>> tx = normalize_by_update_norm(scale_factor=10.0, eps=0.0)
    >>> tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))[0].tolist()
    [6.0, 8.0]
    """
    _hyperparams.check(
        "normalize_by_update_norm",
        scale_factor=(scale_factor, "(-inf, inf)"),
        eps=(eps, "[0, inf)"),
    )

    def factor(step: Step) -> Array:
        return jnp.divide(scale_factor, global_norm(step.updates) + eps)

    return leafwise(
        scaled,
        name="normalize_by_update_norm",
        role="precondition",
        hyperparams={"scale_factor": scale_factor, "eps": eps},
        context=factor,
        elementwise=False,
    )


def centralize() -> GradientTransformation:
    r"""Subtract from each array its mean over all axes but the first.

    .. math:: u_{i\ldots} = g_{i\ldots} - \operatorname{mean}(g_{i\ldots})

    Arrays with fewer than two axes pass.

    Yong et al., *Gradient centralization*, arXiv 2004.01461.

    >>> import jax.numpy as jnp
    >>> tx, g = centralize(), jnp.array([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]])
    >>> tx.update(g, tx.init(g))[0].tolist()
    [[-1.0, 0.0, 1.0], [-2.0, -1.0, 3.0]]
    """

    def update(g: Array) -> Array:
        if g.ndim < 2:
            return g
        mean = jnp.mean(at_least_float32(g), tuple(range(1, g.ndim)), keepdims=True)
        return g - mean.astype(g.dtype)

    return leafwise(
        update, name="centralize", role="gradient", metric=unit_metric, elementwise=False
    )
