"""States in few bits: which slots, how many bytes; what reads a state reads through."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

import regopt_jax as ro
from regopt_jax import precision
from regopt_jax._core.stored import Encoded

RNG = np.random.default_rng(0)
PARAMS = {
    "layer": {"kernel": jnp.asarray(RNG.normal(size=(64, 128)), jnp.float32), "bias": jnp.ones(128)}
}
SIZE = 64 * 128


def gradients(t):
    rng = np.random.default_rng(t)
    return jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape), p.dtype), PARAMS)


def run(tx, state=None, steps=5, params=PARAMS, start=0):
    state = tx.init(params) if state is None else state
    step = jax.jit(tx.update)
    for t in range(start, start + steps):
        updates, state = step(gradients(t), state, params)
        params = ro.apply_updates(params, updates)
    return params, state


def formats(state):
    """Of each slot its field and its parameter, the format that it is kept in."""
    leaves = jax.tree.leaves_with_path(state, is_leaf=lambda x: isinstance(x, Encoded))
    return {
        f"{path[-3].name}/{path[-1].key}": str(x.format)
        for path, x in leaves
        if isinstance(x, Encoded)
    }


def bytes_of(state):
    return sum(x.nbytes for x in jax.tree.leaves(state))


def test_moments_of_large_parameters_are_kept_by_their_sign():
    state = ro.quantized(ro.adamw(1e-3)).init(PARAMS)
    assert formats(state) == {"mu/kernel": "int8_companded", "nu/kernel": "uint8_sqrt"}


def test_of_optaxs_own_too():
    state = ro.quantized(optax.adamw(1e-3)).init(PARAMS)
    assert formats(state) == {"mu/kernel": "int8_companded", "nu/kernel": "uint8_sqrt"}


def test_where_and_how_small():
    state = ro.quantized(ro.adam(1e-3), "bf16", where=ro.select("**/bias"), min_size=1).init(PARAMS)
    assert formats(state) == {"mu/bias": "bf16", "nu/bias": "bf16"}


def test_by_slot():
    tx = ro.quantized(ro.adam(1e-3), {"nu": "8bit"}, min_size=0)
    assert formats(tx.init(PARAMS)) == {"nu/kernel": "uint8_sqrt", "nu/bias": "uint8_sqrt"}
    tx = ro.quantized(ro.adam(1e-3), {"mu": precision.bf16, "nu": precision.uint4})
    assert formats(tx.init(PARAMS)) == {"mu/kernel": "bf16", "nu/kernel": "uint4"}


def test_what_holds_parameters_or_a_sum_stays():
    for tx in (ro.schedule_free_sgd(0.1), ro.params_ema(0.9), ro.accumulate(ro.sgd(0.1), 4)):
        assert formats(ro.quantized(tx).init(PARAMS)) == {}
    tx = ro.quantized(ro.params_ema(0.9), {"params_ema": "bf16_ecc"})
    assert formats(tx.init(PARAMS)) == {"params_ema/kernel": "bf16_ecc"}


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no format is called '9bit'; there are bf16, "):
        ro.quantized(ro.adam(0.1), "9bit")
    tx = ro.quantized(ro.adam(0.1), {"momentum": "bf16"})
    with pytest.raises(ValueError, match="there is no slot momentum; there are mu, nu"):
        tx.init(PARAMS)


@pytest.mark.parametrize(
    ("make", "moments"),
    [(lambda: ro.adamw(1e-3), 2), (lambda: ro.lion(1e-3), 1), (lambda: ro.sgd(0.1, 0.9), 1)],
    ids=["adamw", "lion", "momentum"],
)
def test_bytes_a_parameter(make, moments):
    params = {"w": jax.ShapeDtypeStruct((1024, 1024), jnp.float32)}
    for format_, each in (("8bit", 1.0625), ("bf16", 2), ("4bit", 0.53125), ("fp8_e4m3", 1.015625)):
        state = jax.eval_shape(ro.quantized(make(), format_).init, params)
        found = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state)) / 1024**2
        assert found == pytest.approx(moments * each, abs=1e-4)


@pytest.mark.parametrize("format_", ["bf16", "8bit", "fp8_e4m3", "4bit"])
def test_the_trajectory_is_near(format_):
    make = ro.adamw(0.1)
    params, _ = run(ro.quantized(make, format_), steps=20)
    expected, _ = run(make, steps=20)
    for a, e, p in zip(*map(jax.tree.leaves, (params, expected, PARAMS)), strict=True):
        limit = {"bf16": 0.02, "8bit": 0.05, "fp8_e4m3": 0.1, "4bit": 0.4}[format_]
        assert np.linalg.norm(a - e) <= limit * np.linalg.norm(e - p)


def test_a_second_moment_shrinks_without_gradients():
    """That of a bfloat16 does not: 0.999 of it is rounded back."""
    tx = ro.quantized(ro.scale_by_adam())
    zeros = jax.tree.map(jnp.zeros_like, PARAMS)
    update = jax.jit(tx.update)
    _, state = update(PARAMS, tx.init(PARAMS))
    nu = state.nu["layer"]["kernel"]
    before = nu.format.decode(nu.kept)
    for _ in range(300):
        _, state = update(zeros, state)
    nu = state.nu["layer"]["kernel"]
    np.testing.assert_allclose(nu.format.decode(nu.kept), before * 0.999**300, rtol=1e-3)


def test_what_is_in_force_is_read_through_it():
    tx = ro.quantized(ro.adamw(ro.linear_schedule(0.1, 0.0, 10)))
    _, state = run(tx, steps=5)
    assert float(ro.learning_rate(tx, state)) == pytest.approx(0.05)
    plain = ro.adamw(ro.linear_schedule(0.1, 0.0, 10))
    _, expected = run(plain, steps=5)
    here, there = tx.metric(state, PARAMS), plain.metric(expected, PARAMS)
    for a, e in zip(*map(jax.tree.leaves, (here, there)), strict=True):
        assert np.median(np.abs(a / e - 1)) < 0.05


def test_a_description_has_the_format_and_its_bytes():
    tx = ro.chain(ro.clip(1.0), ro.quantized(ro.adam(0.1), "4bit"))
    described = ro.describe(tx, PARAMS)
    assert "quantized(format='4bit', min_size=4096)" in str(described)
    kept = bytes_of(ro.quantized(ro.adam(0.1), "4bit").init(PARAMS))
    quantized = described.parts[1]
    assert quantized.state_bytes == quantized.parts[0].parts[0].state_bytes == kept


def test_a_proximal_map_of_it_gives_zeros():
    tx = ro.proximal(ro.quantized(ro.adam(0.1)), ro.l1(3.0))
    params, _ = run(tx, steps=10)
    assert float(jnp.mean(params["layer"]["kernel"] == 0)) > 0.2


def test_to_and_from_float32_in_the_middle_of_a_run():
    plain = ro.chain(ro.clip_by_global_norm(1.0), ro.adamw(0.1))
    kept = ro.chain(ro.clip_by_global_norm(1.0), ro.quantized(ro.adamw(0.1)))
    params, state = run(plain)
    there = ro.requantize(state, plain, kept, PARAMS)
    assert jax.tree.structure(there) == jax.tree.structure(kept.init(PARAMS))
    back = ro.requantize(there, kept, plain, PARAMS)
    assert jax.tree.structure(back) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, ro.requantize(back, plain, kept, PARAMS), there)
    expected, _ = run(plain, state, params=params, start=5)
    ended, _ = run(kept, there, params=params, start=5)
    for a, e in zip(*map(jax.tree.leaves, (ended, expected)), strict=True):
        np.testing.assert_allclose(a, e, atol=0.05)
    with pytest.raises(ValueError, match="not of from_tx"):
        ro.requantize(state, kept, plain, PARAMS)
    with pytest.raises(ValueError, match="differ in more than formats"):
        ro.requantize(state, plain, ro.sgd(0.1, 0.9), PARAMS)


def test_in_a_loop_in_groups_and_held_back():
    inner = ro.quantized(ro.adam(0.1), min_size=1)
    labels = ro.label_by({"matrix": ro.select(min_ndim=2)}, default="vector")
    groups = ro.partition({"matrix": inner, "vector": ro.sgd(0.1)}, labels)
    for tx in (
        groups,
        ro.masked(inner, ro.select(min_ndim=2)),
        ro.accumulate(inner, 2),
        ro.apply_if_finite(inner),
        ro.quantized(ro.accumulate(ro.adam(0.1), 2)),
    ):
        state = tx.init(PARAMS)

        def body(carry, t, tx=tx):
            params, state = carry
            params, state = tx.step(jax.tree.map(jnp.sin, params), state, params)
            return (params, state), t

        (params, after), _ = jax.jit(lambda c: jax.lax.scan(body, c, jnp.arange(4)))(
            (PARAMS, state)
        )
        assert jax.tree.structure(after) == jax.tree.structure(state)
        assert all(bool(jnp.all(jnp.isfinite(x))) for x in jax.tree.leaves(params))


@pytest.mark.parametrize("format_", ["bf16", "8bit", "fp8_e4m3", "4bit"])
@pytest.mark.parametrize("axes", [("data", None), (None, "data")], ids=["rows", "columns"])
@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=["auto", "explicit"])
def test_sharded_parameters(format_, axes, kind):
    """The codes lie as the parameter does; the result is the same."""
    tx = ro.quantized(ro.adam(0.1), format_, min_size=1)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(kind,))
    lies = NamedSharding(mesh, P(*axes))
    params = {"w": PARAMS["layer"]["kernel"]}
    sharded = jax.tree.map(lambda x: jax.device_put(x, lies), params)
    expected, _ = jax.jit(tx.update)(params, tx.init(params), params)
    with jax.set_mesh(mesh) if kind == AxisType.Explicit else contextlib.nullcontext():
        state = tx.init(sharded)
        updates, after = jax.jit(tx.update)(sharded, state, sharded)
    np.testing.assert_allclose(updates["w"], expected["w"], rtol=1e-5)
    codes = jax.tree.leaves(after[0].mu)[0]
    assert codes.sharding.is_equivalent_to(lies, 2)
    jax.tree.map(lambda a, b: a.sharding.is_equivalent_to(b.sharding, a.ndim), after, state)


def test_in_a_packed_training_step():
    def loss(params, x):
        return jnp.mean(jnp.square(x @ params["layer"]["kernel"] + params["layer"]["bias"][None]))

    tx = ro.quantized(ro.adam(0.01), min_size=1)
    step = ro.train_step(loss, tx, pack=True)
    state, losses = ro.TrainState.create(PARAMS, tx), []
    for _ in range(10):
        state, metrics = step(state, jnp.ones((4, 64)))
        losses.append(float(metrics["loss"]))
    assert losses[-1] < losses[0]


def test_it_is_a_call_like_any_other():
    tx = ro.quantized(ro.adam(0.1), {"mu": "bf16"}, where=ro.select(min_ndim=2))
    assert tx == ro.quantized(ro.adam(0.1), {"mu": "bf16"}, where=ro.select(min_ndim=2))
    assert ro.from_json(ro.to_json(tx)) == tx
    assert hash(ro.quantized(ro.adam(0.1), precision.int4)) is not None
