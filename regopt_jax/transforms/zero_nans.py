"""What is not a number, replaced by zero."""

import jax.numpy as jnp
import optax

from regopt_jax._core import Array, GradientTransformation, leafwise, transformation, unit_metric


@transformation()
def zero_nans() -> GradientTransformation:
    """Replace what is not a number by zero; the state says for each array whether any was.

    >>> import jax.numpy as jnp
    >>> tx = zero_nans()
    >>> updates, state = tx.update(jnp.array([3.0, jnp.nan]), tx.init(jnp.zeros(2)))
    >>> updates.tolist(), bool(state.found_nan)
    ([3.0, 0.0], True)
    """

    def update(g: Array, found: Array) -> tuple[Array, Array]:
        bad = jnp.isnan(g)
        return jnp.where(bad, 0, g), jnp.any(bad)

    return leafwise(
        update,
        role="gradient",
        state=optax.ZeroNansState,
        init=lambda p: jnp.zeros([], bool),
        metric=unit_metric,
        elementwise=False,
    )
