import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st

import regopt_jax as ro


def test_each_counts_from_its_own_start():
    joined = ro.join_schedules([lambda t: t, lambda t: 100 + t, lambda t: 200 + t], [3, 5])
    expected = [0, 1, 2, 100, 101, 200, 201]
    assert [float(joined(t)) for t in range(7)] == expected
    np.testing.assert_array_equal(joined(jnp.arange(7)), expected)
    np.testing.assert_array_equal(jax.jit(joined)(jnp.arange(7)), expected)


def test_one_schedule_is_itself():
    joined = ro.join_schedules([ro.linear_schedule(0.0, 1.0, 4)], [])
    np.testing.assert_array_equal(joined(jnp.arange(6)), [0.0, 0.25, 0.5, 0.75, 1.0, 1.0])


def test_two_at_the_same_boundary_skip_the_first():
    joined = ro.join_schedules([lambda t: 1.0, lambda t: 2.0, lambda t: 3.0], [4, 4])
    assert [float(joined(t)) for t in (3, 4, 5)] == [1.0, 3.0, 3.0]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=4), st.integers(0, 250))
def test_equals_optax(lengths, t):
    boundaries = np.cumsum(lengths).tolist()
    ours = [ro.linear_schedule(float(i), i + 1.0, 20) for i in range(len(boundaries) + 1)]
    theirs = [optax.linear_schedule(float(i), i + 1.0, 20) for i in range(len(boundaries) + 1)]
    with jax.numpy_dtype_promotion("standard"):
        expected = optax.join_schedules(theirs, boundaries)(t)
    np.testing.assert_allclose(ro.join_schedules(ours, boundaries)(t), expected, rtol=1e-6)


def test_it_stays_exact_late():
    """The second schedule's own count is small although the whole's is not."""
    late = 2**31 - 100
    joined = ro.join_schedules(
        [ro.constant_schedule(1.0), ro.linear_schedule(0.0, 1.0, 64)], [late]
    )
    values = jax.jit(joined)(jnp.array([late - 1, late, late + 1, late + 63], jnp.int32))
    np.testing.assert_array_equal(values, [1.0, 0.0, 1 / 64, 63 / 64])


def test_float64():
    with jax.enable_x64(True):
        joined = ro.join_schedules([lambda t: 0.1, lambda t: 0.3], [2])
        assert joined(1).dtype == jnp.float64
        assert float(joined(1)) == 0.1
        assert float(joined(2)) == 0.3


@pytest.mark.parametrize("boundaries", [[], [1, 2]])
def test_the_numbers_must_fit(boundaries):
    with pytest.raises(ValueError, match=f"2 schedules need 1 boundaries, got {len(boundaries)}"):
        ro.join_schedules([lambda t: 0.0, lambda t: 1.0], boundaries)


def test_none_at_all():
    with pytest.raises(ValueError, match="join_schedules: at least one schedule"):
        ro.join_schedules([], [])
    with pytest.raises(ValueError, match="sgdr_schedule: cosine_kwargs must have at least one"):
        ro.sgdr_schedule([])


def test_boundaries_must_increase():
    with pytest.raises(ValueError, match=r"boundaries must increase, got \[5, 3\]"):
        ro.join_schedules([lambda t: 0.0, lambda t: 1.0, lambda t: 2.0], [5, 3])


def test_sgdr_restarts_each_cycle():
    cycles = [
        {"init_value": 0.0, "peak_value": p, "warmup_steps": 2, "decay_steps": 10}
        for p in (1.0, 0.5, 0.25)
    ]
    schedule = ro.sgdr_schedule(iter(cycles))
    assert [float(schedule(t)) for t in (0, 1, 2, 10, 11, 12, 20, 22)] == [
        *(0.0, 0.5, 1.0),
        *(0.0, 0.25, 0.5),
        *(0.0, 0.25),
    ]
    assert float(schedule(30)) == 0.0
