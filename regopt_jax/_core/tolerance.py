"""Whose tolerance holds: ours, strict about mistakes by name and path, or Optax's.

The second face makes what is ours within :func:`as_optax`. What is made there takes what Optax
takes: hyperparameters out of their ranges, labels that nothing has, integer parameters. And
nothing but promotion decides a dtype: a float32 gradient of a bfloat16 parameter makes float32
moments, and no sum is done wider than its terms.

A transformation that was made within it also runs within it, so that both the functions that make
one and the formulas may ask :func:`strict`.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

# The hyperparameters whose ranges are checked: None for all.
_checked: contextvars.ContextVar[tuple[str, ...] | None] = contextvars.ContextVar(
    "checked", default=None
)


@contextlib.contextmanager
def as_optax(checked: tuple[str, ...] = ()) -> Iterator[None]:
    """Within it, :func:`strict` is false, and only the ranges of these hyperparameters matter."""
    token = _checked.set(checked)
    try:
        yield
    finally:
        _checked.reset(token)


def strict() -> bool:
    """Whether what is made now, or runs now, refuses what Optax would take."""
    return _checked.get() is None


def checks(name: str) -> bool:
    """Whether a hyperparameter must be in its range: one that Optax itself checks, if not all."""
    checked = _checked.get()
    return checked is None or name.startswith(checked)


def kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which runs under the tolerance under which it is handed over here."""
    if strict() or hasattr(function, "tolerant"):
        return function

    @functools.wraps(function)
    def tolerant(*args: Any, **kwargs: Any) -> Any:
        with as_optax():
            return function(*args, **kwargs)

    tolerant.tolerant = True  # type: ignore[attr-defined]
    return tolerant
