r"""Where a regulariser acts.

======================== ============================================ ==================
``penalize(loss, R)``    :math:`L(W) + R(W)`                          in the loss
``coupled(R)``           :math:`g + ∇R(W)` before anything adaptive   L2 in Adam
``decoupled(R)``         :math:`u + ∇R(W)` before the learning rate   AdamW
``proximal(tx, R)``      :math:`\operatorname{prox}^D_R(W + u) - W`   ISTA, ProxGen
======================== ============================================ ==================
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax import _trees
from regopt_jax._core import Composition, GradientTransformation, adopt
from regopt_jax._hyperparams import ScalarOrSchedule
from regopt_jax._states import WeightDecaySchedule
from regopt_jax._trees import Array, PyTree
from regopt_jax.combine.masked import masked
from regopt_jax.combine.select import Mask
from regopt_jax.regularizers.base import Regularizer
from regopt_jax.regularizers.norms import l2


def penalize(
    loss_fn: Callable[..., Any], regularizer: Regularizer, has_aux: bool = False
) -> Callable[..., Any]:
    r"""The loss plus the regulariser, :math:`L(W) + R(W)`.

    Args:
      loss_fn: ``loss_fn(params, *args) -> loss``, or ``(loss, aux)`` with ``has_aux``.
      regularizer: R, without schedules: a loss does not know the step.
      has_aux: whether the loss returns a pair.

    Raises:
      ValueError: R has a scheduled strength.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> float(penalize(lambda w: jnp.sum(w), ro.l2(1.0))(jnp.array([1.0, 2.0])))
    5.5
    """
    if regularizer.scheduled:
        raise ValueError(
            f"penalize: {regularizer!r} has a scheduled strength, but a loss does not know the "
            "step. Use R.at(step) in the loss, or coupled(R), which counts."
        )

    def penalized(params: PyTree, *args: Any, **kwargs: Any) -> Any:
        out = loss_fn(params, *args, **kwargs)
        loss, *aux = out if has_aux else (out,)
        with jax.numpy_dtype_promotion("standard"):
            total = loss + regularizer.value(params).astype(jnp.asarray(loss).dtype)
        return (total, *aux) if has_aux else total

    return penalized


def coupled(regularizer: Regularizer) -> GradientTransformation:
    r"""Add the regulariser's gradient to the loss's, :math:`g + ∇R(W)`.

    It belongs before moments, which it then shapes: L2 in Adam, not AdamW.

    Args:
      regularizer: R; a subgradient stands in where R is not smooth.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, w = ro.coupled(ro.l2(0.5)), jnp.array(2.0)
    >>> float(tx.update(jnp.array(1.0), tx.init(w), w)[0])
    2.0
    """
    return _add_gradient("coupled", regularizer)


def decoupled(regularizer: Regularizer) -> GradientTransformation:
    r"""Add the regulariser's gradient to the step's direction, :math:`u + ∇R(W)`.

    It belongs after moments and before the learning rate, which scales it: AdamW.

    Args:
      regularizer: R; a subgradient stands in where R is not smooth.

    Loshchilov & Hutter, *Decoupled weight decay regularization*, arXiv 1711.05101.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, w = ro.decoupled(ro.l2(0.5)), jnp.array(2.0)
    >>> float(tx.update(jnp.array(1.0), tx.init(w), w)[0])
    2.0
    """
    return _add_gradient("decoupled", regularizer)


def add_decayed_weights(
    weight_decay: ScalarOrSchedule = 0.0, mask: Mask | None = None
) -> GradientTransformation:
    r"""Add a multiple of the weights, :math:`u + λW`: ``decoupled(l2(weight_decay))``.

    Args:
      weight_decay: λ, a scalar or a schedule.
      mask: which leaves to decay; as in :func:`masked`.

    >>> import jax.numpy as jnp
    >>> tx, w = add_decayed_weights(0.5), jnp.array(2.0)
    >>> float(tx.update(jnp.array(1.0), tx.init(w), w)[0])
    2.0
    """
    tx = decoupled(l2(weight_decay)).named("add_decayed_weights", weight_decay=weight_decay)
    return tx if mask is None else masked(tx, mask)


def _add_gradient(name: str, regularizer: Regularizer) -> GradientTransformation:
    def init(params: PyTree) -> Any:
        _trees.check_inexact(name, params)
        counter = WeightDecaySchedule(jnp.zeros([], jnp.int32))
        return counter if regularizer.scheduled else optax.EmptyState()

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, Any]:
        if params is None:
            raise _trees.params_needed(name, updates)
        now = regularizer.at(state.count) if regularizer.scheduled else regularizer
        leaves, treedef = _trees.flatten(updates)
        ps = _trees.align(name, "parameters", params, updates, treedef)
        _trees.check_shapes(name, "parameter", updates, leaves, ps)
        grads = _trees.align(name, "parameters", now.grad(params), updates, treedef)
        with jax.numpy_dtype_promotion("standard"):
            summed = [None if u is None else u + g for u, g in zip(leaves, grads, strict=True)]
        if regularizer.scheduled:
            state = WeightDecaySchedule(optax.safe_increment(state.count))
        return treedef.unflatten(summed), state

    return GradientTransformation(
        init,
        update,
        name=name,
        role="regularizer",
        hyperparams={"regularizer": regularizer},
        elementwise=True,
        metric=lambda state, params: jax.tree.map(lambda _: 1.0, params),
    )


class ProximalState(NamedTuple):
    """State of :func:`proximal` with a scheduled strength: the step's, and a counter."""

    count: Array  # type: ignore[assignment]
    inner_state: Any


def proximal(tx: optax.GradientTransformation, regularizer: Regularizer) -> GradientTransformation:
    r"""Take the step, then the proximal map in the metric of the step.

    .. math:: u' = \operatorname{prox}^D_R(W + u) - W

    With D the diagonal that the step divided by, so :math:`1/α` for SGD (ISTA) and
    :math:`(\sqrt{\hat r} + ε)/α` for Adam. A weight that the map sets to zero is
    exactly zero after ``apply_updates``. The state is that of ``tx``, or a
    :class:`ProximalState` around it where a strength of R is a schedule.

    Args:
      tx: a chain whose parts all have a metric; accumulation and skipping may wrap it.
      regularizer: R, whose proximal map must be known.

    Raises:
      ValueError: a part of ``tx`` has no metric; names it.

    Yun, Lozano & Yang, *ProxGen*, arXiv 2007.07484; Melchior et al., arXiv 1910.10094.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, w = ro.proximal(ro.sgd(0.1), ro.l1(1.0)), jnp.array([1.0, 0.05])
    >>> updates, _ = tx.update(jnp.zeros(2), tx.init(w), w)
    >>> ro.apply_updates(w, updates).tolist()
    [0.8999999761581421, 0.0]
    """
    inner = adopt(tx)
    gated = _inside_gate(inner, lambda part: proximal(part, regularizer))
    if gated is not None:
        return gated
    metric_of = inner.metric
    if metric_of is None:
        raise ValueError(
            f"proximal: {_without_metric(inner)} has no metric, so the proximal map of "
            f"{inner.name} is not known. Use a chain of regopt_jax's transformations."
        )

    def init(params: PyTree) -> Any:
        state = inner.init(params)
        return ProximalState(jnp.zeros([], jnp.int32), state) if regularizer.scheduled else state

    def inner_state_of(state: Any) -> Any:
        return state.inner_state if regularizer.scheduled else state

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, Any]:
        if params is None:
            raise _trees.params_needed("proximal", updates)
        steps, after = inner.update(updates, inner_state_of(state), params, **extra_args)
        now = regularizer.at(state.count) if regularizer.scheduled else regularizer
        with jax.numpy_dtype_promotion("standard"):
            target = now.prox(jax.tree.map(jnp.add, params, steps), metric_of(after, params))
            moves = jax.tree.map(jnp.subtract, target, params)
        if regularizer.scheduled:
            after = ProximalState(optax.safe_increment(state.count), after)
        return moves, after

    def rebuild(parts: Sequence[GradientTransformation]) -> GradientTransformation:
        (new,) = parts
        return proximal(new, regularizer)

    return GradientTransformation(
        init,
        update,
        name="proximal",
        role="composite",
        hyperparams={"regularizer": regularizer},
        elementwise=inner.elementwise,
        metric=lambda state, params: metric_of(inner_state_of(state), params),
        composition=Composition((inner,), (inner.name,), lambda s: (inner_state_of(s),), rebuild),
    )


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
        return tx.composition.rebuild([place(part) for part in tx.parts])
    *before, last = tx.parts
    if tx.composition.sequential and all(part.role == "gradient" for part in before):
        ended = _inside_gate(last, place)
        return None if ended is None else tx.composition.rebuild([*before, ended])
    return None


def _without_metric(tx: GradientTransformation) -> str:
    inside = [_without_metric(part) for part in tx.parts if part.metric is None]
    return inside[0] if inside else tx.name
