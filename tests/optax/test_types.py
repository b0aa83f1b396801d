"""Structures, dtypes and weak types of updates and states, in the second face and in Optax."""

import jax
import pytest

from tests.cases import CASES
from tests.laws.runs import session
from tests.optax.faces import through_the_face

SHAPES = {"dense": {"kernel": (8, 3), "bias": (8,)}, "conv": ((2, 2, 3, 8),), "scalar": ()}
DTYPES = ["float32", "bfloat16"]
# Of float32 gradients of bfloat16 parameters (MoMo's, of any in bfloat16) the numbers in Optax's
# state change their dtypes from step to step, so that no scan takes it; here they keep theirs.
STEADY = ("schedule_free_", "prodigy", "dog", "dowg", "dadapt_adamw", "momo")


def tree(dtype):
    is_shape = lambda x: isinstance(x, tuple) and all(isinstance(n, int) for n in x)  # noqa: E731
    return jax.tree.map(lambda s: jax.ShapeDtypeStruct(s, dtype), SHAPES, is_leaf=is_shape)


def two_steps(tx, params, grads):
    first = tx.init(params)
    updates, second = tx.update(grads, first, params)
    return first, updates, second, tx.update(grads, second, params)


def types(make, params, grads):
    with session("float32", True):
        out = jax.eval_shape(lambda p, g: two_steps(make(), p, g), params, grads)
    leaves, treedef = jax.tree.flatten_with_path(out)
    return treedef, {
        jax.tree_util.keystr(path): (x.shape, x.dtype, x.weak_type) for path, x in leaves
    }


@pytest.mark.parametrize("grads", DTYPES)
@pytest.mark.parametrize("params", DTYPES)
@pytest.mark.parametrize("case", [case for case in CASES if case.optax], ids=lambda case: case.name)
def test_they_are_those_of_optax(case, params, grads):
    if case.name.startswith(STEADY) and (params != grads or case.name == "momo_adam-adapt"):
        pytest.skip("Optax's state changes its dtypes here; ours does not")
    trees = tree(params), tree(grads)
    try:
        treedef, theirs = types(case.theirs, *trees)
    except TypeError as error:
        pytest.skip(f"Optax fails: {str(error)[:60]}")
    structure, ours = types(lambda: through_the_face(case), *trees)
    assert structure == treedef
    assert ours == theirs
