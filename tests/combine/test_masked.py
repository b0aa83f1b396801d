import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from regopt_jax._core.trees import spread

PARAMS = {
    "enc": {"kernel": jnp.array([[1.0, -2.0], [3.0, 0.5]]), "bias": jnp.array([1.0, 2.0])},
    "dec": {"kernel": jnp.array([[2.0, 1.0]]), "bias": jnp.array([4.0])},
}
GRADS = jax.tree.map(lambda p: 0.3 * p + 0.1, PARAMS)

MASKS = {
    "whole": {"enc": {"kernel": True, "bias": False}, "dec": {"kernel": False, "bias": True}},
    "prefix": {"enc": True, "dec": False},
    "mixed": {"enc": {"kernel": True, "bias": False}, "dec": True},
    "root": True,
    "nothing": False,
    "function": lambda tree: jax.tree.map(lambda x: x.ndim == 2, tree),
    "function of a prefix": lambda tree: {key: key == "dec" for key in tree},
    "selector": ro.select("enc/*") | ro.select("**/bias"),
}


def broadcast(prefix, tree):
    return jax.tree.map(lambda x, below: jax.tree.map(lambda _: x, below), prefix, tree)


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12), a, b)


@pytest.mark.parametrize("name", MASKS)
def test_equals_optax_in_update_and_state(name):
    ours = ro.masked(ro.adam(0.1), MASKS[name])
    theirs = optax.masked(optax.adam(0.1), MASKS[name])
    with jax.enable_x64(True):
        params, grads = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), (PARAMS, GRADS))
        state, expected_state = ours.init(params), theirs.init(params)
        same(state, expected_state)
        for _ in range(3):
            updates, state = jax.jit(ours.update)(grads, state, params)
            with jax.numpy_dtype_promotion("standard"):
                expected, expected_state = theirs.update(grads, expected_state, params)
            same(updates, expected)
            same(state, expected_state)


@pytest.mark.parametrize("name", MASKS)
def test_unselected_leaves_pass_through_bit_for_bit(name):
    tx = ro.masked(ro.scale(7.0), MASKS[name])
    updates, _ = tx.update(GRADS, tx.init(PARAMS))
    mask = MASKS[name](PARAMS) if callable(MASKS[name]) else MASKS[name]
    whole = jax.tree.map(lambda on, part: jax.tree.map(lambda _: on, part), mask, PARAMS)

    def check(on, u, g):
        np.testing.assert_array_equal(u, 7.0 * g if on else g)

    jax.tree.map(check, whole, updates, GRADS)


def test_none_leaves():
    params = {"a": jnp.ones(2), "b": None}
    tx = ro.masked(ro.sgd(0.1), {"a": True, "b": True})
    updates, _ = tx.update(params, tx.init(params), params)
    assert updates["b"] is None
    np.testing.assert_allclose(updates["a"], -0.1, rtol=1e-6)


def test_extra_arguments_reach_the_inner_transformation():
    def update(updates, state, params=None, *, factor, tree, **_):
        return jax.tree.map(lambda u, t: factor * u + t, updates, tree), state

    inner = optax.GradientTransformationExtraArgs(lambda p: optax.EmptyState(), update)
    tx = ro.masked(inner, {"a": True, "b": False}, mask_compatible_extra_args=True)
    grads = {"a": jnp.ones(2), "b": jnp.ones(2)}
    offsets = {"a": jnp.full(2, 5.0), "b": jnp.full(2, 5.0)}
    updates, _ = tx.update(grads, tx.init(grads), grads, factor=2.0, tree=offsets)
    assert (updates["a"].tolist(), updates["b"].tolist()) == ([7.0, 7.0], [1.0, 1.0])


def test_a_selector_that_matches_nothing():
    tx = ro.masked(ro.sgd(0.1), ro.select("**/weight"))
    with pytest.raises(ValueError, match=r"matches no leaf\. There are: dec/bias, dec/kernel"):
        tx.init(PARAMS)


@pytest.mark.parametrize("act", ["init", "update", "metric"])
def test_a_mask_that_does_not_match_names_the_paths_on_one_side_only(act):
    tx = ro.masked(ro.sgd(0.1), {"enc": True, "head": {"kernel": True}})
    calls = {
        "init": lambda: tx.init(PARAMS),
        "update": lambda: tx.update(GRADS, optax.MaskedState(None), PARAMS),
        "metric": lambda: tx.metric(optax.MaskedState(None), PARAMS),
    }
    with pytest.raises(ValueError, match=r"^masked: the mask tree does not match") as error:
        calls[act]()
    assert "of the mask only: head/kernel." in str(error.value)
    assert "of the parameters only: dec/bias, dec/kernel." in str(error.value)


@pytest.mark.parametrize("mask", ["w", {"enc": "w", "dec": False}])
def test_a_mask_of_strings_is_refused(mask):
    with pytest.raises(ValueError, match=r"masked: the mask has the string 'w'.*select\('w'\)"):
        ro.masked(ro.sgd(0.1), mask)
    with pytest.raises(ValueError, match=r"the string 'w'"):
        ro.adamw(0.1, mask=mask)


def test_parameters_that_do_not_match_the_updates_are_named():
    tx = ro.masked(ro.adamw(0.1), True)
    with pytest.raises(
        ValueError, match=r"^masked: the gradient tree does not match the param"
    ) as error:
        tx.update(GRADS, tx.init(PARAMS), {"enc": PARAMS["enc"]})
    assert "of the gradients only: dec/bias, dec/kernel." in str(error.value)
    assert "of the parameters only: none." in str(error.value)


def test_the_metric_is_one_outside():
    tx = ro.masked(ro.sgd(0.1), {"enc": True, "dec": False})
    metric = spread(tx.metric(tx.init(PARAMS), PARAMS), PARAMS)
    np.testing.assert_allclose(metric["enc"]["bias"], 10.0, rtol=1e-6)
    assert float(metric["dec"]["bias"]) == 1.0
    assert ro.masked(optax.sgd(0.1), True).metric is None
