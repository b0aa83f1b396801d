"""Every row goes into Optax's combinators, and every one of theirs into ours."""

import jax
import jax.numpy as jnp
import optax
import pytest

import regopt_jax as ro
from tests.cases import PRINCIPAL
from tests.laws import runs
from tests.laws.rows import building_blocks, is_building_block, only
from tests.laws.runs import FLOAT32, same_bits

WRAPPERS = {
    "chain": lambda tx: optax.chain(tx, optax.scale(1.0)),
    "masked": lambda tx: optax.masked(tx, True),
    "MultiSteps": lambda tx: optax.MultiSteps(tx, 2).gradient_transformation(),
    "apply_if_finite": lambda tx: optax.apply_if_finite(tx, 5),
}
OURS = {
    "chain": lambda tx: ro.chain(tx, ro.scale(1.0)),
    "masked": lambda tx: ro.masked(tx, True),
    "accumulate": lambda tx: ro.accumulate(tx, 2),
    "apply_if_finite": ro.apply_if_finite,
    "partition": lambda tx: ro.partition({"all": tx}, "all"),
}


def shapes_of_a_step(tx, params):
    def step(params, gradients):
        state = tx.init(params)
        updates, after = tx.update(gradients, state, params)
        return state, after, ro.apply_updates(params, updates)

    with runs.session(FLOAT32, lenient=True):
        return jax.eval_shape(step, params, params)


def kinds(tree):
    return [(x.shape, x.dtype) for x in jax.tree.leaves(tree)]


def keeps_its_kinds(tx, params):
    state, after, stepped = shapes_of_a_step(tx, params)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert kinds(after) == kinds(state)
    assert kinds(stepped) == kinds(params)


@building_blocks
def test_optax_takes_ours(case):
    for wrap in WRAPPERS.values():
        keeps_its_kinds(wrap(case.ours()), runs.shapes(case, FLOAT32))


@pytest.mark.parametrize("case", [case for case in PRINCIPAL if case.optax], ids=repr)
@only(is_building_block, "a chain, which does what its parts do")
def test_ours_take_optax(case):
    for wrap in OURS.values():
        keeps_its_kinds(wrap(case.theirs()), runs.shapes(case, FLOAT32))


def test_a_wrapped_step_has_the_values_of_the_step_itself():
    params, gradients = jnp.array([1.0, -2.0]), jnp.array([0.5, 3.0])
    tx = ro.adamw(0.1, weight_decay=0.1)
    plain, _ = tx.update(gradients, tx.init(params), params)
    for name, wrap in WRAPPERS.items():
        wrapped = wrap(tx)
        state = wrapped.init(params)
        with runs.session(FLOAT32, lenient=True):
            for _ in range(2 if name == "MultiSteps" else 1):
                updates, state = wrapped.update(gradients, state, params)
        same_bits(updates, plain)
