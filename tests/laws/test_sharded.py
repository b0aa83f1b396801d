"""Law 4: parameters sharded over eight devices have a state sharded alike, the same result."""

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

from tests.laws.rows import one_of_a_kind
from tests.laws.runs import DEVICES, FLOAT32, SHORT, after, at, close, ours, step, ulps

SPECS = {(8,): P("x"), (8, 3): P("x", None), (2, 2, 3, 8): P(None, None, None, "x")}


def placed(tree, mesh, stacked=False):
    def put(x):
        spec = SPECS.get(x.shape[stacked:], P())
        return jax.device_put(x, NamedSharding(mesh, P(None, *spec) if stacked else spec))

    return jax.tree.map(put, tree)


def assert_sharded(tree, mesh):
    """Every array with a parameter's shape lies like that parameter, on all devices."""
    for path, x in jax.tree.leaves_with_path(tree):
        if x.shape in SPECS:
            wanted = NamedSharding(mesh, SPECS[x.shape])
            assert x.sharding.is_equivalent_to(wanted, x.ndim), jax.tree_util.keystr(path)
            assert len({shard.device for shard in x.addressable_shards}) == DEVICES


@one_of_a_kind
def test_the_state_is_sharded_like_the_parameters_and_the_result_is_the_same(case):
    run = ours(case, FLOAT32)
    mesh = jax.make_mesh((DEVICES,), ("x",), axis_types=(AxisType.Auto,))
    with run.session():
        params = placed(run.params, mesh)
        state = run.tx.init(params)
        assert_sharded(state, mesh)
        gradients = placed(at(run.halves[0], slice(SHORT)), mesh, stacked=True)
        (params, state), _ = run.follow(params, state, gradients, jax.jit(step(run.tx)))
    assert_sharded((params, state), mesh)
    close((params, state), after(run, SHORT), ulps(256))


def test_eight_devices_are_there():
    assert jax.device_count() == DEVICES
    assert np.all([shape.count(8) == 1 for shape in SPECS])
