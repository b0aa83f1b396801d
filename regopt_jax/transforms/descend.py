"""Directions that have a size of their own, turned into steps."""

import jax.numpy as jnp

from regopt_jax._core import GradientTransformation, leafwise, transformation, unit_metric


@transformation()
def descend() -> GradientTransformation:
    r"""Turn directions that have a size of their own into steps, :math:`u = -g`."""
    return leafwise(jnp.negative, name="descend", role="step", metric=unit_metric)
