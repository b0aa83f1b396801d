"""At exact zeros and other corners: one slope, the same by every way to it, and never NaN."""

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
