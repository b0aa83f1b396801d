"""Mean-field variational inference."""

import blackjax
import jax
import jax.numpy as jnp
import optax


def log_density(x):
    return -jnp.sum((x["a"] - 1) ** 2) - jnp.sum((x["b"] + 2) ** 2) / 8


def main():
    tx = optax.adam(5e-2)
    method = blackjax.meanfield_vi(log_density, tx, num_samples=16)
    state = method.init({"a": jnp.zeros(2), "b": jnp.zeros(3)})

    @jax.jit
    def step(state, key):
        return method.step(key, state)

    bounds = []
    for key in jax.random.split(jax.random.key(0), 60):
        state, info = step(state, key)
        bounds.append(info.elbo)
    return {"elbo": bounds, "mu": state.mu, "opt_state": state.opt_state}
