"""The whole step at one length."""

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, GradientTransformation, Step, leafwise
from regopt_jax._core.decorator import transformation
from regopt_jax._core.vectors import global_norm
from regopt_jax.transforms.norms import nonzero, scaled


@transformation(scale_factor="(-inf, inf)", eps="[0, inf)")
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

    def factor(step: Step) -> Array:
        return jnp.divide(scale_factor, nonzero(global_norm(step.updates) + eps))

    return leafwise(scaled, role="precondition", context=factor, elementwise=False)
