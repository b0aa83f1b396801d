"""Transformations of a function, and repairs of a step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro


def decay(u, p):
    return u if p is None else u + 0.5 * p


def decay_trees(updates, params):
    return updates if params is None else jax.tree.map(decay, updates, params)


PAIRS = [(ro.stateless, decay_trees), (ro.stateless_with_tree_map, decay)]


@pytest.mark.parametrize(("make", "f"), PAIRS)
def test_the_function_gets_the_parameters_where_there_are_any(make, f):
    tx = make(f)
    w, g = {"a": jnp.array(2.0), "b": None}, {"a": jnp.array(1.0), "b": None}
    with_params, state = tx.update(g, tx.init(w), w)
    without, _ = tx.update(g, state)
    assert with_params == {"a": 2.0, "b": None}
    assert without == {"a": 1.0, "b": None}


@pytest.mark.parametrize(("make", "_f"), PAIRS)
def test_what_is_no_function_is_refused(make, _f):
    with pytest.raises(TypeError, match="f must be a function"):
        make(3.0)


def test_the_lifted_function_needs_matching_trees():
    tx, w = ro.stateless_with_tree_map(decay), {"dense": {"kernel": jnp.ones((2, 3))}}
    with pytest.raises(ValueError, match="dense/kernel"):
        tx.update({"dense": {"kernel": jnp.ones((3, 2))}}, tx.init(w), w)


def test_the_state_says_where_a_number_was_missing():
    tx, w = ro.zero_nans(), {"a": jnp.ones(2), "b": jnp.ones(2)}
    updates, state = tx.update({"a": jnp.array([jnp.nan, 1.0]), "b": jnp.ones(2)}, tx.init(w))
    assert state.found_nan == {"a": True, "b": False}
    np.testing.assert_array_equal(updates["a"], [0.0, 1.0])
    _, state = tx.update(w, state)
    assert state.found_nan == {"a": False, "b": False}


def test_infinities_are_numbers_and_stay():
    tx, g = ro.zero_nans(), jnp.array([jnp.inf, -jnp.inf])
    np.testing.assert_array_equal(tx.update(g, tx.init(g))[0], g)


def test_parameters_kept_nonnegative_stay_so_and_leave_zero_again():
    tx = ro.chain(ro.sgd(1.0), ro.keep_params_nonnegative())
    w = jnp.array([1.0, 0.25, 0.0])
    for g, expected in (([2.0, 0.1, 0.0], [0.0, 0.15, 0.0]), ([-1.0, 0.0, 0.3], [1.0, 0.15, 0.0])):
        updates, _ = tx.update(jnp.array(g), tx.init(w), w)
        w = ro.apply_updates(w, updates)
        np.testing.assert_allclose(w, expected, rtol=1e-6)


def test_centralised_kernels_keep_their_mean():
    tx, g = ro.centralize(), jnp.arange(24.0).reshape(2, 3, 4) ** 2
    updates, _ = tx.update(g, tx.init(g))
    np.testing.assert_allclose(jnp.sum(updates, (1, 2)), 0, atol=1e-3)
    np.testing.assert_array_equal(tx.update(g[0, 0], tx.init(g[0, 0]))[0], g[0, 0])
