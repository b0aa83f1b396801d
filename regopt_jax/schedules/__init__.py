"""Schedules: pure functions from the number of updates done to a hyperparameter's value."""

from typing import Any

import optax

from regopt_jax._core import forward
from regopt_jax.schedules.cosines import (
    cosine_decay_schedule as cosine_decay_schedule,
    cosine_restarts as cosine_restarts,
)
from regopt_jax.schedules.decays import (
    exponential_decay as exponential_decay,
    piecewise_constant_schedule as piecewise_constant_schedule,
    step_decay as step_decay,
)
from regopt_jax.schedules.interpolation import (
    cosine_onecycle_schedule as cosine_onecycle_schedule,
    linear_onecycle_schedule as linear_onecycle_schedule,
    piecewise_interpolate_schedule as piecewise_interpolate_schedule,
)
from regopt_jax.schedules.join import (
    join_schedules as join_schedules,
    sgdr_schedule as sgdr_schedule,
    warmup_cosine_decay_schedule as warmup_cosine_decay_schedule,
)
from regopt_jax.schedules.shapes import (
    constant_schedule as constant_schedule,
    linear_schedule as linear_schedule,
    linear_warmup as linear_warmup,
    polynomial_schedule as polynomial_schedule,
)
from regopt_jax.schedules.torch_like import (
    cosine_annealing as cosine_annealing,
    cyclic as cyclic,
    one_cycle as one_cycle,
)
from regopt_jax.schedules.warmups import (
    inverse_sqrt_schedule as inverse_sqrt_schedule,
    warmup_constant_schedule as warmup_constant_schedule,
    warmup_exponential_decay_schedule as warmup_exponential_decay_schedule,
    warmup_stable_decay_schedule as warmup_stable_decay_schedule,
)
from regopt_jax.schedules.wrapped import WrappedSchedule as WrappedSchedule


def __getattr__(name: str) -> Any:
    return forward.from_root(optax.schedules, name)
