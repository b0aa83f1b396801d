"""The direction of the gradient alone."""

from regopt_jax._core import Array, GradientTransformation, Step, abs_sq, leafwise, transformation
from regopt_jax._core.vectors import global_norm
from regopt_jax.transforms.norms import nonzero


@transformation()
def normalize() -> GradientTransformation:
    r"""Divide the whole gradient by its norm, :math:`u = g / \lVert g\rVert`.

    A gradient of zeros stays zeros, where Optax divides by zero.

    Hazan, Levy & Shalev-Shwartz, *Beyond convexity*, arXiv 1507.02030.

    >>> import jax.numpy as jnp
    >>> tx = normalize()
    >>> tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))[0].tolist()
    [0.6000000238418579, 0.800000011920929]
    """

    def norm(step: Step) -> Array:
        return nonzero(global_norm(step.updates))

    return leafwise(lambda g, norm: g / norm.astype(abs_sq(g).dtype), role="gradient", context=norm)
