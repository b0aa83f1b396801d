"""Schedule-Free: the average that it keeps, and which learning rate weighs it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro


def warmup(t):
    return jnp.minimum(0.1 * (jnp.float32(t) + 1), 0.4)


def run(tx, steps, apply_updates=ro.apply_updates):
    """States and evaluated parameters after each step on a slope of 1."""
    y = jnp.array([0.0, 10.0])
    state, seen = tx.init(y), []
    for _ in range(steps):
        updates, state = tx.update(jnp.ones(2), state, y)
        y = apply_updates(y, updates)
        seen.append((state, ro.schedule_free_eval_params(state, y)))
    return seen


def test_each_iterate_is_weighed_by_the_learning_rate_that_made_it():
    """The paper's algorithm 1: x is the mean of the z, weighted by the squares of γ."""
    rates = np.array([0.1, 0.2, 0.3, 0.4, 0.4])
    z = -np.cumsum(rates)
    expected = np.cumsum(rates**2 * z) / np.cumsum(rates**2)
    seen = run(ro.schedule_free(ro.sgd(warmup), warmup), 5)
    np.testing.assert_allclose([s.z[0] for s, _ in seen], z, rtol=1e-6)
    np.testing.assert_allclose([x[0] for _, x in seen], expected, rtol=1e-5)


def test_optax_weighs_by_the_learning_rate_of_the_step_after():
    theirs = optax.contrib.schedule_free(optax.sgd(warmup), warmup)
    rates = np.array([0.1, 0.2, 0.3, 0.4])
    next_rates = np.array([0.2, 0.3, 0.4, 0.4])
    expected = np.cumsum(next_rates**2 * -np.cumsum(rates)) / np.cumsum(next_rates**2)
    found = [x[0] for _, x in run(theirs, 4, optax.apply_updates)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_state_of_optax_continues_with_the_right_learning_rate():
    theirs = optax.contrib.schedule_free(optax.sgd(0.1), 0.1)
    y = jnp.zeros(2)
    updates, state = theirs.update(jnp.ones(2), theirs.init(y), y)
    seen = []

    def rate(t):
        seen.append(int(t))
        return jnp.asarray(0.1)

    ro.schedule_free(ro.sgd(0.1), rate).update(jnp.ones(2), state, y + updates)
    assert seen == [1]


def test_a_learning_rate_of_zero_averages_nothing():
    state, x = run(ro.schedule_free(ro.sgd(0.0), 0.0), 1)[0]
    assert float(state.weight_sum) == 0
    np.testing.assert_array_equal(x, [0.0, 10.0])


def test_weights_go_on_adding_up_under_bfloat16():
    """A sum in bfloat16 would stop at 256 of them."""
    y = jnp.zeros(2, jnp.bfloat16)
    tx = ro.schedule_free(ro.sgd(1.0), 1.0)
    step = jax.jit(tx.update)
    state = tx.init(y)
    for _ in range(300):
        _, state = step(jnp.zeros(2, jnp.bfloat16), state, y)
    assert float(state.weight_sum) == 300


def test_the_parameters_may_be_donated():
    y = jnp.ones(2)
    tx = ro.schedule_free_adamw(0.1)
    state = tx.init(y)
    step = jax.jit(lambda y, s: tx.step(y, s, y), donate_argnums=(0, 1))
    y, _ = step(y, state)
    assert np.all(y < 1)


def test_a_state_without_the_sequence_is_refused():
    with pytest.raises(TypeError, match="ScheduleFreeState of schedule_free"):
        ro.schedule_free_eval_params(optax.EmptyState(), jnp.ones(2))
