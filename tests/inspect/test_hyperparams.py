import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from regopt_jax.interop import torch as rt

PARAMS = {"w": jnp.array([1.0, -2.0]), "b": jnp.array(0.5)}
RISING = ro.linear_schedule(0.0, 1.0, 10)
LABELS = {"w": "x", "b": "y"}


def after(tx, updates):
    state, update = tx.init(PARAMS), jax.jit(tx.update)
    for _ in range(updates):
        _, state = update(PARAMS, state, PARAMS)
    return state


def rate(tx, updates):
    """The rate that the next update uses."""
    return jax.tree.map(lambda r: round(float(r), 6), ro.learning_rate(tx, after(tx, updates)))


RATES = {
    "sgd": (ro.sgd(0.1), [0.1, 0.1, 0.1, 0.1]),
    "scheduled": (ro.adam(RISING), [0.0, 0.1, 0.2, 0.3]),
    "rmsprop with momentum": (ro.rmsprop(RISING, momentum=0.9), [0.0, 0.1, 0.2, 0.3]),
    "two of one name": (ro.chain(ro.scale(-0.5), ro.trace(0.9), ro.scale(0.5)), [0.25, 0.25]),
    "nested": (ro.chain(ro.clip(1.0), ro.chain(ro.adam(RISING))), [0.0, 0.1, 0.2, 0.3]),
    "named": (
        ro.named_chain(("a", ro.scale_by_adam()), ("b", ro.scale_by_learning_rate(RISING))),
        [0.0, 0.1, 0.2, 0.3],
    ),
    "a product": (
        ro.chain(ro.scale_by_adam(), ro.scale_by_schedule(RISING), ro.scale(-0.5)),
        [0.0, 0.05, 0.1, 0.15],
    ),
    "an average at the end": (rt.asgd(RISING, lambd=0.0), [0.0, 0.0, 0.1, 0.2]),
    "optimism": (ro.optimistic_adam(0.25), [0.25, 0.25]),
    "madgrad": (ro.madgrad(RISING), [0.0, 0.1, 0.2]),
    "prodigy": (ro.prodigy(RISING), [0.0, 0.1, 0.2]),
    "accumulate": (ro.accumulate(ro.adam(RISING), 2), [0.0, 0.0, 0.1, 0.1]),
    "accumulate in a chain": (
        ro.chain(ro.clip(1.0), ro.accumulate(ro.sgd(RISING), 3)),
        [0.0, 0.0, 0.0, 0.1],
    ),
    "apply_if_finite": (ro.apply_if_finite(ro.sgd(RISING)), [0.0, 0.1, 0.2, 0.3]),
    "masked": (ro.masked(ro.sgd(RISING), {"w": True, "b": False}), [0.0, 0.1, 0.2, 0.3]),
    "proximal": (ro.proximal(ro.sgd(RISING), ro.l1(0.1)), [0.0, 0.1, 0.2, 0.3]),
    "proximal, scheduled": (ro.proximal(ro.sgd(RISING), ro.l1(RISING)), [0.0, 0.1, 0.2, 0.3]),
    "regularized": (ro.regularize(ro.adam(RISING), ro.l2(RISING), "coupled"), [0.0, 0.1, 0.2, 0.3]),
    "injected": (optax.inject_hyperparams(ro.adam)(0.25), [0.25, 0.25, 0.25, 0.25]),
    "partition": (
        ro.partition({"x": ro.adam(RISING), "y": ro.sgd(0.5)}, LABELS),
        [{"x": 0.0, "y": 0.5}, {"x": 0.1, "y": 0.5}, {"x": 0.2, "y": 0.5}, {"x": 0.3, "y": 0.5}],
    ),
    "partition, then a factor": (
        ro.chain(ro.partition({"x": ro.adam(RISING), "y": ro.sgd(0.5)}, LABELS), ro.scale(0.5)),
        [{"x": 0.0, "y": 0.25}, {"x": 0.05, "y": 0.25}],
    ),
}


@pytest.mark.parametrize("name", RATES)
def test_learning_rate(name):
    tx, expected = RATES[name]
    assert [rate(tx, n) for n in range(len(expected))] == expected


@pytest.mark.parametrize("name", ["scheduled", "accumulate", "a product"])
def test_the_learning_rate_is_the_one_the_next_update_uses(name):
    """Measured: the step over Adam's direction."""
    tx, expected = RATES[name]
    direction = ro.scale_by_adam()
    state, d_state = tx.init(PARAMS), direction.init(PARAMS)
    for n in range(4):
        said = float(ro.learning_rate(tx, state))
        updates, state = tx.update(PARAMS, state, PARAMS)
        steps, d_state = direction.update(PARAMS, d_state, PARAMS)
        if np.any(updates["w"]):
            np.testing.assert_allclose(-updates["w"] / steps["w"], said, rtol=1e-4)
        assert said == pytest.approx(expected[n])


def test_it_can_be_read_under_jit():
    tx = ro.accumulate(ro.adam(RISING), 2)
    state = after(tx, 4)
    np.testing.assert_allclose(jax.jit(lambda s: ro.learning_rate(tx, s))(state), 0.2, rtol=1e-6)


@pytest.mark.parametrize("tx", [ro.chain(ro.clip(1.0), ro.scale_by_adam()), ro.rprop(0.1)])
def test_no_learning_rate(tx):
    with pytest.raises(ValueError, match=r"no part of \w+\(.*\) sets a step size"):
        ro.learning_rate(tx, tx.init(PARAMS))


def test_a_rate_that_climbs_is_negative():
    falling = ro.cosine_decay_schedule(-0.25, 100)
    assert rate(ro.adam(falling), 0) == -0.25
    assert rate(ro.chain(ro.adam(0.5), ro.scale(-1.0)), 0) == -0.5
    assert rate(ro.chain(ro.scale(-1.0), ro.scale(-0.5)), 0) == -0.5
    assert rate(ro.scale_by_learning_rate(0.5, flip_sign=False), 0) == -0.5
    assert rate(ro.partition({"x": ro.adam(falling), "y": ro.sgd(0.5)}, LABELS), 0) == {
        "x": -0.25,
        "y": 0.5,
    }


@pytest.mark.parametrize("beside", [ro.clip(1.0), ro.reduce_on_plateau()])
def test_no_learning_rate_of_what_is_not_ours(beside):
    tx = ro.chain(beside, optax.adam(0.1))
    said = r"what optax\.chain does is not known: use regopt_jax's own in its place"
    with pytest.raises(ValueError, match=said):
        ro.learning_rate(tx, tx.init(PARAMS))


ANOTHERS = {
    "a constant's": ("scale_by_learning_rate", ro.adam(RISING)),
    "a chain's": ("accumulate", ro.accumulate(ro.adam(RISING), 2)),
    "an optimiser's": ("masked", ro.masked(ro.adam(RISING), True)),
}


@pytest.mark.parametrize("name", ANOTHERS)
def test_the_state_of_another_chain(name):
    who, tx = ANOTHERS[name]
    with pytest.raises(ValueError, match=f"{who}: the state is a .*, of another transformation"):
        ro.learning_rate(tx, ro.adam(0.1).init(PARAMS))


def test_a_part_of_ones_own_has_a_learning_rate():
    """Whatever it calls its hyperparameters: the factor is what it makes of 1."""
    part = ro.leafwise(lambda g: -0.1 * g, role="step_size", hyperparams={"rate": 0.1})
    np.testing.assert_allclose(ro.learning_rate(part, part.init(PARAMS)), 0.1, rtol=1e-6)
    tx = ro.regularize(part, ro.l2(0.5), "independent")
    updates, _ = tx.update(PARAMS, tx.init(PARAMS), PARAMS)
    expected = jax.tree.map(lambda g: -0.1 * g - 0.5 * g, PARAMS)
    jax.tree.map(lambda u, e: np.testing.assert_allclose(u, e, rtol=1e-6), updates, expected)


def test_a_part_whose_factor_is_not_one_number_has_none():
    part = ro.leafwise(lambda g, p: 0.1 * p * g, role="step_size", needs_params=True)
    with pytest.raises(ValueError, match="no part of"):
        ro.learning_rate(part, part.init(PARAMS))
    with pytest.raises(ValueError, match=r"regularize: what .* multiplies by is not known"):
        ro.regularize(part, ro.l2(0.1), "independent")


# --- every hyperparameter -----------------------------------------------------------------


def numbers(found):
    return {
        key: round(float(value), 6)
        for key, value in found.items()
        if isinstance(value, int | float | jax.Array) and not isinstance(value, bool)
    }


def test_hyperparams_of_a_chain():
    tx = ro.chain(ro.clip(2.0), ro.adamw(RISING, b1=0.8, weight_decay=RISING))
    found = ro.hyperparams(tx, after(tx, 3))
    assert numbers(found) == {
        "clip/max_delta": 2.0,
        "adamw/scale_by_adam/b1": 0.8,
        "adamw/scale_by_adam/b2": 0.999,
        "adamw/scale_by_adam/eps": 0.0,
        "adamw/scale_by_adam/eps_root": 0.0,
        "adamw/add_decayed_weights/weight_decay": 0.3,
        "adamw/scale_by_learning_rate/learning_rate": 0.3,
    }
    assert found["adamw/scale_by_adam/eps"] == 1e-8


def test_hyperparams_of_wrappers_count_optimiser_steps():
    tx = ro.accumulate(ro.sgd(RISING), lambda step: step + 1)
    found = ro.hyperparams(tx, after(tx, 3))
    assert float(found["every_k"]) == 3.0
    assert found["use_grad_mean"] is True
    np.testing.assert_allclose(found["sgd/scale_by_learning_rate/learning_rate"], 0.2, rtol=1e-6)


def test_hyperparams_of_schedule_free_are_those_of_its_optimiser():
    tx = ro.schedule_free(ro.sgd(RISING), RISING)
    for n in range(3):
        found = numbers(ro.hyperparams(tx, after(tx, n)))
        rates = [found["learning_rate"], found["sgd/scale_by_learning_rate/learning_rate"]]
        assert rates == [n / 10, n / 10]


def test_parts_of_the_same_name_get_their_position():
    tx = ro.chain(ro.scale(2.0), ro.trace(0.5), ro.scale(3.0))
    found = ro.hyperparams(tx, tx.init(PARAMS))
    assert (found["scale.0/step_size"], found["scale.2/step_size"]) == (2.0, 3.0)
    assert found["trace/decay"] == 0.5


def test_hyperparams_of_a_partition_go_by_label():
    tx = ro.partition({"x": ro.adam(RISING), "y": ro.sgd(0.5)}, LABELS)
    found = ro.hyperparams(tx, after(tx, 2))
    np.testing.assert_allclose(found["x/scale_by_learning_rate/learning_rate"], 0.2, rtol=1e-6)
    assert found["y/scale_by_learning_rate/learning_rate"] == 0.5


def test_regularisers_are_evaluated():
    tx = ro.chain(ro.coupled(ro.l2(RISING)), ro.sgd(0.1))
    found = ro.hyperparams(tx, after(tx, 3))
    np.testing.assert_allclose(jax.tree.leaves(found["coupled/regularizer"]), 0.3, rtol=1e-6)
    tx = ro.proximal(ro.sgd(0.1), ro.l1(RISING))
    found = ro.hyperparams(tx, after(tx, 3))
    np.testing.assert_allclose(jax.tree.leaves(found["regularizer"]), 0.3, rtol=1e-6)


# --- inject_hyperparams -------------------------------------------------------------------


@pytest.mark.parametrize("make", [ro.adamw, ro.sgd, ro.rmsprop, ro.lion])
def test_optax_injects_into_ours(make):
    tx = optax.inject_hyperparams(make)(learning_rate=0.25)
    plain = make(learning_rate=0.25)
    state, plain_state = tx.init(PARAMS), plain.init(PARAMS)
    assert float(ro.learning_rate(tx, state)) == 0.25
    updates, state = jax.jit(tx.update)(PARAMS, state, PARAMS)
    expected, _ = plain.update(PARAMS, plain_state, PARAMS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5), updates, expected)
    state.hyperparams["learning_rate"] = jnp.array(0.0)
    assert float(ro.learning_rate(tx, state)) == 0.0
    updates, _ = jax.jit(tx.update)(PARAMS, state, PARAMS)
    assert not np.any(updates["w"])


def test_injected_hyperparameters_are_read():
    tx = ro.chain(ro.clip(1.0), optax.inject_hyperparams(ro.adam)(learning_rate=RISING, b1=0.8))
    state = after(tx, 1)
    found = ro.hyperparams(tx, state)
    by_name = {key.split("/")[-1]: value for key, value in found.items()}
    np.testing.assert_allclose(by_name["b1"], 0.8, rtol=1e-6)
    assert float(by_name["max_delta"]) == 1.0
    assert "learning_rate" in by_name


# --- rates that differ between leaves ------------------------------------------------------

TWO = {"a": jnp.ones(2), "b": jnp.ones(3)}
A, B = ro.select("a"), ro.select("b")
TREES = ({"a": True, "b": False}, {"a": False, "b": True})


def rounded(rates):
    return jax.tree.map(lambda rate: round(float(rate), 6), rates)


@pytest.mark.parametrize("masks", [(A, B), TREES], ids=["selectors", "trees"])
def test_masked_scales_on_different_leaves_are_not_multiplied(masks):
    a, b = masks
    tx = ro.chain(ro.masked(ro.scale(0.1), a), ro.masked(ro.scale(0.5), b), ro.sgd(1.0))
    groups = {"masked.0": 0.1, "masked.1": 0.5}
    assert rounded(ro.learning_rate(tx, tx.init(TWO), TWO)) == groups
    known = rounded(ro.learning_rate(tx, tx.init(TWO)))
    assert known == (groups if masks is TREES else {**groups, "others": 1.0})


def test_one_number_where_all_leaves_have_one():
    everywhere = {"a": True, "b": True}
    tx = ro.chain(ro.masked(ro.scale(0.1), everywhere), ro.sgd(1.0))
    assert rounded(ro.learning_rate(tx, tx.init(TWO), TWO)) == 0.1
    decayed = ro.adamw(0.2, mask=A)
    assert rounded(ro.learning_rate(decayed, decayed.init(TWO), TWO)) == 0.2


def test_a_leaf_in_two_masks_gets_both_factors():
    tx = ro.chain(ro.masked(ro.scale(0.1), A), ro.masked(ro.scale(0.5), A | B), ro.sgd(1.0))
    rates = rounded(ro.learning_rate(tx, tx.init(TWO), TWO))
    assert rates == {"masked.0": 0.05, "masked.1": 0.5}


def test_the_rates_are_those_by_which_leaves_move():
    scales = [ro.masked(ro.scale(0.5**i), ro.select(name)) for i, name in enumerate("abc")]
    params = {name: jnp.ones(1) for name in "abcd"}
    tx = ro.chain(*scales, ro.sgd(0.1))
    updates, _ = tx.update(params, tx.init(params), params)
    rates = rounded(ro.learning_rate(tx, tx.init(params), params))
    moved = {name: round(-float(u[0]), 6) for name, u in updates.items()}
    assert sorted(rates.values()) == sorted(moved.values())
    step = ro.train_step(lambda p: sum(jnp.sum(x) for x in p.values()), tx)
    _, metrics = step(ro.TrainState.create(params, tx))
    assert rounded(metrics["learning_rate"]) == rates


def test_many_masks_are_no_power_set():
    params = {f"layer{i}": jnp.ones(1) for i in range(40)}
    scales = [ro.masked(ro.scale(0.9**i), ro.select(f"layer{i}")) for i in range(40)]
    tx = ro.chain(*scales, ro.sgd(1.0))
    assert len(ro.learning_rate(tx, tx.init(params), params)) == 40
    assert len(ro.learning_rate(tx, tx.init(params))) == 41


def test_partitions_in_a_chain_and_in_each_other():
    labels = {"a": "x", "b": "y"}
    inner = ro.partition({"x": ro.sgd(0.1), "y": ro.sgd(0.2)}, labels)
    tx = ro.chain(ro.partition({"x": ro.scale(2.0), "y": ro.identity()}, labels), inner)
    assert rounded(ro.learning_rate(tx, tx.init(TWO), TWO)) == {"x": 0.2, "y": 0.2}
