"""Orbax saves and restores a run; one that Optax began continues under ours, and back."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

import regopt_jax as ro

ocp = pytest.importorskip("orbax.checkpoint", reason="Orbax is optional")

# Orbax's own threads and its finalisers, not what is tested here.
pytestmark = pytest.mark.filterwarnings("default")

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(32, 4)), jnp.float32)
Y = jnp.sin(X[:, :1])
PARAMS = {
    "hidden": {"kernel": jnp.asarray(RNG.normal(size=(4, 8)), jnp.float32), "bias": jnp.zeros(8)},
    "out": {"kernel": jnp.asarray(RNG.normal(size=(8, 1)), jnp.float32), "bias": jnp.zeros(1)},
}


def loss(p, x, y):
    x = jnp.tanh(x @ p["hidden"]["kernel"] + p["hidden"]["bias"][None])
    return jnp.mean(jnp.square(x @ p["out"]["kernel"] + p["out"]["bias"][None] - y))


def labels(tree):
    return jax.tree.map(lambda x: "matrix" if x.ndim > 1 else "vector", tree)


def rate(o):
    return o.warmup_cosine_decay_schedule(0.0, 0.05, 3, 20)


RUNS = {
    "clipped adamw": lambda o: o.chain(o.clip_by_global_norm(1.0), o.adamw(rate(o))),
    "accumulate": lambda o: o.MultiSteps(o.adam(0.05), 2).gradient_transformation(),
    "partition": lambda o: o.partition(
        {"matrix": o.lion(0.01), "vector": o.sgd(rate(o), momentum=0.9)}, labels
    ),
}


def advance(tx, params, state, steps):
    @jax.jit
    def step(params, state):
        updates, state = tx.update(jax.grad(loss)(params, X, Y), state, params)
        return optax.apply_updates(params, updates), state

    with jax.numpy_dtype_promotion("standard"):
        for _ in range(steps):
            params, state = step(params, state)
    return params, state


def restored(folder, tree, like):
    """``tree`` written by Orbax and read into the structure of ``like``."""
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder, tree)
        checkpointer.wait_until_finished()
        return checkpointer.restore(folder, jax.tree.map(ocp.utils.to_shape_dtype_struct, like))


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("first", ["optax", "ours"])
def test_a_run_changes_the_library_at_a_checkpoint(tmp_path, name, first):
    before, after = map(RUNS[name], (optax, ro) if first == "optax" else (ro, optax))
    saved = advance(before, PARAMS, before.init(PARAMS), 5)
    params, state = restored(tmp_path / "run", saved, (PARAMS, after.init(PARAMS)))
    jax.tree.map(np.testing.assert_array_equal, (params, state), saved)
    ended = advance(after, params, state, 5)
    expected = advance(before, *saved, 5)
    assert jax.tree.structure(ended) == jax.tree.structure(expected)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ended, expected
    )
    assert not np.allclose(ended[0]["out"]["bias"], params["out"]["bias"])


PROXIMAL = ro.proximal(ro.recommended(20, peak=0.05), ro.l1(0.01).on(ro.select("**/kernel")))


@pytest.mark.parametrize(("tx", "pack"), [(PROXIMAL, False), (ro.adamw(0.05), True)])
def test_a_train_state_continues_to_the_same_bits(tmp_path, tx, pack):
    step = ro.train_step(loss, tx, pack=pack)

    def run(state, steps):
        for _ in range(steps):
            state, _ = step(state, X, Y)
        return state

    middle = run(ro.TrainState.create(PARAMS, tx), 5)
    whole = middle.unpack()
    abstract = jax.eval_shape(lambda: ro.TrainState.create(PARAMS, tx))
    again = restored(tmp_path / "run", whole, abstract)
    assert type(again) is ro.TrainState
    assert jax.tree.structure(again) == jax.tree.structure(abstract)
    jax.tree.map(np.testing.assert_array_equal, again, whole)
    one, other = run(again, 5).unpack(), run(middle, 5).unpack()
    jax.tree.map(np.testing.assert_array_equal, one, other)
    assert int(one.step) == 10


def test_a_sharded_run_continues_where_its_arrays_lay(tmp_path):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    shards = {
        "hidden": {"kernel": P(None, "data"), "bias": P("data")},
        "out": {"kernel": P("data"), "bias": P()},
    }
    where = jax.tree.map(lambda spec: NamedSharding(mesh, spec), shards)
    tx = RUNS["clipped adamw"](ro)
    step = ro.train_step(loss, tx, donate=False)

    def run(state, steps):
        for _ in range(steps):
            state, _ = step(state, *jax.device_put((X, Y), NamedSharding(mesh, P("data"))))
        return state

    middle = run(ro.TrainState.create(jax.device_put(PARAMS, where), tx), 3)
    again = restored(tmp_path / "run", middle, middle)
    for x, like in zip(jax.tree.leaves(again), jax.tree.leaves(middle), strict=True):
        assert x.sharding.is_equivalent_to(like.sharding, x.ndim)
    assert not again.opt_state[1][0].mu["hidden"]["kernel"].is_fully_replicated
    jax.tree.map(np.testing.assert_array_equal, run(again, 3), run(middle, 3))
