"""The direction of the gradient alone."""

import jax.numpy as jnp

from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import Step, leafwise
from regopt_jax._trees import Array, abs_sq
from regopt_jax._vectors import global_norm


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
        norm = global_norm(step.updates)
        return jnp.where(norm == 0, 1, norm)

    return leafwise(
        lambda g, norm: g / norm.astype(abs_sq(g).dtype),
        name="normalize",
        role="gradient",
        context=norm,
    )
