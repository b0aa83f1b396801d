import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

RNG = np.random.default_rng(0)
PARAMS = {"w": RNG.normal(size=(3, 2)), "b": RNG.normal(size=2)}
STEPS = [
    {"w": RNG.normal(size=(3, 2)), "b": RNG.normal(size=2)} for _ in range(13)
]  # one more than a multiple of 2, 3 and 4
X, Y = RNG.normal(size=(24, 3)), RNG.normal(size=(24, 2))


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def same(a, b, rtol=1e-12, atol=1e-15):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=atol), a, b)


def bits(tree):
    return [(x.dtype, x.shape, np.asarray(x).tobytes()) for x in jax.tree.leaves(tree)]


def loss(params, x, y):
    return jnp.mean(jnp.square(x @ params["w"] + params["b"][None] - y))


def to_jax(tree):
    return jax.tree.map(jnp.asarray, tree)


# --- what it is for -----------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize("name", ["adamw", "clipped momentum", "proximal"])
@pytest.mark.usefixtures("x64")
def test_k_small_batches_equal_one_big_batch(k, name):
    inner = {
        "adamw": ro.adamw(ro.linear_schedule(0.1, 0.01, 4), weight_decay=0.1),
        "clipped momentum": ro.chain(ro.clip_by_global_norm(0.5), ro.sgd(0.1, momentum=0.9)),
        "proximal": ro.proximal(ro.adam(0.1), ro.l1(0.3)),
    }[name]
    big, small = to_jax(PARAMS), to_jax(PARAMS)
    tx = ro.accumulate(inner, k, accumulator_dtype=jnp.float64)
    big_state, state = inner.init(big), tx.init(small)
    update = jax.jit(tx.update)
    update_big, gradient = jax.jit(inner.update), jax.jit(jax.grad(loss))
    for _ in range(4):
        updates, big_state = update_big(gradient(big, X, Y), big_state, big)
        big = ro.apply_updates(big, updates)
        for x, y in zip(np.split(X, k), np.split(Y, k), strict=True):
            updates, state = update(gradient(small, x, y), state, small)
            small = ro.apply_updates(small, updates)
    same(small, big, rtol=1e-11)
    same(state.inner_opt_state, big_state, rtol=1e-11)


def test_the_updates_between_are_exactly_zero_and_change_nothing():
    params, grads = to_jax(PARAMS), to_jax(STEPS[0])
    tx = ro.accumulate(ro.adamw(0.1), 3)
    state, update = tx.init(params), jax.jit(tx.update)
    for _ in range(2):
        updates, new = update(grads, state, params)
        assert all(not np.any(u) for u in jax.tree.leaves(updates))
        assert bits(new.inner_opt_state) == bits(state.inner_opt_state)
        assert bits(ro.apply_updates(params, updates)) == bits(params)
        state = new
    updates, state = update(grads, state, params)
    assert all(np.all(u != 0) for u in jax.tree.leaves(updates))
    assert all(not np.any(a) for a in jax.tree.leaves(state.acc_grads))


def test_the_inner_schedule_counts_optimiser_steps():
    tx = ro.accumulate(ro.sgd(ro.linear_schedule(1.0, 0.0, 10)), 2)
    params = jnp.array(0.0)
    state, seen = tx.init(params), []
    for _ in range(6):
        updates, state = tx.update(jnp.array(1.0), state, params)
        seen.append(float(updates))
    np.testing.assert_allclose(seen, [0.0, -1.0, 0.0, -0.9, 0.0, -0.8], rtol=1e-6)
    assert int(state.gradient_step) == 3


def test_narrow_gradients_accumulate_in_float32():
    """In bfloat16, 256 + 1 is 256."""
    tx = ro.accumulate(ro.scale(1.0), 3, use_grad_mean=False)
    params = jnp.array(0.0, jnp.bfloat16)
    state = tx.init(params)
    assert state.acc_grads.dtype == jnp.float32
    for g in (256.0, 1.0, 1.0):
        updates, state = tx.update(jnp.array(g, jnp.bfloat16), state, params)
    assert (updates.dtype, float(updates)) == (jnp.bfloat16, 258.0)


# --- Optax's MultiSteps -------------------------------------------------------------------


def run(tx, steps):
    params = to_jax(PARAMS)
    state = tx.init(params)
    update, trajectory = jax.jit(tx.update), []
    for grads in steps:
        updates, state = update(to_jax(grads), state, params)
        params = optax.apply_updates(params, updates)
        trajectory.append((updates, state))
    return trajectory


def spoiled(value):
    """The steps with one bad element in the second, third and tenth."""
    steps = [jax.tree.map(np.copy, s) for s in STEPS]
    for i in (1, 2, 9):
        steps[i]["w"][1, 1] = value
    return steps


MULTI_STEPS = {
    "mean": ({"every_k": 3}, STEPS),
    "every step": ({"every_k": 1}, STEPS),
    "sum": ({"every_k": 4, "use_grad_mean": False}, STEPS),
    "schedule of k": ({"every_k": lambda step: jnp.where(step < 2, 2, 3)}, STEPS),
    "skip not finite": (
        {"every_k": 2, "should_skip_update_fn": optax.skip_not_finite},
        spoiled(np.inf),
    ),
    "skip large": (
        {
            "every_k": 3,
            "use_grad_mean": False,
            "should_skip_update_fn": functools.partial(
                optax.skip_large_updates, max_squared_norm=100.0
            ),
        },
        spoiled(50.0),
    ),
}


@pytest.mark.parametrize("name", MULTI_STEPS)
@pytest.mark.parametrize("inner", ["adam", "momentum"])
@pytest.mark.usefixtures("x64")
def test_equals_optax_multi_steps(name, inner):
    kwargs, steps = MULTI_STEPS[name]
    make = {
        # Our schedule in both: Optax's is float32 at an int32 count.
        "adam": lambda lib: lib.adam(ro.linear_schedule(0.1, 0.01, 7)),
        "momentum": lambda lib: lib.sgd(0.1, momentum=0.9, nesterov=True),
    }[inner]
    ours = run(ro.accumulate(make(ro), **kwargs, accumulator_dtype=jnp.float64), steps)
    theirs = dict(kwargs, every_k_schedule=kwargs["every_k"], accumulator_dtype=jnp.float64)
    del theirs["every_k"]
    with jax.numpy_dtype_promotion("standard"):
        multi_steps = optax.MultiSteps(make(optax), **theirs)
        expected = run(multi_steps.gradient_transformation(), steps)
    for (updates, state), (their_updates, their_state) in zip(ours, expected, strict=True):
        same(updates, their_updates)
        same(state, their_state)
    moved = [bool(np.any(u["w"])) for u, _ in ours]
    assert any(moved)
    assert all(moved) == (name == "every step")


def test_a_skipped_update_is_not_counted():
    tx = ro.accumulate(ro.sgd(1.0), 2, should_skip_update_fn=optax.skip_not_finite)
    params = jnp.array(0.0)
    state, seen = tx.init(params), []
    for g in (1.0, np.nan, 3.0, 5.0):
        updates, state = tx.update(jnp.array(g), state, params)
        seen.append((float(updates), int(state.mini_step), bool(state.skip_state["should_skip"])))
    assert seen == [(0.0, 1, False), (0.0, 1, True), (-2.0, 0, False), (0.0, 1, False)]


def test_has_updated_reads_our_state():
    multi_steps = optax.MultiSteps(optax.sgd(1.0), 2)
    tx = ro.accumulate(ro.sgd(1.0), 2)
    state, seen = tx.init(jnp.array(0.0)), []
    for _ in range(4):
        _, state = tx.update(jnp.array(1.0), state)
        seen.append(bool(multi_steps.has_updated(state)))
    assert seen == [False, True, False, True]


# --- where it may stand -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_inside_scan(dtype):
    params = jax.tree.map(lambda x: jnp.asarray(x, dtype), PARAMS)
    steps = jax.tree.map(lambda *x: jnp.asarray(np.stack(x), dtype), *STEPS)
    tx = ro.accumulate(ro.adamw(0.1), 3)

    def body(carry, grads):
        params, state = carry
        updates, state = tx.update(grads, state, params)
        return (ro.apply_updates(params, updates), state), updates

    (end, state), _ = jax.jit(lambda c: jax.lax.scan(body, c, steps))((params, tx.init(params)))
    assert int(state.gradient_step) == 4
    assert int(state.mini_step) == 1

    mine, held = params, tx.init(params)
    jitted = jax.jit(body)
    for i in range(len(STEPS)):
        (mine, held), _ = jitted((mine, held), jax.tree.map(lambda x, i=i: x[i], steps))
    tolerance = 1e-5 if dtype == jnp.float32 else 2e-2
    widen = functools.partial(jax.tree.map, lambda x: np.asarray(x, np.float32))
    same(widen(end), widen(mine), rtol=tolerance, atol=tolerance)


def test_within_a_chain_the_parts_before_see_every_update():
    tx = ro.chain(ro.clip(1.0), ro.accumulate(ro.sgd(1.0), 2))
    params = jnp.array(0.0)
    state = tx.init(params)
    _, state = tx.update(jnp.array(10.0), state, params)
    updates, _ = tx.update(jnp.array(3.0), state, params)
    assert float(updates) == -1.0
    inside = ro.accumulate(ro.chain(ro.clip(4.0), ro.sgd(1.0)), 2)
    state = inside.init(params)
    _, state = inside.update(jnp.array(10.0), state, params)
    updates, _ = inside.update(jnp.array(2.0), state, params)
    assert float(updates) == -4.0


def test_within_a_partition_and_a_mask():
    params = {"a": jnp.zeros(2), "b": jnp.zeros(2)}
    ones = {"a": jnp.ones(2), "b": jnp.ones(2)}
    slow, fast = ro.accumulate(ro.sgd(1.0), 2), ro.sgd(1.0)
    for tx in (
        ro.partition({"slow": slow, "fast": fast}, {"a": "slow", "b": "fast"}),
        ro.chain(ro.masked(slow, ro.select("a")), ro.masked(fast, ro.select("b"))),
    ):
        state = tx.init(params)
        updates, state = jax.jit(tx.update)(ones, state, params)
        assert (updates["a"].tolist(), updates["b"].tolist()) == ([0.0, 0.0], [-1.0, -1.0])
        updates, state = jax.jit(tx.update)(ones, state, params)
        assert (updates["a"].tolist(), updates["b"].tolist()) == ([-1.0, -1.0], [-1.0, -1.0])


def test_extra_arguments_reach_the_inner_transformation():
    def update(updates, state, params=None, *, value, **_):
        return jax.tree.map(lambda u: u * value, updates), state

    inner = optax.GradientTransformationExtraArgs(lambda p: optax.EmptyState(), update)
    tx = ro.accumulate(inner, 1)
    updates, _ = tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)), value=jnp.array(2.0))
    assert float(updates) == 6.0


def test_none_leaves():
    params = {"a": jnp.zeros(2), "b": None}
    grads = {"a": jnp.ones(2), "b": None}
    tx = ro.accumulate(ro.adam(0.1), 2)
    state = tx.init(params)
    for _ in range(2):
        updates, state = tx.update(grads, state, params)
    assert updates["b"] is None
    np.testing.assert_allclose(updates["a"], -0.1, rtol=2e-5)


# --- bad input ----------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, -1])
def test_k_must_be_positive(k):
    with pytest.raises(ValueError, match=r"every_k must be an integer in \[1, inf\)"):
        ro.accumulate(ro.sgd(0.1), k)


def test_integer_gradients_are_named():
    tx, params = ro.accumulate(ro.sgd(0.1), 2), {"step": jnp.array(1)}
    with pytest.raises(TypeError, match="the gradient at 'step' is of int32"):
        tx.update(params, tx.init(params))


def test_a_wrong_tree_or_shape_is_named():
    tx = ro.accumulate(ro.sgd(0.1), 2)
    state = tx.init({"w": jnp.zeros(2)})
    with pytest.raises(ValueError, match="Leaves of the gradients only: v"):
        tx.update({"v": jnp.zeros(2)}, state)
    with pytest.raises(ValueError, match=r"'w' has shape \(3,\), its accumulated gradient \(2,\)"):
        tx.update({"w": jnp.zeros(3)}, state)


HOLDING = {
    "masked": lambda gate: ro.masked(gate, ro.select("w")),
    "partition": lambda gate: ro.partition({"g": gate, "s": ro.sgd(1.0)}, {"w": "g", "b": "s"}),
    "selective_transform": lambda gate: ro.selective_transform(
        gate, freeze_mask={"w": False, "b": True}
    ),
    "chain": lambda gate: ro.chain(ro.clip(1.0), gate),
    "flatten": ro.flatten,
    "split_real_and_imaginary": ro.split_real_and_imaginary,
    "cautious": lambda gate: ro.cautious(gate, descent=True),
    "conditionally_transform": lambda gate: ro.conditionally_transform(gate, lambda step: True),
    "conditionally_mask": lambda gate: ro.conditionally_mask(gate, lambda step: True),
    "apply_if_finite": ro.apply_if_finite,
    "inject_hyperparams": lambda gate: ro.inject_hyperparams(lambda rate: gate)(0.5),
    "stored": lambda gate: ro.stored(gate, lambda x: x, lambda kept, dtype: kept),
    "regularize": lambda gate: ro.regularize(gate, ro.l1(0.1), "proximal"),
}


@pytest.mark.parametrize("name", HOLDING)
def test_what_contains_a_gate_leaves_parameters_untouched_on_held_steps(name):
    """Adding a zero would turn -0.0 into 0.0."""
    tx = HOLDING[name](ro.accumulate(ro.sgd(1.0), 2))
    params = {"w": jnp.array([1.0, -0.0]), "b": jnp.array([2.0])}
    grads = {"w": jnp.array([1.0, 1.0]), "b": jnp.array([1.0])}
    new, state = tx.step(grads, tx.init(params), params)
    assert np.signbit(new["w"]).tolist() == [False, True]
    assert float(new["w"][0]) == 1.0
    moved, _ = tx.step(grads, state, new)
    assert float(moved["w"][0]) < 1.0


def test_schedule_free_leaves_its_iterate_untouched_on_held_steps():
    tx = ro.schedule_free(ro.accumulate(ro.sgd(1.0), 2), 1.0)
    params = {"w": jnp.array([1.0, -0.0])}
    _, state = tx.step(params, tx.init(params), params)
    assert np.signbit(state.z["w"]).tolist() == [False, True]
