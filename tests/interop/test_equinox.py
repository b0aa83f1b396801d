"""Equinox's own way: a partitioned module under ``filter_jit``, with ours as with Optax's."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from tests.cases import PRINCIPAL
from tests.laws import compare, runs
from tests.laws.rows import rows
from tests.laws.runs import FLOAT64

eqx = pytest.importorskip("equinox", reason="Equinox is optional")

X = jnp.asarray(np.random.default_rng(0).normal(size=(32, 4)), jnp.float32)
Y = jnp.sin(X[:, 0])


class Attention(eqx.Module):
    """Its ``value`` is one of three arrays, and keeps its name."""

    query: jax.Array
    key: jax.Array
    value: jax.Array
    heads: int = eqx.field(static=True)


def trained(tx, where=eqx.is_inexact_array, steps=40):
    """The documented loop: differentiate and update one part, carry the other along."""
    model = eqx.nn.MLP(4, "scalar", 8, 1, key=jax.random.key(0))
    opt_state = tx.init(eqx.filter(model, where))

    @eqx.filter_jit
    def step(model, opt_state):
        params, static = eqx.partition(model, where)

        @eqx.filter_value_and_grad
        def loss(params):
            return jnp.mean(jnp.square(jax.vmap(eqx.combine(params, static))(X) - Y))

        value, grads = loss(params)
        updates, opt_state = tx.update(grads, opt_state, params)
        return eqx.apply_updates(model, updates), opt_state, value

    losses = []
    for _ in range(steps):
        model, opt_state, value = step(model, opt_state)
        losses.append(float(value))
    return model, opt_state, losses


def test_filter_jit_takes_ours_as_it_takes_optax():
    def tx(o):
        decayed = o.adamw(0.02, weight_decay=0.1, mask=ro.select("**/weight"))
        return o.chain(o.clip_by_global_norm(1.0), decayed)

    _, state, losses = trained(tx(ro))
    with jax.numpy_dtype_promotion("standard"):
        _, their_state, expected = trained(tx(optax))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert jax.tree.structure(state) == jax.tree.structure(their_state)
    assert losses[-1] < 0.3 * losses[0]


def test_a_part_that_is_not_trained_stays():
    start = eqx.nn.MLP(4, "scalar", 8, 1, key=jax.random.key(0))
    last = eqx.tree_at(lambda m: m.layers[-1].weight, jax.tree.map(lambda _: False, start), True)
    model, state, losses = trained(ro.adam(0.02), where=last)
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(model.layers[0].weight, start.layers[0].weight)
    np.testing.assert_array_equal(model.layers[-1].bias, start.layers[-1].bias)
    assert not np.any(np.asarray(model.layers[-1].weight) == np.asarray(start.layers[-1].weight))
    assert [x.shape for x in jax.tree.leaves(optax.tree.get(state, "mu"))] == [(1, 8)]


def test_paths_are_attributes():
    x = jnp.ones(2)
    mask = ro.select("attention/value")({"attention": Attention(x, x, x, 2)})
    assert jax.tree.leaves(mask) == [False, False, True]


def test_proximal_zeros_in_one_layer():
    R = ro.l1(0.05).on(ro.select("layers/0/weight"))
    model, _, _ = trained(ro.proximal(ro.adam(0.02), R))
    weight = np.asarray(model.layers[0].weight)
    assert 0 < np.sum(weight == 0) < weight.size
    assert not np.any(np.asarray(model.layers[1].weight) == 0)


def test_describe_takes_the_module_that_a_training_step_takes():
    model = eqx.nn.MLP(2, 2, 4, 1, key=jax.random.key(0))
    described = ro.describe(ro.adam(0.1), model)
    assert described.leaves == 4
    assert described.elements == 2 * 4 + 4 + 4 * 2 + 2


def static_part(tx):
    """What a library that takes closures apart compares: all but the arrays."""
    opened = eqx.internal.closure_to_pytree(tx)
    return opened, [x for x in jax.tree.leaves(opened) if not eqx.is_array(x)]


@rows
def test_closures_can_be_taken_apart(case):
    """As Optimistix does: what is in their cells has a hash, and computes the same as before."""
    tx, params = case.make(), runs.shapes(case, FLOAT64)
    opened, static = static_part(tx)
    assert [hash(x) for x in static]
    if case not in PRINCIPAL:
        return

    def program(tx):
        tx = case.given(case.around(tx))
        state = jax.eval_shape(tx.init, params)
        return compare.text(jax.make_jaxpr(tx.update)(params, state, params))

    with runs.session(FLOAT64, case.theirs_inside):
        assert program(opened) == program(tx)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ro.masked(ro.adam(0.1), {"w": True, "b": [False]}),
        lambda: ro.partition({"all": ro.adam(0.1)}, {"w": "all", "b": ["all"]}),
        lambda: ro.freeze({"w": True, "b": [False]}),
        lambda: ro.adamw(0.1, mask={"w": True, "b": [False]}),
        lambda: ro.chain(optax.masked(optax.adam(0.1), {"w": True, "b": [False]}), ro.scale(2.0)),
        lambda: ro.adam(ro.piecewise_constant_schedule(0.1, {3: 0.5})),
        lambda: ro.inject_hyperparams(ro.adam)(ro.join_schedules([ro.linear_warmup(1.0, 3)], [])),
        lambda: ro.chain(ro.monitor({"norm": ro.global_norm}), ro.sgd(jnp.array(0.1))),
    ],
)
def test_whatever_trees_are_among_their_arguments(make):
    _, static = static_part(make())
    assert [hash(x) for x in static]
