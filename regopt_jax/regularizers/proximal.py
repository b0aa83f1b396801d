r"""Acting after the step: the proximal map, and weights kept on a sphere."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import (
    Array,
    PyTree,
    arithmetic,
    as_transformation,
    matching,
    transformation,
    trees,
    wrap,
)
from regopt_jax._core.derived import holds_back
from regopt_jax._core.magnitudes import norm, scaled
from regopt_jax._core.modes import Mode
from regopt_jax._core.nature import SAME, Chain, Change, Rule, fields
from regopt_jax._core.protocol import GradientTransformation
from regopt_jax._core.wrap import map_parts, with_parts
from regopt_jax.combine import chain, masked
from regopt_jax.combine.choices import Mask, assigned, refuse_strings
from regopt_jax.combine.select import everything
from regopt_jax.regularizers.base import Regularizer, require_regularizer
from regopt_jax.transforms.identity import identity


class ProximalState(NamedTuple):
    """State of :func:`proximal` with a scheduled strength: the step's, and a counter."""

    count: Array  # type: ignore[assignment]
    inner_state: Any


@transformation()
def proximal(tx: optax.GradientTransformation, regularizer: Regularizer) -> GradientTransformation:
    r"""Take the step, then the proximal map in the metric of the step.

    .. math:: u' = \operatorname{prox}^D_R(W + u) - W

    With D the diagonal that the step divided by, so :math:`1/α` for SGD (ISTA) and
    :math:`(\sqrt{\hat r} + ε)/α` for Adam. Steps of signs (Lion, sign descent, Rprop) are not the
    gradient over a metric: R then weighs against the mean sign of the gradients, in [-1, 1], so
    l1(λ < 1) leaves weights whose gradient keeps its sign. A weight that the map sets to zero is
    exactly zero after ``apply_updates``. The state is that of ``tx``, or a
    :class:`ProximalState` around it where a strength of R is a schedule.

    Args:
      tx: a chain whose parts all have a metric; accumulation and skipping may wrap it.
      regularizer: R, whose proximal map must be known.

    Raises:
      TypeError: ``regularizer`` is none.
      ValueError: a part of ``tx`` has no metric; names it. (From ``init``) a selector of R
        matches no leaf.

    Yun, Lozano & Yang, *ProxGen*, arXiv 2007.07484; Melchior et al., arXiv 1910.10094.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, w = ro.proximal(ro.sgd(0.1), ro.l1(1.0)), jnp.array([1.0, 0.05])
    >>> updates, _ = tx.update(jnp.zeros(2), tx.init(w), w)
    >>> ro.apply_updates(w, updates).tolist()
    [0.8999999761581421, 0.0]
    """
    require_regularizer("proximal", regularizer)
    inner = as_transformation(tx)
    gated = _inside_gate(inner, lambda part: proximal(part, regularizer))
    if gated is not None:
        return gated.named(gated.name)
    metric_of = inner.metric
    if metric_of is None:
        raise ValueError(
            f"proximal: {_without_metric(inner)} has no metric, so the proximal map after it is "
            "not known. Use a chain of regopt_jax's transformations."
        )

    def init(params: PyTree) -> Any:
        regularizer.masks(params)
        state = inner.init(params)
        return ProximalState(jnp.zeros([], jnp.int32), state) if regularizer.scheduled else state

    def inner_state_of(state: Any) -> Any:
        return state.inner_state if regularizer.scheduled else state

    def run(mode: Mode, updates: PyTree, state: Any, params: Any, extra: Any) -> tuple[Any, Any]:
        own = state.inner_state if regularizer.scheduled else state
        moved, after = _moved("proximal", inner, updates, own, params, extra)
        now = regularizer.at(state.count) if regularizer.scheduled else regularizer
        out = mode.reach("proximal", now.prox(moved, metric_of(after, params)), params)
        if regularizer.scheduled:
            after = ProximalState(optax.safe_increment(state.count), after)
        return out, after

    return wrap(
        inner,
        init=init,
        run=run,
        lens=fields("inner_state") if regularizer.scheduled else SAME,
        mixes=not all(term.penalty.separable for term in regularizer.terms),
        metric="inner",
        masks=regularizer.masks,
        count=(lambda state: state.count) if regularizer.scheduled else None,
    )


@transformation()
def constant_norm(
    tx: optax.GradientTransformation, where: Mask = everything
) -> GradientTransformation:
    r"""Take the step, then scale each array back to the norm it had.

    .. math:: W ← \lVert W\rVert \frac{W + u}{\lVert W + u\rVert}

    What weight decay does to weights that a normalisation follows, in equilibrium.

    Args:
      tx: the transformation that steps.
      where: which arrays keep their norm; as the mask of :func:`masked`.

    Raises:
      ValueError: ``where`` holds strings; (from ``init``) a selector matches no leaf.

    Kosson, Messmer & Jaggi, *Rotational equilibrium*, arXiv 2305.17212.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, w = ro.constant_norm(ro.sgd(1.0)), jnp.array([1.0, 0.0])
    >>> updates, _ = tx.update(jnp.array([1.0, -2.0]), tx.init(w), w)
    >>> ro.apply_updates(w, updates).tolist()
    [0.0, 1.0]
    """
    if not callable(where):
        refuse_strings("constant_norm", where)
    inner = as_transformation(tx)
    gated = _inside_gate(inner, lambda part: constant_norm(part, where))
    if gated is not None:
        return gated.named(gated.name)

    def rescaled(moved: Array, p: Array, kept: bool) -> Array:
        if not kept:
            return moved
        before, size = scaled(arithmetic.at_least_float32(p))
        after, _ = scaled(arithmetic.at_least_float32(moved))
        length = norm(after)
        unit = after / jnp.where(length > 0, length, 1)
        back = unit * norm(before).astype(length.dtype) * size.astype(length.dtype)
        return jnp.where(length > 0, back.astype(moved.dtype), moved)

    def masks(params: PyTree) -> list[list[Any]]:
        each, below, _ = assigned("constant_norm", "mask", where, params)
        leaves = [trees.flatten(subtree)[0] for subtree in below]
        return [[keep for keep, own in zip(each, leaves, strict=True) for _ in own]]

    def init(params: PyTree) -> Any:
        masks(params)
        return inner.init(params)

    def run(mode: Mode, updates: PyTree, state: Any, params: Any, extra: Any) -> tuple[Any, Any]:
        name = "constant_norm"
        moved, state = _moved(name, inner, updates, state, params, extra)
        kept = trees.flatten(params)[1].unflatten(*masks(params))
        target = matching.map_leaves(
            name, rescaled, moved, parameters=params, mask=kept, broadcast=("mask",)
        )
        return mode.reach(name, target, params), state

    return wrap(inner, init=init, run=run, mixes=True, metric="inner", masks=masks)


def _moved(
    name: str,
    inner: GradientTransformation,
    grads: PyTree,
    state: Any,
    params: PyTree | None,
    extra: Any,
) -> tuple[PyTree, Any]:
    """The parameters after the step of ``inner``, ``None`` where it takes none."""
    if params is None:
        raise matching.params_needed(name, grads)
    steps, state = inner.update(grads, state, params, **extra)
    return matching.map_leaves(name, jnp.add, steps, parameters=params), state


def _inside_gate(tx: GradientTransformation, place: Change) -> GradientTransformation | None:
    """``place`` applied inside the gates that end ``tx``, if some do.

    A gate may hold a step back, and with it whatever belongs to the step. Where a mask or
    labels select what a gate steps, the other leaves get a place of their own.
    """
    nature = tx.nature
    if isinstance(nature, Rule) or not holds_back(nature):
        return None
    if isinstance(nature, Chain):
        *before, last = tx.parts
        ended = _inside_gate(last, place) if _filter(before) else None
        return None if ended is None else with_parts(tx, [*before, ended])
    if nature.holds or nature.edit is not None:
        return map_parts(tx, place)
    if not nature.selects:
        return None
    inside = map_parts(tx, place)
    if len(tx.parts) > 1:
        return inside

    def others(tree: PyTree) -> PyTree:
        assert nature.sees is not None
        hidden = trees.overlaid(jax.tree.map(lambda _: False, tree), *nature.sees(tree))
        return jax.tree.map(lambda x: x is False, hidden)

    return chain(inside, masked(place(identity()), others))


def _filter(parts: Sequence[GradientTransformation]) -> bool:
    """Whether parts change the gradient only, which a gate after them then accumulates."""
    return all(part.roles <= {"gradient"} for part in parts)


def _without_metric(tx: GradientTransformation) -> str:
    inside = [_without_metric(part) for part in tx.parts if part.metric is None]
    return inside[0] if inside else tx.name
