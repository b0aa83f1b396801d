"""A transformation that is made anew at each step, of hyperparameters in its state."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax.schedules import StatefulSchedule

from regopt_jax._core import Array, ArrayLike, PyTree, arithmetic, fields, wrap
from regopt_jax._core.made import Made
from regopt_jax._core.modes import Mode
from regopt_jax._core.nature import Change
from regopt_jax._core.protocol import GradientTransformation, relabelled
from regopt_jax._core.show import shown
from regopt_jax._core.tolerance import strict
from regopt_jax.schedules.wrapped import WrappedSchedule

Values = dict[str, Any]
NUMBERS = (int, float, jax.Array, np.ndarray, np.number)
_NUMBER_NEEDED = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def injected(
    build: Callable[[Values], GradientTransformation],
    numbers: Values,
    schedules: dict[str, Any],
    hyperparam_dtype: Any,
    made: Made,
) -> GradientTransformation:
    """``build(values)`` at each step, of the numbers in the state and of the schedules' values."""
    schedules = {
        name: s if isinstance(s, StatefulSchedule) else WrappedSchedule(s)
        for name, s in schedules.items()
    }
    known = numbers | {name: _first_value(name, f) for name, f in schedules.items()}
    part = build(known)

    def attempt(run: Callable[[Values], Any], values: Values) -> Any:
        """``run(values)``; what needs the number behind a traced value is an error by name."""

        def fails(name: str) -> bool:
            def with_traced(value: Any) -> None:
                run(known | {name: value})

            try:
                jax.eval_shape(with_traced, values[name])
            except _NUMBER_NEEDED:
                return True
            return False

        try:
            return run(values)
        except _NUMBER_NEEDED as error:
            needed = [name for name in values if fails(name)]
            if not needed:
                raise
            raise TypeError(
                f"inject_hyperparams: {part.name} needs the numbers of {needed} when it is "
                "compiled, so they cannot be kept in the state; name them in static_args."
            ) from error

    def stored(values: Values, tree: PyTree) -> dict[str, Array]:
        dtype = hyperparam_dtype or arithmetic.real_dtype(tree, narrowest=False)
        return {name: _stored(value, dtype) for name, value in values.items()}

    def init(params: PyTree) -> optax.InjectStatefulHyperparamsState:
        states = {name: f.init() for name, f in schedules.items()}
        scheduled = {name: f(states[name]) for name, f in schedules.items()}
        values = stored(numbers | scheduled, params)
        return optax.InjectStatefulHyperparamsState(
            count=jnp.zeros([], jnp.int32),
            hyperparams=values,
            hyperparams_states=states,
            inner_state=attempt(lambda values: build(values).init(params), values),
        )

    def call(
        values: Values, mode: Mode, updates: PyTree, state: Any, params: Any, extra: Values
    ) -> tuple[PyTree, Any]:
        return build(values).run(mode, updates, state, params, extra)

    # Outside jit every step would compile its own kernels, in which the values are constants.
    jitted = jax.jit(call)

    def run(
        mode: Mode, updates: PyTree, state: Any, params: PyTree | None, extra: Any
    ) -> tuple[PyTree, optax.InjectStatefulHyperparamsState]:
        states = state.hyperparams_states
        scheduled = {name: f(states[name], **extra) for name, f in schedules.items()}
        tree = updates if params is None and strict() else params  # Optax reads the latter alone
        values = stored(state.hyperparams | scheduled, tree)

        def advanced(values: Values) -> tuple[PyTree, Any]:
            operands = (values, mode, updates, state.inner_state, params, extra)
            if not _known(operands):
                return call(*operands)
            build(values)  # checks the numbers, which within jit are not known
            return jitted(*operands)

        out, inner_state = attempt(advanced, values)
        return out, optax.InjectStatefulHyperparamsState(
            count=optax.safe_increment(state.count),
            hyperparams=values,
            hyperparams_states={n: f.update(states[n], **extra) for n, f in schedules.items()},
            inner_state=inner_state,
        )

    def metric(parts: Sequence[Any], state: Any, params: PyTree) -> PyTree:
        metric_of = build(state.hyperparams).metric
        assert metric_of is not None
        return metric_of(state.inner_state, params)

    def due(state: Any) -> Values:
        """The values that the next update uses, as far as the step alone says them."""
        own = {n: f(state.hyperparams_states[n]) for n, f in schedules.items() if _counts(f)}
        return {**state.hyperparams, **own}

    def edit(change: Change) -> GradientTransformation:
        changed = Made(made.name, made.arguments)
        return injected(
            lambda values: change(build(values)), numbers, schedules, hyperparam_dtype, changed
        )

    whole = wrap(
        part,
        init=init,
        run=run,
        lens=fields("inner_state"),
        metric=metric,
        in_force=due,
        parts_at=lambda state: (build(due(state)),),
        edit=edit,
    )
    return relabelled(whole, made)


def _known(tree: PyTree) -> bool:
    """Whether the leaves are arrays or numbers, none of them traced."""
    return all(
        isinstance(x, NUMBERS) and not isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(tree)
    )


def _counts(schedule: Any) -> bool:
    return isinstance(schedule, WrappedSchedule)


def _first_value(name: str, schedule: Any) -> ArrayLike:
    """A schedule's value at the first step.

    Raises:
      TypeError: a function of something else, such as a mask; names the argument.
    """
    if not _counts(schedule):
        return schedule(schedule.init())
    try:
        value = schedule(schedule.init())
        is_number = jnp.issubdtype(jnp.result_type(value), jnp.number)
    except Exception as error:
        raise _no_schedule(name, schedule) from error
    if not is_number:
        raise _no_schedule(name, schedule)
    return value


def _no_schedule(name: str, schedule: Any) -> TypeError:
    return TypeError(
        f"inject_hyperparams: {name}={shown(schedule.schedule_fn)} was taken for a "
        "schedule, but gives no number for the step 0; name it in static_args."
    )


def _stored(value: Any, dtype: Any) -> Array:
    """The value as the state keeps it: an array whose dtype is not weak."""
    own = jnp.result_type(value)
    if isinstance(value, jax.Array) and not getattr(value, "weak_type", False):  # as a key has
        return value
    kept = dtype if jnp.issubdtype(own, jnp.floating) else own
    return jax.lax.convert_element_type(value, kept)
