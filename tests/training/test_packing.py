"""Packed parameters: the same training, in fewer arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

import regopt_jax as ro


def parameters(dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(0), 12)
    layers = {
        f"layer{i}": {
            "kernel": (jax.random.normal(keys[i], (6, 6)) * 0.4).astype(dtype),
            "bias": jnp.zeros(6, dtype),
        }
        for i in range(5)
    }
    return layers | {
        "head": jax.random.normal(keys[9], (6, 3)),
        "large": jax.random.normal(keys[10], (80, 80)),
        "scale": jnp.float32(1.5),
        "empty": jnp.zeros((0, 3)),
        "frozen": None,
    }


def loss(params, x):
    for i in range(5):
        layer = params[f"layer{i}"]
        x = jnp.tanh(x @ layer["kernel"] + layer["bias"][None])
    fit = jnp.mean((x @ params["head"] - params["scale"]) ** 2)
    return fit + jnp.mean(params["large"] ** 2)


def axes():
    matrix = ro.contrib.MuonDimensionNumbers(0, 1)
    layer = {"kernel": matrix, "bias": None}
    rest = {"head": matrix, "large": None, "scale": None, "empty": None, "frozen": None}
    return {f"layer{i}": layer for i in range(5)} | rest


TRANSFORMATIONS = {
    "recommended": lambda: ro.recommended(100),
    "momentum": lambda: ro.sgd(0.01, momentum=0.9, nesterov=True),
    "lion": lambda: ro.lion(1e-2),
    "proximal": lambda: ro.proximal(ro.adam(1e-2), ro.l1(1e-2).on(ro.select("**/kernel"))),
    "accumulate": lambda: ro.accumulate(ro.recommended(100), 2),
    "skip": lambda: ro.apply_if_finite(ro.adamw(1e-3)),
    "partition": lambda: ro.partition(
        {"a": ro.adam(1e-3), "b": ro.sgd(0.1, 0.9)},
        ro.label_by({"a": ro.select("**/bias")}, default="b"),
    ),
    "group lasso in one group": lambda: ro.partition(
        {"a": ro.proximal(ro.adam(1e-2), ro.group_lasso(1e-2)), "b": ro.adam(1e-3)},
        ro.label_by({"a": ro.select("**/kernel")}, default="b"),
    ),
    "muon": lambda: ro.muon(1e-2),
    "muon on chosen axes": lambda: ro.muon(1e-2, muon_weight_dimension_numbers=axes()),
    "normuon": lambda: ro.normuon(1e-2, weight_decay=0.1),
    "a partition by another name": lambda: ro.partition(
        {"a": ro.adam(1e-3), "b": ro.sgd(0.1, 0.9)},
        ro.label_by({"a": ro.select("**/bias")}, default="b"),
    ).named("mine"),
    "groups within a mask": lambda: ro.chain(
        ro.masked(
            ro.partition(
                {"a": ro.scale_by_adam(), "b": ro.trace(0.9)},
                ro.label_by({"a": ro.select("**/bias"), "b": ro.select("layer*/kernel")}),
            ),
            ro.select("layer*/*"),
        ),
        ro.scale_by_learning_rate(1e-2),
    ),
}


@pytest.mark.parametrize("make", TRANSFORMATIONS.values(), ids=TRANSFORMATIONS.keys())
def test_packed_and_unpacked_training_agree(make):
    tx, params = make(), parameters()
    x = jax.random.normal(jax.random.key(7), (16, 6))
    plain, packed = ro.TrainState.create(params, tx), ro.TrainState.create(params, tx)
    step, step_packed = ro.train_step(loss, tx), ro.train_step(loss, tx, pack=True)
    for _ in range(12):
        plain, metrics = step(plain, x)
        packed, metrics_packed = step_packed(packed, x)
    assert isinstance(packed.params, ro.Packed)
    assert len(jax.tree.leaves(packed)) < len(jax.tree.leaves(plain))
    tree = packed.unpack()
    assert jax.tree.structure(tree) == jax.tree.structure(plain)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), plain, tree)
    np.testing.assert_allclose(metrics["loss"], metrics_packed["loss"], rtol=1e-5)
    assert jax.tree.structure(metrics) == jax.tree.structure(metrics_packed)


def test_a_state_in_the_layout_of_the_tree_continues_packed_and_back():
    tx, params = ro.adamw(1e-2, mask=ro.select("**/kernel")), parameters()
    x = jax.random.normal(jax.random.key(7), (16, 6))
    step, step_packed = ro.train_step(loss, tx), ro.train_step(loss, tx, pack=True)
    plain = mixed = ro.TrainState.create(params, tx)
    plain = mixed = jax.tree.map(jnp.array, plain)
    mixed = ro.TrainState(*jax.tree.map(lambda a: jnp.array(a, copy=True), tuple(plain)))
    for _ in range(9):
        plain, _ = step(plain, x)
    for use in (step, step_packed, step):
        for _ in range(3):
            mixed, _ = use(mixed, x)
        mixed = mixed.unpack()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), plain, mixed)


def test_pack_and_unpack_are_inverse_and_keep_dtypes_apart():
    params = parameters() | {"half": jnp.ones(5, jnp.bfloat16), "count": jnp.arange(3)}
    packed = ro.pack(params)
    jax.tree.map(np.testing.assert_array_equal, packed.unpack(), params)
    assert set(packed.layout.names) == {"float32", "bfloat16"}
    kept = [slot.path for slot in packed.layout.members if slot.buffer is None]
    assert kept == ["count", "frozen", "large"]


def test_the_gradient_of_unpacking_is_packed():
    packed = ro.pack(parameters())
    x = jax.random.normal(jax.random.key(7), (16, 6))
    grads = jax.grad(lambda packed: loss(packed.unpack(), x))(packed)
    assert isinstance(grads, ro.Packed)
    direct = jax.grad(loss)(packed.unpack(), x)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), grads.unpack(), direct
    )


@pytest.mark.parametrize("lib", [ro, optax], ids=["ours", "optax"])
def test_any_elementwise_chain_runs_on_it(lib):
    params = {f"p{i}": jnp.full(3, float(i)) for i in range(4)}
    tx = lib.chain(lib.clip_by_global_norm(1.0), lib.adam(0.1))
    packed = ro.pack(params)
    state, tree_state = tx.init(packed), tx.init(params)
    with jax.numpy_dtype_promotion("standard"):
        for _ in range(3):
            updates, state = tx.update(packed, state, packed)
            tree_updates, tree_state = tx.update(params, tree_state, params)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), updates.unpack(), tree_updates
    )
    back = ro.unpack_state(state)
    assert jax.tree.structure(back) == jax.tree.structure(tree_state)
    again = ro.pack_state(tx.init, back, packed)
    jax.tree.map(np.testing.assert_array_equal, again, state)


def test_labels_keep_arrays_apart_and_mixed_buffers_are_refused():
    params = {"a": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}, "b": {"bias": jnp.ones(3)}}
    decay = ro.masked(ro.add_decayed_weights(0.1), ro.select("**/kernel"))
    with pytest.raises(ValueError, match=r"'a/bias' \(False\) and 'a/kernel' \(True\)"):
        decay.init(ro.pack(params))
    packed = ro.pack(params, labels=ro.select("**/kernel"))
    assert packed.layout.names == ("float32/False", "float32/True")
    updates, _ = decay.update(packed, decay.init(packed), packed)
    assert updates.unpack()["a"]["kernel"].tolist() == [[1.1, 1.1]] * 2 or np.allclose(
        updates.unpack()["a"]["kernel"], 1.1
    )
    np.testing.assert_array_equal(updates.unpack()["b"]["bias"], 1.0)


def test_what_is_not_elementwise_is_refused_with_the_reason():
    params = parameters()
    tx = ro.proximal(ro.adam(1e-3), ro.group_lasso(1.0).on(ro.select("**/kernel")))
    step = ro.train_step(loss, tx, pack=True)
    with pytest.raises(ValueError, match="proximal is not elementwise"):
        step(ro.TrainState.create(params, tx), jnp.ones((2, 6)))
    rows = ro.leafwise(lambda g: g - jnp.mean(g), name="centre", role="gradient", elementwise=False)
    with pytest.raises(ValueError, match="centre is not elementwise"):
        rows.init(ro.pack({"a": jnp.ones(2), "b": jnp.ones(2)}))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tx: ro.proximal(tx, ro.group_lasso(0.1)),
        ro.constant_norm,
        ro.clip_update_rms,
        ro.cautious,
    ],
    ids=["proximal", "constant_norm", "clip_update_rms", "cautious"],
)
def test_what_works_across_elements_keeps_arrays_apart_that_its_parts_do_not(wrap):
    centre = ro.leafwise(
        lambda g: g - jnp.mean(g),
        name="centre", role="gradient", elementwise=False, metric=lambda: 1.0,
    )  # fmt: skip
    groups = ro.label_by({"a": ro.select("head")}, default="b")
    tx = wrap(ro.partition({"a": centre, "b": ro.scale_by_rms()}, groups))
    params = parameters()
    with pytest.raises(ValueError, match=f"{tx.name} is not elementwise"):
        ro.TrainState.create(params, tx).pack(tx)


def test_sharded_arrays_are_left_alone():
    mesh = jax.make_mesh((8,), ("data",))
    split = jax.device_put(jnp.ones(16), NamedSharding(mesh, PartitionSpec("data")))
    whole = jax.device_put(jnp.ones(16), NamedSharding(mesh, PartitionSpec()))
    packed = ro.pack({"split": split, "whole": whole, "other": whole + 1})
    assert [slot.path for slot in packed.layout.members if slot.buffer is None] == ["split"]
    assert packed.kept[0].sharding == split.sharding


def test_numpy_arrays_and_tracers_are_packed():
    params = {"a": np.ones(3, np.float32), "b": np.ones(2, np.float32)}
    assert not ro.pack(params).kept
    packed = jax.jit(ro.pack)(params)
    assert (len(packed.buffers), packed.kept) == (1, ())


def test_a_state_of_optax_is_not_packed():
    tx = optax.adam(1e-3)
    said = r"^train_step: optax\.chain is not elementwise: .* Use pack=False\.$"
    with pytest.raises(ValueError, match=said):
        ro.TrainState.create(parameters(), tx).pack(tx)


def test_many_arrays_compile_as_one():
    params = {f"p{i}": jnp.ones(16) for i in range(64)}
    tx = ro.chain(ro.clip_by_global_norm(1.0), ro.adamw(1e-3))
    packed = ro.pack(params)
    text = jax.jit(tx.step).lower(packed, tx.init(packed), packed).as_text()
    assert text.count("sqrt") < 10


def normalised(updates, params):
    return jax.tree.map(lambda g: g / jnp.linalg.norm(g), updates)


ACROSS = {
    "stateless": ro.stateless(normalised),
    "coupled": ro.coupled(ro.group_lasso(1.0)),
    "decoupled": ro.decoupled(ro.group_lasso(1.0)),
    "proximal": ro.proximal(ro.sgd(0.1), ro.group_lasso(0.1)),
    "constant_norm": ro.constant_norm(ro.sgd(0.1)),
    "cautious": ro.cautious(ro.sgd(0.1)),
    "clip_by_block_rms": ro.clip_by_block_rms(1.0),
    "scale_by_muon": ro.scale_by_muon(),
    "optax.chain": optax.adam(0.1),
}


@pytest.mark.parametrize("name", ACROSS)
@pytest.mark.parametrize("around", [lambda tx: tx, lambda tx: ro.accumulate(ro.chain(tx), 2)])
def test_what_works_across_elements_refuses_buffers_of_the_public_pack(name, around):
    tx = ro.chain(around(ACROSS[name]))
    with pytest.raises(ValueError, match=f"{name} is not elementwise"):
        tx.init(ro.pack({"a": jnp.ones(2), "b": jnp.ones(3)}))


def test_what_works_across_elements_takes_what_is_kept_beside_the_buffers():
    packed = ro.pack({"a": jnp.ones(2), "big": jnp.ones((3, 3))}, max_size=4)
    tx = ro.masked(ro.scale_by_muon(), lambda tree: jax.tree.map(lambda x: x.ndim == 2, tree))
    updates, _ = tx.update(packed, tx.init(packed), packed)
    assert updates.unpack()["big"].shape == (3, 3)
