"""Transformations as JSON: the public calls that made them.

What is written is a call: the function's name under ``regopt_jax`` and its arguments, which may
be calls themselves (transformations, schedules, selectors), regularisers, arrays and dtypes.
Nothing is executed but public functions of this package.
"""

import dataclasses
import importlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax._core import GradientTransformation, as_transformation
from regopt_jax._core.made import Made
from regopt_jax.combine import Selector
from regopt_jax.regularizers.base import Regularizer
from regopt_jax.regularizers.penalties import Penalty
from regopt_jax.regularizers.terms import Term

_ROOT = "regopt_jax"
_NAMESPACES = (_ROOT, f"{_ROOT}.interop.torch")
# Where selectors are combined, and the kinds of penalties.
_PARTS = (f"{_ROOT}.combine.select", f"{_ROOT}.regularizers.")


def to_json(tx: optax.GradientTransformation, *, indent: int | None = None) -> str:
    """A transformation, as the public calls that made it.

    Args:
      tx: made by public functions of this package, of numbers, arrays, schedules, selectors and
        regularisers that are made by such functions too.
      indent: as in ``json.dumps``.

    Raises:
      TypeError: something in it cannot be written, such as a function of one's own; names the
        argument.

    >>> import regopt_jax as ro
    >>> text = to_json(ro.sgd(ro.linear_schedule(0.1, 0.0, 100)))
    >>> from_json(text) == ro.sgd(ro.linear_schedule(0.1, 0.0, 100))
    True
    """
    return json.dumps(_written(as_transformation(tx), as_transformation(tx).name), indent=indent)


def from_json(text: str) -> GradientTransformation:
    """The transformation that :func:`to_json` wrote.

    Args:
      text: the JSON.

    Raises:
      ValueError: it names something that is no public function of this package, or is not of
        this form.

    >>> import regopt_jax as ro
    >>> from_json('{"call": "sgd", "arguments": {"learning_rate": 0.5}}') == ro.sgd(0.5)
    True
    """
    made = _read(json.loads(text))
    if not isinstance(made, GradientTransformation):
        raise ValueError(f"from_json: expected a transformation, got {made!r}.")
    return made


def _written(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, Regularizer):
        return {"regularizer": [_written(term, where) for term in value.terms]}
    if isinstance(value, Term):
        fields = {f.name: getattr(value.penalty, f.name) for f in dataclasses.fields(value.penalty)}
        return {
            "penalty": _name_of(type(value.penalty), where),
            "fields": {k: _written(x, f"{where}.{k}") for k, x in fields.items()},
            "strength": _written(value.strength, f"{where}.strength"),
            "where": _written(value.where, f"{where}.where"),
        }
    made = getattr(value, "made", None)
    if isinstance(made, Made):
        return _call(made, where)
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return _array(value, where)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"dict": {k: _written(x, f"{where}[{k!r}]") for k, x in value.items()}}
    if type(value) in (tuple, list):
        kind = type(value).__name__
        return {kind: [_written(x, f"{where}[{i}]") for i, x in enumerate(value)]}
    if isinstance(value, np.dtype) or (isinstance(value, type) and hasattr(value, "dtype")):
        return {"dtype": jnp.dtype(value).name}
    if callable(value):
        return {"function": _name_of(value, where)}
    raise _cannot(value, where)


def _call(made: Made, where: str) -> Any:
    if made.function is None:
        raise _cannot(made, where)
    arguments = {k: _written(x, f"{where}.{k}") for k, x in made.arguments.items()}
    return {"call": _maker(made.function, where), "arguments": arguments}


def _maker(function: Callable[..., Any], where: str) -> Any:
    """A public function by its name, or one that such a function made."""
    made = getattr(function, "made", None)
    return _call(made, where) if isinstance(made, Made) else _name_of(function, where)


def _name_of(function: Any, where: str) -> str:
    name = getattr(function, "__name__", "")
    for module in (*_NAMESPACES, getattr(function, "__module__", "")):
        path = f"{module}.{name}".removeprefix(f"{_ROOT}.")
        if _is_open(module) and getattr(importlib.import_module(module), name, None) is function:
            return path
    raise _cannot(function, where)


def _is_open(module: str) -> bool:
    return module in _NAMESPACES or module.startswith(_PARTS)


def _array(x: Any, where: str) -> Any:
    if isinstance(x, jax.core.Tracer) or jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        raise _cannot(x, where)
    whole = np.asarray(x)
    wide = whole.astype(np.float64) if whole.dtype.kind not in "biuc" else whole
    parts = [wide.real, wide.imag] if whole.dtype.kind == "c" else [wide]
    return {
        "array": [[_written(item, where) for item in part.ravel().tolist()] for part in parts],
        "shape": list(whole.shape),
        "dtype": whole.dtype.name,
        "of": "numpy" if not isinstance(x, jax.Array) else "weak" if x.weak_type else "jax",
    }


def _cannot(value: Any, where: str) -> TypeError:
    return TypeError(
        f"to_json: {where} is {value!r}, which no public function of {_ROOT} made, so it cannot "
        "be written. Make it by such functions."
    )


def _read(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    match data:
        case {"float": text}:
            return float(text)
        case {"complex": [real, imag]}:
            return complex(real, imag)
        case {"call": name, "arguments": arguments}:
            function = _read(name) if isinstance(name, dict) else _public(name)
            given = {key: _read(x) for key, x in arguments.items()}
            return Made(str(name), given, function).again()
        case {"function": name}:
            return _public(name)
        case {"regularizer": terms}:
            return Regularizer(tuple(map(_term, terms)))
        case {"array": parts, "shape": shape, "dtype": dtype, "of": of}:
            real, *imag = (np.array([_read(x) for x in part]) for part in parts)
            whole = (real + 1j * imag[0] if imag else real).reshape(shape)
            whole = whole.astype(jnp.dtype(dtype))
            if of == "weak" and not shape:
                return jnp.asarray(whole.item())
            return whole if of == "numpy" else jnp.asarray(whole)
        case {"dict": items}:
            return {key: _read(x) for key, x in items.items()}
        case {"tuple": items}:
            return tuple(map(_read, items))
        case {"list": items}:
            return list(map(_read, items))
        case {"dtype": name}:
            return jnp.dtype(name)
    raise ValueError(f"from_json: {data!r} is not what to_json writes.")


def _term(data: Mapping[str, Any]) -> Term:
    kind = _public(data["penalty"])
    if not (isinstance(kind, type) and issubclass(kind, Penalty)):
        raise ValueError(f"from_json: {data['penalty']!r} is no penalty.")
    fields = {key: _read(x) for key, x in data["fields"].items()}
    where = _read(data["where"])
    assert isinstance(where, Selector)
    return Term(_read(data["strength"]), kind(**fields), where)


def _public(name: str) -> Any:
    """What a name stands for: a public function, or a penalty of this package."""
    module, _, last = f"{_ROOT}.{name}".rpartition(".")
    found = getattr(importlib.import_module(module), last, None) if _is_open(module) else None
    if last.startswith("_") or found is None:
        raise ValueError(f"from_json: {_ROOT} has no public {name!r}.")
    return found
