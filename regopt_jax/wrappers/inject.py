"""Hyperparameters kept in the state: to change, to sweep and to differentiate."""

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import optax

from regopt_jax._core import GradientTransformation, as_transformation, numbers
from regopt_jax._core.made import Made, bound, signature
from regopt_jax._core.promotion import weak
from regopt_jax._core.tolerance import as_optax, strict
from regopt_jax.combine import Selector
from regopt_jax.wrappers.injected import NUMBERS, Values, injected

Maker = Callable[..., optax.GradientTransformation]


def inject_hyperparams(
    inner_factory: Maker, static_args: str | Iterable[str] = (), hyperparam_dtype: Any = None
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
      ValueError: ``static_args`` names something that is not an argument; ``hyperparam_dtype``
        holds no fractions.
      TypeError: an argument that must be named there: a function that is no schedule, or a
        number whose value decides what is compiled.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.inject_hyperparams(ro.sgd)(learning_rate=0.1)
    >>> state = tx.init(jnp.array(0.0))
    >>> state.hyperparams["learning_rate"] = jnp.array(0.5)
    >>> float(tx.update(jnp.array(1.0), state)[0]), float(ro.learning_rate(tx, state))
    (-0.5, 0.5)
    """
    numbers.check_dtype("inject_hyperparams", "hyperparam_dtype", hyperparam_dtype)
    static = {static_args} if isinstance(static_args, str) else set(static_args)
    parameters = signature(inner_factory).parameters
    unknown = static - set(parameters)
    if unknown:
        raise ValueError(
            f"inject_hyperparams: static_args has {sorted(unknown)}, but the arguments are "
            f"{list(parameters)}."
        )

    return _Injecting(inner_factory, frozenset(static), hyperparam_dtype)


@dataclasses.dataclass(frozen=True)
class _Injecting:
    """What :func:`inject_hyperparams` returns; equal for equal arguments."""

    factory: Maker
    static: frozenset[str]
    dtype: Any
    exact: bool = dataclasses.field(default_factory=strict)

    @property
    def made(self) -> Made:
        """The call that made it."""
        given = {
            "inner_factory": self.factory,
            "static_args": tuple(sorted(self.static)),
            "hyperparam_dtype": self.dtype,
        }
        return Made("inject_hyperparams", given, inject_hyperparams)

    @property
    def __wrapped__(self) -> Maker:
        """Whose arguments it takes."""
        return self.factory

    def __call__(self, *args: Any, **kwargs: Any) -> GradientTransformation:
        with contextlib.nullcontext() if self.exact else as_optax():
            return self._make(*args, **kwargs)

    def _make(self, *args: Any, **kwargs: Any) -> GradientTransformation:
        parameters = signature(self).parameters
        given = signature(self).bind(*args, **kwargs).arguments
        arguments = bound(self, args, kwargs)
        values: Values = {}
        schedules: dict[str, Any] = {}
        for name, value in arguments.items():
            parameter = parameters[name]
            optional = parameter.kind is parameter.KEYWORD_ONLY
            if name in self.static or _is_static(value, parameter):
                continue
            if optional and name not in given and self.exact:
                continue
            if callable(value):
                schedules[name] = value
            elif isinstance(value, NUMBERS):
                values[name] = value

        made = Made("inject_hyperparams", arguments, self)

        def build(values: Values) -> GradientTransformation:
            call, keywords = made.call({k: weak(v) if self.exact else v for k, v in values.items()})
            return as_transformation(self.factory(*call, **keywords))

        return injected(build, values, schedules, self.dtype, made)


inject_stateful_hyperparams = inject_hyperparams


def _is_static(value: Any, parameter: inspect.Parameter) -> bool:
    whole = isinstance(value, int) and parameter.annotation in (int, "int")
    return whole or isinstance(value, bool | type | Selector)
