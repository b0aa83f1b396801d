"""Layerwise scaling and clips: what the laws over the rows do not see."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from tests.laws.runs import close, session, ulps


def updated(tx, g, w, **extra):
    return tx.update(g, tx.init(w), w, **extra)[0]


BY_NORM = {
    "trust_ratio": ro.scale_by_trust_ratio(),
    "param_block_norm": ro.scale_by_param_block_norm(),
    "param_block_rms": ro.scale_by_param_block_rms(),
    "block_rms": ro.clip_by_block_rms(1.0),
    "adaptive": ro.adaptive_grad_clip(0.1),
    "distance": ro.scale_by_distance_over_gradients(),
}


@pytest.mark.parametrize("tx", BY_NORM.values(), ids=BY_NORM)
@pytest.mark.parametrize("zero", ["gradient", "weights"])
def test_derivatives_at_zero_are_numbers(tx, zero):
    g, w = (jnp.full(3, float(zero != what)) for what in ("gradient", "weights"))

    def total(g, w):
        return jnp.sum(updated(tx, g, w))

    for slope in jax.grad(total, argnums=(0, 1))(g, w):
        assert np.all(np.isfinite(slope))


@pytest.mark.parametrize(
    "tx", [ro.scale_by_param_block_norm(), ro.scale_by_param_block_rms()], ids=["norm", "rms"]
)
def test_the_metric_is_of_the_parameters_that_the_step_starts_from(tx):
    w, g = (
        {"a": jnp.array([3.0, 4.0]), "b": jnp.array(0.0)},
        {"a": jnp.ones(2), "b": jnp.array(2.0)},
    )
    updates, state = tx.update(g, tx.init(w), w)
    close(jax.tree.map(lambda g, d: g / d, g, tx.metric(state, w)), updates, ulps(2))


@pytest.mark.parametrize("shape", [(3, 2, 2, 2, 4), (1, 7), (2, 3, 4), (1, 1, 5)])
@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
def test_the_units_of_the_adaptive_clip_are_optaxs(shape, axis):
    rng = np.random.default_rng(0)
    w, g = (jnp.asarray(rng.normal(size=shape), jnp.float32) for _ in range(2))
    mine = updated(ro.adaptive_grad_clip(0.3, axis=axis), g, w)
    with session("float32", lenient=True):
        theirs = updated(optax.adaptive_grad_clip(0.3, axis=axis), g, w)
    close(mine, theirs, ulps(8))
    assert not np.allclose(mine, g)


def test_the_adaptive_clip_needs_axes_for_an_unusual_layout():
    x = jnp.ones((2,) * 6)
    with pytest.raises(ValueError, match=r"\(2, 2, 2, 2, 2, 2\).*axis"):
        updated(ro.adaptive_grad_clip(0.3), x, x)
    updated(ro.adaptive_grad_clip(0.3, axis=(0, 1)), x, x)


def test_the_distance_keeps_a_start_that_donation_leaves_alone():
    """The parameters' own buffer in the state could not be donated with them."""
    w = jnp.array([1.0, 2.0])
    tx = ro.scale_by_distance_over_gradients()
    state = tx.init(w)

    def step(w, state):
        updates, state = tx.update(w, state, w)
        return ro.apply_updates(w, updates), state

    expected, _ = jax.jit(step)(w, state)
    after, _ = jax.jit(step, donate_argnums=(0, 1))(w, state)
    np.testing.assert_array_equal(after, expected)


def test_the_distance_grows_with_the_way_and_scales_by_it():
    tx, w, g = ro.scale_by_distance_over_gradients(1e-3, 0.0), jnp.zeros(2), jnp.array([3.0, 4.0])
    state = tx.init(w)
    updates, state = tx.update(g, state, w)
    np.testing.assert_allclose(updates, 1e-3 * g / 5, rtol=1e-6)
    updates, state = tx.update(g, state, w.at[0].set(-2.0))
    np.testing.assert_allclose(updates, 2 * g / np.sqrt(50), rtol=1e-6)
    updates, state = tx.update(g, state, w)
    np.testing.assert_allclose(updates, 2 * g / np.sqrt(75), rtol=1e-6)


def test_complex_weights_have_a_real_distance():
    """Optax's square of a complex difference is not its distance."""
    tx, w = ro.scale_by_distance_over_gradients(0.1, 0.0), jnp.array([3.0 + 4.0j])
    updates, state = tx.update(jnp.array([2.0j]), tx.init(w), w)
    np.testing.assert_allclose(updates, [0.6j], rtol=1e-6)
    assert state.init_params.dtype == jnp.complex64
    assert state.max_dist.dtype == state.grad_sum_of_squares.dtype == jnp.float32


@pytest.mark.parametrize("tx", [ro.scale_by_polyak(), ro.polyak_sgd()], ids=["transform", "sgd"])
def test_polyak_needs_the_loss(tx):
    w = jnp.ones(2)
    with pytest.raises(TypeError, match="value=loss"):
        updated(tx, w, w)


def test_polyak_takes_a_loss_of_any_dtype_and_stops_where_it_is_flat():
    tx = ro.scale_by_polyak()
    with session("float64"):
        w = jnp.array([3.0, 4.0])
        assert updated(tx, w, w, value=jnp.float32(5.0)).dtype == w.dtype
    zeros = jnp.zeros(2)
    np.testing.assert_array_equal(updated(tx, zeros, zeros, value=1.0), zeros)


def test_polyak_solves_a_quadratic_in_halvings():
    """On ‖w‖² with L* = 0 each step goes half of the way: Optax's documented numbers."""
    tx, w = ro.polyak_sgd(), jnp.array([1.0, 2.0, 3.0])
    for expected in (3.5, 0.875, 0.21875):
        value, g = jax.value_and_grad(lambda w: jnp.sum(w**2))(w)
        w = ro.apply_updates(w, updated(tx, g, w, value=value))
        assert float(jnp.sum(w**2)) == expected


def test_fromage_keeps_the_norm_of_weights_across_their_gradient():
    """A step of α ‖w‖ at a right angle, then over √(1 + α²)."""
    w = jnp.array([3.0, 4.0])
    tx, g = ro.fromage(0.3), jnp.array([4.0, -3.0]) * 17
    after = ro.apply_updates(w, updated(tx, g, w))
    np.testing.assert_allclose(jnp.linalg.norm(after), 5.0, rtol=1e-6)


def test_optimism_does_not_circle_the_saddle_of_a_game():
    """min over x, max over y of x y: plain descent spirals out, optimistic descent in."""

    def play(tx, steps=200):
        w = jnp.array([1.0, 1.0])
        state = tx.init(w)
        for _ in range(steps):
            updates, state = tx.update(jnp.array([w[1], -w[0]]), state)
            w = ro.apply_updates(w, updates)
        return float(jnp.linalg.norm(w))

    assert play(ro.sgd(0.3)) > 100
    assert play(ro.optimistic_gradient_descent(0.3)) < 1e-3


def test_only_the_second_optimistic_adam_takes_schedules():
    with pytest.raises(TypeError, match="optimistic_adam: learning_rate must be a number"):
        ro.optimistic_adam(lambda t: 0.1)
    ro.optimistic_adam_v2(lambda t: 0.1)


def test_the_first_optimistic_step_is_the_gradient_and_a_missing_one_keeps_the_last():
    tx, w = ro.scale_by_optimistic_gradient(), {"a": jnp.ones(2), "b": jnp.ones(2)}
    updates, state = tx.update(w, tx.init(w))
    close(updates, w, ulps(0))
    updates, after = tx.update(w | {"a": None}, state)
    assert updates["a"] is None
    np.testing.assert_array_equal(after.previous_gradient["a"], state.previous_gradient["a"])
