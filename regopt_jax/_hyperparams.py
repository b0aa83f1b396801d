"""Hyperparameters: numbers or schedules, checked where they can be, read at a step."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, cast

import jax
import numpy as np

from regopt_jax._trees import Array, ArrayLike

Schedule = Callable[[ArrayLike], ArrayLike]
ScalarOrSchedule = ArrayLike | Schedule


def check(who: str, **hyperparams: tuple[Any, str]) -> None:
    """Require each ``name=(value, interval)`` to lie in its interval, such as ``"[0, 1)"``.

    In ``"integer [1, inf)"`` lie the integers only: 2.0 is not one, nor is an array of floats;
    in ``"[0, 1] or None"`` also ``None``. The values of schedules and tracers are not known here.

    Raises:
      ValueError: names the hyperparameter, its range and what was given.
      TypeError: the value is not a number, nor a function of the step alone.

    >>> check("adam", b1=(1.5, "[0, 1)"))
    Traceback (most recent call last):
    ...
    ValueError: adam: b1 must be in [0, 1), got 1.5.
    """
    for name, (value, interval) in hyperparams.items():
        if callable(value):
            _check_schedule(who, name, value)
            continue
        optional = interval.endswith(" or None")
        interval = interval.removesuffix(" or None")
        traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(value))
        if traced or (optional and value is None):
            continue
        whole = interval.startswith("integer ")
        interval = interval.removeprefix("integer ")
        try:
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


def _check_schedule(who: str, name: str, schedule: Callable[..., Any]) -> None:
    """Require a function that the step alone can be given to."""
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


def is_number(value: Any, number: float) -> bool:
    """Whether a hyperparameter is this very number, for good: no array and no schedule.

    >>> is_number(0.0, 0), is_number(0.1, 0), is_number(lambda t: 0.0, 0)
    (True, False, False)
    """
    return isinstance(value, int | float) and value == number


def at(value: ScalarOrSchedule, count: ArrayLike) -> ArrayLike:
    """The hyperparameter's value for the update number ``count``, from 0."""
    if not callable(value):
        return value
    with jax.numpy_dtype_promotion("standard"):
        return value(count)


def previous(count: Array) -> Array:
    """The number of the update that left the counter at ``count``."""
    return jax.numpy.maximum(count - 1, 0)


def shown(value: Any) -> str:
    """A hyperparameter as short text: a schedule or a function by its name."""
    if isinstance(value, jax.Array | np.ndarray | np.generic) and value.ndim == 0:
        if isinstance(value, jax.core.Tracer):
            return str(value)
        number = value.item()
        # As many digits as its dtype has, not as its value in float64.
        return shown(float(str(np.asarray(value))) if isinstance(number, float) else number)
    if isinstance(value, float):
        return re.sub(r"e\+?(-?)0*", r"e\1", f"{value:.12g}")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {shown(x)}' for key, x in value.items())}}}"
    if isinstance(value, type):
        return value.__name__
    described = getattr(value, "description", None) or getattr(value, "__name__", None)
    return described if callable(value) and isinstance(described, str) else repr(value)


_P = ParamSpec("_P")
_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Described:
    """A function that prints as the call that made it."""

    def __init__(self, function: Callable[..., Any], description: str) -> None:
        functools.update_wrapper(self, function)
        self.description = description

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return self.description


def described(make: Callable[_P, _Function]) -> Callable[_P, _Function]:
    """Let the functions that ``make`` returns print as the calls that made them.

    >>> described(lambda x: lambda: x)(1)
    <lambda>(x=1)
    """
    signature = inspect.signature(make)

    @functools.wraps(make)
    def making(*args: _P.args, **kwargs: _P.kwargs) -> _Function:
        made = make(*args, **kwargs)
        given = signature.bind(*args, **kwargs).arguments.items()
        text = ", ".join(f"{name}={shown(value)}" for name, value in given)
        return cast(_Function, _Described(made, f"{make.__name__}({text})"))

    return making
