"""Hyperparameters that are no numbers, refused by name when a function is called.

What an argument may be is read off its annotation: a number, an array of them, ``None``, and a
function of the step where the annotation has one.
"""

import collections.abc
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from regopt_jax._core.numbers import LAST, require_schedule
from regopt_jax._core.show import shown
from regopt_jax._core.tolerance import strict

NUMBERS = (jax.Array, np.ndarray, np.bool_, np.number, int, float, complex, bool)
NO_RANGES: Mapping[str, str] = {}
OTHERS = (type(None), collections.abc.Callable)


class Kind(NamedTuple):
    """What an argument may be beside a number."""

    optional: bool
    scheduled: bool
    numbers: frozenset[type]


@functools.cache
def kinds(function: Callable[..., Any]) -> Mapping[str, tuple[Kind, ...]]:
    """The arguments that are numbers, by name, and those that are tuples of numbers."""
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):  # an annotation that is known to a type checker alone
        return {}
    found = {}
    for name, hint in hints.items():
        inside = typing.get_args(hint) if typing.get_origin(hint) is tuple else (hint,)
        each = [_kind(one) for one in inside]
        if name != "return" and each and all(each):
            found[name] = tuple(kind for kind in each if kind)
    return found


def _kind(hint: Any) -> Kind | None:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    members = {
        typing.get_origin(one) or one for one in (typing.get_args(hint) if union else (hint,))
    }
    numbers = members - set(OTHERS)
    if not numbers or numbers == {bool} or not numbers <= set(NUMBERS):
        return None
    return Kind(type(None) in members, collections.abc.Callable in members, frozenset(numbers))


def as_python(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a call that are to be exchanged for Python's, by name.

    One of NumPy would decide dtypes, as an array does, and so does True; an integer past int32
    has none.

    >>> def clip(max_delta: float): ...
    >>> as_python(clip, {"max_delta": np.int64(2)}), as_python(clip, {"max_delta": 2**40})
    ({'max_delta': 2}, {'max_delta': 1099511627776.0})
    """
    found = {}
    for name, each in kinds(function).items():
        value = arguments.get(name)
        plain = value.item() if isinstance(value, np.generic) else value
        if isinstance(plain, bool) and float in each[0].numbers:
            plain = int(plain)
        if isinstance(plain, int) and abs(plain) > LAST and each[0].numbers != {int}:
            plain = float(plain)
        if plain is not value:
            found[name] = plain
    return found


def require_numbers(
    who: str,
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    ranges: Mapping[str, str] = NO_RANGES,
    hint: str = "",
) -> None:
    """Require the arguments of a call that are annotated as numbers to be numbers.

    Args:
      who, function, arguments: the call.
      ranges: where the numbers must lie, by name, to be said too.
      hint: what to do with a function of the step where a number belongs.

    Raises:
      TypeError: names the hyperparameter, what it may be and what it is.

    >>> def sgd(learning_rate: float, momentum: float | None = None): ...
    >>> require_numbers("sgd", sgd, {"learning_rate": 0.1, "momentum": [0.9]})
    Traceback (most recent call last):
    ...
    TypeError: sgd: momentum must be a number or None, got [0.9].
    """
    if not strict():
        return
    for name, each in kinds(function).items():
        if name not in arguments:
            continue
        value = arguments[name]
        values = (value,)
        if len(each) > 1:
            if not isinstance(value, tuple | list) or len(value) != len(each):
                continue  # which is refused as no pair
            values = tuple(value)
        for one, kind in zip(values, each, strict=True):
            _require(who, name, one, kind, ranges.get(name, ""), hint)


def _require(who: str, name: str, value: Any, kind: Kind, range_: str, hint: str) -> None:
    if _is_number(value) or (value is None and kind.optional):
        return
    if callable(value) and kind.scheduled:
        require_schedule(who, name, value)
        return
    interval = range_.removesuffix(" or None").removeprefix("pair ").removeprefix("integer ")
    noun = "an integer" if range_.startswith("integer ") else "a number"
    expected = f"{noun} in {interval}" if interval else noun
    if kind.scheduled:
        expected += " or a function of the step alone"
    if kind.optional:
        expected += " or None"
    said = hint if callable(value) else ""
    raise TypeError(f"{who}: {name} must be {expected}, got {shown(value)}.{said}")


def _is_number(value: Any) -> bool:
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "biufcV"  # V are the narrow floats of JAX
    return isinstance(value, NUMBERS) or hasattr(value, "__jax_array__")
