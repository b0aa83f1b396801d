"""Sharded arrays on explicit axes: methods that mix elements work on the whole array.

There the layout is part of the type, and a product of sharded matrices an error unless it
names the layout of its result. Optax's Muon raises it.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

import regopt_jax as ro
from tests.laws.runs import close, ulps
from tests.versions import explicit_axes

MESH = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Explicit,))
SPECS = {"rows": P("x", None), "columns": P(None, "x")}
RNG = np.random.default_rng(0)
PARAMS, *GRADS = (
    {name: RNG.normal(size=(8, 8)).astype(np.float32) for name in SPECS} for _ in range(4)
)
TRANSFORMATIONS = {
    "muon": lambda: ro.muon(0.1),
    "normuon": lambda: ro.normuon(0.1),
    "shampoo": lambda: ro.shampoo(0.1),
    "soap": lambda: ro.soap(0.1),
    "adafactor": lambda: ro.adafactor(0.1, min_dim_size_to_factor=8),
    "galore": lambda: ro.galore(0.1, rank=2, update_proj_gap=2),
    "flatten": lambda: ro.flatten(ro.adam(0.1)),
    "group lasso": lambda: ro.proximal(ro.adam(0.1), ro.group_lasso(0.1)),
    "nuclear norm": lambda: ro.proximal(ro.sgd(0.1), ro.nuclear_norm(0.5)),
    "its gradient": lambda: ro.regularize(ro.sgd(0.1), ro.nuclear_norm(0.5), how="coupled"),
}


def placed(tree):
    return {name: jax.device_put(x, NamedSharding(MESH, SPECS[name])) for name, x in tree.items()}


def followed(tx, place):
    params, update = place(PARAMS), jax.jit(tx.update)
    state = tx.init(params)
    for grads in GRADS:
        updates, state = update(place(grads), state, params)
        params = ro.apply_updates(params, updates)
    return params


@explicit_axes
@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_the_whole_array_counts_and_the_layout_stays(name):
    tx = TRANSFORMATIONS[name]()
    result = followed(tx, placed)
    whole = followed(tx, lambda tree: jax.tree.map(jnp.asarray, tree))
    close(result, whole, ulps(64))
    assert {key: jax.typeof(x).sharding.spec for key, x in result.items()} == SPECS


@pytest.mark.parametrize("name", ["muon", "flatten", "nuclear norm"])
def test_an_older_jax_is_told_what_is_missing(name, monkeypatch):
    jax.clear_caches()  # what an earlier test compiled would not ask again
    monkeypatch.delattr(jax.sharding, "reshard", raising=False)
    with pytest.raises(NotImplementedError, match=r"explicit axes need jax >= 0\.7\.0"):
        followed(TRANSFORMATIONS[name](), placed)
