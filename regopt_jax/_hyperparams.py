"""Hyperparameters: numbers or schedules, checked where they can be, read at a step."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from regopt_jax._trees import Array, ArrayLike

Schedule = Callable[[ArrayLike], ArrayLike]
ScalarOrSchedule = ArrayLike | Schedule


def check(who: str, **hyperparams: tuple[Any, str]) -> None:
    """Require each ``name=(value, interval)`` to lie in its interval, such as ``"[0, 1)"``.

    Schedules, ``None`` and tracers are not checked: their values are not known here.

    Raises:
      ValueError: names the hyperparameter, its range and what was given.
      TypeError: the value is not a number.

    >>> check("adam", b1=(1.5, "[0, 1)"))
    Traceback (most recent call last):
    ...
    ValueError: adam: b1 must be in [0, 1), got 1.5.
    """
    for name, (value, interval) in hyperparams.items():
        if value is None or callable(value) or isinstance(value, jax.core.Tracer):
            continue
        try:
            number = np.asarray(value, np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{who}: {name} must be a number in {interval}, got {value!r}."
            ) from error
        low, high = (float(end) for end in interval[1:-1].split(","))
        above = number >= low if interval[0] == "[" else number > low
        below = number <= high if interval[-1] == "]" else number < high
        if not np.all(above & below):
            raise ValueError(f"{who}: {name} must be in {interval}, got {value!r}.")


def at(value: ScalarOrSchedule, count: ArrayLike) -> ArrayLike:
    """The hyperparameter's value for the update number ``count``, from 0."""
    if not callable(value):
        return value
    with jax.numpy_dtype_promotion("standard"):
        return value(count)


def previous(count: Array) -> Array:
    """The number of the update that left the counter at ``count``."""
    return jax.numpy.maximum(count - 1, 0)
