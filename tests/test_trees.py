"""apply_updates, paths and global_norm."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from regopt_jax._core import trees


def test_apply_updates_equals_optax():
    params = {"w": jnp.array([1.0, -2.0]), "b": [jnp.array(3.0), jnp.zeros((0, 2))]}
    updates = {"w": jnp.array([0.1, 0.2]), "b": [jnp.array(-1.0), jnp.zeros((0, 2))]}
    ours, theirs = ro.apply_updates(params, updates), optax.apply_updates(params, updates)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
@pytest.mark.parametrize("of_updates", [jnp.bfloat16, jnp.float32])
def test_the_dtype_of_the_parameter_is_kept(dtype, of_updates):
    new = ro.apply_updates(jnp.ones(3, dtype), jnp.full(3, 0.5, of_updates))
    assert new.dtype == dtype
    assert new.tolist() == [1.5, 1.5, 1.5]


def test_the_sum_is_rounded_once():
    """1 + 0.00390625·1.5 in bfloat16 rounds up; rounding the update first would not tell."""
    p, u = jnp.array(1.0, jnp.bfloat16), jnp.array(0.003909, jnp.float32)
    assert float(ro.apply_updates(p, u)) == 1.0078125
    assert float(p + u.astype(jnp.bfloat16)) == 1.0


def test_none_leaves_the_parameter():
    params = {"a": jnp.ones(2), "b": jnp.ones(2), "c": None}
    new = ro.apply_updates(params, {"a": None, "b": jnp.ones(2), "c": None})
    assert new["a"] is params["a"]
    assert new["b"].tolist() == [2.0, 2.0]
    assert new["c"] is None


def test_none_for_a_subtree():
    new = ro.apply_updates({"a": jnp.ones(2), "b": None}, {"a": jnp.ones(2), "b": jnp.ones(3)})
    assert new["b"] is None


def test_python_numbers_are_parameters_too():
    assert float(ro.apply_updates(1.0, jnp.array(0.5))) == 1.5


def test_a_missing_leaf_is_named():
    params = {"dense": {"kernel": jnp.ones(2), "bias": jnp.ones(2)}}
    updates = {"dense": {"kernel": jnp.ones(2), "scale": jnp.ones(2)}}
    said = "apply_updates: the parameter tree does not match the updates.*that `update` returned"
    with pytest.raises(ValueError, match=said) as error:
        ro.apply_updates(params, updates)
    assert "dense/bias" in str(error.value)
    assert "dense/scale" in str(error.value)
    assert "dense/kernel" not in str(error.value)


@pytest.mark.parametrize("shape", [(3,), (1,), (), (2, 2)])
def test_a_wrong_shape_is_named(shape):
    params = {"dense": {"kernel": jnp.ones(2)}}
    with pytest.raises(ValueError, match=r"'dense/kernel' has shape \(2,\), its update"):
        ro.apply_updates(params, {"dense": {"kernel": jnp.ones(shape)}})


# --- paths --------------------------------------------------------------------------------


class Box(NamedTuple):
    value: Any


class Attention(NamedTuple):
    query: Any
    key: Any
    value: Any


@pytest.mark.parametrize(
    ("tree", "paths"),
    [
        ({"dense": {"kernel": Box(1.0)}}, ["dense/kernel"]),
        ({"cache": Box({"a": 1.0, "b": Box(None)})}, ["cache/a", "cache/b"]),
        (Box(Box(1.0)), ["<root>"]),
        (Attention(1.0, None, Box(2.0)), ["query", "key", "value"]),
        (Attention(optax.MaskedNode(), optax.MaskedNode(), 1.0), ["value"]),
        ({"value": 1.0}, ["value"]),
        ([Box(optax.MaskedNode()), Box([]), {}, Box(1.0)], ["3"]),
    ],
)
def test_a_box_adds_no_part_to_a_path(tree, paths):
    assert trees.leaf_paths(tree) == paths


# --- global_norm --------------------------------------------------------------------------


def test_norm_of_all_leaves_together():
    tree = {"a": jnp.array([3.0, 0.0]), "b": [jnp.array(-4.0), jnp.full((2, 6), 1.0)]}
    np.testing.assert_allclose(ro.global_norm(tree), np.sqrt(37.0), rtol=1e-6)
    np.testing.assert_allclose(ro.global_norm(tree), optax.tree.norm(tree), rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_floats_accumulate_in_float32(dtype):
    norm = ro.global_norm({"a": jnp.ones((100, 100), dtype), "b": jnp.ones(2401, dtype)})
    assert norm.dtype == jnp.float32
    np.testing.assert_allclose(norm, np.sqrt(12401.0), rtol=1e-6)


def test_float16_squares_do_not_overflow():
    np.testing.assert_allclose(ro.global_norm(jnp.full(4, 1000.0, jnp.float16)), 2000.0)


def test_complex():
    norm = ro.global_norm(jnp.array([3.0 + 4.0j, 12.0j]))
    assert norm.dtype == jnp.float32
    assert float(norm) == 13.0


def test_mixed_dtypes():
    with jax.enable_x64(True):
        tree = [jnp.array(2.0, jnp.bfloat16), jnp.array(3.0, jnp.float64), jnp.array(6.0j)]
        norm = ro.global_norm(tree)
        assert (norm.dtype, float(norm)) == (jnp.float64, 7.0)


def test_none_and_nothing():
    assert float(ro.global_norm({"a": None, "b": jnp.array([5.0])})) == 5.0
    for empty in ({}, None, {"a": None}, [jnp.zeros((0, 3))]):
        norm = ro.global_norm(empty)
        assert (norm.shape, norm.dtype, float(norm)) == ((), jnp.float32, 0.0)


def test_not_a_number_spreads():
    assert np.isnan(ro.global_norm({"a": jnp.ones(2), "b": jnp.array(jnp.nan)}))
    assert np.isinf(ro.global_norm({"a": jnp.ones(2), "b": jnp.array(-jnp.inf)}))


def test_under_jit_and_scan():
    tree = {"a": jnp.arange(6.0)}
    np.testing.assert_allclose(jax.jit(ro.global_norm)(tree), ro.global_norm(tree), rtol=1e-6)
