"""Any public transformation made from ordinary arguments, to see what it keeps."""

import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation
from regopt_jax.combine import select
from regopt_jax.optimizers.adam import adam
from regopt_jax.optimizers.sgd import sgd
from regopt_jax.regularizers.norms import l2
from regopt_jax.schedules.shapes import constant_schedule
from regopt_jax.transforms.scale_by_adam import scale_by_adam

SIDE = 256

# What the arguments without a default are called with, by their name or else by their type.
_BY_NAME: Mapping[str, Any] = {
    "learning_rate": 1e-3,
    "lr": 1e-3,
    "step_size": -1e-3,
    "step_size_fn": constant_schedule(-1e-3),
    "weight_decay": 1e-4,
    "total_steps": 1000,
    "sync_period": 2,
    "key": 0,
    "seed": 0,
    "mask": True,
    "freeze_mask": False,
    "mask_fn": lambda params: jax.tree.map(lambda _: True, params),
    "param_labels": "all",
    "how": "coupled",
}


def build(
    function: Callable[..., Any],
) -> tuple[GradientTransformation | None, GradientTransformation | None]:
    """A transformation made with ordinary arguments, and the one inside it.

    Inside is one without a state where that is enough. ``None`` if it takes other arguments.
    """
    for inner, number in itertools.product((sgd(1e-3), adam(1e-3), scale_by_adam()), (0.5, 2)):
        args, kwargs = _arguments(function, inner, number)
        try:
            made = function(*args, **kwargs)
            if not isinstance(made, optax.GradientTransformation):
                made = made(1e-3)
            if isinstance(made, GradientTransformation) and bytes_per_parameter(made) is not None:
                return made, inner if inner in (*args, *kwargs.values()) else None
        except (TypeError, ValueError, AttributeError):
            continue
    return None, None


def _arguments(
    function: Callable[..., Any], inner: GradientTransformation, number: float
) -> tuple[list[Any], dict[str, Any]]:
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            pairs = "tuple[str" in str(parameter.annotation)
            args.append(("first", inner) if pairs else inner)
        elif parameter.kind is parameter.VAR_KEYWORD or _may_be_left(parameter):
            continue
        elif parameter.kind is parameter.KEYWORD_ONLY:
            kwargs[parameter.name] = _argument(parameter, inner, number)
        else:
            args.append(_argument(parameter, inner, number))
    return args, kwargs


def _may_be_left(parameter: inspect.Parameter) -> bool:
    """By its default, but for a key, without which some warn."""
    return parameter.default is not parameter.empty and parameter.name != "key"


def _argument(parameter: inspect.Parameter, inner: GradientTransformation, number: float) -> Any:
    wanted = str(parameter.annotation)
    if parameter.name in _BY_NAME:
        return _BY_NAME[parameter.name]
    if "Regularizer" in wanted:
        return l2(1e-3).on(select(min_ndim=2, required=False))
    if "Mapping" in wanted and "GradientTransformation" in wanted:
        return {"all": inner}
    if "Callable" in wanted and "GradientTransformation" in wanted:
        return sgd
    if "GradientTransformation" in wanted:
        return inner
    if "Callable" in wanted and "ArrayLike" not in wanted:
        return lambda *args, **_: args[0]
    return 2 if parameter.annotation is int else number


def bytes_per_parameter(tx: GradientTransformation) -> float | None:
    """Of the state of ``tx`` for one float32 matrix; ``None`` if it takes other parameters."""
    params = jax.eval_shape(lambda: {"w": jnp.zeros((SIDE, SIDE), jnp.float32)})
    for tree in (params, optax.LookaheadParams(params, params)):
        try:
            state = jax.eval_shape(tx.init, tree)
        except (TypeError, ValueError, AttributeError):
            continue
        return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state)) / SIDE**2
    return None
