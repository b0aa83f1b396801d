import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

START = {"w": jnp.array([1.0, -2.0]), "b": jnp.array(0.5)}
PARAMS = ro.LookaheadParams.init_synced(START)
GRADS = {"w": jnp.array([0.3, -4.0]), "b": jnp.array(-1.5)}


def test_the_parameters_are_of_optaxs_type():
    assert ro.LookaheadParams is optax.LookaheadParams


@pytest.mark.parametrize("reset", [False, True])
def test_fast_and_slow_parameters_are_those_of_optax(reset):
    ours = ro.lookahead(ro.adam(0.1), 3, 0.5, reset)
    theirs = optax.lookahead(optax.adam(0.1), 3, 0.5, reset)
    a, b = (ours.init(PARAMS), PARAMS), (theirs.init(PARAMS), PARAMS)
    for t in range(8):
        grads = jax.tree.map(lambda g, t=t: g * (1 + t), GRADS)
        u, state = jax.jit(ours.update)(grads, a[0], a[1])
        with jax.numpy_dtype_promotion("standard"):
            v, other = theirs.update(grads, b[0], b[1])
        a, b = (state, ro.apply_updates(a[1], u)), (other, optax.apply_updates(b[1], v))
        assert jax.tree.structure(a) == jax.tree.structure(b)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7), a, b)


def test_gradients_may_come_as_pairs_too():
    tx = ro.lookahead(ro.sgd(1.0), 2, 0.5)
    pair = ro.LookaheadParams(fast=GRADS, slow=jax.tree.map(jnp.zeros_like, GRADS))
    state = tx.init(PARAMS)
    alone, paired = (tx.update(g, state, PARAMS) for g in (GRADS, pair))
    jax.tree.map(np.testing.assert_array_equal, alone, paired)


def test_in_a_training_step():
    tx = ro.lookahead(ro.sgd(0.1), 2, 0.5)
    step = ro.train_step(lambda p: sum(jnp.sum(x**2) for x in jax.tree.leaves(p.fast)), tx)
    state = ro.TrainState.create(PARAMS, tx)
    losses = []
    for _ in range(6):
        state, metrics = step(state)
        losses.append(float(metrics["loss"]))
        assert float(metrics["learning_rate"]) == np.float32(0.1)
    assert losses[-1] < losses[0] / 2
    jax.tree.map(np.testing.assert_allclose, state.params.fast, state.params.slow)


def test_between_two_slow_steps_the_slow_parameters_stay_bit_for_bit():
    tx = ro.lookahead(ro.sgd(1.0), 3, 0.5)
    bad = jax.tree.map(lambda g: g * jnp.nan, GRADS)
    updates, _ = tx.update(bad, tx.init(PARAMS), PARAMS)
    assert not any(np.any(x) for x in jax.tree.leaves(updates.slow))


def test_regularised_on_the_fast_steps():
    tx = ro.regularize(ro.lookahead(ro.adam(0.1), 3, 0.5), ro.l2(0.1), "coupled")
    assert [part.name for part in tx.parts[0].parts] == [
        "coupled", "scale_by_adam", "scale_by_learning_rate",
    ]  # fmt: skip
    inside = ro.lookahead(ro.regularize(ro.adam(0.1), ro.l2(0.1), "coupled"), 3, 0.5)
    assert tx.name == inside.name
    assert ro.describe(tx, PARAMS).columns == ro.describe(inside, PARAMS).columns


@pytest.mark.parametrize("run", ["update", "step"])
def test_parameters_that_are_no_pair_are_refused_by_name(run):
    tx = ro.lookahead(ro.adam(0.1), 3, 0.5)
    state = tx.init(START)
    with pytest.raises(TypeError, match=r"lookahead: .*LookaheadParams\.init_synced\(params\)"):
        getattr(tx, run)(GRADS, state, START)


def test_a_training_step_refuses_parameters_that_are_no_pair():
    tx = ro.lookahead(ro.sgd(0.1), 2, 0.5)
    step = ro.train_step(lambda p: jnp.sum(p["w"] ** 2) + p["b"], tx)
    with pytest.raises(TypeError, match=r"got a dict"):
        step(ro.TrainState.create(START, tx))


def test_init_takes_the_fast_parameters_alone():
    tx = ro.lookahead(ro.adam(0.1), 3, 0.5)
    assert jax.tree.structure(tx.init(START)) == jax.tree.structure(tx.init(PARAMS))


@pytest.mark.parametrize("chain", [ro.chain, optax.chain])
def test_what_stands_before_it_takes_gradients_of_the_fast_parameters(chain):
    fast = {"w": jnp.array([1.0, -2.0])}
    params = ro.LookaheadParams.init_synced(fast)
    tx = chain(ro.clip(0.5), ro.lookahead(ro.sgd(1.0), 2, 0.5))
    updates, _ = tx.update(fast, tx.init(params), params)
    assert updates.fast["w"].tolist() == [-0.5, 0.5]


BEFORE = {
    "coupled": ro.coupled(ro.l2(0.1)),
    "add_decayed_weights": ro.add_decayed_weights(0.1),
    "masked": ro.masked(ro.clip(0.5), ro.select("w")),
    "masked decay": ro.add_decayed_weights(0.1, mask=ro.select("w")),
    "partition": ro.partition({"all": ro.scale(0.5)}, "all"),
    "params_ema": ro.params_ema(0.9),
    "flatten": ro.flatten(ro.scale_by_adam()),
    "a moment": ro.trace(0.9),
    "a trust ratio": ro.scale_by_trust_ratio(),
}


@pytest.mark.parametrize("paired", [False, True], ids=["fast", "pairs"])
@pytest.mark.parametrize("name", BEFORE)
def test_what_stands_before_it_sees_the_fast_parameters(name, paired):
    """The same steps as with it inside, up to the first slow step."""
    tx = ro.chain(BEFORE[name], ro.lookahead(ro.sgd(0.1), 5, 0.5))
    plain = ro.chain(BEFORE[name], ro.sgd(0.1))
    pair, alone = PARAMS, PARAMS.fast
    state, other = tx.init(pair), plain.init(alone)
    update, step, plain_update = map(jax.jit, (tx.update, tx.step, plain.update))
    slow = jax.tree.map(jnp.zeros_like, GRADS)
    grads = ro.LookaheadParams(fast=GRADS, slow=slow) if paired else GRADS
    for run in ("update", "step", "update"):
        if run == "update":
            updates, state = update(grads, state, pair)
            pair = ro.apply_updates(pair, updates)
        else:
            pair, state = step(grads, state, pair)
        updates, other = plain_update(GRADS, other, alone)
        alone = ro.apply_updates(alone, updates)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), pair.fast, alone)


@pytest.mark.parametrize("run", ["update", "step"])
def test_accumulation_around_it(run):
    around = ro.accumulate(ro.lookahead(ro.sgd(0.1), 2, 0.5), 2)
    inside = ro.lookahead(ro.accumulate(ro.sgd(0.1), 2), 4, 0.5)
    ends = []
    for tx in (around, inside):
        params, state, take = PARAMS, tx.init(PARAMS), jax.jit(getattr(tx, run))
        for _ in range(8):
            if run == "step":
                params, state = take(GRADS, state, params)
            else:
                updates, state = take(GRADS, state, params)
                params = ro.apply_updates(params, updates)
        ends.append(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), *ends)
