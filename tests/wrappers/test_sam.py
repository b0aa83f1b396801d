"""Sharpness-aware minimisation: the climb, the step back, and what passes through."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro


def loss(w):
    return jnp.sum(w**4)


def climber(rate):
    return ro.chain(ro.normalize(), ro.sgd(rate))


def by_hand(w, rho, rate):
    g = jax.grad(loss)(w)
    return w - rate * jax.grad(loss)(w + rho * g / jnp.linalg.norm(g))


def test_two_updates_are_one_step_of_the_paper():
    w = jnp.array([1.0, -0.5, 2.0])
    expected = by_hand(w, 0.1, 0.01)
    tx = ro.sam(ro.sgd(0.01), climber(0.1))
    state = tx.init(w)
    for _ in range(2):
        updates, state = tx.update(jax.grad(loss)(w), state, w)
        w = ro.apply_updates(w, updates)
    np.testing.assert_allclose(w, expected, rtol=1e-6)


def test_one_opaque_update_is_the_same_step():
    w = jnp.array([1.0, -0.5, 2.0])
    tx = ro.sam(ro.sgd(0.01), climber(0.1), opaque_mode=True)
    updates, _ = tx.update(jax.grad(loss)(w), tx.init(w), w, grad_fn=lambda w, i: jax.grad(loss)(w))
    np.testing.assert_allclose(w + updates, by_hand(w, 0.1, 0.01), rtol=1e-6)


def test_opaque_mode_without_the_gradient_function_is_refused():
    tx, w = ro.sam(ro.sgd(0.1), climber(0.1), opaque_mode=True), jnp.ones(2)
    with pytest.raises(ValueError, match="grad_fn"):
        tx.update(w, tx.init(w), w)


def test_opaque_gradients_are_averaged_over_the_batch_axis():
    tx = ro.sam(ro.sgd(1.0), climber(0.5), opaque_mode=True, batch_axis_name="batch")
    w = jnp.zeros(1)

    def update(share):
        return tx.update(jnp.ones(1), tx.init(w), w, grad_fn=lambda w, i: share * jnp.ones(1))[0]

    updates = jax.vmap(update, axis_name="batch")(jnp.array([1.0, 3.0]))
    np.testing.assert_allclose(updates, [[-2.0], [-2.0]])


def test_what_is_not_a_number_on_the_branch_not_taken_stays_out():
    """Optax multiplies both branches by zero and one."""
    bad = optax.stateless(lambda updates, params: jax.tree.map(lambda g: g * jnp.nan, updates))
    w = jnp.ones(2)
    tx = ro.sam(bad, climber(0.5))
    updates, state = tx.update(w, tx.init(w), w)
    assert np.all(np.isfinite(updates))
    assert np.all(np.isfinite(state.cache))


def test_extra_arguments_reach_both():
    seen = []

    def spy(updates, state, params=None, **extra):
        seen.append(extra)
        return updates, state

    spied = optax.GradientTransformationExtraArgs(optax.init_empty_state, spy)
    w = jnp.ones(2)
    tx = ro.sam(spied, spied)
    tx.update(w, tx.init(w), w, value=3.0)
    assert seen == [{"value": 3.0}] * 2


def test_normalize_leaves_zeros():
    tx = ro.normalize()
    updates, _ = tx.update(jnp.zeros(3), tx.init(jnp.zeros(3)))
    np.testing.assert_array_equal(updates, jnp.zeros(3))
