"""Prodigy and D-Adaptation before they have seen a gradient, and what they are for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro

both = pytest.mark.parametrize("make", [ro.prodigy, ro.dadapt_adamw], ids=lambda f: f.__name__)


@both
def test_gradients_of_zeros_leave_the_estimate(make):
    """Optax divides zero by zero here, and every later step is not a number."""
    tx, w = make(estim_lr0=0.5), jnp.ones(3)
    updates, state = tx.update(jnp.zeros(3), tx.init(w), w)
    assert float(state.estim_lr) == 0.5
    updates, _ = tx.update(jnp.ones(3), state, w)
    assert np.all(np.isfinite(updates))
    assert np.all(updates < 0)


@both
def test_the_estimate_grows_from_far_too_small_and_the_loss_is_minimised(make):
    w = start = jnp.array([3.0, -2.0])
    tx = make(estim_lr0=1e-6)
    state = tx.init(w)
    step = jax.jit(tx.update)
    for _ in range(500):
        updates, state = step(2 * w, state, w)
        w = ro.apply_updates(w, updates)
    assert float(state.estim_lr) > 0.1
    assert float(ro.global_norm(w)) < 0.05 * float(ro.global_norm(start))
