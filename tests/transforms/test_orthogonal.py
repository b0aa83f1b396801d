"""What orthogonalisation does to singular values, whatever it starts from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regopt_jax.transforms.orthogonal import PRECONDITIONINGS, orthogonalize

CUBIC = (1.5, -0.5, 0.0)  # Newton-Schulz's own, which converges to one


def matrix(shape, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return jnp.asarray(x + 1j * rng.normal(size=shape) if dtype == "complex64" else x, dtype)


@pytest.mark.parametrize("preconditioning", ["frobenius", "spectral", "schatten"])
@pytest.mark.parametrize("shape", [(5, 12), (12, 5), (8, 8), (3, 4, 6)])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_it_converges_to_the_polar_factor(shape, dtype, preconditioning):
    x = matrix(shape, dtype)
    u, _, vh = np.linalg.svd(np.asarray(x), full_matrices=False)
    found = orthogonalize(x, CUBIC, 60, preconditioning=preconditioning)
    assert found.dtype == x.dtype
    np.testing.assert_allclose(found, u @ vh, atol=2e-5)


def test_rows_scaled_apart_converge_to_orthogonal_rows():
    found = orthogonalize(matrix((5, 12)), CUBIC, 60, preconditioning="aol")
    np.testing.assert_allclose(found @ found.T, np.eye(5), atol=2e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_default_brings_singular_values_into_a_band(dtype):
    found = orthogonalize(matrix((16, 32)).astype(dtype))
    values = np.linalg.svd(np.asarray(found, np.float32), compute_uv=False)
    assert np.all((values > 0.6) & (values < 1.25))


def test_a_row_of_coefficients_is_used_at_each_step():
    x = matrix((4, 6))
    twice = orthogonalize(x, CUBIC, 2)
    np.testing.assert_allclose(orthogonalize(x, (CUBIC, CUBIC), 7), twice, rtol=1e-6)
    other = orthogonalize(x, (CUBIC, (2.0, -1.0, 0.0)))
    assert np.max(np.abs(other - twice)) > 0.01


@pytest.mark.parametrize("preconditioning", PRECONDITIONINGS)
def test_zeros_and_no_elements_are_left(preconditioning):
    for shape in [(3, 4), (0, 4), (4, 0)]:
        found = orthogonalize(jnp.zeros(shape), preconditioning=preconditioning)
        assert found.shape == shape
        assert not np.any(found)


def test_matrices_of_a_batch_are_independent():
    x = matrix((3, 4, 6))
    np.testing.assert_allclose(orthogonalize(x), jax.vmap(orthogonalize)(x), rtol=1e-5, atol=1e-6)
