"""``jax.lax.scan`` over steps is the loop over steps."""

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

STEPS = 6
STACKED = jax.tree.map(lambda *xs: np.stack(xs), *halves(STEPS))


def looped(step, state):
    history = []
    for batch in halves(STEPS):
        state, metrics = step(state, *batch)
        history.append(metrics)
    return state, jax.tree.map(lambda *xs: jnp.stack(xs), *history)


@functools.partial(jax.jit, static_argnums=0)
def scanned(step, state, batches=STACKED):
    return jax.lax.scan(lambda state, batch: step(state, *batch), state, batches)


@pytest.mark.parametrize("pack", [False, True], ids=["tree", "packed"])
@pytest.mark.parametrize("name", ["clipped adamw", "proximal", "partition", "accumulate"])
def test_scan_is_the_loop(name, pack):
    tx = CHAINS[name]()
    step = ro.train_step(loss, tx, donate=False, pack=pack)
    state = ro.TrainState.create(PARAMS, tx)
    state = state.pack(tx) if pack else state
    end, metrics = scanned(step, state)
    assert isinstance(end.params, ro.Packed) == pack
    assert metrics["loss"].shape == (STEPS,)
    close((end, metrics), looped(step, state), ulps(64))


def test_two_halves_are_the_whole():
    """A run stopped between two scans, in the middle of an accumulation, goes on."""
    tx = ro.accumulate(CHAINS["proximal"](), 2)
    step, state = ro.train_step(loss, tx, donate=False), ro.TrainState.create(PARAMS, tx)
    first, second = ([x[part] for x in STACKED] for part in (slice(3), slice(3, None)))
    middle, _ = scanned(step, state, first)
    assert int(middle.opt_state.mini_step) == 1
    end, _ = scanned(step, middle, second)
    close(end, scanned(step, state)[0], ulps(64))


@explicit_axes
def test_on_eight_devices_where_arrays_carry_their_layout():
    """With explicit axes a scan refuses a state whose layout changes from step to step."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Explicit,))
    tx = CHAINS["shampoo"]()

    def gathered(params, x, y):
        return loss(jax.sharding.reshard(params, NamedSharding(mesh, P())), x, y)

    params = jax.device_put(PARAMS, NamedSharding(mesh, P("data")))
    batches = jax.device_put(STACKED, NamedSharding(mesh, P(None, "data")))
    end, _ = scanned(ro.train_step(gathered, tx), ro.TrainState.create(params, tx), batches)
    expected, _ = scanned(ro.train_step(loss, tx), ro.TrainState.create(PARAMS, tx))
    close(end.params, expected.params, ulps(64))
    assert end.params["out"]["kernel"].sharding.spec == P("data", None)


def test_pack_is_what_the_first_step_does():
    tx = CHAINS["clipped adamw"]()
    state = ro.TrainState.create(PARAMS, tx)
    packed = state.pack(tx)
    assert packed.pack(tx) is packed
    assert jax.tree.structure(packed.unpack()) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, packed.unpack(), state)
    step = ro.train_step(loss, tx, pack=True, donate=False)
    one, other = step(packed, *halves(1)[0]), step(state, *halves(1)[0])
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, one, other)
