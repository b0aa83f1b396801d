"""Law 1: equal to PyTorch, and to the papers' formulas in NumPy, in float64."""

import jax
import numpy as np
import pytest

from tests.cases import CASES
from tests.laws import runs
from tests.laws.runs import FLOAT64, STEPS, close, ours
from tests.oracles import pytorch


def by_step(tree):
    """A stacked tree as a list of lists of arrays, one a step."""
    leaves = jax.tree.leaves(tree)
    return [[np.asarray(leaf[t]) for leaf in leaves] for t in range(STEPS)]


@pytest.mark.parametrize("case", [c for c in CASES if c.numpy], ids=repr)
def test_updates_equal_the_formula_in_float64(case):
    run, oracle = ours(case, FLOAT64), case.numpy()
    first, gradients = runs.data(case, FLOAT64)
    before = [jax.tree.leaves(first), *by_step(run.steps.params)]
    expected = [
        oracle(gs, ps, t + 1)
        for t, (gs, ps) in enumerate(zip(by_step(gradients), before[:-1], strict=True))
    ]
    stacked = [np.stack(us) for us in zip(*expected, strict=True)]
    close(jax.tree.leaves(run.steps.updates), stacked, runs.exactly(1e-12))


@pytest.mark.parametrize("case", [c for c in CASES if c.torch], ids=repr)
def test_parameters_equal_those_of_pytorch(case):
    pytest.importorskip("torch", reason="PyTorch is the oracle")
    run = ours(case, FLOAT64)
    first, gradients = runs.data(case, FLOAT64)
    after = pytorch.trajectory(
        case.torch,
        runs.real_leaves(first),
        by_step(runs.real_leaves(gradients)),
        case.torch_learning_rate,
    )
    stacked = [np.stack(ps) for ps in zip(*after, strict=True)]
    close(runs.real_leaves(run.steps.params), stacked, runs.exactly(1e-12))


def test_every_row_has_an_oracle():
    assert not [case for case in CASES if not (case.optax or case.numpy or case.torch)]
