"""At exact zeros and other corners: one slope, the same by every way to it, and never NaN."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro
from tests.cases.penalties import PENALTIES

cases = pytest.mark.parametrize("case", PENALTIES, ids=repr)
smooth_cases = pytest.mark.parametrize("case", [c for c in PENALTIES if c.smooth], ids=repr)
DTYPES = ["float16", "bfloat16", "float32", "float64", "complex64"]
POINTS = {
    "zeros": [[0.0, 0.0], [0.0, 0.0]],
    "one zero": [[0.0, 1.5], [-0.25, 0.5]],
    "a column of zeros": [[0.0, 1.5], [0.0, -0.5]],
    "twice the identity": [[2.0, 0.0], [0.0, 2.0]],
    "rank one": [[1.0, 2.0], [2.0, 4.0]],
}
points = pytest.mark.parametrize("point", POINTS)


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def holds_complex(case):
    return not any(word in repr(case.make(1.0)) for word in ("Box", "Nonnegative", "Simplex"))


def same(derivative, slope):
    """To two roundings: a sum of penalties may be added up in another order."""
    found, expected = np.asarray(derivative.conj()), np.asarray(slope)
    wide = [x.astype(complex) for x in (found, expected)]
    np.testing.assert_allclose(*wide, rtol=2 * float(jnp.finfo(slope.dtype).eps))
    np.testing.assert_array_equal(found == 0, expected == 0)


@pytest.mark.parametrize("dtype", DTYPES)
@points
@cases
def test_the_derivative_of_value_is_grad(case, point, dtype):
    """As it is of ``penalize``: a weight at zero that the loss does not touch stays there."""
    if dtype == "complex64" and not holds_complex(case):
        pytest.skip("a set of real numbers")
    x, R = jnp.asarray(POINTS[point], dtype), case.make(0.3)
    slope = R.grad(x)
    assert slope.dtype == x.dtype
    assert np.all(np.isfinite(np.asarray(slope, complex)))
    for derivative in (jax.grad(R.value)(x), jax.jit(jax.grad(R.value))(x)):
        same(derivative, slope)
    if case.smooth and case.name != "l0":
        penalized = ro.penalize(lambda x: jnp.sum(0 * abs(x)), R)
        same(jax.grad(penalized)(x), slope)
    if case.shrinks_to_zero and point == "zeros":
        np.testing.assert_array_equal(slope, 0)


@points
@cases
def test_it_is_so_forward_batched_and_for_the_strength(case, point):
    x, R = jnp.asarray(POINTS[point]), case.make(0.3)
    t = jnp.asarray([[1.0, -2.0], [0.5, 3.0]])
    expected = jnp.sum(R.grad(x) * t)
    np.testing.assert_allclose(jax.jvp(R.value, (x,), (t,))[1], expected, rtol=1e-14, atol=1e-15)
    both = jax.vmap(jax.grad(R.value))(jnp.stack([x, t]))
    np.testing.assert_allclose(both, jnp.stack([R.grad(x), R.grad(t)]), rtol=1e-12, atol=1e-15)
    if case.smooth:
        by_strength = jax.grad(lambda s: (s * R).value(x))(1.0)
        np.testing.assert_allclose(by_strength, R.value(x), rtol=1e-14)


@smooth_cases
def test_a_second_derivative_is_that_of_grad(case):
    x, R = jnp.asarray(POINTS["one zero"]) + 0.125, case.make(0.3)
    np.testing.assert_allclose(
        jax.hessian(R.value)(x), jax.jacfwd(R.grad)(x), rtol=1e-12, atol=1e-14
    )
    assert np.all(np.isfinite(jax.hessian(R.value)(x)))


@smooth_cases
def test_penalised_training_leaves_an_untouched_zero_alone(case):
    if case.name == "l0":
        pytest.skip("refused: it has no gradient")
    loss = ro.penalize(lambda w: jnp.sum((w[:, 0] - 1) ** 2), case.make(0.1))
    w = jnp.asarray([[0.5, 0.0], [2.0, 0.0]])
    for _ in range(3):
        w = w - 0.1 * jax.grad(loss)(w)
    np.testing.assert_array_equal(w[:, 1], 0)
    assert np.all(np.isfinite(w))


@functools.cache
def squared_prox(case):
    def size(x, metric, strength=0.1):
        return jnp.sum((case.make(strength).prox(x, metric) - 0.25) ** 2)

    return jax.jit(size), jax.jit(jax.grad(size)), jax.jit(jax.grad(size, 2))


@pytest.mark.parametrize("diagonal", [False, True], ids=["scalar", "diagonal"])
@points
@pytest.mark.parametrize("case", [c for c in PENALTIES if c.name != "penalty"], ids=repr)
def test_the_slope_of_prox_is_that_of_its_differences(case, point, diagonal):
    """Wherever it has one, and finite where it has a kink."""
    if diagonal and not case.diagonal:
        pytest.skip("known in scalar metrics only")
    x, (size, slope_of, _) = jnp.asarray(POINTS[point]), squared_prox(case)
    metric = jnp.full(case.shape, 2.0) if diagonal else jnp.ones([])
    slope = np.asarray(slope_of(x, metric))
    assert np.all(np.isfinite(slope))
    for index in np.ndindex(case.shape):
        shift, step = np.zeros(case.shape), 1e-6
        shift[index] = step
        ahead, behind = ((size(x + s, metric) - size(x, metric)) / step for s in (shift, -shift))
        if abs(ahead + behind) < 1e-4:
            np.testing.assert_allclose(slope[index], (ahead - behind) / 2, atol=2e-4)


@pytest.mark.parametrize("diagonal", [False, True], ids=["scalar", "diagonal"])
@points
@smooth_cases
def test_the_slope_of_prox_for_a_strength_from_zero_on(case, point, diagonal):
    if case.name == "penalty" or (diagonal and not case.diagonal):
        pytest.skip("one of the tests' own, or known in scalar metrics only")
    x, (size, _, by_strength) = jnp.asarray(POINTS[point]), squared_prox(case)
    if case.name == "nuclear_norm" and point == "rank one":
        pytest.skip("its other singular value is zero but for rounding")
    metric, step = jnp.full(case.shape, 2.0) if diagonal else jnp.ones([]), 1e-7
    ahead = (size(x, metric, step) - size(x, metric, 0.0)) / step
    np.testing.assert_allclose(by_strength(x, metric, 0.0), ahead, rtol=1e-5, atol=1e-6)


squared_low_rank = jax.jit(jax.grad(lambda x: jnp.sum(abs(ro.nuclear_norm(0.1).prox(x)) ** 2)))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "bfloat16"])
@pytest.mark.parametrize(
    "kept",
    [[2, 2, 2], [2, 2, 0], [0, 0, 0], [2, 0.05, 0.05], [0.1, 0.1, 0], [3, 2, 1]],
    ids=lambda kept: "-".join(map(str, kept)),
)
@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 4), (2, 3, 3)], ids=str)
def test_the_slope_of_a_low_rank_at_repeated_and_missing_singular_values(shape, kept, dtype):
    """Of the squared sum it is 2 (prox)(1 - 0) along each, as f² is a function of each of them."""
    rng = np.random.default_rng(0)
    rows = int(np.prod(shape[:-1]))
    u, v = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in (rows, shape[-1]))
    f = np.maximum(np.array(kept) - 0.1, 0)
    x, expected = ((u[:, :3] * s) @ v[:, :3].T for s in (kept, 2 * f))
    if dtype == "complex64":
        x, expected = ((1 + 1j) / np.sqrt(2) * a for a in (x, expected))
    x = jnp.asarray(x.reshape(shape), dtype)
    slope = squared_low_rank(x).conj()
    assert slope.dtype == x.dtype
    eps = float(jnp.finfo(dtype).eps)
    kind = complex if dtype == "complex64" else float
    np.testing.assert_allclose(slope.astype(kind).reshape(rows, -1), expected, atol=50 * eps)


def test_of_twice_the_identity_it_is_3_8_and_at_zero_0():
    def size(x, strength):
        return jnp.sum(ro.nuclear_norm(strength).prox(x) ** 2)

    for make in (jax.jit, lambda f: f):
        slopes = make(jax.grad(size, argnums=(0, 1)))
        by_x, by_strength = slopes(2 * jnp.eye(3), 0.1)
        np.testing.assert_allclose(by_x, 3.8 * np.eye(3), atol=1e-12)
        np.testing.assert_allclose(by_strength, -3 * 3.8, rtol=1e-12)
        np.testing.assert_array_equal(slopes(jnp.zeros((3, 3)), 0.1)[0], 0)


def test_a_general_direction_at_repeated_singular_values():
    """Against differences, off the diagonal and outside the spaces too."""
    rng = np.random.default_rng(1)
    for kept in ([2, 2, 0.05], [2, 2, 2], [1, 0, 0], [0.05, 0.05, 0], [3, 2, 1]):
        for rows in (3, 5):
            u, v = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in (rows, 3))
            for x in ((u[:, :3] * kept) @ v.T, v @ (u[:, :3] * kept).T):
                t = rng.normal(size=x.shape)
                R, h = ro.nuclear_norm(0.1), 1e-6
                tangent = jax.jvp(R.prox, (jnp.asarray(x),), (jnp.asarray(t),))[1]
                numeric = (R.prox(jnp.asarray(x + h * t)) - R.prox(jnp.asarray(x - h * t))) / (
                    2 * h
                )
                np.testing.assert_allclose(tangent, numeric, atol=1e-7)
