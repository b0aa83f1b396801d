"""Prodigy before it has seen a gradient, and what it is for."""

import jax
import jax.numpy as jnp
import numpy as np

import regopt_jax as ro


def test_gradients_of_zeros_leave_the_estimate():
    """Optax divides zero by zero here, and every later step is not a number."""
    tx, w = ro.prodigy(estim_lr0=0.5), jnp.ones(3)
    updates, state = tx.update(jnp.zeros(3), tx.init(w), w)
    assert float(state.estim_lr) == 0.5
    updates, _ = tx.update(jnp.ones(3), state, w)
    assert np.all(np.isfinite(updates))
    assert np.all(updates < 0)


def test_the_estimate_grows_from_far_too_small_and_the_loss_is_minimised():
    w = start = jnp.array([3.0, -2.0])
    tx = ro.prodigy(estim_lr0=1e-6)
    state = tx.init(w)
    step = jax.jit(tx.update)
    for _ in range(500):
        updates, state = step(2 * w, state, w)
        w = ro.apply_updates(w, updates)
    assert float(state.estim_lr) > 0.1
    assert float(ro.global_norm(w)) < 0.05 * float(ro.global_norm(start))
