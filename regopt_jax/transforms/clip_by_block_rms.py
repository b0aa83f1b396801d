"""Clipping each array by its root-mean-square."""

from regopt_jax._core import ArrayLike, GradientTransformation, transformation
from regopt_jax.transforms.clip_by_leaf_norm import clip_each
from regopt_jax.transforms.norms import root_mean_square


@transformation()
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
    return clip_each("clip_by_block_rms", root_mean_square, threshold=threshold)
