"""Steps that end at zero, not below."""

import jax.numpy as jnp

from regopt_jax._core import GradientTransformation, leafwise, transformation, unit_metric


@transformation()
def keep_params_nonnegative() -> GradientTransformation:
    r"""Shorten the steps that would take a parameter below zero, so that they end there.

    .. math:: u = \max(g, -W)

    It is the last of a chain. A parameter that is negative already moves to zero.

    >>> import jax.numpy as jnp
    >>> tx, w = keep_params_nonnegative(), jnp.array([1.0, 1.0])
    >>> tx.update(jnp.array([0.5, -3.0]), tx.init(w), w)[0].tolist()
    [0.5, -1.0]
    """
    return leafwise(
        lambda g, p: jnp.where(p + g < 0, -p, g),
        role="regularizer",
        metric=unit_metric,
        needs_params=True,
    )
