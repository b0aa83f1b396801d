"""One step on eight devices: the training of one device, where each array stays in its place."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

import regopt_jax as ro
from tests.laws.runs import close, ulps
from tests.training.network import CHAINS, PARAMS, halves, loss
from tests.versions import explicit_axes

STEPS = 5
FEW = ulps(64)
AUTO = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
EXPLICIT = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Explicit,))


def on(mesh, tree, *spec):
    return jax.device_put(tree, NamedSharding(mesh, P(*spec)))


@pytest.fixture
def compilations():
    """How often XLA has compiled."""
    if not hasattr(jax.monitoring, "unregister_event_duration_listener"):
        pytest.skip("jax.monitoring of this version cannot stop listening")
    seen = []

    def listen(event, duration, **_):
        if event.endswith("backend_compile_duration"):
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


def gathered(params, x, y):
    """The loss where arrays carry their layout in their type: whole parameters, by hand."""
    return loss(jax.sharding.reshard(params, NamedSharding(EXPLICIT, P())), x, y)


@functools.cache
def on_one_device(name, pack):
    tx = CHAINS[name]()
    step = ro.train_step(loss, tx, pack=pack)
    state, history = ro.TrainState.create(PARAMS, tx), []
    for batch in halves(STEPS):
        state, metrics = step(state, *batch)
        history.append((metrics["loss"], metrics["grad_norm"]))
    return state.unpack().params, history


def places(tree):
    return [(jax.tree_util.keystr(k), x.sharding) for k, x in jax.tree.leaves_with_path(tree)]


def follow(step, state, mesh, compilations):
    """Train on batches spread over the mesh; nothing moves or is compiled for again."""
    start, history = places(state), []
    for i, batch in enumerate(halves(STEPS)):
        batch = on(mesh, batch, "data")
        compilations.clear()
        state, metrics = step(state, *batch)
        assert (len(compilations) > 0) == (i == 0), i
        history.append((metrics["loss"], metrics["grad_norm"]))
        for (path, was), (_, now), x in zip(
            start, places(state), jax.tree.leaves(state), strict=True
        ):
            assert now.is_equivalent_to(was, x.ndim), path
    return state, history


LAYOUTS = {
    "replicated": (AUTO, (), loss),
    "sharded": (AUTO, ("data",), loss),
    "explicit": (EXPLICIT, ("data",), gathered),
}
REPLICATED = ["clipped adamw", "shampoo"]
SHARDED = ["clipped adamw", "group lasso", "partition", "accumulate", "muon", "shampoo"]
EXPLICITLY = ["muon", "shampoo"]


@pytest.mark.parametrize(
    ("name", "layout"),
    [(name, "replicated") for name in REPLICATED]
    + [(name, "sharded") for name in SHARDED]
    + [pytest.param(name, "explicit", marks=explicit_axes) for name in EXPLICITLY],
)
def test_eight_devices_train_as_one(name, layout, compilations):
    mesh, spec, loss = LAYOUTS[layout]
    tx = CHAINS[name]()
    state = ro.TrainState.create(on(mesh, PARAMS, *spec), tx)
    state, history = follow(ro.train_step(loss, tx), state, mesh, compilations)
    close((state.params, history), on_one_device(name, False), FEW)


@pytest.mark.parametrize(
    ("name", "spec"), [("clipped adamw", ()), ("clipped adamw", ("data",)), ("accumulate", ())]
)
def test_packed(name, spec, compilations):
    tx = CHAINS[name]()
    state = ro.TrainState.create(on(AUTO, PARAMS, *spec), tx).pack(tx)
    assert len(state.params.buffers) == (0 if spec else 2)
    state, history = follow(ro.train_step(loss, tx, pack=True), state, AUTO, compilations)
    close((state.unpack().params, history), on_one_device(name, True), FEW)


def test_moments_sharded_beside_whole_parameters(compilations):
    """The first stage of ZeRO: each device keeps an eighth of the optimiser's state."""
    tx = CHAINS["clipped adamw"]()
    state = ro.TrainState.create(on(AUTO, PARAMS), tx)
    state = state._replace(
        opt_state=jax.tree.map(lambda x: on(AUTO, x, "data") if x.ndim else x, state.opt_state)
    )
    moments = [x for x in jax.tree.leaves(state.opt_state) if x.ndim]
    assert {x.addressable_shards[0].data.size * 8 for x in moments} == {8, 16, 128}
    state, history = follow(ro.train_step(loss, tx), state, AUTO, compilations)
    close((state.params, history), on_one_device("clipped adamw", False), FEW)


def test_a_state_begins_on_the_devices_of_its_parameters():
    tx = CHAINS["shampoo"]()
    devices = jax.devices()
    spread = ro.TrainState.create(on(AUTO, PARAMS, "data"), tx)
    assert all(x.sharding.device_set == set(devices) for x in jax.tree.leaves(spread))
    assert spread.step.is_fully_replicated
    other = ro.TrainState.create(jax.device_put(PARAMS, devices[3]), tx)
    assert all(x.devices() == {devices[3]} for x in jax.tree.leaves(other))
    free = ro.TrainState.create(jax.tree.map(jnp.asarray, PARAMS), tx)
    assert not any(x.committed for x in jax.tree.leaves(free))


def test_leaves_that_are_not_trained_or_not_placed():
    model = {"w": on(AUTO, jnp.zeros(16), "data"), "scale": np.ones(3, np.float32), "n": 3}

    def of_model(m, x):
        return jnp.mean(jnp.square(m["w"][None] * x - m["n"])) + jnp.sum(jnp.square(m["scale"]))

    tx = ro.adam(0.1)
    step, state = ro.train_step(of_model, tx), ro.TrainState.create(model, tx)
    begun = tx.init(ro.trainable(state.params))
    assert not begun[0].count.committed
    state = state._replace(opt_state=begun)
    for _ in range(3):
        state, metrics = step(state, on(AUTO, jnp.ones((8, 16)), "data"))
    assert state.params["n"] == 3
    assert state.params["scale"].is_fully_replicated
    assert not state.params["w"].is_fully_replicated
    assert float(metrics["loss"]) < 9.0 + 3.0
