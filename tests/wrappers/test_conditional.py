import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro

W = jnp.array([1.0, -2.0])


def first_two(step, **_):
    return step < 2


@pytest.mark.parametrize(("make", "rest"), [
    (ro.conditionally_transform, [3.0, 3.0]), (ro.conditionally_mask, [0.0, 0.0]),
])  # fmt: skip
def test_what_comes_out_where_it_does_not_run(make, rest):
    tx = make(ro.trace(0.5), first_two)
    state, seen = tx.init(W), []
    for _ in range(3):
        updates, state = jax.jit(tx.update)(jnp.array([3.0, 3.0]), state, W)
        seen.append(updates.tolist())
    assert seen == [[3.0, 3.0], [4.5, 4.5], rest]
    assert state.inner_state.trace.tolist() == [4.5, 4.5]
    assert int(state.step) == 3


def test_a_step_masked_out_leaves_parameters_and_state_bit_for_bit():
    tx = ro.conditionally_mask(ro.adamw(0.1), lambda step: step >= 1)
    state = tx.init(W)
    params, after = jax.jit(tx.step)(jnp.array([jnp.nan, 1.0]), state, W)
    assert params.tolist() == W.tolist()
    jax.tree.map(np.testing.assert_array_equal, after.inner_state, state.inner_state)
    params, _ = jax.jit(tx.step)(jnp.array([1.0, 1.0]), after, W)
    assert np.all(params != W)


def test_a_mask_holds_the_proximal_map_back_too():
    tx = ro.proximal(ro.conditionally_mask(ro.sgd(0.1), lambda step: step >= 1), ro.l1(5.0))
    assert tx.name == "conditionally_mask"
    updates, state = tx.update(jnp.zeros(2), tx.init(W), W)
    assert not np.any(updates)
    updates, _ = tx.update(jnp.zeros(2), state, W)
    np.testing.assert_allclose(updates, [-0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize("make", [ro.conditionally_transform, ro.conditionally_mask])
def test_the_condition_gets_extra_arguments_on_demand(make):
    def small(step, value):
        return value < 1.0

    tx = make(ro.scale(2.0), small, forward_extra_args=True)
    state = tx.init(W)
    for value in (0.5, 1.5):
        updates, state = tx.update(W, state, W, value=value)
        assert (updates.tolist() == (2 * W).tolist()) is (value < 1)
    with pytest.raises(TypeError, match="value"):
        make(ro.scale(2.0), small).update(W, state, W, value=0.5)


def test_apply_every_keeps_nothing_that_is_not_a_number_in_between():
    tx = ro.apply_every(2)
    state = tx.init(W)
    updates, state = tx.update(W * jnp.nan, state)
    assert updates.tolist() == [0.0, 0.0]
    _, state = tx.update(W, state)
    updates, state = tx.update(W, state)
    assert np.all(np.isfinite(state.grad_acc))


# --- predicates and MultiSteps ------------------------------------------------------------


TREE = {"a": jnp.array([3.0, jnp.nan, jnp.inf]), "b": jnp.array(4.0), "c": None}


def test_skip_not_finite_counts():
    skip, info = ro.skip_not_finite(TREE, 0, None)
    assert bool(skip)
    assert int(info["num_not_finite"]) == 2
    assert info["num_not_finite"].dtype == jnp.int32
    assert not bool(ro.skip_not_finite({"b": jnp.array(4.0)}, 0, None)[0])
    assert not bool(ro.skip_not_finite({}, 0, None)[0])


@pytest.mark.parametrize(("limit", "skips"), [(25.1, False), (25.0, True), (1.0, True)])
def test_skip_large_updates(limit, skips):
    tree = {"a": jnp.array([3.0, 0.0], jnp.bfloat16), "b": jnp.array(4.0j)}
    skip, info = ro.skip_large_updates(tree, 0, None, limit)
    assert bool(skip) is skips
    assert float(info["norm_squared"]) == 25.0
    assert bool(ro.skip_large_updates(TREE, 0, None, 1e9)[0])


def test_multi_steps_is_accumulate():
    predicate = functools.partial(ro.skip_large_updates, max_squared_norm=100.0)
    steps = ro.MultiSteps(ro.adam(0.1), 2, True, predicate)
    tx = steps.gradient_transformation()
    assert tx == ro.accumulate(ro.adam(0.1), 2, True, predicate)
    assert steps.inner_opt is tx.parts[0]
    state, seen = steps.init(W), []
    for g in (W, 100 * W, W, W):
        updates, state = steps.update(g, state, W)
        seen.append((bool(np.any(updates)), bool(steps.has_updated(state))))
    assert seen == [(False, False), (False, False), (True, True), (False, False)]


def test_an_alias_is_the_function_itself():
    assert ro.multi_transform is ro.partition


def test_extra_arguments_are_dropped_where_they_are_not_taken():
    tx = ro.adam(0.1)
    assert ro.with_extra_args_support(tx) is tx
    with pytest.raises(TypeError, match="Expected a gradient transformation"):
        ro.with_extra_args_support(ro.adam)
