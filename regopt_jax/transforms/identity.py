"""Nothing done."""

from regopt_jax._core import GradientTransformation, leafwise, transformation, unit_metric


@transformation()
def identity() -> GradientTransformation:
    """Pass the updates through unchanged.

    >>> import jax.numpy as jnp
    >>> tx = identity()
    >>> float(tx.update(jnp.array(2.0), tx.init(jnp.array(0.0)))[0])
    2.0
    """
    return leafwise(lambda g: g, role="gradient", metric=unit_metric, jitted=False)
