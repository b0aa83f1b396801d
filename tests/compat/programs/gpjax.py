"""A Gaussian process, whose marginal likelihood is maximised."""

import gpjax as gpx
import jax
import optax

from tests.compat.programs.linear import X, Y


def main():
    data = gpx.Dataset(X=X, y=Y[:, None])
    prior = gpx.gps.Prior(mean_function=gpx.mean_functions.Zero(), kernel=gpx.kernels.RBF())
    posterior = prior * gpx.likelihoods.Gaussian()
    _, history = gpx.fit(
        model=posterior,
        objective=lambda p, d: -gpx.objectives.conjugate_mll(p, d),
        train_data=data,
        optim=optax.adam(1e-2),
        num_iters=50,
        key=jax.random.key(0),
        verbose=False,
    )
    return {"history": history}
