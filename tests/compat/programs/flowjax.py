"""A normalising flow, fitted by the library's own loop and its default optimiser."""

import jax
import jax.numpy as jnp
import optax
from flowjax.distributions import Normal
from flowjax.flows import masked_autoregressive_flow
from flowjax.train import fit_to_data


def main():
    key = jax.random.key(0)
    flow = masked_autoregressive_flow(
        key, base_dist=Normal(jnp.zeros(2)), flow_layers=2, nn_width=8, nn_depth=1
    )
    x = jax.random.normal(key, (64, 2)) * jnp.array([2.0, 0.5])
    out = {}
    for name, given in {
        "default": {}, "own": {"optimizer": optax.chain(optax.clip(0.5), optax.adabelief(1e-2))}
    }.items():  # fmt: skip
        _, losses = fit_to_data(key, flow, x, max_epochs=5, show_progress=False, **given)
        out[name] = losses
    return out
