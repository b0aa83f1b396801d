"""The size of a step by the root-mean-square of its array."""

from regopt_jax._core import ArrayLike, GradientTransformation, transformation
from regopt_jax.transforms.norms import root_mean_square
from regopt_jax.transforms.scale_by_param_block_norm import by_size


@transformation(min_scale="[0, inf)")
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
    return by_size(root_mean_square, min_scale)
