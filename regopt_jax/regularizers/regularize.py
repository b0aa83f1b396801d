"""Putting a regulariser at its place in an existing chain, by reading the chain's parts."""

import functools
import operator
from collections.abc import Callable, Iterator
from typing import Literal

import optax

from regopt_jax._core import GradientTransformation, adopt
from regopt_jax._trees import ArrayLike
from regopt_jax.combine.chain import chain
from regopt_jax.regularizers.base import Regularizer
from regopt_jax.regularizers.placements import coupled, decoupled, proximal
from regopt_jax.transforms.scale import signed_factor

Placement = Literal["coupled", "decoupled", "proximal"]
Position = tuple[int, ...]


def regularize(
    tx: optax.GradientTransformation, regularizer: Regularizer, how: Placement
) -> GradientTransformation:
    r"""Add a regulariser to a chain, at the place that ``how`` names.

    Args:
      tx: a chain of ours; wrappers are entered, and each group of a partition gets its own.
      regularizer: R.
      how: ``coupled`` puts :math:`∇R` before the first part that preconditions, after
        clipping; ``decoupled`` after the last, so that the learning rate scales it
        but no moment sees it; ``proximal`` applies its proximal map after the step.

    Raises:
      ValueError: ``how`` is none of these, or ``tx`` has no such place; says why.

    >>> import regopt_jax as ro
    >>> tx = ro.regularize(ro.adam(1e-3), ro.l2(1e-2), how="decoupled")
    >>> [part.name for part in tx.parts]
    ['scale_by_adam', 'decoupled', 'scale_by_learning_rate']
    """
    placements: dict[str, Callable[[GradientTransformation, Regularizer], GradientTransformation]]
    placements = {"coupled": _couple, "decoupled": _decouple, "proximal": proximal}
    if how not in placements:
        raise ValueError(f"regularize: how must be one of {sorted(placements)}, got {how!r}.")
    part = adopt(tx)
    if how != "proximal" and part.composition and not part.composition.sequential:
        inside = [regularize(inner, regularizer, how) for inner in part.parts]
        return part.composition.rebuild(inside)
    return placements[how](part, regularizer)


def _primitives(
    tx: GradientTransformation, position: Position = ()
) -> Iterator[tuple[Position, GradientTransformation]]:
    """The parts of nested chains in the order in which they run, with their positions."""
    if tx.composition is None or not tx.composition.sequential:
        yield position, tx
        return
    for i, part in enumerate(tx.parts):
        yield from _primitives(part, (*position, i))


def _roles(tx: GradientTransformation) -> set[str]:
    return {tx.role} if not tx.parts else set().union(*map(_roles, tx.parts))


def _insert(
    tx: GradientTransformation, position: Position, new: GradientTransformation
) -> GradientTransformation:
    if not position:
        return chain(new, tx)
    assert tx.composition is not None
    index, *deeper = position
    parts = list(tx.parts)
    if deeper:
        parts[index] = _insert(parts[index], tuple(deeper), new)
    else:
        parts.insert(index, new)
    return tx.composition.rebuild(parts).named(tx.name, **tx.hyperparams)


def _couple(tx: GradientTransformation, regularizer: Regularizer) -> GradientTransformation:
    for position, part in _primitives(tx):
        if _roles(part) != {"gradient"}:
            if part.composition:
                return _replace(tx, position, regularize(part, regularizer, "coupled"))
            return _insert(tx, position, coupled(regularizer))
    raise ValueError(
        f"regularize: {tx.name} only filters the gradient; it neither preconditions nor sets a "
        "step size, so there is nothing to couple to. Chain it with coupled(R) yourself."
    )


def _replace(
    tx: GradientTransformation, position: Position, new: GradientTransformation
) -> GradientTransformation:
    if not position:
        return new
    assert tx.composition is not None
    index, *deeper = position
    parts = list(tx.parts)
    parts[index] = _replace(parts[index], tuple(deeper), new)
    return tx.composition.rebuild(parts).named(tx.name, **tx.hyperparams)


def _decouple(tx: GradientTransformation, regularizer: Regularizer) -> GradientTransformation:
    parts = list(_primitives(tx))
    preconditions = [i for i, (_, part) in enumerate(parts) if "precondition" in _roles(part)]
    sizes = [i for i, (_, part) in enumerate(parts) if "step_size" in _roles(part)]
    gates = [i for i, (_, part) in enumerate(parts) if part.composition and i in sizes]
    if gates:
        position, part = parts[gates[-1]]
        return _replace(tx, position, regularize(part, regularizer, "decoupled"))
    if not sizes:
        raise ValueError(
            f"regularize: {tx.name} has no learning rate to scale a decoupled regulariser by. "
            "Chain it with decoupled(R) yourself, before the learning rate."
        )
    after = [i for i in sizes if not preconditions or i > preconditions[-1]]
    if after:
        return _insert(tx, parts[after[0]][0], decoupled(regularizer))
    # A moment follows the learning rate, so R joins after it, scaled by the same rate.
    factors = [parts[i][1].hyperparams for i in sizes]

    def factor(count: ArrayLike) -> ArrayLike:
        return functools.reduce(operator.mul, [signed_factor(f, count) for f in factors])

    scheduled = any(callable(value) for f in factors for value in f.values())
    return chain(tx, decoupled(regularizer.scaled(factor if scheduled else factor(0))))
