"""Hyperparameters kept in the state: to change, to sweep and to differentiate."""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax.schedules import StatefulSchedule

from regopt_jax import _hyperparams, _trees
from regopt_jax._core import Change, Composition, GradientTransformation, adopt
from regopt_jax._hyperparams import Schedule
from regopt_jax._states import WrappedScheduleState
from regopt_jax._trees import Array, ArrayLike, PyTree
from regopt_jax.combine.select import Selector

Maker = Callable[..., optax.GradientTransformation]
Values = dict[str, Any]
_NUMBERS = (int, float, jax.Array, np.ndarray, np.number)


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
        named here; booleans, dtypes and selectors are left alone anyway, and so are
        keyword-only arguments that are not given.
      hyperparam_dtype: dtype of floats in the state; when ``None`` the widest of the
        parameters, and at least float32.

    Returns:
      A function with the arguments of ``inner_factory``, each a number, a schedule, or a
      stateful schedule with ``init()``, ``update(state, **extra_args)`` and a call
      ``(state, **extra_args)``.

    Raises:
      ValueError: ``static_args`` names something that is not an argument.

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
            optional = signature.parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
            if name in static or _is_static(value) or (optional and name not in given):
                continue
            if isinstance(value, StatefulSchedule):
                schedules[name] = value
            elif callable(value):
                schedules[name] = _Counted(value)
            elif isinstance(value, _NUMBERS):
                numbers[name] = value

        def build(values: Values) -> GradientTransformation:
            arguments = bound.arguments | {k: _weak(v) for k, v in values.items()}
            call = inspect.BoundArguments(signature, arguments)
            return adopt(inner_factory(*call.args, **call.kwargs))

        return _injected(build, numbers, schedules, hyperparam_dtype)

    return make


inject_stateful_hyperparams = inject_hyperparams


def _injected(
    build: Callable[[Values], GradientTransformation],
    numbers: Values,
    schedules: dict[str, Any],
    hyperparam_dtype: Any,
) -> GradientTransformation:
    part = build(numbers | {name: f(f.init()) for name, f in schedules.items()})

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
            inner_state=build(values).init(params),
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
        tx, operands = build(values), (values, updates, state.inner_state, params, extra)
        if _known(operands):
            out, inner_state = jitted[run](*operands)
        else:
            out, inner_state = getattr(tx, run)(updates, state.inner_state, params, **extra)
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
        return _injected(lambda values: change(build(values)), numbers, schedules, hyperparam_dtype)

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
    """Whether the leaves are arrays or floats, none of them traced."""
    kinds = (jax.Array, np.ndarray, np.number, float)
    return all(
        isinstance(x, kinds) and not isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(tree)
    )


def _counts(schedule: Any) -> bool:
    return isinstance(schedule, _Counted)


def _is_static(value: Any) -> bool:
    return isinstance(value, bool | type | Selector)


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


def _weak(value: Any) -> Any:
    """The value as the maker gets it: like a Python number, it takes the dtypes it meets."""
    if not isinstance(value, jax.Array | np.ndarray | np.number):
        return value
    for kind, zero in ((jnp.floating, 0.0), (jnp.integer, 0)):
        if jnp.issubdtype(value.dtype, kind):
            one = functools.partial(jax.lax.full_like, jnp.asarray(zero))
            return functools.reduce(lambda f, _: jax.vmap(f), range(value.ndim), one)(value)
    return value
