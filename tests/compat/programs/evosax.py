"""An evolution strategy that takes a step of an optimiser in its mean."""

import jax
import jax.numpy as jnp
import optax
from evosax.algorithms import Open_ES


def main():
    strategy = Open_ES(population_size=16, solution=jnp.zeros(4), optimizer=optax.adam(0.1))
    params = strategy.default_params
    state = strategy.init(jax.random.key(0), jnp.ones(4), params)
    best = []
    for key in jax.random.split(jax.random.key(1), 30):
        asked, state = strategy.ask(key, state, params)
        fitness = jnp.sum((asked - jnp.arange(4.0)) ** 2, axis=-1)
        state, _ = strategy.tell(key, asked, fitness, state, params)
        best.append(fitness.min())
    return {"best": best, "mean": state.mean}
