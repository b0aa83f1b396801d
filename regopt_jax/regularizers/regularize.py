"""Putting a regulariser at its place in an existing chain, by reading the chain's parts."""

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import optax

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation, adopt
from regopt_jax._trees import ArrayLike
from regopt_jax.combine.chain import chain
from regopt_jax.combine.select import Mask
from regopt_jax.regularizers.base import Regularizer, require_regularizer
from regopt_jax.regularizers.gradients import coupled, decoupled
from regopt_jax.regularizers.norms import SquaredL2
from regopt_jax.regularizers.proximal import constant_norm, proximal
from regopt_jax.transforms.scale import signed_factor

Placement = Literal["coupled", "decoupled", "independent", "cautious", "proximal", "constant_norm"]
Position = tuple[int, ...]


def regularize(
    tx: optax.GradientTransformation,
    regularizer: Regularizer,
    how: Placement,
    *,
    peak: float | None = None,
) -> GradientTransformation:
    r"""Add a regulariser to a chain, at the place that ``how`` names.

    =================  =====================================================================
    ``coupled``        :math:`g + ∇R(W)` before the first part that preconditions, after
                       clipping: L2 in Adam
    ``decoupled``      :math:`u + ∇R(W)` after the last such part, scaled by the learning
                       rate :math:`α_t`: AdamW
    ``independent``    decoupled, scaled by :math:`α_t/α_{peak}` only: the decay does not
                       change when the learning rate is tuned
    ``cautious``       decoupled, where it agrees with the step: :math:`u\,∇R(W) ≥ 0`
    ``proximal``       :math:`\operatorname{prox}^D_R(W + u)` after the step, in its metric D
    ``constant_norm``  for ``l2``: scaled back, after the step, to the norm before it
    =================  =====================================================================

    Args:
      tx: a chain of ours; wrappers are entered, and each group of a partition gets its own.
      regularizer: R.
      how: the placement.
      peak: for ``independent``, :math:`α_{peak}` > 0, the schedule's largest value; a
        constant learning rate is its own.

    Raises:
      TypeError: ``regularizer`` is none.
      ValueError: ``how`` is none of these, makes no sense for R, or has no place in ``tx``;
        says why.

    >>> import regopt_jax as ro
    >>> tx = ro.regularize(ro.adam(1e-3), ro.l2(1e-2), how="decoupled")
    >>> [part.name for part in tx.parts]
    ['scale_by_adam', 'decoupled', 'scale_by_learning_rate']
    """
    require_regularizer("regularize", regularizer)
    _hyperparams.check("regularize", peak=(peak, "(0, inf) or None"))
    places: dict[str, Callable[[GradientTransformation], GradientTransformation]] = {
        "coupled": lambda part: _couple(part, regularizer),
        "decoupled": lambda part: _decouple(part, regularizer, "decoupled", None),
        "independent": lambda part: _decouple(part, regularizer, "independent", peak),
        "cautious": lambda part: _decouple(part, regularizer, "cautious", None),
        "proximal": lambda part: proximal(part, regularizer),
        "constant_norm": lambda part: constant_norm(part, _only_l2(regularizer)),
    }
    if how not in places:
        raise ValueError(f"regularize: how must be one of {sorted(places)}, got {how!r}.")
    part = adopt(tx)
    after_step = how in ("proximal", "constant_norm")
    if not after_step and part.composition and not part.composition.sequential:
        if how == "independent" and peak is None and part.composition.edit is not None:
            raise ValueError(
                "regularize: independent decay under an injected learning rate needs peak=, the "
                "learning rate to be relative to."
            )
        return part.composition.map(lambda inner: regularize(inner, regularizer, how, peak=peak))
    return places[how](part)


def _only_l2(regularizer: Regularizer) -> Mask:
    others = [term for term in regularizer.terms if not isinstance(term.penalty, SquaredL2)]
    if others:
        raise ValueError(
            f"regularize: constant_norm keeps weights on a sphere, which is a meaning of l2 only, "
            f"not of {others[0]!r}; use proximal."
        )
    return functools.reduce(operator.or_, [term.where for term in regularizer.terms])


def _peak(tx: GradientTransformation, peak: float | None) -> ArrayLike:
    if peak is not None:
        return peak
    sizes = [part.hyperparams for _, part in _primitives(tx) if part.role == "step_size"]
    if any(callable(value) for size in sizes for value in size.values()):
        raise ValueError(
            "regularize: independent decay under a schedule needs peak=, the schedule's largest "
            "value, to be relative to."
        )
    return abs(functools.reduce(operator.mul, [signed_factor(size, 0) for size in sizes], 1.0))


def _primitives(
    tx: GradientTransformation, position: Position = ()
) -> Iterator[tuple[Position, GradientTransformation]]:
    """The parts of nested chains in the order in which they run, with their positions."""
    if tx.composition is None or not tx.composition.sequential:
        yield position, tx
        return
    for i, part in enumerate(tx.parts):
        yield from _primitives(part, (*position, i))


def _edit(
    tx: GradientTransformation,
    position: Position,
    change: Callable[[GradientTransformation], Sequence[GradientTransformation]],
) -> GradientTransformation:
    """``tx`` with the part at ``position`` replaced by what ``change`` makes of it."""
    if not position:
        new = change(tx)
        return new[0] if len(new) == 1 else chain(*new)
    assert tx.composition is not None
    index, *deeper = position
    old = tx.parts[index]
    inside = [_edit(old, tuple(deeper), change)] if deeper else change(old)
    parts = [*tx.parts[:index], *inside, *tx.parts[index + 1 :]]
    return tx.composition.rebuild(parts).named(tx.name, **tx.hyperparams)


def _couple(tx: GradientTransformation, regularizer: Regularizer) -> GradientTransformation:
    for position, part in _primitives(tx):
        if part.roles != {"gradient"}:
            if part.composition and part.composition.gate:
                return _edit(tx, position, lambda gate: [regularize(gate, regularizer, "coupled")])
            return _edit(tx, position, lambda first: [coupled(regularizer), first])
    raise ValueError(
        f"regularize: {tx.name} only filters the gradient; it neither preconditions nor sets a "
        "step size, so there is nothing to couple to. Chain it with coupled(R) yourself."
    )


def _decouple(
    tx: GradientTransformation, regularizer: Regularizer, how: Placement, peak: float | None
) -> GradientTransformation:
    parts = list(_primitives(tx))
    preconditions = [i for i, (_, part) in enumerate(parts) if "precondition" in part.roles]
    sizes = [i for i, (_, part) in enumerate(parts) if "step_size" in part.roles]
    wrapped = [parts[i] for i in sizes if parts[i][1].composition]
    if wrapped:
        position, _ = wrapped[-1]
        return _edit(tx, position, lambda part: [regularize(part, regularizer, how, peak=peak)])
    if not sizes:
        raise ValueError(
            f"regularize: {tx.name} has no learning rate to scale a decoupled regulariser by. "
            "Chain it with decoupled(R) yourself, before the learning rate."
        )
    if how == "independent":
        regularizer = regularizer.scaled(1 / _peak(tx, peak))
    cautious = how == "cautious"
    after = [i for i in sizes if not preconditions or i > preconditions[-1]]
    if after:
        beside = decoupled(regularizer, cautious=cautious)
        return _edit(tx, parts[after[0]][0], lambda rate: [beside, rate])
    # A moment follows the learning rate, so R joins after it, scaled by the same rate.
    factors = [parts[i][1].hyperparams for i in sizes]

    def factor(count: ArrayLike) -> ArrayLike:
        return functools.reduce(operator.mul, [signed_factor(f, count) for f in factors])

    scheduled = any(callable(value) for f in factors for value in f.values())
    scaled = regularizer.scaled(factor if scheduled else factor(0))
    return chain(tx, decoupled(scaled, cautious=cautious))
