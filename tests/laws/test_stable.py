"""Law 2: a state keeps its structure, shapes, dtypes and weak types; a step compiles once."""

import jax
import jax.numpy as jnp
import pytest

import regopt_jax as ro
from tests.cases import CASES, PRINCIPAL
from tests.laws import runs
from tests.laws.runs import FLOAT32, FLOAT64, MIXED, home, ours

BFLOAT16 = "bfloat16"
WHOLE = (BFLOAT16, FLOAT64)  # one dtype in the whole tree
rows = pytest.mark.parametrize("case", CASES, ids=repr)


def signature(tree):
    return jax.tree.structure(tree), [
        (x.shape, x.dtype, x.weak_type) for x in jax.tree.leaves(tree)
    ]


def structs(case, regime):
    if regime == BFLOAT16:
        return jax.tree.map(
            lambda s: jax.ShapeDtypeStruct(s.shape, jnp.bfloat16), runs.shapes(case, MIXED)
        )
    return runs.shapes(case, regime)


CELLS = [
    (case, regime)
    for case in CASES
    for regime in ([FLOAT32, BFLOAT16, MIXED, FLOAT64] if case in PRINCIPAL else [FLOAT64])
]


@pytest.mark.parametrize(("case", "regime"), CELLS, ids=str)
def test_the_state_keeps_its_structure_shapes_dtypes_and_weak_types(case, regime):
    params = structs(case, regime)
    with runs.session(regime, case.theirs_inside):
        tx = case.ours()
        state = jax.eval_shape(tx.init, params)
        updates, after = jax.eval_shape(tx.update, params, state, params)
        stepped = jax.eval_shape(ro.apply_updates, params, updates)
    assert signature(after) == signature(state)
    assert not any(weak for *_, weak in signature(state)[1])
    assert signature(stepped) == signature(params)
    assert [u.shape for u in jax.tree.leaves(updates)] == [p.shape for p in jax.tree.leaves(params)]


@pytest.mark.parametrize(("case", "regime"), [c for c in CELLS if c[1] in WHOLE], ids=str)
def test_updates_keep_the_dtype_of_the_gradients(case, regime):
    params = structs(case, regime)
    with runs.session(regime, case.theirs_inside):
        tx = case.ours()
        updates, _ = jax.eval_shape(tx.update, params, jax.eval_shape(tx.init, params), params)
    assert [u.dtype for u in jax.tree.leaves(updates)] == [p.dtype for p in jax.tree.leaves(params)]


@rows
def test_a_leaf_without_a_gradient_stays(case):
    """``None`` among the gradients of a leaf that init knew: no update, the same state."""
    params = structs(case, FLOAT32)
    grads = params | {"scalar": None}
    with runs.session(FLOAT32, case.theirs_inside):
        tx = case.ours()
        state = jax.eval_shape(tx.init, params)
        updates, after = jax.eval_shape(tx.update, grads, state, params)
    assert updates["scalar"] is None
    assert signature(after) == signature(state)


@rows
def test_all_steps_compile_once(case):
    """The first half starts from ``init``'s state, the second from ``update``'s."""
    assert ours(case, home(case)).programs == 1
