"""Counts and numbers of steps that an int32 does not hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro
from regopt_jax import schedules

LAST = 2**31 - 1
T = [2**31 + 10, 2**33, 10**12]
COUNTS = [0, 1, 1000, 10**9, 2**31 - 20, LAST]

MAKE = {
    "constant_schedule": lambda t: ro.constant_schedule(0.5),
    "polynomial_schedule": lambda t: ro.polynomial_schedule(1.0, 0.1, 2, t),
    "polynomial_schedule-late": lambda t: ro.polynomial_schedule(1.0, 0.1, 2, 10, t),
    "linear_schedule": lambda t: ro.linear_schedule(1.0, 0.1, t),
    "linear_schedule-late": lambda t: ro.linear_schedule(1.0, 0.1, t // 2, t // 4),
    "linear_warmup": lambda t: ro.linear_warmup(1.0, t, 0.1),
    "cosine_decay_schedule": lambda t: ro.cosine_decay_schedule(1.0, t, 0.1),
    "cosine_restarts": lambda t: ro.cosine_restarts(1.0, t),
    "cosine_restarts-longer": lambda t: ro.cosine_restarts(1.0, t // 8, 3, 0.5),
    "cosine_restarts-longest": lambda t: ro.cosine_restarts(1.0, t, 2, 0.5),
    "exponential_decay": lambda t: ro.exponential_decay(1.0, t, 0.5),
    "exponential_decay-late": lambda t: ro.exponential_decay(1.0, 10, 0.5, t),
    "exponential_decay-stairs": lambda t: ro.exponential_decay(1.0, t // 3, 0.5, staircase=True),
    "step_decay": lambda t: ro.step_decay(1.0, t),
    "piecewise_constant_schedule": lambda t: ro.piecewise_constant_schedule(
        1.0, {1000: 0.5, t: 0.1}
    ),
    "piecewise_interpolate_schedule": lambda t: ro.piecewise_interpolate_schedule(
        "linear", 1.0, {1000: 0.5, t: 0.1}
    ),
    "linear_onecycle_schedule": lambda t: ro.linear_onecycle_schedule(t, 1.0),
    "cosine_onecycle_schedule": lambda t: ro.cosine_onecycle_schedule(t, 1.0),
    "join_schedules": lambda t: ro.join_schedules(
        [ro.constant_schedule(1.0), ro.linear_schedule(1.0, 0.5, t), ro.constant_schedule(0.1)],
        [1000, t],
    ),
    "warmup_cosine_decay_schedule": lambda t: ro.warmup_cosine_decay_schedule(
        0.1, 1.0, 1000, t, 0.1
    ),
    "warmup_cosine_decay_schedule-long": lambda t: ro.warmup_cosine_decay_schedule(
        0.1, 1.0, t, 2 * t, 0.1
    ),
    "sgdr_schedule": lambda t: ro.sgdr_schedule(
        [{"init_value": 0.1, "peak_value": 1.0, "warmup_steps": 5, "decay_steps": t}] * 2
    ),
    "warmup_constant_schedule": lambda t: ro.warmup_constant_schedule(0.1, 1.0, t),
    "warmup_exponential_decay_schedule": lambda t: ro.warmup_exponential_decay_schedule(
        0.1, 1.0, t, t, 0.5
    ),
    "warmup_stable_decay_schedule": lambda t: ro.warmup_stable_decay_schedule(0.1, 1.0, t // 2, t),
    "inverse_sqrt_schedule": lambda t: ro.inverse_sqrt_schedule(1.0, t, 0.1),
    "cosine_annealing": lambda t: ro.cosine_annealing(1.0, t, 0.1),
    "one_cycle": lambda t: ro.one_cycle(1.0, t),
    "one_cycle-three": lambda t: ro.one_cycle(1.0, t, anneal_strategy="linear", three_phase=True),
    "cyclic": lambda t: ro.cyclic(0.1, 1.0, t),
    "cyclic-steep": lambda t: ro.cyclic(0.1, 1.0, 1000, t, "triangular2"),
    "cyclic-fading": lambda t: ro.cyclic(0.1, 1.0, t, mode="exp_range", gamma=1 - 1e-9),
}


def test_every_schedule_is_tried():
    made = {name for name, x in vars(schedules).items() if hasattr(x, "__wrapped__")}
    assert made == {name.partition("-")[0] for name in MAKE}


@pytest.mark.parametrize("steps", T)
@pytest.mark.parametrize("name", MAKE)
def test_steps_past_int32_are_what_they_are_in_float64(name, steps):
    schedule = MAKE[name](steps)
    values = np.array([schedule(t) for t in COUNTS])
    traced = np.array(jax.jit(jax.vmap(schedule))(jnp.array(COUNTS, jnp.int32)))
    with jax.enable_x64(True):
        wide = np.array([schedule(t) for t in COUNTS])
    np.testing.assert_allclose(values, wide, rtol=1e-5)
    np.testing.assert_allclose(traced, wide, rtol=1e-5)


@pytest.mark.parametrize("steps", [5000, LAST])
@pytest.mark.parametrize("name", MAKE)
def test_a_count_past_the_last_is_the_last(name, steps):
    schedule = MAKE[name](steps)
    for late in (2**31, 10**12, 2**70, np.int64(2**40)):
        assert float(schedule(late)) == float(schedule(LAST))
    with jax.enable_x64(True):
        assert np.isfinite(float(schedule(2**40)))
