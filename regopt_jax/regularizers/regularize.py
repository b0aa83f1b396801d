"""Putting a regulariser at its place in an existing chain, by reading the chain's parts."""

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import jax
import optax

from regopt_jax._core import ArrayLike, GradientTransformation, as_transformation, transformation
from regopt_jax._core.nature import Chain, Change, Rule, Wrapper
from regopt_jax._core.wrap import map_parts, with_parts
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.base import Regularizer, require_regularizer
from regopt_jax.regularizers.gradients import coupled, decoupled
from regopt_jax.regularizers.norms import SquaredL2
from regopt_jax.regularizers.proximal import constant_norm, proximal

Placement = Literal["coupled", "decoupled", "independent", "cautious", "proximal", "constant_norm"]
Position = tuple[int, ...]


@transformation(peak="(0, inf) or None")
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
    places: dict[str, Change] = {
        "coupled": lambda part: _couple(part, regularizer),
        "decoupled": lambda part: _decouple(part, regularizer, "decoupled", None),
        "independent": lambda part: _decouple(part, regularizer, "independent", peak),
        "cautious": lambda part: _decouple(part, regularizer, "cautious", None),
        "proximal": lambda part: proximal(part, regularizer),
        "constant_norm": lambda part: constant_norm(part, _only_l2(regularizer)),
    }
    if not isinstance(how, str) or how not in places:
        raise ValueError(f"regularize: how must be one of {sorted(places)}, got {how!r}.")
    part, place = as_transformation(tx), places[how]
    after_step = how in ("proximal", "constant_norm")
    needs_peak = how == "independent" and peak is None
    new = place(part) if after_step else _enter(part, place, needs_peak)
    return new.named(new.name)


def _enter(tx: GradientTransformation, place: Change, needs_peak: bool = False) -> Any:
    """``place`` applied to a chain or a primitive, inside the wrappers around it."""
    if not isinstance(tx.nature, Wrapper):
        return place(tx)
    if needs_peak and tx.nature.in_force is not None:
        raise ValueError(
            "regularize: independent decay under an injected learning rate needs peak=, the "
            "learning rate to be relative to."
        )
    return map_parts(tx, lambda part: _enter(part, place, needs_peak))


def _only_l2(regularizer: Regularizer) -> Mask:
    others = [term for term in regularizer.terms if not isinstance(term.penalty, SquaredL2)]
    if others:
        raise ValueError(
            f"regularize: constant_norm keeps weights on a sphere, which is a meaning of l2 only, "
            f"not of {others[0]!r}; use proximal."
        )
    return functools.reduce(operator.or_, [term.where for term in regularizer.terms])


def _factor(sizes: Sequence[GradientTransformation], count: ArrayLike) -> Any:
    """What parts that set the size of a step multiply update number ``count`` by."""

    def one(part: GradientTransformation) -> Any:
        assert isinstance(part.nature, Rule)
        if part.nature.factor is None:
            raise ValueError(f"regularize: what {part!r} multiplies by is not known.")
        return part.nature.factor(jax.tree.map(lambda _: count, part.init(())))

    return functools.reduce(operator.mul, map(one, sizes), 1.0)


def _scheduled(sizes: Sequence[GradientTransformation]) -> bool:
    return any(isinstance(part.nature, Rule) and part.nature.count for part in sizes)


def _peak(tx: GradientTransformation, peak: float | None) -> ArrayLike:
    if peak is not None:
        return peak
    sizes = [part for _, part in _primitives(tx) if part.role == "step_size"]
    if _scheduled(sizes):
        raise ValueError(
            "regularize: independent decay under a schedule needs peak=, the schedule's largest "
            "value, to be relative to."
        )
    return abs(_factor(sizes, 0))


def _primitives(
    tx: GradientTransformation, position: Position = ()
) -> Iterator[tuple[Position, GradientTransformation]]:
    """The parts of nested chains in the order in which they run, with their positions."""
    if not isinstance(tx.nature, Chain):
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
    index, *deeper = position
    old = tx.parts[index]
    inside = [_edit(old, tuple(deeper), change)] if deeper else change(old)
    return with_parts(tx, [*tx.parts[:index], *inside, *tx.parts[index + 1 :]])


def _couple(tx: GradientTransformation, regularizer: Regularizer) -> GradientTransformation:
    def couple(part: GradientTransformation) -> GradientTransformation:
        return _couple(part, regularizer)

    for position, part in _primitives(tx):
        if part.roles != {"gradient"}:
            if isinstance(part.nature, Wrapper) and part.nature.holds:
                return _edit(tx, position, lambda gate: [_enter(gate, couple)])
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
    wrapped = [parts[i][0] for i in sizes if parts[i][1].parts]
    if wrapped:

        def decouple(part: GradientTransformation) -> GradientTransformation:
            return _decouple(part, regularizer, how, peak)

        needs_peak = how == "independent" and peak is None
        return _edit(tx, wrapped[-1], lambda part: [_enter(part, decouple, needs_peak)])
    if not sizes:
        raise ValueError(
            f"regularize: {tx.name} has no learning rate to scale a decoupled regulariser by. "
            "Chain it with decoupled(R) yourself, before the learning rate."
        )
    if how == "independent":
        regularizer = regularizer.scaled(1 / _peak(tx, peak))
    moments_end = preconditions[-1] if preconditions else -1
    if all(i < moments_end for i in sizes):
        # A moment follows the learning rate, so R joins after it, scaled by the same rate.
        rate = functools.partial(_factor, [parts[i][1] for i in sizes])
        scheduled = _scheduled([parts[i][1] for i in sizes])
        regularizer = regularizer.scaled(rate if scheduled else rate(0))
    beside = decoupled(regularizer, cautious=how == "cautious")
    resized = [i for i, (_, part) in enumerate(parts) if part.roles & {"step_size", "scaling"}]
    after = [parts[i][0] for i in resized if i > moments_end]
    if not after:
        return chain(tx, beside)
    return _edit(tx, after[0], lambda size: [beside, size])
