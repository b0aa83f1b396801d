"""What any ``update`` is called by: Optax's names, and the extra arguments that it takes."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import optax

NAMES = ("updates", "state", "params")


def is_transformation(x: Any) -> bool:
    """Whether it is Optax's pair, or an object with ``init`` and ``update``.

    What can be called as well is something else, such as a schedule that has a state.
    """
    if isinstance(x, optax.GradientTransformation):
        return True
    return not callable(x) and all(callable(getattr(x, name, None)) for name in ("init", "update"))


@dataclasses.dataclass(frozen=True)
class ByName:
    """An ``update`` whose parameters have other names, or that takes no others."""

    update: Callable[..., Any]
    extra: frozenset[str] | None = frozenset()

    def __call__(self, updates: Any, state: Any, params: Any = None, **extra_args: Any) -> Any:
        """As ``update``, of the extra arguments that it takes; ``None`` for all of them."""
        if self.extra is not None:
            extra_args = {name: x for name, x in extra_args.items() if name in self.extra}
        return self.update(updates, state, params, **extra_args)


def by_name(update: Callable[..., Any]) -> Callable[..., Any]:
    """``update(updates, state, params=None, **extra_args)``, whatever its own parameters are."""
    try:
        parameters = inspect.signature(update).parameters
    except (TypeError, ValueError):  # no function, or one that does not say what it takes
        return update
    kinds = {parameter.kind for parameter in parameters.values()}
    every = inspect.Parameter.VAR_KEYWORD in kinds
    if every and (inspect.Parameter.VAR_POSITIONAL in kinds or tuple(parameters)[:3] == NAMES):
        return update
    return ByName(update, None if every else frozenset(tuple(parameters)[3:]))
