"""What the programs learn: a line through some points."""

import jax
import jax.numpy as jnp

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (32, 3))
Y = X @ jnp.array([1.0, -2.0, 0.5]) + 0.1 * jax.random.normal(jax.random.key(1), (32,))


def mean_square(predicted):
    return jnp.mean((predicted - Y) ** 2)
