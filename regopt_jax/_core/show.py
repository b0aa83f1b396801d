"""Values as short text."""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from regopt_jax._core.by_name import is_transformation


def foreign_name(update: Callable[..., Any]) -> str:
    """The package and the function that made an ``update`` that is not ours."""
    package = (getattr(update, "__module__", None) or "").split(".")[0]
    function = getattr(update, "__qualname__", "unknown").split(".")[0]
    return f"{package}.{function}".strip(".")


def shown(value: Any) -> str:
    """A hyperparameter as short text: a function by its name, a call as a call."""
    if hasattr(value, "made"):
        return repr(value)
    if is_transformation(value):
        return f"{foreign_name(value.update)} (opaque)"
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
    if isinstance(value, functools.partial):
        bound = [*map(shown, value.args), *(f"{k}={shown(x)}" for k, x in value.keywords.items())]
        return f"partial({', '.join([shown(value.func), *bound])})"
    name = getattr(value, "__name__", None)
    return name if callable(value) and isinstance(name, str) else repr(value)
