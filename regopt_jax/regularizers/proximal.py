r"""Acting after the step: the proximal map, and weights kept on a sphere."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax import _trees, _vectors
from regopt_jax._core import Composition, GradientTransformation, adopt
from regopt_jax._trees import Array, PyTree
from regopt_jax.combine.select import Mask, everything, refuse_strings, resolve_mask
from regopt_jax.regularizers.base import Regularizer, require_regularizer


class ProximalState(NamedTuple):
    """State of :func:`proximal` with a scheduled strength: the step's, and a counter."""

    count: Array  # type: ignore[assignment]
    inner_state: Any


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
    inner = adopt(tx)
    gated = _inside_gate(inner, lambda part: proximal(part, regularizer))
    if gated is not None:
        return gated
    metric_of = inner.metric
    if metric_of is None:
        raise ValueError(
            f"proximal: {_without_metric(inner)} has no metric, so the proximal map after it is "
            "not known. Use a chain of regopt_jax's transformations."
        )

    across = not all(term.penalty.separable for term in regularizer.terms)

    def init(params: PyTree) -> Any:
        regularizer.masks(params)
        state = inner.init(params)
        return ProximalState(jnp.zeros([], jnp.int32), state) if regularizer.scheduled else state

    def inner_state_of(state: Any) -> Any:
        return state.inner_state if regularizer.scheduled else state

    def land(grads: PyTree, state: Any, params: PyTree, extra: dict[str, Any]) -> Any:
        moved, after = _moved("proximal", inner, grads, inner_state_of(state), params, extra)
        now = regularizer.at(state.count) if regularizer.scheduled else regularizer
        target = now.prox(moved, metric_of(after, params))
        if regularizer.scheduled:
            after = ProximalState(optax.safe_increment(state.count), after)
        return target, after

    update, in_place = _landing("proximal", land)

    def rebuild(parts: Sequence[GradientTransformation]) -> GradientTransformation:
        (new,) = parts
        return proximal(new, regularizer)

    return GradientTransformation(
        init,
        update,
        name="proximal",
        role="composite",
        hyperparams={"regularizer": regularizer},
        elementwise=inner.elementwise and not across,
        metric=lambda state, params: metric_of(inner_state_of(state), params),
        in_place=in_place,
        composition=Composition(
            (inner,), (inner.name,), lambda s: (inner_state_of(s),), rebuild, across=across
        ),
    )


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
    refuse_strings("constant_norm", where)
    inner = adopt(tx)
    gated = _inside_gate(inner, lambda part: constant_norm(part, where))
    if gated is not None:
        return gated

    def rescaled(moved: Array, p: Array, kept: bool) -> Array:
        if not kept:
            return moved
        before, after = _vectors.global_norm(p), _vectors.global_norm(moved)
        ratio = jnp.where(after > 0, before / jnp.where(after > 0, after, 1), 1)
        return moved * ratio.astype(moved.dtype)

    def land(grads: PyTree, state: Any, params: PyTree, extra: dict[str, Any]) -> Any:
        moved, state = _moved("constant_norm", inner, grads, state, params, extra)
        mask = jax.tree.broadcast(resolve_mask(where, params), params)
        target = _trees.map_leaves(
            "constant_norm", rescaled, moved, parameters=params, mask=mask, broadcast=("mask",)
        )
        return target, state

    update, in_place = _landing("constant_norm", land)

    def rebuild(parts: Sequence[GradientTransformation]) -> GradientTransformation:
        (new,) = parts
        return constant_norm(new, where)

    def init(params: PyTree) -> Any:
        resolve_mask(where, params)
        return inner.init(params)

    return GradientTransformation(
        init,
        update,
        name="constant_norm",
        role="composite",
        hyperparams={} if where is everything else {"where": where},
        metric=inner.metric,
        in_place=in_place,
        composition=Composition((inner,), (inner.name,), lambda s: (s,), rebuild, across=True),
    )


def _moved(
    name: str,
    inner: GradientTransformation,
    grads: PyTree,
    state: Any,
    params: PyTree,
    extra: dict[str, Any],
) -> tuple[PyTree, Any]:
    """The parameters after the step of ``inner``, ``None`` where it takes none."""
    steps, state = inner.update(grads, state, params, **extra)
    return _trees.map_leaves(name, jnp.add, steps, parameters=params), state


def _landing(name: str, land: Callable[..., tuple[PyTree, Any]]) -> tuple[Callable[..., Any], ...]:
    """``update`` and ``in_place`` from where a step lands.

    ``land(grads, state, params, extra_args) -> (target, state)``.
    """

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, Any]:
        if params is None:
            raise _trees.params_needed(name, updates)
        target, state = land(updates, state, params, extra_args)
        return _trees.map_leaves(name, jnp.subtract, target, parameters=params), state

    def in_place(
        grads: PyTree, state: Any, params: PyTree, **extra_args: Any
    ) -> tuple[PyTree, Any]:
        target, state = land(grads, state, params, extra_args)
        return _vectors.replaced(params, target), state

    return update, in_place


def _inside_gate(
    tx: GradientTransformation,
    place: Callable[[GradientTransformation], GradientTransformation],
) -> GradientTransformation | None:
    """``place`` applied inside the gate that ends ``tx``, if one does.

    A gate may hold a step back, and with it whatever belongs to the step.
    """
    if tx.composition is None or not tx.parts:
        return None
    if tx.composition.gate:
        return tx.composition.map(place)
    *before, last = tx.parts
    if tx.composition.sequential and all(part.role == "gradient" for part in before):
        ended = _inside_gate(last, place)
        return None if ended is None else tx.composition.rebuild([*before, ended])
    return None


def _without_metric(tx: GradientTransformation) -> str:
    inside = [_without_metric(part) for part in tx.parts if part.metric is None]
    return inside[0] if inside else tx.name
