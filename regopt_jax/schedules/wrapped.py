"""A schedule that keeps its own count."""

from typing import Any

import jax.numpy as jnp
import optax

from regopt_jax._core import ArrayLike, Schedule, value_at
from regopt_jax._core.optax_states import WrappedScheduleState


class WrappedSchedule:
    """A schedule of the number of updates as one with a state, which is that number.

    >>> halves = WrappedSchedule(lambda step: 0.5**step)
    >>> float(halves(halves.update(halves.init())))
    0.5
    """

    def __init__(self, schedule_fn: Schedule):
        self.schedule_fn = schedule_fn

    def init(self) -> WrappedScheduleState:
        """The state before the first update."""
        return WrappedScheduleState(jnp.zeros([], jnp.int32))

    def update(self, state: WrappedScheduleState, **_: Any) -> WrappedScheduleState:
        """The state one update later."""
        return WrappedScheduleState(optax.safe_increment(state.count))

    def __call__(self, state: WrappedScheduleState, **_: Any) -> ArrayLike:
        """The value in force."""
        return value_at(self.schedule_fn, state.count)
