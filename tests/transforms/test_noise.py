"""Noise: Optax's bits, from the same key."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from tests.laws.runs import same_bits, session

GRADS = {"b": jnp.arange(3.0), "none": None, "w": (jnp.ones((4, 2)), jnp.array(2.0))}


def steps(tx, jit=False, many=4):
    """The updates, counts and keys of some steps."""
    state = tx.init(GRADS)
    update = jax.jit(tx.update) if jit else tx.update
    seen = []
    for _ in range(many):
        with session("float32", lenient=True):
            updates, state = update(GRADS, state)
        seen.append((updates, state.count, jax.random.key_data(state.rng_key)))
    return seen


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("key", [7, jax.random.key(7), jax.random.key(7, impl="rbg")])
def test_the_bits_are_optaxs(key, jit):
    ours, theirs = ro.add_noise(0.3, 0.55, key), optax.add_noise(0.3, 0.55, key)
    same_bits(steps(ours, jit), steps(theirs, jit))


def test_an_optax_state_continues_bit_for_bit():
    theirs = optax.add_noise(0.3, 0.55, 7)
    with session("float32", lenient=True):
        _, state = theirs.update(GRADS, theirs.init(GRADS))
        expected, _ = theirs.update(GRADS, state)
    same_bits(ro.add_noise(0.3, 0.55, 0).update(GRADS, state)[0], expected)


def test_noise_is_new_at_every_step_and_differs_between_leaves():
    zeros = {"a": jnp.zeros(8), "b": jnp.zeros(8)}
    tx = ro.add_noise(1.0, 0.0, 0)
    first, state = tx.update(zeros, tx.init(zeros))
    second, _ = tx.update(zeros, state)
    assert not np.any(first["a"] == first["b"])
    assert not np.any(first["a"] == second["a"])


def test_the_seed_is_another_name_of_the_key_and_zero_by_default():
    same_bits(steps(ro.add_noise(0.3, 0.55, seed=3)), steps(ro.add_noise(0.3, 0.55, 3)))
    same_bits(steps(ro.add_noise(0.3, 0.55)), steps(ro.add_noise(0.3, 0.55, 0)))
    with pytest.raises(ValueError, match="not both"):
        ro.noisy_sgd(0.1, key=1, seed=2)


def test_bfloat16_stays():
    tx, g = ro.add_noise(0.3, 0.55, 7), jnp.ones(3, jnp.bfloat16)
    assert tx.update(g, tx.init(g))[0].dtype == jnp.bfloat16


def test_the_variance_decays_as_declared():
    zeros = jnp.zeros(100_000)
    tx = ro.add_noise(0.5, 0.7, 0)
    state = tx.init(zeros)
    for t in range(1, 5):
        noise, state = tx.update(zeros, state)
        np.testing.assert_allclose(np.var(noise), 0.5 / t**0.7, rtol=0.02)
