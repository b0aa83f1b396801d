"""Counts end at the last int32: what reads one goes on from there, and what is past it is far."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.cases import PRINCIPAL
from tests.laws import runs
from tests.laws.rows import principal
from tests.laws.runs import FLOAT32, at, home, ours

LAST = 2**31 - 1


def is_count(x):
    return jnp.issubdtype(x.dtype, jnp.int32)


@principal
def test_steps_go_on_when_the_counts_are_at_their_end(case):
    """Each saturates: none wraps around, and no update becomes what is no number."""
    run = ours(case, home(case))
    params, state = run.middle
    state = jax.tree.map(lambda x: np.full_like(x, LAST - 1) if is_count(x) else x, state)
    with run.session():
        for t in range(2, 5):
            gradients = at(run.halves[1], t)
            (params, state), steps = run.compiled(params, state, gradients)
            for path, x in jax.tree.leaves_with_path((steps.updates, state)):
                assert not is_count(x) or np.all(x >= 0), jax.tree_util.keystr(path)
                assert is_count(x) or not np.any(np.isnan(x)), jax.tree_util.keystr(path)
            assert all(np.all(np.isfinite(u)) for u in jax.tree.leaves(steps.updates))


NUMBERS = {
    "every_k", "k", "sync_period", "patience", "cooldown", "accumulation_size",
    "precondition_frequency", "max_consecutive_errors", "min_dim_size_to_factor", "step_offset",
    "decay_offset", "t0", "max_precond_dim", "warmup_steps", "total_steps", "growth_tracker",
}  # fmt: skip
LONG = [
    (case, name)
    for case in PRINCIPAL
    for name in sorted(NUMBERS & set(inspect.signature(case.make.func).parameters))
]


@pytest.mark.parametrize(("case", "name"), LONG, ids=str)
def test_a_number_of_steps_past_all_counts_is_never_reached(case, name):
    """Such as ``sys.maxsize``, for never."""
    shapes = runs.shapes(case, FLOAT32)
    with runs.session(FLOAT32, case.theirs_inside):
        for steps in (LAST, LAST + 1, 2**63 - 1):
            tx = case.ours(**{name: steps})
            state = jax.eval_shape(tx.init, shapes)
            jax.eval_shape(tx.update, shapes, state, shapes)
