"""SOAP and Shampoo where the rows do not look: two bases, complex matrices, refreshes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from tests.oracles import beyond

STEPS = 25
SHAPES = {"square": (5, 5), "cube": (3, 3, 3), "wide": (2, 6)}


def gradients(shape, dtype):
    """Square matrices, so that a single gradient determines both bases."""
    rng = np.random.default_rng(0)
    g = rng.normal(size=(STEPS, *shape))
    return g + 1j * rng.normal(size=g.shape) if dtype == "complex128" else g


def updates_of(tx, gs):
    with jax.enable_x64(True):
        state, us = tx.init(jnp.zeros(gs.shape[1:], gs.dtype)), []
        step = jax.jit(tx.update)
        for g in gs:
            u, state = step(jnp.asarray(g), state)
            us.append(np.asarray(u))
    return np.stack(us)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", ["square", "cube"])
def test_soap_with_a_basis_for_every_axis(shape, dtype):
    gs = gradients(SHAPES[shape], dtype)
    oracle = beyond.soap(0.9, 0.8, every_k=3)
    expected = [oracle([g], [g], t + 1)[0] for t, g in enumerate(gs)]
    tx = ro.scale_by_soap(0.9, 0.8, precondition_frequency=3)
    np.testing.assert_allclose(updates_of(tx, gs), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shampoo_with_a_root_for_every_axis(shape, dtype):
    gs = gradients(SHAPES[shape], dtype)
    oracle = beyond.shampoo(1e-3, every_k=4, decay=0.9)
    expected = [oracle([g], [g], t + 1)[0] for t, g in enumerate(gs)]
    tx = ro.scale_by_shampoo(0.9, 1e-3, precondition_frequency=4)
    np.testing.assert_allclose(updates_of(tx, gs), expected, rtol=1e-9, atol=1e-9)


def test_the_first_update_of_soap_only_sets_its_bases():
    g = jnp.array([[3.0, 1.0], [1.0, 3.0]])
    tx = ro.scale_by_soap()
    u, state = tx.update(g, tx.init(g))
    assert not np.any(u)
    assert not np.any(state.mu)
    for q in state.bases:
        np.testing.assert_allclose(np.abs(q), np.sqrt(0.5), atol=1e-6)


def test_soap_of_vectors_and_long_axes_is_adam_one_step_late():
    g = {"vector": jnp.array([1.0, -2.0, 0.5]), "long": jnp.ones((4, 5))}
    tx, adam = ro.scale_by_soap(0.9, 0.99, max_precond_dim=3), ro.scale_by_adam(0.9, 0.99)
    state, theirs = tx.init(g), adam.init(g)
    _, state = tx.update(g, state)
    for scale in (1.0, 0.3, -2.0):
        scaled = jax.tree.map(lambda x, scale=scale: scale * x, g)
        u, state = tx.update(scaled, state)
        expected, theirs = adam.update(scaled, theirs)
        for a, b in zip(jax.tree.leaves(u), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("make", [ro.scale_by_soap, ro.scale_by_shampoo])
def test_factors_are_float32_whatever_the_parameters_are(make):
    p = jnp.ones((3, 4), jnp.bfloat16)
    state = make().init(p)
    assert {f.dtype for f in state.factors} == {jnp.dtype("float32")}
    assert [f.shape for f in state.factors] == [(3, 3), (4, 4)]


@pytest.mark.parametrize("make", [partial(ro.scale_by_soap, eps=1e-3), ro.scale_by_shampoo])
def test_it_turns_with_the_coordinates(make):
    """Preconditioned in any orthonormal basis, the update is the same matrix."""
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    gs = rng.normal(size=(8, 4, 4))
    us, turned = updates_of(make(), gs), updates_of(make(), turn @ gs)
    np.testing.assert_allclose(turn @ us, turned, atol=1e-8)


@pytest.mark.parametrize("tx", [ro.soap(0.1, precondition_frequency=5), ro.shampoo(1.0)])
def test_it_finds_the_minimum_of_a_badly_scaled_quadratic(tx):
    rng = np.random.default_rng(2)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    hessian = jnp.asarray(turn * np.logspace(-2, 2, 6) @ turn.T, jnp.float32)

    def loss(w):
        return 0.5 * jnp.sum(w * jnp.matmul(hessian, w))

    def step(carry, rate):
        w, state = carry
        u, state = tx.update(jax.grad(loss)(w), state, w)
        return (w + rate * u, state), None

    w = jnp.asarray(rng.normal(size=(6, 6)), jnp.float32)
    (end, _), _ = jax.lax.scan(step, (w, tx.init(w)), jnp.linspace(1.0, 0.0, 300))
    assert loss(end) < 1e-4 * loss(w)


def test_packed_parameters_are_refused():
    packed = ro.pack({"a": jnp.ones((2, 2)), "b": jnp.ones((2, 2))})
    for tx in (ro.scale_by_soap(), ro.scale_by_shampoo(), ro.cautious(ro.scale_by_adam())):
        with pytest.raises(ValueError, match="not elementwise"):
            tx.init(packed)


def test_the_states_are_named_tuples_that_optax_passes_on():
    tx = optax.chain(ro.scale_by_shampoo(), optax.scale(-1.0))
    g = {"w": jnp.eye(2)}
    state = tx.init(g)
    _, after = tx.update(g, state)
    assert jax.tree.structure(after) == jax.tree.structure(state)
