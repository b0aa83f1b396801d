import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from regopt_jax.inspect.describe import describe

PARAMS = {"w": jnp.array([1.0, -2.0]), "b": jnp.array(0.5)}
MASKS = {
    "tree": {"w": True, "b": False},
    "selector": ro.select("w"),
    "array": {"w": jnp.array(True), "b": jnp.array(False)},
}
masks = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())


@masks
def test_frozen_parameters_stay_bit_for_bit_whatever_their_gradient(mask):
    grads = {"w": jnp.array([jnp.nan, 1.0]), "b": jnp.array(1.0)}
    for tx in (
        ro.chain(ro.adamw(0.1), ro.freeze(mask)),
        ro.selective_transform(ro.adamw(0.1), freeze_mask=mask),
    ):
        updates, _ = jax.jit(tx.update)(grads, tx.init(PARAMS), PARAMS)
        new = ro.apply_updates(PARAMS, updates)
        assert new["w"].tolist() == PARAMS["w"].tolist()
        assert new["b"] != PARAMS["b"]


@masks
def test_the_state_holds_no_slots_of_frozen_parameters(mask):
    tx = ro.selective_transform(ro.adam(0.1), freeze_mask=mask)
    assert isinstance(optax.tree.get(tx.init(PARAMS), "mu")["w"], optax.MaskedNode)


@pytest.mark.parametrize("mask", [True, False, {"w": True, "b": False}])
def test_the_state_is_that_of_optax(mask):
    ours = ro.selective_transform(ro.adam(0.1), freeze_mask=mask)
    theirs = optax.selective_transform(optax.adam(0.1), freeze_mask=mask)
    a, b = ours.init(PARAMS), theirs.init(PARAMS)
    for _ in range(3):
        u, a = ours.update(PARAMS, a, PARAMS)
        with jax.numpy_dtype_promotion("standard"):
            v, b = theirs.update(PARAMS, b, PARAMS)
        assert jax.tree.structure((u, a)) == jax.tree.structure((v, b))
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), (u, a), (v, b))


def test_a_proximal_map_leaves_frozen_parameters_alone():
    for tx in (
        ro.chain(ro.sgd(0.1), ro.freeze(ro.select("w"))),
        ro.selective_transform(ro.sgd(0.1), freeze_mask=ro.select("w")),
    ):
        tx = ro.proximal(tx, ro.l1(1.0))
        zeros = jax.tree.map(jnp.zeros_like, PARAMS)
        updates, _ = tx.update(zeros, tx.init(PARAMS), PARAMS)
        assert updates["w"].tolist() == [0.0, 0.0]
        np.testing.assert_allclose(updates["b"], -0.1, rtol=1e-6)


@pytest.mark.parametrize("how", ["coupled", "decoupled"])
def test_a_regulariser_goes_to_the_parameters_that_train(how):
    tx = ro.selective_transform(ro.adam(0.1), freeze_mask={"w": True, "b": False})
    regular = ro.regularize(tx, ro.l2(0.3), how)
    assert regular.name == "selective_transform"
    zeros = jax.tree.map(jnp.zeros_like, PARAMS)
    updates, _ = regular.update(zeros, regular.init(PARAMS), PARAMS)
    assert updates["w"].tolist() == [0.0, 0.0]
    assert float(updates["b"]) < 0
    assert float(ro.learning_rate(regular, regular.init(PARAMS))) == np.float32(0.1)


def test_described_by_what_they_cover():
    assert describe(ro.freeze(ro.select("w")), PARAMS).covers == "1 leaf, 2 elements"
    tx = ro.selective_transform(ro.adam(0.1), freeze_mask=ro.select("w"))
    assert describe(tx, PARAMS).parts[0].covers == "1 leaf, 1 elements"


def test_packed_training_freezes_the_same():
    params = {f"l{i}": {"w": jnp.ones((3, 2)) * i, "b": jnp.ones(2)} for i in range(3)}
    tx = ro.selective_transform(ro.adam(0.1), freeze_mask=ro.select("**/w"))
    states = []
    for pack in (False, True):
        step = ro.train_step(
            lambda p: sum(jnp.sum((x - 3.0) ** 2) for x in jax.tree.leaves(p)), tx, pack=pack
        )
        state = ro.TrainState.create(params, tx)
        for _ in range(3):
            state, _ = step(state)
        states.append(state.unpack())
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), *states)
    assert states[0].params["l2"]["w"].tolist() == params["l2"]["w"].tolist()
