"""The hyperparameters in force, from a transformation and its state."""

import functools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import ReduceLROnPlateauState, ScheduleFreeState

from regopt_jax._core import SIZING, GradientTransformation, Opaque, adopt
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

    Minus the product of all factors in the chain, so that
    ``chain(scale_by_adam(), scale_by_schedule(f), scale(-1))`` has one too; negative where
    the chain climbs.

    Args:
      tx: a transformation of ours, nested or wrapped.
      state: its state.

    Returns:
      A scalar; for a :func:`partition` one for each label.

    Raises:
      ValueError: no part of ``tx`` sets a step size, or the state is of another.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.adam(ro.step_decay(0.1, every_steps=30))
    >>> float(learning_rate(tx, tx.init(jnp.array(0.0))))
    0.10000000149011612
    """
    part = adopt(tx)
    factor = _factor(part, state)
    inside = [(own, own_state) for _, own, own_state in _walk(part, state)]
    # A plateau only reduces a rate: of what, is for another part to say.
    if factor is None or not any(_is_factor(x) or isinstance(s, _INJECTED) for x, s in inside):
        opaque = [own for own, _ in inside if isinstance(own, Opaque)]
        advice = (
            f"what {opaque[0].name} does is not known: use regopt_jax's own in its place."
            if opaque
            else "add scale_by_learning_rate."
        )
        raise ValueError(f"learning_rate: no part of {part!r} sets a step size; {advice}")
    return jax.tree.map(jnp.negative, factor)


def has_learning_rate(tx: GradientTransformation) -> bool:
    """Whether some part of ``tx`` sets a step size."""
    return _is_factor(tx) or any(map(has_learning_rate, tx.parts))


def _is_factor(tx: GradientTransformation) -> bool:
    return tx.role in SIZING and given_factor(tx.hyperparams) is not None


def _factor(tx: GradientTransformation, state: Any) -> Any:
    """What ``tx`` multiplies by; a dict for a partition, ``None`` where nothing is known."""
    if _is_factor(tx):
        factor = given_factor(tx.hyperparams)
        count = _count(state)
        if callable(factor) and count is None:
            raise _another(tx, state)
        return jnp.asarray(signed_factor(tx.hyperparams, count), float)
    if isinstance(state, ReduceLROnPlateauState):
        return jnp.asarray(state.scale)
    factor = _combine(tx, state)
    if factor is None and isinstance(state, _INJECTED) and "learning_rate" in state.hyperparams:
        return -jnp.asarray(hyperparams(tx, state)["learning_rate"])
    return factor


def _parts(tx: GradientTransformation, state: Any) -> Iterable[tuple[str, Any, Any]]:
    """Each part's label, the part at ``state``, and its state."""
    if tx.composition is None:
        return ()
    try:
        parts, states = tx.composition.parts_at(state), tx.composition.states(state)
    except (AttributeError, TypeError) as error:
        raise _another(tx, state) from error
    return zip(tx.composition.labels, parts, states, strict=True)


def _another(tx: GradientTransformation, state: Any) -> ValueError:
    return ValueError(
        f"{tx.name}: the state is a {type(state).__name__}, of another transformation. Pass the "
        "state that its own `init` or `update` returned."
    )


def _combine(tx: GradientTransformation, state: Any) -> Any:
    pairs = [(label, _factor(part, s)) for label, part, s in _parts(tx, state)]
    known = [(label, factor) for label, factor in pairs if factor is not None]
    if len(tx.parts) > 1 and tx.composition is not None and not tx.composition.sequential:
        return dict(known) or None
    return functools.reduce(_times, [factor for _, factor in known]) if known else None


def _times(a: Any, b: Any) -> Any:
    if isinstance(a, dict):
        return {label: _times(factor, b) for label, factor in a.items()}
    if isinstance(b, dict):
        return {label: _times(a, factor) for label, factor in b.items()}
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
    parts = list(_parts(tx, state))
    repeated = Counter(label for label, _, _ in parts)
    for i, (label, part, part_state) in enumerate(parts):
        name = label if repeated[label] == 1 else f"{label}.{i}"
        yield from _walk(part, part_state, (*path, name))
