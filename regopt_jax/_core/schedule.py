"""Schedules: functions from the number of updates done to a hyperparameter's value."""

from collections.abc import Callable

import jax

from regopt_jax._core.trees import Array, ArrayLike

Schedule = Callable[[ArrayLike], ArrayLike]
ScalarOrSchedule = ArrayLike | Schedule


def value_at(value: ScalarOrSchedule, count: ArrayLike) -> ArrayLike:
    """The hyperparameter's value for the update number ``count``, from 0."""
    if not callable(value):
        return value
    with jax.numpy_dtype_promotion("standard"):
        return value(count)


def previous(count: Array) -> Array:
    """The number of the update that left the counter at ``count``."""
    return jax.numpy.maximum(count - 1, 0)
