"""Rprop beside Optax's, whose states are the same but whose steps come one update late."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

START = jnp.zeros(64)
GRADIENTS = np.random.default_rng(0).normal(size=(20, 64)).astype("f")
GRADIENTS[:, 0] = 0


def trajectory(tx):
    state, seen = tx.init(START), []
    for g in GRADIENTS:
        u, state = tx.update(jnp.asarray(g), state)
        seen.append((u, state))
    return jax.tree.map(lambda *xs: np.stack(xs), *seen)


def test_the_states_are_those_of_optax_and_its_steps_come_one_update_late():
    u, state = trajectory(ro.scale_by_rprop(0.1))
    with jax.numpy_dtype_promotion("standard"):
        late, theirs = trajectory(optax.scale_by_rprop(0.1))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), state, theirs)
    turned = GRADIENTS[1:] * u[:-1] < 0
    np.testing.assert_allclose(late[1:], np.where(turned, 0, u[:-1]), rtol=1e-6)
    assert not late[0].any()
    assert u[0].any()


@pytest.mark.parametrize(
    ("gradients", "steps"),
    [
        ((3.0, 0.1, 2.0), (0.25, 0.3, 0.36)),  # the sign holds
        ((3.0, -5.0, -5.0, -1.0), (0.25, 0.0, -0.125, -0.15)),  # it turns, and is forgotten
        ((3.0, 0.0, 3.0), (0.25, 0.0, 0.25)),  # nothing to compare with
    ],
)
def test_a_step_is_that_of_its_own_gradient(gradients, steps):
    tx = ro.scale_by_rprop(0.25)
    state, seen = tx.init(jnp.array(0.0)), []
    for g in gradients:
        u, state = tx.update(jnp.array(g), state)
        seen.append(float(u))
    np.testing.assert_allclose(seen, steps, rtol=1e-6)


def test_the_first_size_too_is_kept_within_its_bounds():
    tx = ro.scale_by_rprop(7.0, max_step_size=2.0)
    assert float(tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))[0]) == 2.0


def test_signs_of_gradients_too_small_to_multiply_are_compared():
    tx = ro.scale_by_rprop(1e-6)
    state = tx.init(jnp.array(0.0))
    for _ in range(2):
        u, state = tx.update(jnp.array(1e-35), state)
    np.testing.assert_allclose(float(u), 1.2e-6, rtol=1e-6)


def test_what_has_no_sign_or_no_schedule_is_refused():
    with pytest.raises(TypeError, match="'wave' is complex"):
        ro.rprop(0.1).init({"wave": jnp.ones(2, jnp.complex64)})
    with pytest.raises(TypeError, match="rprop: learning_rate must be a number"):
        ro.rprop(lambda t: 0.1)
