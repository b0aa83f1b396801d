"""The hyperparameters in force, from a transformation and its state."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import optax
from optax.contrib import ReduceLROnPlateauState, ScheduleFreeState

from regopt_jax._core import Composition, GradientTransformation, adopt
from regopt_jax._hyperparams import at, previous
from regopt_jax._trees import Array, ArrayLike
from regopt_jax.regularizers.base import Regularizer
from regopt_jax.transforms.scale import given_factor, signed_factor

_INJECTED = (optax.InjectStatefulHyperparamsState, optax.InjectHyperparamsState)


def hyperparams(tx: optax.GradientTransformation, state: Any) -> dict[str, Any]:
    """Every hyperparameter that the next ``tx.update(grads, state)`` will use.

    Args:
      tx: a transformation of ours, nested or wrapped; of Optax's, what its
        ``inject_hyperparams`` keeps in the state.
      state: its state.

    Returns:
      Values by path, such as ``adamw/scale_by_learning_rate/learning_rate``;
      schedules are evaluated, and a part named twice gets its position, ``trace.1``.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.sgd(ro.linear_schedule(0.0, 1.0, 10), momentum=0.9)
    >>> state = tx.init(jnp.array(0.0))
    >>> _, state = tx.update(jnp.array(1.0), state)
    >>> float(hyperparams(tx, state)["scale_by_learning_rate/learning_rate"])
    0.10000000149011612
    """
    found: dict[str, Any] = {}
    for path, part, part_state in _walk(adopt(tx), state):
        values = dict(part.hyperparams)
        if isinstance(part_state, _INJECTED):
            schedules = {name: value for name, value in values.items() if callable(value)}
            values = dict(part_state.hyperparams) | schedules
        for name, value in values.items():
            found["/".join((*path, name))] = _in_force(value, _count(part_state))
    return found


def learning_rate(tx: optax.GradientTransformation, state: Any) -> Array | dict[str, Array]:
    """The learning rate that the next ``tx.update(grads, state)`` will use.

    The product of the sizes of all factors in the chain, so that
    ``chain(scale_by_adam(), scale_by_schedule(f), scale(-1))`` has one too.

    Args:
      tx: a transformation of ours, nested or wrapped.
      state: its state.

    Returns:
      A scalar; for a :func:`partition` one for each label.

    Raises:
      ValueError: no part of ``tx`` sets a step size.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.adam(ro.step_decay(0.1, every_steps=30))
    >>> float(learning_rate(tx, tx.init(jnp.array(0.0))))
    0.10000000149011612
    """
    rate = _rate(adopt(tx), state)
    if rate is None:
        raise ValueError(
            f"learning_rate: no part of {tx!r} sets a step size; add scale_by_learning_rate."
        )
    return rate


def has_learning_rate(tx: GradientTransformation) -> bool:
    """Whether some part of ``tx`` sets a step size."""
    return _is_factor(tx) or any(map(has_learning_rate, tx.parts))


def _is_factor(tx: GradientTransformation) -> bool:
    return tx.role in ("step_size", "step") and given_factor(tx.hyperparams) is not None


def _rate(tx: GradientTransformation, state: Any) -> Any:
    if _is_factor(tx):
        return jnp.abs(jnp.asarray(signed_factor(tx.hyperparams, _count(state)), float))
    if isinstance(state, ReduceLROnPlateauState):
        return jnp.asarray(state.scale)
    rate = None if tx.composition is None else _combine(tx, _rates(tx.composition, state))
    if rate is None and isinstance(state, _INJECTED) and "learning_rate" in state.hyperparams:
        return jnp.asarray(hyperparams(tx, state)["learning_rate"])
    return rate


def _rates(composition: Composition, state: Any) -> dict[str, Any]:
    parts = zip(
        composition.labels, composition.parts_at(state), composition.states(state), strict=True
    )
    rates = {label: _rate(part, s) for label, part, s in parts}
    return {label: rate for label, rate in rates.items() if rate is not None}


def _combine(tx: GradientTransformation, rates: dict[str, Any]) -> Any:
    if len(tx.parts) > 1 and tx.composition is not None and not tx.composition.sequential:
        return rates or None
    total: Any = None
    for rate in rates.values():
        total = rate if total is None else _times(total, rate)
    return total


def _times(a: Any, b: Any) -> Any:
    if isinstance(a, dict):
        return {label: _times(rate, b) for label, rate in a.items()}
    if isinstance(b, dict):
        return {label: _times(a, rate) for label, rate in b.items()}
    return a * b


def _in_force(value: Any, count: ArrayLike | None) -> Any:
    if count is None:
        return value
    return value.at(count) if isinstance(value, Regularizer) else at(value, count)


def _count(state: Any) -> ArrayLike | None:
    if isinstance(state, optax.MultiStepsState):
        return state.gradient_step
    if isinstance(state, ScheduleFreeState):
        return previous(state.step_count)
    return state.count if "count" in getattr(state, "_fields", ()) else None


def _walk(
    tx: GradientTransformation, state: Any, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], GradientTransformation, Any]]:
    yield path, tx, state
    if tx.composition is None:
        return
    repeated = Counter(tx.composition.labels)
    parts = zip(
        tx.composition.labels,
        tx.composition.parts_at(state),
        tx.composition.states(state),
        strict=True,
    )
    for i, (label, part, part_state) in enumerate(parts):
        name = label if repeated[label] == 1 else f"{label}.{i}"
        yield from _walk(part, part_state, (*path, name))
