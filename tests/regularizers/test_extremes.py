"""Points, strengths and metrics of any magnitude: what float64 says, to rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro
from tests.cases.penalties import PENALTIES

OURS = [case for case in PENALTIES if case.public_name != "penalty"]  # one of the tests' own
PATTERN = np.array([[1.0, -0.5], [0.3, 0.8]])
ENDS = {"float16": (1e-4, 1e4), "bfloat16": (1e-37, 1e38), "float32": (1e-37, 1e38)}


def log_uniform(rng, low, high, size):
    return 10 ** rng.uniform(np.log10(low), np.log10(high), size)


def drawn(dtype, seed, count=900):
    """Points, strengths and metrics: a third any, a third in balance, a third in the metric 1."""
    rng = np.random.default_rng(seed)
    z, strength, metric = (log_uniform(rng, *ENDS[dtype], count) for _ in range(3))
    metric[::3] = 1
    power = rng.choice([0, 1, 4 / 3, 3 / 2, 2], count)
    balanced = metric * z**power * log_uniform(rng, 0.05, 5, count)
    strength = np.where(np.arange(count) % 3 < 2, balanced, strength)
    strength = np.clip(strength, 1e-37, 1e38)
    return (
        jnp.asarray(z[:, None, None] * PATTERN, dtype),
        jnp.float32(strength),
        jnp.float32(metric),
    )


def mapped(case, z, strength, metric):
    return jax.jit(jax.vmap(lambda z, s, d: case.make(s).prox(z, d)))(z, strength, metric)


def in_float64(case, z, strength, metric):
    """At three strengths that differ by what float32 rounds."""
    with jax.enable_x64(True):
        z, strength, metric = (np.asarray(x, np.float64) for x in (z, strength, metric))
        nearby = (strength * factor for factor in (1 - 4e-6, 1, 1 + 4e-6))
        return [np.asarray(mapped(case, z, s, metric)) for s in nearby]


@pytest.mark.parametrize("dtype", ENDS)
@pytest.mark.parametrize("case", OURS, ids=repr)
def test_prox_at_any_magnitude_is_that_of_float64(case, dtype):
    z, strength, metric = drawn(dtype, seed=1)
    found = np.asarray(mapped(case, z, strength, metric), np.float64)
    eps, tiny = (float(getattr(jnp.finfo(dtype), what)) for what in ("eps", "tiny"))
    near = in_float64(case, z, strength, metric)
    scale = [
        np.abs(x) if case.separable else np.max(np.abs(x), (1, 2), keepdims=True) for x in near
    ]
    room = [max(2 * eps, 2e-6) * s + 4 * tiny for s in scale]
    ok = np.any([np.abs(found - x) <= r for x, r in zip(near, room, strict=True)], axis=0)
    low, high = np.min(near, axis=0) - room[1], np.max(near, axis=0) + room[1]
    ok |= (found >= low) & (found <= high)
    wrong = np.argwhere(~ok)[:5]
    assert not wrong.size, [
        (
            z[i].tolist(),
            float(strength[i]),
            float(metric[i]),
            found[i].tolist(),
            near[1][i].tolist(),
        )
        for i in wrong[:, 0]
    ]


def power_argmin(q, z, strength, metric):
    """Of ½d(x-z)² + λ|x|^q, by bisection between where it is steepest and z; and its root alone."""
    rho = strength / metric * np.abs(z) ** (q - 2)
    low, high = np.minimum((rho * q * (1 - q)) ** (1 / (2 - q)), 1), np.ones_like(rho)
    for _ in range(200):
        y = (low + high) / 2
        rises = y - 1 + rho * q * y ** (q - 1) > 0
        low, high = np.where(rises, low, y), np.where(rises, y, high)
    gain = 0.5 - (0.5 * (high - 1) ** 2 + rho * high**q)
    return np.where(gain > 0, high, 0) * z, gain


@pytest.mark.parametrize("dtype", ENDS)
@pytest.mark.parametrize(
    ("make", "q"), [(ro.l_half, 1 / 2), (ro.l_two_thirds, 2 / 3)], ids=["half", "two thirds"]
)
def test_powers_against_bisection(make, q, dtype):
    z, strength, metric = drawn(dtype, seed=2)
    found = np.asarray(jax.vmap(lambda z, s, d: make(s).prox(z, d))(z, strength, metric))
    found, z, s, d = (np.asarray(x, np.float64) for x in (found, z, strength, metric))
    expected, gain = power_argmin(q, z, s[:, None, None], d[:, None, None])
    decided = np.abs(gain) > 1e-5
    eps, tiny = (float(getattr(jnp.finfo(dtype), what)) for what in ("eps", "tiny"))
    np.testing.assert_allclose(
        found[decided], expected[decided], rtol=max(eps, 2e-6), atol=4 * tiny
    )


@pytest.mark.parametrize("make", [ro.l_half, ro.l_two_thirds], ids=lambda make: make.__name__)
def test_powers_where_they_were_wrong(make):
    np.testing.assert_array_equal(make(1e-26).prox(jnp.array([1.0, 1e-3])), jnp.array([1.0, 1e-3]))
    np.testing.assert_array_equal(make(1.0).prox(jnp.array([1e19])), jnp.array([1e19]))
    for dtype in ("float16", "bfloat16"):
        one = jnp.ones(1, dtype)
        np.testing.assert_array_equal(make(1e-4).prox(one), one)
    decaying = make(ro.exponential_decay(1.0, 1, 0.5))
    z = jnp.array([1.0, 1e-3])
    for step in (30, 60, 100, 140, 200):
        x = decaying.at(step).prox(z)
        np.testing.assert_allclose(x, jnp.where(step > 29, z, 0), rtol=2e-7 + 0.5**step * 1e5)


@pytest.mark.parametrize("case", OURS, ids=repr)
def test_the_slope_of_prox_is_finite_there(case):
    z, strength, metric = drawn("float32", seed=3, count=300)
    z = z / 10  # at the very end, a step of the chain rule is past all numbers

    def size(z, s, d):
        return jnp.sum(case.make(s).prox(z, d))

    slope = jax.jit(jax.vmap(jax.grad(size)))(z, strength, metric)
    wrong = np.argwhere(~np.isfinite(slope))[:3, 0]
    assert not wrong.size, [(z[i].tolist(), float(strength[i]), float(metric[i])) for i in wrong]


GROUPED = [case for case in OURS if "group" in case.name]


@pytest.mark.parametrize("case", GROUPED, ids=repr)
def test_groups_in_a_diagonal_metric_of_any_magnitude(case):
    z, strength, metric = drawn("float32", seed=4)
    spread = log_uniform(np.random.default_rng(4), 0.01, 100, z.shape)
    metric = jnp.float32(np.clip(np.asarray(metric, float)[:, None, None] * spread, 1e-37, 1e38))
    found = np.asarray(mapped(case, z, strength, metric), np.float64)
    near = in_float64(case, z, strength, metric)
    largest = np.max(np.abs(near), (0, 2, 3))[:, None, None]
    room = 4e-6 * largest + 1e-37
    low, high = np.min(near, axis=0) - room, np.max(near, axis=0) + room
    wrong = np.argwhere(~((found >= low) & (found <= high)))[:3, 0]
    assert not wrong.size, [(z[i], strength[i], metric[i], found[i], near[1][i]) for i in wrong]


@pytest.mark.parametrize("size", [1e-36, 3e-22, 1e-10, 2e19, 3e38])
def test_norms_near_the_ends(size):
    z = jnp.array([[size, 0.0], [size, 0.0]])
    half = float(np.sqrt(0.5))
    columns = ro.unit_columns().prox(z)
    np.testing.assert_allclose(columns, [[half, half], [half, half]], rtol=1e-6)
    radius = size / 2
    np.testing.assert_allclose(ro.l2_ball(radius).prox(z)[:, 0], size * half / 2, rtol=1e-6)
    assert float(ro.l2_ball(radius).value(ro.l2_ball(radius).prox(z))) == 0
    np.testing.assert_allclose(ro.l1_ball(radius).prox(z)[:, 0], size / 4, rtol=1e-6)
    np.testing.assert_allclose(ro.simplex(size).prox(z)[:, 0], size / 2, rtol=1e-6)
    for R, share in ((ro.group_lasso(size / 2), 1 - half / 2), (ro.nuclear_norm(size), 1 - half)):
        np.testing.assert_allclose(R.prox(z)[:, 0], size * share, rtol=2e-6)
        np.testing.assert_allclose(R.prox(jnp.diag(z[:, 0]))[0, 0], size - R.terms[0].strength)
    slope = ro.nuclear_norm(0.5).grad(jnp.float32(size) * jnp.array([[1.0, 1.0], [1.0, -1.0]]))
    np.testing.assert_allclose(slope, half / 2 * np.array([[1, 1], [1, -1]]), rtol=1e-6)
    R = ro.group_lasso(0.5)
    np.testing.assert_allclose(R.grad(z)[:, 0], half / 2, rtol=1e-6)
    np.testing.assert_allclose(R.value(0.5 * z), size * half / 2, rtol=1e-6)


@pytest.mark.parametrize("size", [1e-36, 3e-22, 1e-10, 1.0, 2e19, 1e38])
@pytest.mark.parametrize(
    "make", [ro.l2_ball, ro.l1_ball, ro.simplex, ro.box], ids=lambda f: f.__name__
)
def test_a_set_of_any_size_has_an_inside_and_an_outside(make, size):
    R = make(size) if make != ro.box else ro.box(size / 2, size)
    z = jnp.float32(np.random.default_rng(0).normal(size=(3, 400)) * size / 4)
    x = R.prox(z)
    assert float(R.value(x)) == 0
    for outside in (z.at[0, 0].set(3 * size), x.at[0, 0].add(size * 1.001)):
        assert float(R.value(outside)) == np.inf


@pytest.mark.parametrize("offset", [0.0, 1e5, -1e5, 3e7, 1e20])
@pytest.mark.parametrize("count", [7, 1000, 100_000])
def test_the_simplex_does_not_see_a_shift(count, offset):
    z = jnp.float32(offset + np.random.default_rng(0).normal(size=count))
    for total in (1e-3, 0.1, 1.0, 50.0):
        x = np.asarray(ro.simplex(total).prox(z), np.float64)
        with jax.enable_x64(True):
            wide = ro.simplex(total).prox(jnp.asarray(np.asarray(z), "float64"))
        np.testing.assert_allclose(x, wide, atol=2e-6 * total)
        again = np.asarray(ro.simplex(total).prox(jnp.float32(x)), np.float64)
        np.testing.assert_allclose(again, x, atol=2e-6 * total)
        for point in (x, again):
            assert np.all(point >= 0)
            np.testing.assert_allclose(np.sum(point), total, rtol=3e-6)
    ball = np.asarray(ro.l1_ball(1.0).prox(z), np.float64)
    np.testing.assert_allclose(np.sum(np.abs(ball)), 1, rtol=3e-6)


@pytest.mark.parametrize("size", [1e-36, 3e-22, 2e19, 3e38])
def test_a_constant_norm_near_the_ends(size):
    tx = ro.constant_norm(ro.sgd(1.0))
    w = jnp.array([size, 0.0])
    stepped, _ = tx.step(jnp.array([0.0, size]), tx.init(w), w)
    np.testing.assert_allclose(np.asarray(stepped) / size, np.sqrt([0.5, 0.5]) * [1, -1], rtol=1e-6)
