"""SM3 beside Optax's, on the arrays that Optax's takes, and on those it does not."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

STEPS = 20
SHAPES = {"vector": (8,), "matrix": (8, 3), "cube": (2, 1, 5), "conv": (2, 2, 3, 8)}
VARIANTS = [{}, {"b1": 0.8, "b2": 0.9, "eps": 1e-3}]


def gradients(dtype):
    rng = np.random.default_rng(0)

    def draw(shape):
        g = rng.normal(size=(STEPS, *shape)) * 10 ** rng.uniform(-2, 1, size=(STEPS, *shape))
        g[..., 0] = 0
        return g.astype(dtype)

    return {name: draw(shape) for name, shape in SHAPES.items()}


def run(tx, gs, state, steps):
    seen = []
    update = jax.jit(tx.update)
    for t in steps:
        u, state = update({name: jnp.asarray(g[t]) for name, g in gs.items()}, state)
        seen.append(u)
    return state, seen


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hyperparams", VARIANTS)
def test_steps_and_states_are_those_of_optax_and_continue_each_other(hyperparams, dtype):
    gs, half = gradients(dtype), STEPS // 2
    with jax.enable_x64(dtype == "float64"), jax.numpy_dtype_promotion("standard"):
        ours, theirs = ro.scale_by_sm3(**hyperparams), optax.scale_by_sm3(**hyperparams)
        params = jax.tree.map(lambda g: jnp.asarray(g[0]), gs)
        states = ours.init(params), theirs.init(params)
        assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])
        middle, first = zip(
            *[run(tx, gs, s, range(half)) for tx, s in zip((ours, theirs), states, strict=True)],
            strict=True,
        )
        # Either goes on from the other's state.
        end, second = zip(
            run(ours, gs, middle[1], range(half, STEPS)),
            run(theirs, gs, middle[0], range(half, STEPS)),
            strict=True,
        )
    tolerance = 8 * np.finfo(dtype).eps
    for mine, oracle in ((first, middle), (second, end)):
        for a, b in zip(*map(jax.tree.leaves, mine), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.max(np.abs(b)))
        for a, b in zip(*map(jax.tree.leaves, oracle), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.max(np.abs(b)))


def test_the_state_is_one_vector_an_axis_beside_the_momentum():
    state = ro.scale_by_sm3().init({"w": jnp.ones((8, 3))})
    assert [a.shape for a in state.mu["w"]] == [(8,), (3,)]
    assert state.nu["w"].shape == (8, 3)


@pytest.mark.parametrize("shape", [(), (0, 3)])
def test_optax_fails_on_numbers_and_empty_arrays_and_ours_does_not(shape):
    params = jnp.ones(shape)
    theirs = optax.scale_by_sm3()
    with pytest.raises((IndexError, ValueError)):
        theirs.update(params, theirs.init(params))
    ours = ro.scale_by_sm3(b1=0.0)
    state = ours.init(params)
    for t in (1, 2):
        u, state = ours.update(params, state)
        np.testing.assert_allclose(u, np.full(shape, t**-0.5), rtol=1e-6)


def test_the_divisor_of_every_element_bounds_adagrads():
    rng = np.random.default_rng(1)
    gs = rng.normal(size=(10, 4, 5)).astype("f")
    sm3, adagrad = ro.scale_by_sm3(b1=0.0), ro.scale_by_rss(0.0, 1e-8)
    states = [tx.init(jnp.zeros((4, 5))) for tx in (sm3, adagrad)]
    for g in map(jnp.asarray, gs):
        u, states[0] = sm3.update(g, states[0])
        v, states[1] = adagrad.update(g, states[1])
        assert np.all(np.abs(u) <= np.abs(v) * (1 + 1e-6))
