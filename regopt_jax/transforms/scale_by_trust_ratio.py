"""The size of a step by the size of its array (LARS, LAMB)."""

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, GradientTransformation, leafwise, transformation
from regopt_jax.transforms.norms import norm, scaled


@transformation(min_norm="[0, inf)", trust_coefficient="[0, inf)", eps="[0, inf)")
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

    def update(g: Array, p: Array) -> Array:
        weight, step = norm(p, min_norm), norm(g, min_norm)
        unknown = (weight == 0) | (step == 0)
        ratio = trust_coefficient * weight / jnp.where(unknown, 1, step + eps)
        return scaled(g, jnp.where(unknown, 1, ratio))

    return leafwise(update, role="precondition", needs_params=True, elementwise=False)
