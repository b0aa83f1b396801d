"""Gradients folded into the moments: Adam's state, and no buffer beside it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

W = {"w": jnp.array([[1.0, -2.0], [0.5, 4.0]]), "b": jnp.array(0.25)}


def run(tx, gradients, params=W):
    state, updates = tx.init(params), []
    for g in gradients:
        u, state = tx.update(g, state, params)
        updates.append(u)
    return updates, state


def scaled(factors):
    return [jax.tree.map(lambda x, f=f: f * x, W) for f in factors]


def same(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7), a, b)


def test_the_state_is_the_inner_one_and_a_counter():
    tx = ro.adamw(0.1)
    state = ro.accumulate_into_moments(tx, 4).init(W)
    assert jax.tree.structure(state.inner_state) == jax.tree.structure(tx.init(W))
    assert isinstance(state.inner_state[0], optax.ScaleByAdamState)
    numbers = sum(x.size for x in jax.tree.leaves(state))
    assert numbers == 1 + sum(x.size for x in jax.tree.leaves(tx.init(W)))


def test_after_a_step_the_moments_are_adams_on_the_parts():
    """m decays once and takes the mean; r decays once and takes the squares of the parts."""
    tx = ro.accumulate_into_moments(ro.scale_by_adam(), 2)
    _, state = run(tx, scaled([3.0, -1.0]))
    moments = state.inner_state
    assert int(moments.count) == 1
    same(moments.mu, jax.tree.map(lambda x: 0.1 * x, W))
    same(moments.nu, jax.tree.map(lambda x: 1e-3 * (1.5**2 + 0.5**2) * x * x, W))


def test_an_average_alone_takes_the_mean_as_accumulate_does():
    gs = scaled([3.0, -1.0, 2.0, 1.0, 0.5, -4.0])
    tx = ro.chain(ro.ema(0.9), ro.add_decayed_weights(0.1), ro.scale_by_learning_rate(0.1))
    folded, _ = run(ro.accumulate_into_moments(tx, 3), gs)
    summed, _ = run(ro.accumulate(tx, 3), gs)
    for a, b in zip(folded, summed, strict=True):
        same(a, b)
    assert any(np.any(x) for x in jax.tree.leaves(folded[2]))


def test_schedules_count_steps():
    tx = ro.accumulate_into_moments(ro.adam(lambda t: 1.0 / (t + 1)), 2)
    _, state = run(tx, scaled([1.0] * 6))
    assert int(state.inner_state[-1].count) == 3


def test_a_leaf_without_a_gradient_keeps_its_moments():
    tx = ro.accumulate_into_moments(ro.adam(0.1), 3)
    _, state = run(tx, scaled([1.0, 1.0, 1.0]))
    _, after = tx.update({"w": W["w"], "b": None}, state, W)
    assert float(after.inner_state[0].mu["b"]) == float(state.inner_state[0].mu["b"])
    assert not np.allclose(after.inner_state[0].mu["w"], state.inner_state[0].mu["w"])


def test_named_chains_and_chains_of_chains():
    named = ro.named_chain(("moments", ro.scale_by_adam()), ("rate", ro.scale(-0.1)))
    nested = ro.chain(ro.chain(ro.scale_by_adam()), ro.scale(-0.1))
    gs = scaled([1.0, 2.0, -3.0, 0.5])
    plain, _ = run(ro.accumulate_into_moments(ro.adam(0.1), 2), gs)
    for tx in (named, nested):
        updates, state = run(ro.accumulate_into_moments(tx, 2), gs)
        for a, b in zip(updates, plain, strict=True):
            same(a, b)
        inner = tx.init(W)
        assert jax.tree.structure(state.inner_state) == jax.tree.structure(inner)


@pytest.mark.parametrize(
    "inner", [ro.nadam(0.1), ro.sgd(0.1), ro.rmsprop(0.1), ro.lion(0.1), optax.adam(0.1)]
)
def test_what_does_not_start_with_moments_is_refused(inner):
    with pytest.raises(ValueError, match="must start with one of scale_by_adam, ema"):
        ro.accumulate_into_moments(inner, 2)


def test_moments_that_do_not_decay_are_refused():
    with pytest.raises(ValueError, match=r"b1 must be in \(0, 1\)"):
        ro.accumulate_into_moments(ro.adam(0.1, b1=0.0), 2)
