"""Stochastic variational inference, also with a transformation of one's own."""

import jax
import numpyro
import numpyro.distributions as dist
import optax
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal

from tests.compat.programs.linear import X, Y


def model(x, y):
    w = numpyro.sample("w", dist.Normal(0, 1).expand([3]).to_event(1))
    with numpyro.plate("data", len(y)):
        numpyro.sample("y", dist.Normal(x @ w, 0.1), obs=y)


def halved():
    def update(updates, state, params=None):
        return jax.tree.map(lambda u: 0.5 * u, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def main():
    schedule = optax.exponential_decay(0.05, 50, 0.5)
    out = {}
    for name, tx in {
        "adam": optax.adam(schedule),
        "own": optax.chain(optax.clip_by_global_norm(10.0), halved(), optax.sgd(1e-4, 0.9)),
    }.items():
        svi = SVI(model, AutoNormal(model), tx, Trace_ELBO())
        result = svi.run(jax.random.key(0), 100, X, Y, progress_bar=False)
        out[name] = (result.losses, result.params)
    return out
