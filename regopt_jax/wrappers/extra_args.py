"""Extra arguments of ``update``, for transformations that take none."""

import optax

from regopt_jax._core import as_transformation


def with_extra_args_support(
    tx: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    """The transformation, with an ``update`` that ignores the extra arguments it does not take.

    Args:
      tx: any transformation; one of ours is returned as it is.

    Raises:
      TypeError: ``tx`` is not a transformation.

    >>> import jax.numpy as jnp, optax, regopt_jax as ro
    >>> plain = optax.stateless(lambda updates, params: updates)
    >>> tx = ro.with_extra_args_support(plain)
    >>> float(tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)), value=3.0)[0])
    1.0
    """
    return as_transformation(tx)
