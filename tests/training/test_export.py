"""A step that ``jax.export`` made bytes of takes the same steps, here and in a fresh process."""

import functools
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

import regopt_jax as ro
from regopt_jax.training import export
from tests.laws.runs import close, ulps
from tests.training.network import CHAINS, PARAMS, X, Y, halves, loss

pytest.importorskip("flatbuffers", reason="jax.export serialises with flatbuffers")

ROOT = pathlib.Path(__file__).parents[2]
RUNS = [
    *((name, False) for name in ("clipped adamw", "proximal", "partition")),
    ("accumulate", True),
]


def begin(name, pack):
    tx = CHAINS[name]()
    state = ro.TrainState.create(PARAMS, tx)
    return tx, state.pack(tx) if pack else state


def follow(step, state, batches=None):
    losses = []
    for batch in batches or halves(4):
        state, metrics = step(state, *batch)
        losses.append((metrics["loss"], metrics["grad_norm"], metrics["learning_rate"]))
    return state, losses


@functools.cache
def serialized(name, pack):
    tx, state = begin(name, pack)
    (n,) = jax.export.symbolic_shape("n")
    shapes = [jax.ShapeDtypeStruct((n, 16), jnp.float32)] * 2
    return ro.serialize_step(ro.train_step(loss, tx, pack=pack), state, *shapes)


@functools.cache
def plain(name, pack):
    tx, state = begin(name, pack)
    return follow(ro.train_step(loss, tx, pack=pack), state)


def assert_same_bits(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize(("name", "pack"), RUNS)
def test_the_same_steps_to_the_bit(name, pack):
    _, state = begin(name, pack)
    result = follow(ro.deserialize_step(serialized(name, pack)), state)
    assert_same_bits(result, plain(name, pack))


FRESH = """
import pathlib, sys
import jax, numpy as np
import regopt_jax as ro
from tests.training import network

network.loss = None
from tests.training.test_export import RUNS, begin, follow

for i, run in enumerate(RUNS):
    step = ro.deserialize_step(pathlib.Path(sys.argv[1], f"{i}.bin").read_bytes())
    state, losses = follow(step, begin(*run)[1])
    np.savez(pathlib.Path(sys.argv[1], f"{i}.npz"), *jax.tree.leaves((state, losses)))
"""


def test_in_a_fresh_process_without_the_loss(tmp_path):
    for i, run in enumerate(RUNS):
        (tmp_path / f"{i}.bin").write_bytes(serialized(*run))
    subprocess.run([sys.executable, "-c", FRESH, str(tmp_path)], cwd=ROOT, check=True, timeout=120)
    for i, run in enumerate(RUNS):
        with np.load(tmp_path / f"{i}.npz") as saved:
            assert_same_bits([saved[key] for key in saved.files], jax.tree.leaves(plain(*run)))


def test_one_program_for_batches_of_any_size():
    _, state = begin("clipped adamw", False)
    batches = [(X[:5], Y[:5])] * 2
    result = follow(ro.deserialize_step(serialized("clipped adamw", False)), state, batches)
    tx, state = begin("clipped adamw", False)
    close(result, follow(ro.train_step(loss, tx), state, batches), ulps(64))


@pytest.mark.parametrize("donate", [True, False])
def test_donation(donate):
    _, old = begin("clipped adamw", False)
    ro.deserialize_step(serialized("clipped adamw", False), donate)(old, X, Y)
    assert {x.is_deleted() for x in jax.tree.leaves(old)} == {donate}


def test_the_options_of_the_compiler_are_given_again(monkeypatch):
    monkeypatch.setattr(export, "compiler_options", lambda: {"xla_no_such_option": True})
    step = ro.deserialize_step(serialized("clipped adamw", False))
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_no_such_option"):
        step(begin("clipped adamw", False)[1], X, Y)


def test_it_runs_inside_scan():
    step = ro.deserialize_step(serialized("clipped adamw", False))
    batches = jax.tree.map(lambda *xs: np.stack(xs), *halves(4))
    start = begin("clipped adamw", False)[1]
    state, metrics = jax.jit(lambda s: jax.lax.scan(lambda s, b: step(s, *b), s, batches))(start)
    expected, losses = plain("clipped adamw", False)
    close(state.params, expected.params, ulps(64))
    close(metrics["loss"], jnp.stack([x for x, *_ in losses]), ulps(64))


def test_jax_export_by_hand():
    """What JAX's own manual says works too, for as long as the program stays in the process."""
    tx, state = begin("clipped adamw", False)
    step = jax.jit(ro.train_step(loss, tx))
    exported = jax.export.export(step)(state, *halves(1)[0])
    assert_same_bits(follow(exported.call, state), plain("clipped adamw", False))


def test_a_model_with_leaves_that_are_not_trained():
    model = {"w": jnp.ones(3), "f": jnp.tanh, "n": 2, "mask": np.array([True, False, True])}

    def of_model(m, x):
        kept = jnp.where(m["mask"], m["f"](m["w"] * x), 0.0)
        return jnp.sum(kept) * m["n"], {"kept": kept}

    tx = ro.adam(0.1)
    step = ro.train_step(of_model, tx, has_aux=True)
    state = ro.TrainState.create(model, tx)
    again = ro.deserialize_step(ro.serialize_step(step, state, jnp.ones(3)))
    new, metrics = again(ro.TrainState.create(model, tx), jnp.ones(3))
    assert new.params["f"] is jnp.tanh
    assert new.params["n"] == 2
    assert_same_bits((new, metrics), step(state, jnp.ones(3)))
    more = model | {"n": 3}
    _, other = again(ro.TrainState.create(more, tx), jnp.ones(3))
    np.testing.assert_allclose(other["loss"], metrics["loss"] * 1.5, rtol=1e-6)


def test_a_state_on_eight_devices_stays_where_it_is():
    tx = CHAINS["shampoo"]()
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    put = functools.partial(jax.device_put, device=NamedSharding(mesh, P("data")))
    batches = [put(batch) for batch in halves(4)]
    step = ro.train_step(loss, tx)
    again = ro.deserialize_step(
        ro.serialize_step(step, ro.TrainState.create(put(PARAMS), tx), *batches[0])
    )
    expected, _ = follow(step, ro.TrainState.create(put(PARAMS), tx), batches)
    state, _ = follow(again, ro.TrainState.create(put(PARAMS), tx), batches)
    close(state.params, expected.params, ulps(64))
    for x, like in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        assert x.sharding.is_equivalent_to(like.sharding, x.ndim)


def test_another_structure_is_an_error_that_names_the_path():
    tx, _ = begin("clipped adamw", False)
    other = ro.TrainState.create({"hidden": PARAMS["hidden"], "last": PARAMS["out"]}, tx)
    step = ro.deserialize_step(serialized("clipped adamw", False))
    with pytest.raises(ValueError, match=r"\['last'\]\['kernel'\]"):
        step(other, X, Y)


def test_a_step_that_packs_needs_a_packed_state():
    tx, state = begin("clipped adamw", False)
    with pytest.raises(ValueError, match=r"serialize_step: .*state\.pack\(tx\)"):
        ro.serialize_step(ro.train_step(loss, tx, pack=True), state, X, Y)
