"""A transformation that is made anew at each step, of hyperparameters in its state."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax.schedules import StatefulSchedule

from regopt_jax import _hyperparams, _trees
from regopt_jax._core import Change, Composition, GradientTransformation
from regopt_jax._hyperparams import Schedule
from regopt_jax._states import WrappedScheduleState
from regopt_jax._trees import Array, ArrayLike, PyTree

Values = dict[str, Any]
NUMBERS = (int, float, jax.Array, np.ndarray, np.number)
_NUMBER_NEEDED = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


class _Counted:
    """A schedule of the step as one that keeps its own count."""

    def __init__(self, schedule: Schedule):
        self.schedule = schedule

    def init(self) -> WrappedScheduleState:
        return WrappedScheduleState(jnp.zeros([], jnp.int32))

    def update(self, state: WrappedScheduleState, **_: Any) -> WrappedScheduleState:
        return WrappedScheduleState(optax.safe_increment(state.count))

    def __call__(self, state: WrappedScheduleState, **_: Any) -> ArrayLike:
        return _hyperparams.at(self.schedule, state.count)


def injected(
    build: Callable[[Values], GradientTransformation],
    numbers: Values,
    schedules: dict[str, Any],
    hyperparam_dtype: Any,
) -> GradientTransformation:
    """``build(values)`` at each step, of the numbers in the state and of the schedules' values."""
    schedules = {
        name: s if isinstance(s, StatefulSchedule) else _Counted(s) for name, s in schedules.items()
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
        dtype = hyperparam_dtype or _trees.real_dtype(tree)
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
        run: str, values: Values, updates: PyTree, state: Any, params: Any, extra: Values
    ) -> tuple[PyTree, Any]:
        return getattr(build(values), run)(updates, state, params, **extra)

    # Outside jit every step would compile its own kernels, in which the values are constants.
    jitted = {run: jax.jit(functools.partial(call, run)) for run in ("update", "step")}

    def advance(
        run: str, updates: PyTree, state: Any, params: PyTree | None, extra: dict[str, Any]
    ) -> tuple[PyTree, optax.InjectStatefulHyperparamsState]:
        states = state.hyperparams_states
        scheduled = {name: f(states[name], **extra) for name, f in schedules.items()}
        values = stored(state.hyperparams | scheduled, updates if params is None else params)

        def advanced(values: Values) -> tuple[PyTree, Any]:
            operands = (values, updates, state.inner_state, params, extra)
            if not _known(operands):
                return call(run, *operands)
            build(values)  # checks the numbers, which within jit are not known
            return jitted[run](*operands)

        out, inner_state = attempt(advanced, values)
        return out, optax.InjectStatefulHyperparamsState(
            count=optax.safe_increment(state.count),
            hyperparams=values,
            hyperparams_states={n: f.update(states[n], **extra) for n, f in schedules.items()},
            inner_state=inner_state,
        )

    def update(updates: PyTree, state: Any, params: Any = None, **extra: Any) -> Any:
        return advance("update", updates, state, params, extra)

    def in_place(grads: PyTree, state: Any, params: PyTree, **extra: Any) -> Any:
        return advance("step", grads, state, params, extra)

    def metric(state: Any, params: PyTree) -> PyTree:
        metric_of = build(state.hyperparams).metric
        assert metric_of is not None
        return metric_of(state.inner_state, params)

    def at(state: Any) -> tuple[GradientTransformation, ...]:
        due = {n: f(state.hyperparams_states[n]) for n, f in schedules.items() if _counts(f)}
        return (build(state.hyperparams | due),)

    def edit(change: Change) -> GradientTransformation:
        return injected(lambda values: change(build(values)), numbers, schedules, hyperparam_dtype)

    def rebuild(parts: Sequence[GradientTransformation]) -> GradientTransformation:
        (new,) = parts
        return edit(lambda _: new)

    return GradientTransformation(
        init,
        update,
        name="inject_hyperparams",
        hyperparams=numbers | {n: f.schedule for n, f in schedules.items() if _counts(f)},
        role="composite",
        elementwise=part.elementwise,
        metric=None if part.metric is None else metric,
        in_place=None if part.in_place is None else in_place,
        composition=Composition(
            (part,),
            (part.name,),
            lambda state: (state.inner_state,),
            rebuild,
            gate=_holds_back(part),
            at=at,
            edit=edit,
        ),
    )


def _known(tree: PyTree) -> bool:
    """Whether the leaves are arrays or numbers, none of them traced."""
    return all(
        isinstance(x, NUMBERS) and not isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(tree)
    )


def _counts(schedule: Any) -> bool:
    return isinstance(schedule, _Counted)


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
        f"inject_hyperparams: {name}={_hyperparams.shown(schedule.schedule)} was taken for a "
        "schedule, but gives no number for the step 0; name it in static_args."
    )


def _holds_back(tx: GradientTransformation) -> bool:
    gate = tx.composition is not None and tx.composition.gate
    return gate or any(map(_holds_back, tx.parts))


def _stored(value: Any, dtype: Any) -> Array:
    """The value as the state keeps it: an array whose dtype is not weak."""
    own = jnp.result_type(value)
    if isinstance(value, jax.Array) and not value.weak_type:
        return value
    kept = dtype if jnp.issubdtype(own, jnp.floating) else own
    return jax.lax.convert_element_type(value, kept)
