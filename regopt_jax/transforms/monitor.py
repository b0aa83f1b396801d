"""Measurements of the updates that pass by, kept in the state."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import Array, ArrayLike, PyTree, as_transformation, transformation, trees
from regopt_jax._core.by_name import is_transformation
from regopt_jax._core.nature import Rule
from regopt_jax._core.packed import is_packed
from regopt_jax._core.protocol import GradientTransformation, primitive
from regopt_jax._core.tolerance import strict
from regopt_jax.transforms.ema import ema

Measure = Callable[[PyTree], PyTree]


@transformation()
def snapshot(measure_name: str, measure: Measure) -> GradientTransformation:
    """Keep a measurement of the updates in the state; pass them through.

    Args:
      measure_name: its name in the state, for ``optax.tree.get(state, measure_name)``.
      measure: from the updates to an array or a tree of arrays.

    >>> import jax.numpy as jnp, optax, regopt_jax as ro
    >>> tx = ro.chain(ro.snapshot("grad_norm", ro.global_norm), ro.clip_by_global_norm(1.0))
    >>> params = jnp.zeros(2)
    >>> _, state = tx.update(jnp.array([3.0, 4.0]), tx.init(params), params)
    >>> float(optax.tree.get(state, "grad_norm"))
    5.0
    """

    def init(params: PyTree) -> optax.SnapshotState:
        return optax.SnapshotState({measure_name: _measured(measure, params)})

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, optax.SnapshotState]:
        return updates, optax.SnapshotState({measure_name: _measured(measure, updates)})

    return _passing(init, update)


@transformation()
def monitor(
    measures: Mapping[str, Measure | optax.GradientTransformation],
) -> GradientTransformation:
    """Keep measurements that may have a memory in the state; pass the updates through.

    Before the first update the state holds zeros.

    Args:
      measures: by name, for ``optax.tree.get(state, name)``: functions of the updates, or
        transformations whose output is the measurement, such as :func:`measure_with_ema`.

    >>> import jax.numpy as jnp, optax, regopt_jax as ro
    >>> tx = ro.monitor({"norm": ro.measure_with_ema(ro.global_norm, decay=0.5)})
    >>> state = tx.init(jnp.zeros(2))
    >>> for g in ([3.0, 4.0], [6.0, 8.0]):
    ...     _, state = tx.update(jnp.array(g), state)
    >>> round(float(optax.tree.get(state, "norm")), 4)
    8.3333
    """
    parts = {
        name: as_transformation(m) if is_transformation(m) else _stateless(m)
        for name, m in measures.items()
    }

    def measured(
        updates: PyTree, states: Any, params: Any, extra: Any
    ) -> tuple[dict[str, PyTree], tuple[Any, ...]]:
        pairs = [
            part.update(updates, state, params, **extra)
            for part, state in zip(parts.values(), states, strict=True)
        ]
        measurements = {name: out for name, (out, _) in zip(parts, pairs, strict=True)}
        return measurements, tuple(state for _, state in pairs)

    def init(params: PyTree) -> optax.MonitorState:
        states = tuple(part.init(params) for part in parts.values())
        if not strict():
            return optax.MonitorState({}, states)
        shapes, _ = jax.eval_shape(lambda p, s: measured(p, s, p, {}), params, states)
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        return optax.MonitorState(zeros, states)

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, optax.MonitorState]:
        return updates, optax.MonitorState(*measured(updates, state.measure_states, params, extra))

    return _passing(init, update)


@transformation()
def measure_with_ema(
    measure: Measure, decay: ArrayLike, debias: bool = True, accumulator_dtype: Any = None
) -> GradientTransformation:
    """The moving average of a measurement of the updates, for :func:`monitor`.

    Args:
      measure: from the updates to an array or a tree of arrays; booleans count as 0 and 1.
      decay, debias, accumulator_dtype: see :func:`ema`.

    Raises:
      ValueError: ``decay`` out of its range.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.measure_with_ema(lambda u: ro.global_norm(u) > 1.0, decay=0.9)
    >>> measurement, _ = tx.update(jnp.array([3.0]), tx.init(jnp.zeros(1)))
    >>> round(float(measurement), 6)
    1.0
    """
    average = ema(decay, debias, accumulator_dtype)
    stateless = _stateless(lambda updates: jax.tree.map(_inexact, measure(updates)))

    def init(params: PyTree) -> tuple[Any, Any]:
        measurement, state = stateless.update(params, stateless.init(params))
        return state, average.init(measurement)

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, tuple[Any, Any]]:
        measurement, first = stateless.update(updates, state[0])
        out, second = average.update(measurement, state[1])
        return out, (first, second)

    return primitive(init, update, Rule())


def _stateless(measure: Any) -> GradientTransformation:
    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, optax.EmptyState]:
        return _measured(measure, updates), state

    return GradientTransformation(lambda params: optax.EmptyState(), update)


def _measured(measure: Measure, updates: PyTree) -> PyTree:
    """What ``measure`` says of the tree, in arrays whose dtypes are never weak."""
    tree = updates.unpack() if is_packed(updates) else updates
    return jax.tree.map(_strong, measure(tree))


def _strong(x: Any) -> Array:
    return jax.lax.convert_element_type(x, jnp.result_type(x))


def _inexact(x: Array) -> Array:
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(float)


def _passing(init: Callable[..., Any], update: Callable[..., Any]) -> GradientTransformation:
    rule = Rule("gradient", elementwise=True, metric=lambda state, params: trees.ones(params))
    return primitive(init, update, rule)
