"""Law 7: inputs never change, and the same inputs give the same bits."""

import jax
import numpy as np

from tests.laws.rows import building_blocks, rows
from tests.laws.runs import FLOAT64, home, ours, same_bits


def copy(tree):
    return jax.tree.map(lambda x: np.array(x, copy=True), tree)


@rows
def test_the_same_inputs_give_the_same_bits_and_are_left_alone(case):
    run = ours(case, home(case))
    inputs = (*run.middle, run.halves[1])
    before = copy(inputs)
    (params, state), _ = run.go(*run.middle, 1)
    same_bits(copy(inputs), before)
    same_bits((params, state), run.end)


@building_blocks
def test_an_eager_update_leaves_numpy_inputs_alone(case):
    """NumPy arrays are mutable: what an update wrote into one would show."""
    run = ours(case, FLOAT64)
    inputs = copy((jax.tree.map(lambda g: g[1], run.halves[1]), run.middle[1], run.middle[0]))
    before = copy(inputs)
    structure = jax.tree.structure(inputs)
    with run.session():
        run.tx.update(*inputs)
    same_bits(copy(inputs), before)
    assert jax.tree.structure(inputs) == structure
