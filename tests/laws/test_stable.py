"""Law 2: a state keeps its structure, shapes, dtypes and weak types; a step compiles once."""

import jax
import jax.numpy as jnp

import regopt_jax as ro
from tests.cases import PRINCIPAL
from tests.laws import runs
from tests.laws.rows import only, rows
from tests.laws.runs import FLOAT32, FLOAT64, MIXED, home, ours

BFLOAT16 = "bfloat16"
WHOLE = (BFLOAT16, FLOAT64)  # one dtype in the whole tree


def signature(tree):
    """The shape, dtype and weak type of each leaf, by name."""
    return {
        jax.tree_util.keystr(path): (x.shape, x.dtype, x.weak_type)
        for path, x in jax.tree.leaves_with_path(tree)
    }


def structs(case, regime):
    if regime == BFLOAT16:
        return jax.tree.map(
            lambda s: jax.ShapeDtypeStruct(s.shape, jnp.bfloat16), runs.shapes(case, MIXED)
        )
    return runs.shapes(case, regime)


def regimes(case):
    return [FLOAT32, BFLOAT16, MIXED, FLOAT64] if case in PRINCIPAL else [FLOAT64]


def kept(case, regime, spoil=lambda params: params):
    """The shapes of updates, after the check that a step leaves everything as it was."""
    params = structs(case, regime)
    with runs.session(regime, case.theirs_inside):
        tx = case.ours()
        state = jax.eval_shape(tx.init, params)
        updates, after = jax.eval_shape(tx.update, spoil(params), state, params)
        stepped = jax.eval_shape(ro.apply_updates, params, updates)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert signature(after) == signature(state)
    assert not [name for name, (*_, weak) in signature(state).items() if weak]
    assert signature(stepped) == signature(params)
    return params, updates


@rows
@only(lambda case: not case.random, "its row takes the key out of the state")
def test_init_makes_shapes_of_shapes(case):
    params = structs(case, home(case))
    with runs.session(home(case), case.theirs_inside):
        tx = case.ours()
        planned, state = tx.init(params), jax.eval_shape(tx.init, params)
    assert jax.tree.structure(planned) == jax.tree.structure(state)
    assert signature(planned) == signature(state)
    assert all(isinstance(x, jax.ShapeDtypeStruct) for x in jax.tree.leaves(planned))


@rows
def test_the_state_keeps_its_structure_shapes_dtypes_and_weak_types(case):
    """Where the tree has one dtype, updates keep that of the gradients too."""
    for regime in regimes(case):
        params, updates = kept(case, regime)
        pairs = zip(jax.tree.leaves(updates), jax.tree.leaves(params), strict=True)
        assert all(u.shape == p.shape for u, p in pairs)
        if regime in WHOLE and not case.wide_updates:
            assert {u.dtype for u in jax.tree.leaves(updates)} <= {
                p.dtype for p in jax.tree.leaves(params)
            }


@rows
def test_a_leaf_without_a_gradient_stays(case):
    """``None`` among the gradients of a leaf that init knew: no update, the same state."""
    _, updates = kept(case, FLOAT32, lambda params: params | {"scalar": None})
    assert updates["scalar"] is None


@rows
def test_all_steps_compile_once(case):
    """The first half starts from ``init``'s state, the second from ``update``'s."""
    assert ours(case, home(case)).programs == 1
