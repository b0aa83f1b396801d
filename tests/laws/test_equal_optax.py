"""Law 1: the same updates and the same states as Optax, and either continues the other."""

import jax
import jax.numpy as jnp
import pytest

from tests.cases import CASES, PRINCIPAL
from tests.laws import runs
from tests.laws.rows import OF_PARTS, is_building_block
from tests.laws.runs import COMPLEX, FLOAT32, FLOAT64, MIXED, close, home, ours, theirs

WITH_OPTAX = [case for case in CASES if case.optax]
rows = pytest.mark.parametrize("case", WITH_OPTAX, ids=repr)


def tolerance(case, regime):
    in_ulps = runs.ulps(case.allow.ulps, case.allow.bfloat16_ulps)

    def allowed(dtype):
        if case.across and regime == MIXED:  # Optax sums the norm in the leaves' dtypes.
            return in_ulps(jnp.bfloat16)
        if case.allow.optax_dtype is not None:
            return in_ulps(runs.narrower(dtype, case.allow.optax_dtype))
        return 1e-12 if regime == FLOAT64 else in_ulps(dtype)

    return allowed


def compared(case, regime, steps):
    exact = regime == FLOAT64 and case.allow.optax_dtype is None
    return steps._replace(updates=None) if case.allow.differences and not exact else steps


def regimes(case):
    """Of the variants of a transformation, its first runs in every dtype."""
    if case not in PRINCIPAL:
        return [FLOAT64]
    return [FLOAT32, FLOAT64, MIXED, *([COMPLEX] if case.complex else [])]


CELLS = [(case, regime) for case in WITH_OPTAX for regime in regimes(case)]


@pytest.mark.parametrize(("case", "regime"), CELLS, ids=str)
def test_updates_and_states_equal_those_of_optax(case, regime):
    if regime not in (FLOAT64, home(case)) and not is_building_block(case):
        pytest.skip(OF_PARTS)
    mine, oracle = ours(case, regime), theirs(case, regime)
    assert jax.tree.structure(mine.state) == jax.tree.structure(oracle.state)
    close(mine.state, oracle.state, runs.exactly(0))
    steps = [compared(case, regime, run.steps) for run in (mine, oracle)]
    close(*steps, tolerance(case, regime))


@rows
def test_a_state_of_optax_continues_under_ours(case):
    mine, oracle = ours(case, home(case)), theirs(case, home(case))
    (_, end), steps = mine.go(*oracle.middle, 1)
    steps = [compared(case, home(case), some) for some in (steps, oracle.second)]
    close(*steps, tolerance(case, home(case)))
    close(end, oracle.end[1], tolerance(case, home(case)))


@rows
def test_a_state_of_ours_continues_under_optax(case):
    mine, oracle = ours(case, home(case)), theirs(case, home(case))
    (_, end), steps = oracle.go(*mine.middle, 1)
    steps = [compared(case, home(case), some) for some in (steps, mine.second)]
    close(*steps, tolerance(case, home(case)))
    close(end, mine.end[1], tolerance(case, home(case)))
