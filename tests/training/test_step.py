import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(16, 3)), jnp.float32)
Y = jnp.asarray(RNG.normal(size=(16, 2)), jnp.float32)


def params():
    return {"w": jnp.ones((3, 2)), "b": jnp.zeros(2)}


def loss(p, x, y):
    return jnp.mean(jnp.square(x @ p["w"] + p["b"][None] - y))


def loss_and_aux(p, x, y):
    return loss(p, x, y), {"norm": ro.global_norm(p), "n": x.shape[0]}


# --- TrainState ---------------------------------------------------------------------------


def test_create_does_not_take_the_callers_arrays():
    mine = {"w": jnp.ones((3, 2)), "b": np.zeros(2, np.float32), "n": jnp.array(3)}
    tx = ro.adam(0.1)
    state = ro.TrainState.create(mine, tx)
    assert state.params["w"] is not mine["w"]
    assert state.params["w"].unsafe_buffer_pointer() != mine["w"].unsafe_buffer_pointer()
    ro.train_step(loss, tx)(state, X, Y)
    assert state.params["w"].is_deleted()
    assert not mine["w"].is_deleted()
    assert float(mine["w"][0, 0]) == 1.0
    mine["b"][0] = 7.0
    assert float(ro.TrainState.create(mine, tx).params["b"][0]) == 7.0


def test_create_does_not_take_a_state_that_holds_the_parameters():
    """Two names for one buffer cannot both be donated."""
    keeps = optax.GradientTransformation(lambda p: p, lambda u, s, p=None: (u, s))
    tx = optax.chain(keeps, optax.sgd(0.1))
    state, _ = ro.train_step(loss, tx)(ro.TrainState.create(params(), tx), X, Y)
    assert int(state.step) == 1


def test_create_drops_weak_types():
    state = ro.TrainState.create({"w": jnp.asarray(1.0), "x": 2.0}, ro.adam(0.1))
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(state))
    assert state.params["x"].dtype == jnp.float32
    assert (state.step.dtype, int(state.step)) == (jnp.int32, 0)


@pytest.mark.parametrize("donate", [True, False])
def test_a_lowered_step_tells_its_memory(donate):
    tx = ro.adam(0.1)
    state = ro.TrainState.create(params(), tx)
    step = ro.train_step(loss, tx, donate=donate)
    memory = step.lower(state, X, Y).compile().memory_analysis()
    size = sum(x.nbytes for x in jax.tree.leaves(state))
    assert memory.alias_size_in_bytes == (size if donate else 0)
    assert not state.params["w"].is_deleted()


def test_trainable():
    tree = {
        **{"f": jnp.ones(1), "half": jnp.ones(1, jnp.bfloat16), "c": jnp.ones(1, complex)},
        **{"np": np.ones(1), "float": 1.5},
        **{"int": jnp.ones(1, int), "bool": jnp.array(True), "key": jax.random.key(0)},
        **{"activation": jax.nn.relu, "name": "dense", "python int": 3, "none": None},
    }
    kept = {key for key, value in ro.trainable(tree).items() if value is not None}
    assert kept == {"f", "half", "c", "np", "float"}


# --- the step -----------------------------------------------------------------------------


@pytest.mark.parametrize("donate", [True, False])
def test_a_step_is_the_update_written_out(donate):
    tx = ro.adamw(ro.linear_schedule(0.1, 0.0, 10), weight_decay=0.1)
    step = ro.train_step(loss, tx, donate=donate)
    state = ro.TrainState.create(params(), tx)
    expected, opt_state = params(), tx.init(params())
    for t in range(4):
        value, grads = jax.value_and_grad(loss)(expected, X, Y)
        updates, opt_state = tx.update(grads, opt_state, expected)
        expected = ro.apply_updates(expected, updates)
        state, metrics = step(state, X, Y)
        np.testing.assert_allclose(metrics["loss"], value, rtol=1e-5)
        np.testing.assert_allclose(metrics["grad_norm"], optax.tree.norm(grads), rtol=1e-5)
        np.testing.assert_allclose(metrics["learning_rate"], 0.1 * (1 - t / 10), rtol=1e-6)
        assert set(metrics) == {"loss", "grad_norm", "learning_rate"}
        assert int(state.step) == t + 1
    assert jax.tree.structure(state.opt_state) == jax.tree.structure(opt_state)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6),
        (state.params, state.opt_state),
        (expected, opt_state),
    )


def test_the_old_state_is_donated():
    tx = ro.adam(0.1)
    old = ro.TrainState.create(params(), tx)
    new, _ = ro.train_step(loss, tx)(old, X, Y)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(old))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(new))
    assert not X.is_deleted()


def test_a_donated_state_is_refused_by_name():
    tx = ro.adam(0.1)
    step, state = ro.train_step(loss, tx), ro.TrainState.create(params(), tx)
    step(state, X, Y)
    with pytest.raises(ValueError, match=r"an earlier step took the memory.*donate=False"):
        step(state, X, Y)


def test_old_parameters_with_a_new_state_are_refused_by_path():
    tx = ro.adam(0.1)
    step, state = ro.train_step(loss, tx), ro.TrainState.create(params(), tx)
    new, _ = step(state, X, Y)
    first = jax.tree.leaves_with_path(state.params)[0][0]
    said = f"took the memory of 'params/{first[0].key}"
    with pytest.raises(ValueError, match=said):
        step(new._replace(params=state.params), X, Y)


def test_a_step_takes_a_state():
    step = ro.train_step(loss, ro.adam(0.1))
    for run in (step, step.lower):
        with pytest.raises(TypeError, match=r"a TrainState .* got a dict.*TrainState\.create"):
            run(params(), X, Y)
    with pytest.raises(TypeError, match="serialize_step: expected a TrainState"):
        ro.serialize_step(step, params(), X, Y)


def test_without_donation_it_is_kept():
    tx = ro.adam(0.1)
    old = ro.TrainState.create(params(), tx)
    step = ro.train_step(loss, tx, donate=False)
    first, _ = step(old, X, Y)
    again, _ = step(old, X, Y)
    jax.tree.map(np.testing.assert_array_equal, first, again)


TRANSFORMS = {
    "adamw": ro.adamw(0.1),
    "optax": optax.adamw(0.1),
    "recommended": ro.recommended(20, peak=0.1),
    "proximal": ro.proximal(ro.adam(0.1), ro.l1(0.1)),
    "accumulate": ro.accumulate(ro.adam(0.1), 2),
    "apply_if_finite": ro.apply_if_finite(ro.adam(0.1)),
    "partition": ro.partition({"x": ro.adam(0.1), "y": ro.sgd(0.1)}, {"w": "x", "b": "y"}),
    "float strength": ro.regularize(ro.rmsprop(0.1, momentum=0.9), ro.l2(0.1), "decoupled"),
}


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_it_compiles_once_and_learns(name, dtype):
    tx, traces = TRANSFORMS[name], []

    def traced(p, x, y):
        traces.append(1)
        return loss(p, x.astype(dtype), y.astype(dtype))

    step = ro.train_step(traced, tx)
    state = ro.TrainState.create(jax.tree.map(lambda p: p.astype(dtype), params()), tx)
    losses = []
    with jax.numpy_dtype_promotion("standard" if name == "optax" else "strict"):
        for _ in range(12):
            before = jax.eval_shape(lambda s: s, state)
            state, metrics = step(state, X, Y)
            losses.append(float(metrics["loss"]))
            assert jax.eval_shape(lambda s: s, state) == before
    assert len(traces) == 1
    assert losses[-1] < 0.9 * losses[0]


def test_aux_joins_the_metrics():
    tx = ro.sgd(0.1)
    step = ro.train_step(loss_and_aux, tx, has_aux=True)
    _, metrics = step(ro.TrainState.create(params(), tx), X, Y)
    assert float(metrics["aux"]["norm"]) == pytest.approx(6**0.5)
    assert metrics["aux"]["n"] == 16


def test_penalize_with_aux_inside():
    tx = ro.sgd(0.1)
    penalized = ro.penalize(loss_and_aux, ro.l1(0.5).on(ro.select("w")), has_aux=True)
    step = ro.train_step(penalized, tx, has_aux=True)
    _, metrics = step(ro.TrainState.create(params(), tx), X, Y)
    np.testing.assert_allclose(metrics["loss"], loss(params(), X, Y) + 3.0, rtol=1e-6)


def test_no_learning_rate_no_metric():
    for tx in (ro.chain(ro.clip(1.0), ro.trace(0.9)), optax.sgd(0.1)):
        _, metrics = ro.train_step(loss, tx)(ro.TrainState.create(params(), tx), X, Y)
        assert set(metrics) == {"loss", "grad_norm"}


def test_a_partition_has_a_learning_rate_for_each_label():
    tx = ro.partition(
        {"x": ro.adam(ro.linear_schedule(0.0, 1.0, 10)), "y": ro.sgd(0.5)}, {"w": "x", "b": "y"}
    )
    step, state = ro.train_step(loss, tx), ro.TrainState.create(params(), tx)
    for expected in (0.0, 0.1, 0.2):
        state, metrics = step(state, X, Y)
        rates = {key: float(rate) for key, rate in metrics["learning_rate"].items()}
        assert rates == pytest.approx({"x": expected, "y": 0.5})


def test_update_gets_the_loss_and_the_gradient():
    def update(updates, state, params=None, *, value, grad, **_):
        return jax.tree.map(lambda u, g: -value * (u + g), updates, grad), state

    tx = optax.GradientTransformationExtraArgs(lambda p: optax.EmptyState(), update)
    state, metrics = ro.train_step(lambda p: 3.0 * p, tx)(ro.TrainState.create(jnp.array(2.0), tx))
    assert float(metrics["loss"]) == 6.0
    assert float(state.params) == 2.0 - 6.0 * (3.0 + 3.0)


def test_it_reads_its_arguments_and_not_globals():
    """Another batch, of another shape too, gives another step."""
    tx = ro.sgd(0.1)
    step = ro.train_step(loss, tx, donate=False)
    state = ro.TrainState.create(params(), tx)
    a, b, c = step(state, X, Y)[1], step(state, X, 2 * Y)[1], step(state, X[:4], Y[:4])[1]
    assert len({float(m["loss"]) for m in (a, b, c)}) == 3


def test_it_runs_inside_scan():
    tx = ro.adam(0.1)
    step = ro.train_step(loss, tx)
    start = ro.TrainState.create(params(), tx)

    @jax.jit
    def epoch(state):
        return jax.lax.scan(lambda s, _: step(s, X, Y), state, length=5)

    end, metrics = epoch(start)
    assert metrics["loss"].shape == (5,)
    assert int(end.step) == 5
    for _ in range(5):
        start, last = step(start, X, Y)
    np.testing.assert_allclose(metrics["loss"][-1], last["loss"], rtol=1e-5)


# --- leaves that are not trained ----------------------------------------------------------


def test_leaves_without_a_gradient_are_carried_along():
    model = {
        "w": jnp.ones(2),
        "steps": jnp.array([3, 4]),
        "mask": np.array([True, False]),
        "width": 2,
        "activation": jnp.tanh,
        "name": "dense",
        "none": None,
    }
    traces = []

    def of_model(m, x):
        traces.append(1)
        assert m["name"] == "dense"
        hidden = m["activation"](m["w"] * x) * jnp.asarray(m["mask"], float)
        return jnp.sum(hidden) * m["width"] + 0.0 * jnp.sum(m["steps"]).astype(float)

    tx = ro.adamw(0.1)
    step = ro.train_step(of_model, tx)
    state = ro.TrainState.create(model, tx)
    for _ in range(3):
        state, _ = step(state, jnp.ones(2))
    assert len(traces) == 1
    new = state.params
    assert new["activation"] is jnp.tanh
    assert (new["name"], new["width"], new["none"]) == ("dense", 2, None)
    assert new["steps"].tolist() == [3, 4]
    assert new["mask"].tolist() == [True, False]
    assert float(new["w"][0]) < 0.8
    # The masked one has no gradient; weight decay alone moves it.
    np.testing.assert_allclose(new["w"][1], (1 - 0.1 * 1e-4) ** 3, rtol=1e-6)


def test_a_changed_static_leaf_is_seen():
    tx = ro.sgd(1.0)
    step = ro.train_step(lambda m: m["f"](m["w"]), tx, donate=False)
    a, _ = step(ro.TrainState.create({"w": jnp.array(2.0), "f": jnp.square}, tx))
    b, _ = step(ro.TrainState.create({"w": jnp.array(2.0), "f": jnp.negative}, tx))
    assert (float(a.params["w"]), float(b.params["w"])) == (-2.0, 3.0)
