"""Hyperparameters kept in the state: to change, to sweep and to differentiate."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax._core import GradientTransformation, adopt
from regopt_jax.combine.select import Selector
from regopt_jax.wrappers.injected import NUMBERS, Values, injected

Maker = Callable[..., optax.GradientTransformation]


def inject_hyperparams(
    inner_factory: Maker,
    static_args: str | Iterable[str] = (),
    hyperparam_dtype: Any = None,
) -> Callable[..., GradientTransformation]:
    """A maker of transformations that keep their numeric hyperparameters in the state.

    ``state.hyperparams["learning_rate"] = 0.01`` changes one between steps, ``jax.vmap`` over
    states sweeps it and ``jax.grad`` differentiates by it, none of which compiles anew. A
    schedule is evaluated at each step; its entry shows the value last used.

    Args:
      inner_factory: such as :func:`adam`; ours or one of Optax's.
      static_args: names of arguments to leave alone. Functions are taken for schedules unless
        named here; booleans, dtypes, selectors and integers of arguments annotated ``int``
        (such as a number of iterations) are left alone anyway, and so are keyword-only
        arguments that are not given.
      hyperparam_dtype: dtype of floats in the state; when ``None`` the widest of the
        parameters, and at least float32.

    Returns:
      A function with the arguments of ``inner_factory``, each a number, a schedule, or a
      stateful schedule with ``init()``, ``update(state, **extra_args)`` and a call
      ``(state, **extra_args)``.

    Raises:
      ValueError: ``static_args`` names something that is not an argument.
      TypeError: an argument that must be named there: a function that is no schedule, or a
        number whose value decides what is compiled.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.inject_hyperparams(ro.sgd)(learning_rate=0.1)
    >>> state = tx.init(jnp.array(0.0))
    >>> state.hyperparams["learning_rate"] = jnp.array(0.5)
    >>> float(tx.update(jnp.array(1.0), state)[0]), float(ro.learning_rate(tx, state))
    (-0.5, 0.5)
    """
    static = {static_args} if isinstance(static_args, str) else set(static_args)
    signature = inspect.signature(inner_factory)
    unknown = static - set(signature.parameters)
    if unknown:
        raise ValueError(
            f"inject_hyperparams: static_args has {sorted(unknown)}, but the arguments are "
            f"{list(signature.parameters)}."
        )

    @functools.wraps(inner_factory)
    def make(*args: Any, **kwargs: Any) -> GradientTransformation:
        bound = signature.bind(*args, **kwargs)
        given = set(bound.arguments)
        bound.apply_defaults()
        numbers: Values = {}
        schedules: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            parameter = signature.parameters[name]
            optional = parameter.kind is parameter.KEYWORD_ONLY
            if name in static or _is_static(value, parameter) or (optional and name not in given):
                continue
            if callable(value):
                schedules[name] = value
            elif isinstance(value, NUMBERS):
                numbers[name] = value

        def build(values: Values) -> GradientTransformation:
            arguments = bound.arguments | {k: _weak(v) for k, v in values.items()}
            call = inspect.BoundArguments(signature, arguments)
            return adopt(inner_factory(*call.args, **call.kwargs))

        return injected(build, numbers, schedules, hyperparam_dtype)

    return make


inject_stateful_hyperparams = inject_hyperparams


def _is_static(value: Any, parameter: inspect.Parameter) -> bool:
    whole = isinstance(value, int) and parameter.annotation in (int, "int")
    return whole or isinstance(value, bool | type | Selector)


def _weak(value: Any) -> Any:
    """The value as the maker gets it: like a Python number, it takes the dtypes it meets."""
    if not isinstance(value, jax.Array | np.ndarray | np.number):
        return value
    for kind, zero in ((jnp.floating, 0.0), (jnp.integer, 0)):
        if jnp.issubdtype(value.dtype, kind):
            one = functools.partial(jax.lax.full_like, jnp.asarray(zero))
            return functools.reduce(lambda f, _: jax.vmap(f), range(value.ndim), one)(value)
    return value
