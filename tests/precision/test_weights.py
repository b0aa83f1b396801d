"""Weights in 16 bits: they move, they are what a float32 would be, updates make them exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from regopt_jax.precision.formats import nearest
from regopt_jax.precision.weights import stochastically

REMEDIES = {
    "float32": ro.master_weights,
    "bf16+16": lambda tx: ro.master_weights(tx, "bf16+16"),
    "bf16+8": lambda tx: ro.master_weights(tx, "bf16+8"),
    "kahan": ro.kahan,
    "stochastic": ro.stochastic_rounding,
}
every = pytest.mark.parametrize("remedy", REMEDIES.values(), ids=REMEDIES)
exact = pytest.mark.parametrize(
    "remedy", [REMEDIES["float32"], REMEDIES["bf16+16"]], ids=["copy", "bits"]
)
RNG = np.random.default_rng(0)
START = RNG.normal(size=(64, 32)).astype(jnp.bfloat16)


def gradient(t):
    return np.random.default_rng(t).normal(size=START.shape).astype(jnp.bfloat16)


def run(tx, params, steps, through):
    state, seen = tx.init(params), []

    @jax.jit
    def step(params, state, g):
        if through == "step":
            return tx.step(g, state, params)
        updates, state = tx.update(g, state, params)
        apply = ro.apply_updates if through == "update" else optax.apply_updates
        with jax.numpy_dtype_promotion("standard"):
            return apply(params, updates), state

    for t in range(steps):
        params, state = step(params, state, jnp.asarray(gradient(t), params.dtype))
        seen.append(np.asarray(params))
    return seen, state


def test_without_them_bfloat16_stands_still():
    seen, _ = run(ro.sgd(1e-5), jnp.ones((64, 32), jnp.bfloat16), 20, "step")
    assert np.all(seen[-1] == 1)


@every
def test_small_steps_are_not_lost(remedy):
    tx, w = remedy(ro.sgd(1e-3)), jnp.ones(4096, jnp.bfloat16)
    state = tx.init(w)
    step = jax.jit(tx.step)
    for _ in range(100):
        w, state = step(jnp.ones(4096, jnp.bfloat16), state, w)
    assert w.dtype == jnp.bfloat16
    assert float(w.astype(jnp.float32).mean()) == pytest.approx(0.9, abs=0.003)


@exact
def test_the_weights_are_those_of_float32_rounded(remedy):
    """Bit for bit, from the same gradients."""
    seen, _ = run(remedy(ro.adamw(1e-3)), jnp.asarray(START), 30, "step")
    wide, _ = run(ro.adamw(1e-3), jnp.asarray(START, jnp.float32), 30, "step")
    for a, e in zip(seen, wide, strict=True):
        np.testing.assert_array_equal(a, nearest(jnp.asarray(e), jnp.bfloat16))


@pytest.mark.parametrize("name", ["bf16+8", "kahan"])
def test_half_of_the_lost_bits_are_nearly_as_good(name):
    seen, _ = run(REMEDIES[name](ro.adamw(1e-3)), jnp.asarray(START), 100, "step")
    wide, _ = run(ro.adamw(1e-3), jnp.asarray(START, jnp.float32), 100, "step")
    off = seen[-1].astype("f4") - wide[-1]
    assert np.mean(np.abs(off) <= np.abs(wide[-1]) * 2.0**-8 + 1e-6) > 0.99


@every
@pytest.mark.parametrize("through", ["update", "optax"])
def test_through_update_the_same_as_through_step(remedy, through):
    tx = remedy(ro.adamw(1e-2))
    for a, b in zip(
        *(run(tx, jnp.asarray(START), 10, x)[0] for x in ("step", through)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_an_update_makes_the_wanted_weight_over_every_mantissa():
    """All pairs of bfloat16 within 2¹⁶ of each other, at one exponent of the first."""

    def values(exponent):
        bits = np.arange(128, dtype=np.uint32) + np.uint32((exponent + 127) << 7)
        return (bits << 16).astype(np.uint32).view(np.float32)

    p = values(0)[:, None, None]
    others = np.stack([values(e) for e in range(-16, 17)])[None]
    for sign in (1, -1):
        wanted = np.broadcast_to(sign * others, (128, 33, 128))
        u = wanted - p
        old = jnp.asarray(np.broadcast_to(p, u.shape)).astype(jnp.bfloat16)
        with jax.numpy_dtype_promotion("standard"):
            for apply in (ro.apply_updates, optax.apply_updates):
                np.testing.assert_array_equal(apply(old, jnp.asarray(u)).astype("f4"), wanted)


@every
def test_wider_weights_are_left_to_what_is_inside(remedy):
    params = jnp.asarray(START, jnp.float32)
    a, _ = run(remedy(ro.adamw(1e-2)), params, 5, "update")
    b, _ = run(ro.adamw(1e-2), params, 5, "update")
    np.testing.assert_array_equal(a, b)


@every
def test_zeros_of_a_proximal_map_are_zeros(remedy):
    tx = remedy(ro.proximal(ro.adam(1e-2), ro.l1(3.0)))
    seen, _ = run(tx, jnp.asarray(START), 20, "step")
    assert np.mean(seen[-1] == 0) > 0.1
    outside = ro.proximal(remedy(ro.adam(1e-2)), ro.l1(3.0))
    seen, _ = run(outside, jnp.asarray(START), 20, "step")
    assert seen[-1].dtype == jnp.bfloat16
    assert np.mean(seen[-1] == 0) > 0.1


@every
def test_a_step_that_is_held_back_changes_no_weight(remedy):
    tx = ro.accumulate(remedy(ro.adam(1e-2)), 3)
    seen, _ = run(tx, jnp.asarray(START), 3, "step")
    np.testing.assert_array_equal(seen[1], START)
    assert np.any(seen[2] != START)
    inside = remedy(ro.accumulate(ro.adam(1e-2), 3))
    seen, _ = run(inside, jnp.asarray(START), 3, "step")
    np.testing.assert_array_equal(seen[1], START)


@every
@pytest.mark.parametrize("order", ["weights of states", "states of weights"])
def test_with_states_in_eight_bits(remedy, order):
    few = lambda tx: ro.quantized(tx, min_size=1)  # noqa: E731
    tx = (
        remedy(few(ro.adamw(1e-2))) if order == "weights of states" else few(remedy(ro.adamw(1e-2)))
    )
    seen, state = run(tx, jnp.asarray(START), 20, "step")
    wide, _ = run(ro.adamw(1e-2), jnp.asarray(START, jnp.float32), 20, "step")
    way = np.linalg.norm(wide[-1] - START.astype("f4"))
    assert np.linalg.norm(seen[-1].astype("f4") - wide[-1]) <= 0.25 * way
    kept = [x for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.inexact)]
    assert all(bool(jnp.all(jnp.isfinite(x))) for x in kept)


def test_seven_bytes_a_parameter():
    """bfloat16 weights with 8 more bits, moments in 8, and a bfloat16 gradient: 16 in float32."""
    params = jax.ShapeDtypeStruct((1024, 1024), jnp.bfloat16)
    tx = ro.master_weights(ro.quantized(ro.adamw(1e-3)), "bf16+8")
    state = jax.eval_shape(tx.init, params)
    kept = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state)) / 1024**2
    assert 2 + kept + 2 == pytest.approx(7.125, abs=1e-4)


def test_stochastic_rounding_is_right_on_average():
    """The mean of 100,000 is within 3e-5."""
    x = np.float32([1.001, -1.0005, 3.3e-5, 0.0, 1.0, -2e20, 1e-40])
    draw = jax.jit(lambda key: stochastically(jnp.broadcast_to(x, (100_000, 7)), key))
    drawn = np.asarray(draw(jax.random.key(0))).astype(np.float64)
    mean = drawn.mean(0)
    np.testing.assert_allclose(mean[:6], x[:6], rtol=3e-5)
    assert np.all(drawn[:, 3] == 0)
    assert np.all(drawn[:, 4] == 1)
    odd = jnp.float32([np.inf, -np.inf, np.nan, 3.4e38])
    rounded = np.asarray(stochastically(odd, jax.random.key(1))).astype("f4")
    np.testing.assert_array_equal(rounded[:3], odd[:3])


def test_what_cannot_be_rounded_or_kept_is_refused():
    with pytest.raises(TypeError, match="parameter at 'w' is of float16"):
        ro.stochastic_rounding(ro.sgd(0.1)).init({"w": jnp.ones(2, jnp.float16)})
    with pytest.raises(ValueError, match=r"keep must be one of float32, bf16\+16, bf16\+8"):
        ro.master_weights(ro.sgd(0.1), "bf16+4")
    tx = ro.master_weights(ro.sgd(0.1))
    with pytest.raises(ValueError, match="master_weights: the parameters are needed"):
        tx.update(jnp.ones(2), tx.init(jnp.ones(2)))


@pytest.mark.parametrize("name", ["float32", "bf16+8", "bf16+16", "kahan"])
def test_float16_weights_too(name):
    tx, w = REMEDIES[name](ro.sgd(1e-5)), jnp.ones(8, jnp.float16)
    state = tx.init(w)
    for _ in range(100):
        w, state = tx.step(jnp.ones(8, jnp.float16), state, w)
    np.testing.assert_allclose(w.astype("f4"), 0.999, atol=6e-4)


def test_a_weight_that_someone_else_set_is_taken_as_it_is():
    tx = ro.master_weights(ro.sgd(0.1))
    state = tx.init(jnp.ones(2, jnp.bfloat16))
    w, _ = tx.step(jnp.zeros(2, jnp.bfloat16), state, jnp.asarray([0, 1], jnp.bfloat16))
    assert w.tolist() == [0, 1]
