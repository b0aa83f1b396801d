"""Hyperparameters: numbers or schedules, checked where they can be."""

import inspect
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regopt_jax._core.tolerance import checks


def check(who: str, **hyperparams: tuple[Any, str]) -> None:
    """Require each ``name=(value, interval)`` to lie in its interval, such as ``"[0, 1)"``.

    In ``"integer [1, inf)"`` lie the integers only: 2.0 is not one, nor is an array of floats;
    in ``"[0, 1] or None"`` also ``None``; ``"pair [0, 1)"`` asks for two.
    The values of schedules and tracers are not known here.

    Raises:
      ValueError: names the hyperparameter, its range and what was given.
      TypeError: the value is not a number, nor a function of the step alone.

    >>> check("adam", b1=(1.5, "[0, 1)"))
    Traceback (most recent call last):
    ...
    ValueError: adam: b1 must be in [0, 1), got 1.5.
    """
    for name, (value, interval) in hyperparams.items():
        if not checks(name):
            continue
        if callable(value):
            require_schedule(who, name, value)
            continue
        if interval.startswith("pair "):
            value = pair(who, name, value)
            interval = interval.removeprefix("pair ")
        optional = interval.endswith(" or None")
        interval = interval.removesuffix(" or None")
        traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(value))
        if traced or (optional and value is None):
            continue
        whole = interval.startswith("integer ")
        interval = interval.removeprefix("integer ")
        try:
            if isinstance(value, list):
                raise TypeError("a list is no number")
            number = np.asarray(value).astype(np.float64, casting="safe")
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{who}: {name} must be a number in {interval}, got {value!r}."
            ) from error
        low, high = (float(end) for end in interval[1:-1].split(","))
        above = number >= low if interval[0] == "[" else number > low
        below = number <= high if interval[-1] == "]" else number < high
        fits = not whole or np.issubdtype(np.asarray(value).dtype, np.integer)
        if not (fits and np.all(above & below)):
            expected = f"an integer in {interval}" if whole else f"in {interval}"
            raise ValueError(f"{who}: {name} must be {expected}, got {value!r}.")


def constant(who: str, name: str, value: Any, interval: str) -> float:
    """The one number of a hyperparameter that functions are compiled for, in its interval.

    Raises:
      TypeError: names the hyperparameter, which is an array of several or not known yet.
      ValueError: as for :func:`check`.

    >>> constant("l2_ball", "radius", np.float32(2.0), "(0, inf)")
    2.0
    """
    try:
        if np.ndim(value) > 0:
            raise TypeError("an array")
        number = float(value)
    except TypeError as error:
        raise TypeError(
            f"{who}: {name} must be one number, known when it is made, got {value!r}."
        ) from error
    check(who, **{name: (number, interval)})
    return number


def require_schedule(who: str, name: str, schedule: Callable[..., Any]) -> None:
    """Require a function that the step alone can be given to.

    Raises:
      TypeError: names the hyperparameter and the function.
    """
    try:
        signature = inspect.signature(schedule)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(0)
    except TypeError as error:
        called = getattr(schedule, "__name__", repr(schedule))
        raise TypeError(
            f"{who}: {name} must be a number or a function of the step alone, but {called} is a "
            f"function of ({', '.join(signature.parameters)}); did you forget to call it?"
        ) from error


LAST = 2**31 - 1  # the largest int32: counters end there


def is_past_last(value: Any) -> bool:
    """Whether no counter reaches a number of steps, such as ``sys.maxsize``.

    >>> is_past_last(10), is_past_last(2**63)
    (False, True)
    """
    return isinstance(value, int | np.integer) and bool(value > LAST)


def pair(who: str, name: str, value: Any) -> tuple[Any, Any]:
    """The two parts of a hyperparameter such as ``betas``.

    Raises:
      ValueError: names the hyperparameter, which has not two parts.

    >>> pair("adam", "betas", 0.9)
    Traceback (most recent call last):
    ...
    ValueError: adam: betas must be a pair, got 0.9.
    """
    try:
        first, second = value
    except (TypeError, ValueError) as error:
        raise ValueError(f"{who}: {name} must be a pair, got {value!r}.") from error
    return first, second


def is_dtype(name: str) -> bool:
    """Whether a hyperparameter of this name is a dtype."""
    return name.startswith("dtype_") or name.endswith("_dtype")


def check_dtype(who: str, name: str, value: Any) -> None:
    """Require a dtype that holds fractions, or ``None``: integers would round averages to zero.

    Raises:
      ValueError: names the hyperparameter and what was given.

    >>> check_dtype("adam", "mu_dtype", "int32")
    Traceback (most recent call last):
    ...
    ValueError: adam: mu_dtype must be a dtype of real or complex numbers or None, got 'int32'.
    """
    if value is None or not checks(name):
        return
    try:
        if jnp.issubdtype(jnp.dtype(value), jnp.inexact):
            return
    except TypeError:
        pass
    raise ValueError(
        f"{who}: {name} must be a dtype of real or complex numbers or None, got {value!r}."
    )


def check_function(who: str, name: str, value: Any) -> None:
    """Require a function, or ``None``.

    Raises:
      TypeError: names the argument and what was given.

    >>> check_function("adopt", "clip_value_fn", 0.5)
    Traceback (most recent call last):
    ...
    TypeError: adopt: clip_value_fn must be a function, got 0.5.
    """
    if not (value is None or callable(value)):
        raise TypeError(f"{who}: {name} must be a function, got {value!r}.")


def axes(who: str, name: str, value: Any) -> tuple[int, ...]:
    """The axes of an argument that is an integer or several.

    Raises:
      ValueError: names the argument and what was given.

    >>> axes("clip", "axis", -1), axes("clip", "axis", [0, 1])
    ((-1,), (0, 1))
    >>> axes("clip", "axis", "x")
    Traceback (most recent call last):
    ...
    ValueError: clip: axis must be an integer or several, got 'x'.
    """
    try:
        several = value if isinstance(value, tuple | list | range) else (value,)
        return tuple(map(operator.index, several))
    except TypeError as error:
        raise ValueError(f"{who}: {name} must be an integer or several, got {value!r}.") from error


def is_number(value: Any, number: float) -> bool:
    """Whether a hyperparameter is this very number, for good: no array and no schedule.

    >>> is_number(0.0, 0), is_number(0.1, 0), is_number(lambda t: 0.0, 0)
    (True, False, False)
    """
    return isinstance(value, int | float) and value == number
