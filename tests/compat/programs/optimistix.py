"""A minimiser and a least-squares solver around a transformation."""

import jax.numpy as jnp
import optax
import optimistix as optx


def rosenbrock(y, args):
    return jnp.sum(100 * (y[1:] - y[:-1] ** 2) ** 2 + (1 - y[:-1]) ** 2)


def main():
    out = {}
    for name, tx in {"adam": optax.adam(1e-2), "sgd": optax.sgd(1e-3, momentum=0.9)}.items():
        solver = optx.OptaxMinimiser(tx, rtol=1e-4, atol=1e-4)
        y0 = jnp.array([-1.0, 1.5, 0.5])
        found = optx.minimise(rosenbrock, solver, y0, max_steps=20_000, throw=False)
        out[name] = (found.value, found.stats["num_steps"])
    return out
