"""The decorator under which every public transformation is made."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from regopt_jax._core import names
from regopt_jax._core.arguments import as_python, require_numbers
from regopt_jax._core.made import Made, bound, running, signature
from regopt_jax._core.numbers import LAST, check, check_dtype, is_dtype, is_past_last
from regopt_jax._core.protocol import GradientTransformation, relabelled

P = ParamSpec("P")
T = TypeVar("T")


def transformation(
    **ranges: str,
) -> Callable[[Callable[P, GradientTransformation]], Callable[P, GradientTransformation]]:
    """Let a function that makes transformations check, name and remember its calls.

    Args:
      ranges: by the name of a hyperparameter the interval that it must lie in, such as
        ``"[0, 1)"``, ``"integer [1, inf)"`` or ``"(0, inf] or None"``. A dtype, which is told by
        its name, such as ``mu_dtype``, must be one that averages can be kept in, or ``None``. What
        is annotated as a number must be one, or a function of the step where that is annotated. An
        integer past all counts is taken for the last of them.

    Returns:
      The decorator. The function keeps its signature; what it returns knows the call, ``made``,
      and bears the function's name in errors and descriptions.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> @ro.transformation(b="[0, 1)")
    ... def heavy_ball(b: float = 0.9) -> ro.GradientTransformation:
    ...     return ro.leafwise(
    ...         lambda g, m: (b * m + g, b * m + g),
    ...         role="precondition",
    ...         state=ro.TraceState,
    ...         init=jnp.zeros_like,
    ...     )
    >>> heavy_ball(), heavy_ball(0.5) == heavy_ball().made.again(b=0.5)
    (heavy_ball(b=0.9), True)
    >>> heavy_ball(1.0)
    Traceback (most recent call last):
    ...
    ValueError: heavy_ball: b must be in [0, 1), got 1.0.
    """

    def decorate(
        function: Callable[P, GradientTransformation],
    ) -> Callable[P, GradientTransformation]:
        name = function.__name__
        hint = f" In inject_hyperparams({name})(...) it may be a function of the step."
        counts = [key for key, range_ in ranges.items() if range_.startswith("integer ")]
        dtypes = list(filter(is_dtype, signature(function).parameters))

        @functools.wraps(function)
        def make(*args: P.args, **kwargs: P.kwargs) -> GradientTransformation:
            try:
                arguments = bound(function, args, kwargs)
            except TypeError:
                names.refuse_unknown(name, kwargs, signature(function).parameters)
                return function(*args, **kwargs)  # which says itself what is wrong
            require_numbers(name, function, arguments, ranges, hint)
            check(name, **{key: (arguments[key], range_) for key, range_ in ranges.items()})
            for key in dtypes:
                check_dtype(name, key, arguments[key])
            plain = as_python(function, arguments)
            call = Made(name, {**arguments, **plain}, make)
            plain |= {key: LAST for key in counts if is_past_last(arguments[key])}
            with running(name):
                if plain:
                    all_args, all_kwargs = call.call(plain)
                    made = cast(Any, function)(*all_args, **all_kwargs)
                else:
                    made = function(*args, **kwargs)
            return relabelled(made, call)

        return make

    return decorate


def numeric(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function that makes something else refuse by name what is annotated as a number."""

    @functools.wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            arguments = bound(function, args, kwargs)
        except TypeError:
            return function(*args, **kwargs)  # which says itself what is wrong
        require_numbers(function.__name__, function, arguments)
        return function(*args, **kwargs)

    return make
